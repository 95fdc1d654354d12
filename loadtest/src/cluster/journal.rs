//! The simulator's journal: which device had a socket when.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use switchboard_harness::simulator::Simulator;

/// What the journal says of connections.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Moments at which a device came (true) and went (false), in order.
    sockets: BTreeMap<String, Vec<(u64, bool)>>,
    /// How often an older socket was told that a newer one replaced it.
    pub(crate) conflicts: u64,
}

impl Journal {
    pub(crate) async fn read(simulator: &Simulator) -> Result<Self> {
        let report = simulator.journal().await?;
        let mut journal = Self::default();
        for device in list(&report, "devices")? {
            if device["device"] == "unpaired" {
                continue;
            }
            journal.conflicts += device["conflicts_sent"].as_u64().unwrap_or(0);
        }
        for event in list(&report, "events")? {
            let came = match event["event"].as_str() {
                Some("connected") => true,
                Some("disconnected") => false,
                Some(_) | None => continue,
            };
            if let (Some(device), Some(at_ms)) = (event["device"].as_str(), event["at_ms"].as_u64())
            {
                let sockets = journal.sockets.entry(device.to_owned()).or_default();
                sockets.push((at_ms, came));
            }
        }
        Ok(journal)
    }

    /// When a device connected first after that moment.
    pub(crate) fn connected_after(&self, device: &str, at_ms: u64) -> Option<u64> {
        let sockets = self.sockets.get(device)?;
        let mut came = sockets.iter().filter(|(_, came)| *came).map(|(at, _)| *at);
        came.find(|at| *at >= at_ms)
    }

    /// Whether a device has a socket, as far as the journal goes back.
    pub(crate) fn is_connected(&self, device: &str) -> bool {
        let sockets = self.sockets.get(device);
        sockets
            .and_then(|sockets| sockets.last())
            .is_some_and(|(_, came)| *came)
    }

    /// How long a device had no socket, each time that it lost one after that moment and came back.
    pub(crate) fn gaps_since(&self, device: &str, at_ms: u64) -> Vec<u64> {
        let mut gaps = Vec::new();
        let mut gone = None;
        for (at, came) in self.sockets.get(device).into_iter().flatten() {
            match (came, gone) {
                (false, _) if *at >= at_ms => gone = Some(*at),
                (true, Some(since)) => {
                    gaps.push(at.saturating_sub(since));
                    gone = None;
                }
                (_, _) => {}
            }
        }
        gaps
    }
}

fn list<'a>(report: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    report[field]
        .as_array()
        .with_context(|| format!("the journal has no {field}"))
}
