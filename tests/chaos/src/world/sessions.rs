//! The customer's side: sessions, their phones and peers, and the calls of the public API about them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use futures::TryStreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};
use switchboard_harness::simulator::Simulator;
use switchboard_harness::wait;

use super::ADMIN_KEY;
use crate::lab::HUB;
use crate::ledger::{self, Ledger};

/// Pairings under way at once: each costs some 100 ms of processor time on either side.
const PAIRINGS_AT_ONCE: usize = 4;
/// The longest a call to a router may take; the traffic's own limit.
pub const CALL_MAX: Duration = Duration::from_secs(4);
/// Numbers of the sessions and of those they talk to.
const FIRST_NUMBER: u64 = 15_551_000_000;
const FIRST_PEER: u64 = 15_552_000_000;
/// Questions about one pairing before it counts as failed.
const QUESTIONS_MAX: usize = 60;
/// Messages asked for when a conversation is listed.
const LISTED_MAX: u32 = 500;

/// A session and the two phones: its own and its peer's.
#[derive(Debug, Clone)]
pub struct Line {
    /// The session's id.
    pub session: String,
    /// The number it is linked to.
    pub number: String,
    /// The number it talks with.
    pub peer: String,
}

/// What a customer has: addresses, a key, sessions, and a receiver of webhooks.
#[derive(Debug)]
pub struct Office {
    http: reqwest::Client,
    routers: Vec<String>,
    next: AtomicUsize,
    tenant_key: OnceLock<String>,
    lines: Mutex<Vec<Line>>,
    /// What was promised and what arrived.
    pub ledger: Arc<Ledger>,
    hook: String,
    receiver: tokio::task::JoinHandle<()>,
}

impl Drop for Office {
    fn drop(&mut self) {
        self.receiver.abort();
    }
}

impl Office {
    /// Opens the receiver of webhooks.
    pub(super) async fn open(routers: Vec<String>) -> Result<Self> {
        let ledger = Arc::new(Ledger::default());
        let app: Router = ledger::receiver(Arc::clone(&ledger));
        let listener = tokio::net::TcpListener::bind((HUB, 0))
            .await
            .context("bind the receiver")?;
        let hook = format!("http://{}/hook", listener.local_addr()?);
        let receiver = tokio::task::spawn(async move {
            // Ends with the abort in drop; an error would show as calls that never come.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self {
            http: switchboard_harness::http::client(),
            routers,
            next: AtomicUsize::new(0),
            tenant_key: OnceLock::new(),
            lines: Mutex::default(),
            ledger,
            hook,
            receiver,
        })
    }

    /// Waits for the routers and takes the tenant's key.
    pub(super) async fn ready(&self) -> Result<()> {
        for router in &self.routers {
            wait::until("a router's /readyz", async || {
                let answer = self
                    .http
                    .get(format!("{router}/readyz"))
                    .timeout(CALL_MAX)
                    .send()
                    .await;
                match answer {
                    Ok(answer) if answer.status().is_success() => Ok(()),
                    Ok(answer) => Err(answer.status().to_string()),
                    Err(error) => Err(error.to_string()),
                }
            })
            .await?;
        }
        let answer = self
            .admin_post("tenants", &json!({"id": "default"}))
            .await?;
        let key = answer["key"].as_str().context("no tenant key")?;
        self.tenant_key.get_or_init(|| key.to_owned());
        Ok(())
    }

    fn tenant_key(&self) -> &str {
        self.tenant_key.get().map_or("", String::as_str)
    }

    /// The sessions.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A router's address; each time the next one.
    fn router(&self) -> &str {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.routers.len().max(1);
        self.routers.get(at).map_or("", String::as_str)
    }

    /// GET on the admin API.
    ///
    /// # Errors
    /// When it does not answer with success.
    pub async fn admin_get(&self, path: &str) -> Result<Value> {
        self.admin_get_at(self.router(), path).await
    }

    /// GET on the admin API of that router.
    ///
    /// # Errors
    /// When it does not answer with success.
    pub async fn admin_get_at(&self, router: &str, path: &str) -> Result<Value> {
        let url = format!("{router}/admin/v1/{path}");
        let request = self
            .http
            .get(url)
            .timeout(CALL_MAX * 4)
            .bearer_auth(ADMIN_KEY);
        ok(request).await.with_context(|| format!("GET {path}"))
    }

    /// POST on the admin API.
    ///
    /// # Errors
    /// When it does not answer with success.
    pub async fn admin_post(&self, path: &str, body: &Value) -> Result<Value> {
        self.admin_post_at(self.router(), path, body).await
    }

    async fn admin_post_at(&self, router: &str, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{router}/admin/v1/{path}");
        let request = self
            .http
            .post(url)
            .timeout(CALL_MAX * 4)
            .bearer_auth(ADMIN_KEY)
            .json(body);
        ok(request).await.with_context(|| format!("POST {path}"))
    }

