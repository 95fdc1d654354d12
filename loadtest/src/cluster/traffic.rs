//! Customers who send, and phones that answer, while sessions change their nodes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde_json::json;
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::Stack;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::sessions;

/// Customers at once.
const CALLERS: usize = 8;
/// Every which send a phone answers.
const ANSWER_EVERY: usize = 4;
/// Failures whose text is kept, of each customer.
const TEXTS_MAX: usize = 3;
/// Longest wait for the answer to one call.
const CALL_MAX: Duration = Duration::from_secs(30);
/// The first number of those the sessions talk to.
const FIRST_PEER: u64 = 15_552_000_000;

/// What the customers saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How long each call took, in milliseconds.
    pub(crate) calls_ms: Vec<u64>,
    /// Calls that were not answered with success.
    pub(crate) failed: usize,
    /// What some of them were answered.
    pub(crate) texts: Vec<String>,
}

/// Traffic until it is stopped.
#[derive(Debug)]
pub(crate) struct Traffic {
    stop: watch::Sender<bool>,
    callers: JoinSet<Seen>,
}

/// Where calls go.
#[derive(Debug)]
struct Door {
    http: reqwest::Client,
    url: String,
    key: String,
    simulator: String,
}

impl Traffic {
    /// Begins to send from those sessions, each to a phone of its own.
    pub(crate) async fn start(
        stack: &Stack,
        simulator: &Simulator,
        sessions: &[usize],
        sends_per_second: u32,
    ) -> Result<Self> {
        try_join_all(
            sessions
                .iter()
                .map(async |at| simulator.add_phone(&peer(*at)).await),
        )
        .await?;
        let door = Arc::new(Door {
            http: switchboard_harness::http::client(),
            url: stack.url.clone(),
            key: stack.tenant_key.clone(),
            simulator: simulator.url.clone(),
        });
        let (stop, stopped) = watch::channel(false);
        let mut callers = JoinSet::new();
        let pause = Duration::from_secs(1) * u32::try_from(CALLERS)? / sends_per_second.max(1);
        for share in 0..CALLERS {
            let its: Vec<usize> = sessions
                .iter()
                .copied()
                .skip(share)
                .step_by(CALLERS)
                .collect();
            if !its.is_empty() {
                callers.spawn(call(Arc::clone(&door), its, pause, stopped.clone()));
            }
        }
        Ok(Self { stop, callers })
    }

    /// Ends it; every call under way is waited for.
    pub(crate) async fn stop(mut self) -> Result<Seen> {
        self.stop.send_replace(true);
        let mut all = Seen::default();
        while let Some(seen) = self.callers.join_next().await {
            let seen = seen.context("a customer failed")?;
            all.calls_ms.extend(seen.calls_ms);
            all.failed += seen.failed;
            all.texts.extend(seen.texts);
        }
        Ok(all)
    }
}

async fn call(
    door: Arc<Door>,
    sessions: Vec<usize>,
    pause: Duration,
    stopped: watch::Receiver<bool>,
) -> Seen {
    let mut seen = Seen::default();
    let mut ticks = tokio::time::interval(pause);
    for (count, at) in sessions.iter().cycle().enumerate() {
        ticks.tick().await;
        if *stopped.borrow() {
            break;
        }
        let begun = Instant::now();
        let failure = door.send(*at, count).await;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        seen.calls_ms.push(took);
        if let Some(text) = failure {
            seen.failed += 1;
            if seen.texts.len() < TEXTS_MAX {
                seen.texts.push(format!("after {took} ms: {text}"));
            }
        }
        if count % ANSWER_EVERY == 0 {
            door.answer(*at).await;
        }
    }
    seen
}

impl Door {
    /// Sends a text as a customer; says what went wrong.
    async fn send(&self, at: usize, count: usize) -> Option<String> {
        let id = sessions::id(at);
        let url = format!("{}/client/sendMessage/{id}", self.url);
        let body = json!({"chatId": format!("{}@c.us", peer(at)), "contentType": "string", "content": format!("text {count}")});
        let request = self
            .http
            .post(url)
            .timeout(CALL_MAX)
            .header("x-api-key", &self.key)
            .json(&body);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Some(format!("{id}: {error:?}")),
        };
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        (!status.is_success()).then(|| format!("{id}: {status} {text}"))
    }

    /// The phone at the other end answers. What becomes of it is the chaos tests' matter.
    async fn answer(&self, at: usize) {
        let url = format!("{}/admin/phones/{}/send", self.simulator, peer(at));
        let body = json!({"to": sessions::number(at), "text": "answer"});
        let request = self.http.post(url).timeout(CALL_MAX).json(&body);
        let _ = request.send().await;
    }
}

/// The number that a session talks with.
fn peer(at: usize) -> String {
    (FIRST_PEER + at as u64).to_string()
}
