//! Whether every session works again: connected, by the admin API, and able to send.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;
use switchboard_harness::wait;

use crate::traffic::customer_sends_within;
use crate::world::{Line, Scene};

/// Sends tried so far: no text is used twice.
static ASKED: AtomicU64 = AtomicU64::new(0);
/// How long one probing send may take before another is tried: a call that a dead node took with it is never answered.
const PROBE_MAX: Duration = Duration::from_millis(1_500);
/// Sessions asked at once.
const AT_ONCE: usize = 8;

/// Waits until every session is connected and takes a send, at most that long; what is wrong then.
pub async fn complaints(scene: &Scene, name: &str, limit: Duration) -> Vec<String> {
    let lines = scene.office.lines();
    let work = futures::stream::iter(&lines).map(|line| one(scene, line, name, limit));
    let results: Vec<_> = work.buffer_unordered(AT_ONCE).collect().await;
    let wrong = results.into_iter().filter_map(Result::err);
    wrong.map(|error| format!("{error:#}")).collect()
}

async fn one(scene: &Scene, line: &Line, name: &str, limit: Duration) -> Result<()> {
    let id = &line.session;
    wait::within(limit, &format!("{id} to work again"), async || {
        let number = ASKED.fetch_add(1, Ordering::Relaxed);
        let text = format!("out {name} alive {id} {number}");
        if !customer_sends_within(PROBE_MAX, scene, line, &text).await {
            return Err("it takes no send".to_owned());
        }
        let answer = scene.office.admin_get(&format!("sessions/{id}")).await;
        let answer = answer.map_err(|e| format!("{e:#}"))?;
        match scene.office.state_in(&answer) {
            state if state == "connected" => Ok(()),
            state => Err(state),
        }
    })
    .await
}
