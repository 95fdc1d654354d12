//! The cluster's numbers, for metrics. None names a session.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use switchboard_ownership::{Command, TransferFailure};
use switchboard_vocab::SessionRef;
use tokio::time::Instant;

/// Counts what the driver does.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Since when sessions are being handed over, and why.
    moves: HashMap<SessionRef, (Instant, &'static str)>,
    ordered: HashSet<SessionRef>,
    is_draining: bool,
}

impl Numbers {
    /// An order was not begun.
    pub(super) fn unexpect(&mut self, command: &Command) {
        if let Command::Move { session, .. } = command {
            self.ordered.remove(session);
        }
    }

    /// An order may begin.
    pub(super) fn expect(&mut self, command: &Command) {
        match command {
            Command::Move { session, .. } => {
                self.ordered.insert(session.clone());
            }
            Command::Drain(on) => self.is_draining = *on,
            Command::Leave { .. } => self.is_draining = true,
            Command::Weigh(_) | Command::Restore { .. } | Command::Park { .. } => {}
        }
    }

    /// A session of another node, or of an earlier life of this one, is this node's now.
    pub(super) fn taken_over() {
        metrics::counter!("switchboard_takeovers_total").increment(1);
    }

    /// A session begins to leave.
    pub(super) fn moving(&mut self, session: &SessionRef) {
        let reason = if self.ordered.remove(session) {
            "order"
        } else if self.is_draining {
            "drain"
        } else {
            "balance"
        };
        self.moves.insert(session.clone(), (Instant::now(), reason));
    }

    /// A move did not begin, or was overtaken.
    pub(super) fn not_begun(&mut self, session: &SessionRef) {
        self.ended(session, "not_begun");
    }

    /// The hand-over itself has ended; only a failure ends the move with it.
    pub(super) fn sent(&mut self, session: &SessionRef, result: &Result<(), TransferFailure>) {
        let outcome = match result {
            Ok(()) => return,
            Err(TransferFailure::Refused(_)) => "refused",
            Err(TransferFailure::TimedOut) => "timed_out",
        };
        self.ended(session, outcome);
    }

    /// The session is another node's.
    pub(super) fn handed_over(&mut self, session: &SessionRef) {
        self.ended(session, "done");
    }

    fn ended(&mut self, session: &SessionRef, outcome: &'static str) {
        let Some((began, reason)) = self.moves.remove(session) else {
            return;
        };
        metrics::counter!("switchboard_moves_total", "reason" => reason, "outcome" => outcome)
            .increment(1);
        if outcome == "done" {
            metrics::histogram!("switchboard_handover_seconds").record(began.elapsed());
        }
    }

    /// The node lost its lease.
    pub(super) fn fenced(&mut self) {
        self.moves.clear();
        metrics::counter!("switchboard_fences_total").increment(1);
    }

    /// A heartbeat was written.
    pub(super) fn heartbeat(took: Duration) {
        metrics::histogram!("switchboard_heartbeat_seconds").record(took);
    }

    /// What stands at the moment.
    pub(super) fn show(&self, left: Duration, owned: usize) {
        metrics::gauge!("switchboard_lease_seconds_left").set(left.as_secs_f64());
        metrics::gauge!("switchboard_sessions_owned").set(count(owned));
        metrics::gauge!("switchboard_moves_in_flight").set(count(self.moves.len()));
    }
}

fn count(of: usize) -> f64 {
    u32::try_from(of).map_or(f64::MAX, f64::from)
}
