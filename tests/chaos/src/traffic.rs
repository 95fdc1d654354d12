//! Messages both ways while things break: customers send through the routers, peers' phones send to the sessions, and both ends are
//! written to the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::world::{CALL_MAX, Line, Scene};

/// Sends that may wait for their answers at once; beyond it a tick is skipped.
const SENDS_AT_ONCE_MAX: usize = 32;
/// Between two ticks: one text each way.
const TICK: Duration = Duration::from_millis(60);
/// Between two looks into the phones' inboxes, which keep 64 records.
const INBOX_EVERY: Duration = Duration::from_millis(400);
/// How much of an answer is noted.
const WHY_CHARS_MAX: usize = 240;
/// Between two looks while waiting for the ledger.
const SETTLE_EVERY: Duration = Duration::from_millis(100);

/// What has been read of the phones' inboxes, and the next texts' number.
#[derive(Debug, Default)]
pub struct Traffic {
    seen: BTreeMap<String, u64>,
    number: usize,
}

impl Traffic {
    /// Lets texts flow both ways until `work` is done; its result.
    ///
    /// # Errors
    /// That of `work`, or of the simulator.
    pub async fn during<T>(
        &mut self,
        scene: &Scene,
        name: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let lines = scene.office.lines();
        let mut sends = FuturesUnordered::new();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut inbox = interval(INBOX_EVERY);
        inbox.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                _ = tick.tick() => {
                    if sends.len() < SENDS_AT_ONCE_MAX && let Some(line) = self.next_line(&lines) {
                        let number = self.number;
                        sends.push(both_ways(scene, line, format!("{name} {number}")));
                    }
                }
                Some(()) = sends.next(), if !sends.is_empty() => {}
                _ = inbox.tick() => self.read_inboxes(scene).await?,
            }
        };
        // Calls under way have a limit of their own.
        while sends.next().await.is_some() {}
        result
    }

    fn next_line(&mut self, lines: &[Line]) -> Option<Line> {
        self.number += 1;
        let at = self.number.checked_rem(lines.len())?;
        lines.get(at).cloned()
    }

    /// Waits until everything promised has arrived, at most that long; what is owed then.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn settle(&mut self, scene: &Scene, limit: Duration) -> Result<Vec<String>> {
        let deadline = Instant::now() + limit;
        loop {
            self.read_inboxes(scene).await?;
            let balance = scene.office.ledger.balance();
            if balance.is_settled() || Instant::now() >= deadline {
                return Ok(balance.complaints());
            }
            tokio::time::sleep(SETTLE_EVERY).await;
        }
    }

    async fn read_inboxes(&mut self, scene: &Scene) -> Result<()> {
        for line in &scene.office.lines() {
            let seen = self.seen.entry(line.peer.clone()).or_default();
            for record in scene.simulator.inbox_since(&line.peer, *seen).await? {
                *seen = record["seq"].as_u64().unwrap_or(*seen).max(*seen);
                if let (Some(text), Some(id)) = (record["text"].as_str(), record["id"].as_str()) {
                    scene.office.ledger.arrived(text, id);
                }
            }
        }
        Ok(())
    }
}

async fn both_ways(scene: &Scene, line: Line, text: String) {
    let (inward, outward) = (format!("in {text}"), format!("out {text}"));
    futures::join!(
        phone_sends(scene, &line, &inward),
        customer_sends(scene, &line, &outward)
    );
}

async fn phone_sends(scene: &Scene, line: &Line, text: &str) {
    let ledger = Arc::clone(&scene.office.ledger);
    if ledger.phone_sends(&line.session, text)
        && let Err(error) = scene
            .simulator
            .phone_sends(&line.peer, &line.number, text)
            .await
    {
        ledger.phone_did_not_send(text);
        scene.note(format!("a phone could not send: {error:#}"));
    }
}

/// A customer sends a text and writes down what the API said; true when it was accepted.
pub async fn customer_sends(scene: &Scene, line: &Line, text: &str) -> bool {
    customer_sends_within(CALL_MAX, scene, line, text).await
}

/// The same with another patience.
pub async fn customer_sends_within(
    limit: Duration,
    scene: &Scene,
    line: &Line,
    text: &str,
) -> bool {
    let ledger = &scene.office.ledger;
    if !ledger.sending(text) {
        return false;
    }
    let answer = scene.office.send_within(limit, line, text).await;
    ledger.answered(text, answer.as_ref().ok().map(|(status, _)| *status));
    let why = match answer {
        Ok((status, _)) if status.is_success() => return true,
        Ok((status, body)) => format!("was answered {status}: {body}"),
        Err(error) => format!("got no answer: {error}"),
    };
    let why: String = why.chars().take(WHY_CHARS_MAX).collect();
    scene.note(format!("{}: {text:?} {why}", line.session));
    false
}
