//! Sessions of the product, made through its admin API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use serde_json::{Value, json};
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::Stack;

/// Pairings under way at once.
pub(crate) const PAIRINGS_AT_ONCE: usize = 16;
/// The first phone number of the product's sessions.
const FIRST_NUMBER: u64 = 15_551_000_000;
/// Questions about one pairing before it counts as failed.
const QUESTIONS_MAX: usize = 200;

/// A session's id.
pub(crate) fn id(at: usize) -> String {
    format!("load-{at}")
}

/// The phone number that a session is linked to.
pub(crate) fn number(at: usize) -> String {
    (FIRST_NUMBER + at as u64).to_string()
}

/// Its device at the simulator: each phone has one companion.
pub(crate) fn device(at: usize) -> String {
    format!("{}:1", number(at))
}

/// Which session has that id.
pub(crate) fn place(id: &str) -> Option<usize> {
    id.strip_prefix("load-")?.parse().ok()
}

/// Pairs one session; returns the time from the scan to the connected state, by the state's own time: asking polls.
pub(crate) async fn pair(stack: &Stack, simulator: &Simulator, at: usize) -> Result<Duration> {
    stack.admin_post("sessions", &json!({"id": id(at)})).await?;
    link(stack, simulator, at).await
}

/// The same with a session that is there already.
pub(crate) async fn link(stack: &Stack, simulator: &Simulator, at: usize) -> Result<Duration> {
    let id = id(at);
    let mut shown = String::new();
    let mut scanned: Option<Duration> = None;
    for _ in 0..QUESTIONS_MAX {
        let question = if shown.is_empty() {
            String::new()
        } else {
            format!("&shown={}", escape(&shown))
        };
        let answer: Value = stack
            .admin_get(&format!("sessions/{id}/pairing?wait=20{question}"))
            .await?;
        let status = &answer["status"];
        if status["state"] == "connected" {
            let scanned = scanned.context("connected without a scan")?;
            let since = status["since"].as_u64().context("the state has no time")?;
            return Ok(Duration::from_millis(since).saturating_sub(scanned));
        }
        if let (None, Some(qr)) = (scanned, status["challenge"]["text"].as_str()) {
            shown = qr.to_owned();
            scanned = Some(SystemTime::now().duration_since(UNIX_EPOCH)?);
            simulator.scan(qr, &number(at)).await?;
        }
    }
    bail!("{id} did not connect")
}

/// Pairs many sessions, some at once.
pub(crate) async fn pair_many(stack: &Stack, simulator: &Simulator, count: usize) -> Result<()> {
    let work = futures::stream::iter(0..count).map(|at| pair(stack, simulator, at));
    let results: Vec<_> = work.buffer_unordered(PAIRINGS_AT_ONCE).collect().await;
    results.into_iter().try_for_each(|result| result.map(drop))
}

/// Percent-encodes a query value.
fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
