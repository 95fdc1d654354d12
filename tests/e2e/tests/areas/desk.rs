//! A customer's desk: one session behind `switchboard up`, its webhook, and the phones of everybody.

use std::path::Path;

use anyhow::{Context, Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use switchboard_harness::drivers;
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::{NewSession, Stack};
use switchboard_harness::webhook::Receiver;
use tempfile::TempDir;

/// The account of the session.
pub(crate) const OWN: &str = "15550122001";
/// The partner, with nothing but a phone.
pub(crate) const PEER: &str = "15550122002";
/// The name of the session and of its hook.
const NAME: &str = "desk";

/// Everything of one scenario.
pub(crate) struct Desk {
    pub(crate) simulator: Simulator,
    pub(crate) receiver: Receiver,
    stack: Stack,
    session: NewSession,
    http: reqwest::Client,
    _folder: TempDir,
}

impl Desk {
    /// Starts everything and pairs the session.
    pub(crate) async fn start(seed: u64) -> Result<Self> {
        let desk = Self::unpaired(seed).await?;
        desk.pair().await?;
        Ok(desk)
    }

    /// Starts everything; the session is not linked yet.
    pub(crate) async fn unpaired(seed: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let simulator = Simulator::start(folder.path(), seed).await?;
        let receiver = Receiver::start().await?;
        let stack = Stack::up(&simulator, None).await?;
        let session = stack.create_session(NAME).await?;
        simulator.add_phone(OWN).await?;
        simulator.add_phone(PEER).await?;
        Ok(Self {
            simulator,
            receiver,
            stack,
            session,
            http: switchboard_harness::http::client(),
            _folder: folder,
        })
    }

    /// Links the session and sets a webhook for everything.
    pub(crate) async fn pair(&self) -> Result<()> {
        let driver = drivers::whapi(&self.stack, &self.session);
        drivers::pair(driver.as_ref(), &self.simulator, OWN).await?;
        let events = self.get("/settings/events").await?;
        let hook = json!({"url": self.receiver.hook(NAME), "mode": "body", "events": events});
        self.call(Method::PATCH, "/settings", json!({"webhooks": [hook]}))
            .await
            .map(drop)
    }

    /// The session as the operator sees it.
    pub(crate) async fn status(&self) -> Result<Value> {
        self.stack.session(NAME).await
    }

    /// The installation's own disk.
    pub(crate) fn disk(&self) -> &Path {
        self.stack.folder()
    }

    /// A call that must succeed.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let what = format!("{method} {path}");
        let (status, answer) = self.raw(method, path, body).await?;
        if !status.is_success() {
            bail!("{what} answered {status}: {answer}");
        }
        Ok(answer)
    }

    /// A call and what it answers.
    pub(crate) async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<(StatusCode, Value)> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.stack.url))
            .bearer_auth(&self.session.token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        ))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.call(Method::POST, path, body).await
    }

    /// Sends something to the partner; the message's id in that system's form.
    pub(crate) async fn send(&self, kind: &str, mut body: Value) -> Result<String> {
        if let Some(fields) = body.as_object_mut() {
            fields.entry("to").or_insert(json!(PEER));
        }
        let answer = self.post(&format!("/messages/{kind}"), body).await?;
        id_of(&answer["message"]).with_context(|| format!("send {kind}: {answer}"))
    }

    /// Waits for something on the partner's phone.
    pub(crate) async fn peer_sees(
        &self,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.simulator.inbox_has(PEER, what, fits).await
    }

    /// Waits for a payload of the webhook.
    pub(crate) async fn told(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let call = self
            .receiver
            .got(NAME, what, |call| fits(&call.json()))
            .await?;
        Ok(call.json())
    }

    /// A call to the simulator's admin API.
    pub(crate) async fn phone(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let url = format!("{}/admin/phones/{path}", self.simulator.url);
        let mut request = self.http.request(method, url);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("the phone {path} answered {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Waits until the account's own phone shows something of its state.
    pub(crate) async fn own_phone_shows(
        &self,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        switchboard_harness::wait::until(what, async || {
            let state = self
                .phone(Method::GET, &format!("{OWN}/state"), Value::Null)
                .await;
            match state {
                Ok(state) if fits(&state) => Ok(state),
                Ok(state) => Err(state.to_string()),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
    }

    /// Waits until a call answers something.
    pub(crate) async fn shows(
        &self,
        path: &str,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        switchboard_harness::wait::until(what, async || {
            match self.raw(Method::GET, path, Value::Null).await {
                Ok((status, answer)) if status.is_success() && fits(&answer) => Ok(answer),
                Ok((status, answer)) => Err(format!("{status}: {answer}")),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
    }

    /// Adds what every process said to an error.
    pub(crate) fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.with_context(|| {
            let simulator = self.simulator.program.output();
            format!("the processes said:\n{}{simulator}", self.stack.output())
        })
    }
}

/// The id of a message.
pub(crate) fn id_of(message: &Value) -> Result<String> {
    let id = message["id"].as_str();
    id.map(str::to_owned)
        .with_context(|| format!("no id: {message}"))
}

/// The address of the partner's chat in that system's form.
pub(crate) fn peer_chat() -> String {
    format!("{PEER}@s.whatsapp.net")
}
