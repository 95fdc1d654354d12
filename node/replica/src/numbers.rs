//! Numbers about the log. No label names a session.

use std::time::Duration;

use crate::api::How;

/// One record is in the log, or is not.
pub(crate) fn appended(outcome: &'static str, took: Duration, commits: usize) {
    metrics::histogram!("switchboard_replica_append_seconds", "outcome" => outcome).record(took);
    let commits = u64::try_from(commits).unwrap_or(u64::MAX);
    metrics::counter!("switchboard_replica_batches_total", "outcome" => outcome).increment(commits);
}

/// A session was taken over, or not.
pub(crate) fn taken_over(outcome: &'static str, took: Duration) {
    metrics::histogram!("switchboard_replica_take_over_seconds", "outcome" => outcome).record(took);
}

/// The word for the label.
pub(crate) fn how(how: How) -> &'static str {
    match how {
        How::Fresh => "fresh",
        How::Current => "current",
        How::Tail => "tail",
        How::Restored => "restored",
        How::Seeded => "seeded",
        How::Lossy => "lossy",
    }
}

/// A snapshot is in the log, or is not.
pub(crate) fn snapshot(outcome: &'static str, bytes: u64) {
    metrics::counter!("switchboard_replica_snapshots_total", "outcome" => outcome).increment(1);
    metrics::counter!("switchboard_replica_snapshot_bytes_total").increment(bytes);
}

/// The records of the sessions written here that are in no snapshot yet. Counts itself back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Tail(u64);

impl Tail {
    pub(crate) fn new(records: u64) -> Self {
        let mut tail = Self(0);
        tail.set(records);
        tail
    }

    pub(crate) fn set(&mut self, records: u64) {
        let gauge = metrics::gauge!("switchboard_replica_tail_batches");
        gauge.increment(as_float(records));
        gauge.decrement(as_float(self.0));
        self.0 = records;
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.set(0);
    }
}

fn as_float(records: u64) -> f64 {
    f64::from(u32::try_from(records).unwrap_or(u32::MAX))
}
