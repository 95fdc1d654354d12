//! The sessions, keys and links that the cases use, and what a call can leave behind.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use switchboard_e2e::World;
use switchboard_harness::http::client;
use switchboard_harness::stack::NewSession;
use switchboard_harness::wait;

/// The number of the paired session.
pub(crate) const OWN: &str = "15550117001";
/// A number that exists.
pub(crate) const PEER: &str = "15550117002";
/// The largest body this installation takes.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;
/// One more character than a message may have. Source: what WhatsApp's clients let people type.
pub(crate) const TEXT_LEN_TOO_LONG: usize = 65_537;
/// How long a start may wait for a QR code.
const START_WAIT_SECS: u64 = 20;
/// A file that is no picture.
const WORDS: &[u8] = b"only words, whatever they are called";

/// What the cases use.
pub(crate) struct Facts {
    http: Client,
    url: String,
    /// Linked and connected.
    pub(crate) paired: NewSession,
    /// Started, waits for its code to be scanned.
    pub(crate) fresh: NewSession,
    /// The token of a session that was removed.
    pub(crate) gone: NewSession,
    /// The node that runs the paired session.
    pub(crate) owner: String,
    /// The key of the tenant of all of them.
    pub(crate) tenant_key: String,
    /// The key of another tenant.
    pub(crate) other_key: String,
    pub(crate) admin_key: String,
    /// A link to a text that calls itself a picture.
    pub(crate) words: String,
    /// A link to nobody.
    pub(crate) dead: String,
}

/// What calls can change.
#[derive(Debug, PartialEq)]
pub(crate) struct Effects {
    /// Sessions there are.
    sessions: Vec<String>,
    tenants: Vec<String>,
    /// Texts in the log of the paired session.
    messages: Vec<Value>,
    /// Messages that each device has sent, as WhatsApp saw it.
    pub(crate) sent: BTreeMap<String, u64>,
    /// Webhooks of the sessions.
    webhooks: Vec<Value>,
}

impl Facts {
    /// Makes the sessions.
    pub(crate) async fn collect(world: &World) -> Result<Self> {
        let stack = &world.stack;
        let paired = stack.create_session("paired").await?;
        let fresh = stack.create_session("fresh").await?;
        let gone = stack.create_session("gone").await?;
        let other = stack.admin_post("tenants", &json!({"id": "other"})).await?;
        // A port that was free a moment ago and that nobody listens on now.
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut facts = Self {
            http: client(),
            url: stack.url.clone(),
            paired,
            fresh,
            gone,
            owner: String::new(),
            tenant_key: stack.tenant_key.clone(),
            other_key: other["key"].as_str().context("no key")?.to_owned(),
            admin_key: stack.admin_key().to_owned(),
            words: world.receiver.serve_file("words.png", WORDS.into()),
            dead: format!("http://{free}/a.png"),
        };
        let gone = facts.call(Method::DELETE, "/admin/v1/sessions/gone");
        gone.bearer_auth(&facts.admin_key)
            .send()
            .await?
            .error_for_status()?;
        world.simulator.add_phone(PEER).await?;
        facts.link(world, "paired", OWN).await?;
        let paired = stack.session("paired").await?;
        facts.owner = paired["owner"].as_str().context("no owner")?.to_owned();
        stack
            .admin_post("sessions/fresh/start", &json!({"wait": START_WAIT_SECS}))
            .await?;
        Ok(facts)
    }

    /// Links a session to the phone of that number.
    pub(crate) async fn link(&self, world: &World, id: &str, number: &str) -> Result<()> {
        let start = json!({"wait": START_WAIT_SECS});
        let status = world
            .stack
            .admin_post(&format!("sessions/{id}/start"), &start)
            .await?;
        let code = status.pointer("/challenge/text").and_then(Value::as_str);
        world
            .simulator
            .scan(code.with_context(|| format!("no code: {status}"))?, number)
            .await?;
        self.reaches(world, id, "connected").await
    }

    /// Waits until a session is in that state.
    pub(crate) async fn reaches(&self, world: &World, id: &str, state: &str) -> Result<()> {
        wait::until(state, async || {
            let session = world
                .stack
                .session(id)
                .await
                .map_err(|e| format!("{e:#}"))?;
            if session["state"] == state {
                Ok(())
            } else {
                Err(session.to_string())
            }
        })
        .await
    }

    /// What there is now.
    pub(crate) async fn effects(&self, world: &World) -> Result<Effects> {
        let names = |answer: Value, list: &str| {
            let all = answer[list].as_array().cloned().unwrap_or_default();
            all.iter()
                .map(|item| item["id"].to_string())
                .collect::<Vec<_>>()
        };
        let journal = world.simulator.journal().await?;
        let devices = journal["devices"]
            .as_array()
            .context("no devices in the journal")?;
        let sent = devices.iter().map(|device| {
            let count = device.pointer("/in/message/count").and_then(Value::as_u64);
            (device["device"].to_string(), count.unwrap_or(0))
        });
        let mut webhooks = Vec::new();
        for id in [&self.paired.id, &self.fresh.id] {
            webhooks.push(
                world
                    .stack
                    .admin_get(&format!("sessions/{id}/webhooks"))
                    .await?,
            );
        }
        Ok(Effects {
            sessions: names(world.stack.admin_get("sessions").await?, "sessions"),
            tenants: names(world.stack.admin_get("tenants").await?, "tenants"),
            messages: self.listed().await?,
            sent: sent.filter(|(_, count)| *count > 0).collect(),
            webhooks,
        })
    }

    /// The log of the paired session.
    pub(crate) async fn listed(&self) -> Result<Vec<Value>> {
        let request = self.get("/messages/list").bearer_auth(&self.paired.token);
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        answer["messages"]
            .as_array()
            .cloned()
            .context("no messages in the answer")
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.call(Method::POST, path)
    }
}

/// A text that is too long for a message and not too large for a body.
pub(crate) fn long_text() -> String {
    "a".repeat(TEXT_LEN_TOO_LONG)
}

/// A JSON body that is too large.
pub(crate) fn large_body() -> Value {
    json!({"filler": "a".repeat(BODY_BYTES_MAX)})
}

/// Words in base64.
pub(crate) fn words_base64() -> &'static str {
    "b25seSB3b3JkcywgbWFkZSBmb3IgYSB0ZXN0"
}

/// Numbers that are none: letters, too short, too long, letters among digits.
pub(crate) const BAD_PHONES: [&str; 4] = ["abc", "12", "49151123456789012345", "49151x2345678"];

/// A body that is no JSON.
pub(crate) fn broken(request: RequestBuilder) -> RequestBuilder {
    request
        .header("content-type", "application/json")
        .body("{\"to\": \"1555")
}