    /// Pairs that many further sessions, each with a phone and a peer of its own.
    ///
    /// # Errors
    /// When one does not get connected.
    pub async fn pair(&self, simulator: &Simulator, count: usize) -> Result<()> {
        let first = self.lines().len();
        let new = (first..first + count).map(|at| Line {
            session: format!("s{at}"),
            number: (FIRST_NUMBER + at as u64).to_string(),
            peer: (FIRST_PEER + at as u64).to_string(),
        });
        let new: Vec<_> = new.collect();
        let work = futures::stream::iter(new.iter().map(Ok));
        work.try_for_each_concurrent(PAIRINGS_AT_ONCE, |line| self.pair_one(simulator, line))
            .await?;
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(new);
        Ok(())
    }

    async fn pair_one(&self, simulator: &Simulator, line: &Line) -> Result<()> {
        simulator.add_phone(&line.peer).await?;
        let id = &line.session;
        // One router has created it; another one hears of it a moment later.
        let router = self.router();
        let create = json!({"id": id});
        self.admin_post_at(router, "sessions", &create).await?;
        let mut scanned = false;
        let mut shown = String::new();
        for _ in 0..QUESTIONS_MAX {
            let path = format!("sessions/{id}/pairing?wait=10{shown}");
            let answer = self.admin_get_at(router, &path).await?;
            let status = &answer["status"];
            if status["state"] == "connected" {
                return self.hook_up(id).await;
            }
            if let (false, Some(qr)) = (scanned, status["challenge"]["text"].as_str()) {
                simulator.scan(qr, &line.number).await?;
                scanned = true;
                let qr: String = qr.bytes().map(|b| format!("%{b:02X}")).collect();
                shown = format!("&shown={qr}");
            }
        }
        bail!("{id} did not connect")
    }

    async fn hook_up(&self, id: &str) -> Result<()> {
        let hook = format!("{}/{id}", self.hook);
        let body = json!({"webhooks": [{"dialect": "wwebjs", "url": hook}]});
        let url = format!("{}/admin/v1/sessions/{id}/webhooks", self.router());
        let request = self
            .http
            .put(url)
            .timeout(CALL_MAX)
            .bearer_auth(ADMIN_KEY)
            .json(&body);
        ok(request)
            .await
            .with_context(|| format!("set the webhook of {id}"))
            .map(drop)
    }

    /// Sends a text through the public API; status and body, or what went wrong on the way.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send(&self, line: &Line, text: &str) -> Result<(StatusCode, String), String> {
        self.send_within(CALL_MAX, line, text).await
    }

    /// The same with another patience.
    ///
    /// # Errors
    /// When no answer came in that time.
    pub async fn send_within(
        &self,
        limit: Duration,
        line: &Line,
        text: &str,
    ) -> Result<(StatusCode, String), String> {
        self.send_at(self.router(), limit, line, text).await
    }

    /// The same through that router.
    ///
    /// # Errors
    /// When no answer came in that time.
    pub async fn send_at(
        &self,
        router: &str,
        limit: Duration,
        line: &Line,
        text: &str,
    ) -> Result<(StatusCode, String), String> {
        let url = format!("{router}/client/sendMessage/{}", line.session);
        let body = json!({"chatId": format!("{}@c.us", line.peer), "contentType": "string", "content": text});
        let request = self
            .http
            .post(url)
            .timeout(limit)
            .header("x-api-key", self.tenant_key())
            .json(&body);
        let answer = request.send().await.map_err(|e| format!("{e:?}"))?;
        let status = answer.status();
        Ok((status, answer.text().await.unwrap_or_default()))
    }

    /// The texts of a session's conversation with its peer.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn listed(&self, line: &Line) -> Result<Vec<String>> {
        let url = format!("{}/chat/fetchMessages/{}", self.router(), line.session);
        let body = json!({"chatId": format!("{}@c.us", line.peer), "searchOptions": {"limit": LISTED_MAX}});
        let request = self
            .http
            .post(url)
            .timeout(CALL_MAX)
            .header("x-api-key", self.tenant_key())
            .json(&body);
        let answer = ok(request).await?;
        let messages = answer["messages"]
            .as_array()
            .context("no list of messages")?;
        Ok(messages
            .iter()
            .filter_map(|m| m["body"].as_str())
            .map(str::to_owned)
            .collect())
    }

    /// The state in an answer of the admin API about a session.
    #[must_use]
    pub fn state_in(&self, answer: &Value) -> String {
        let state = answer["status"]["state"]
            .as_str()
            .or_else(|| answer["state"].as_str());
        state.map_or_else(|| answer.to_string(), str::to_owned)
    }
}

async fn ok(request: reqwest::RequestBuilder) -> Result<Value> {
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        bail!("answered {status}: {text}");
    }
    Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
}
