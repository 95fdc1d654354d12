//! Writes and reads of records, each in a task of its own with a limit.

use std::sync::Arc;
use std::time::Duration;

use switchboard_bus::{Bus, Names};
use switchboard_ownership::{Input, OpId, Record, RecordKey, Revision, Rules, Written};
use switchboard_vocab::cluster::OwnerPhase;
use switchboard_vocab::{NodeId, SessionRef};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::super::records;

/// Owner records written or read at once. A node's own record does not wait for them: it is the lease.
const UNDER_WAY_MAX: usize = 64;

/// What is needed to write and read.
#[derive(Clone)]
pub(in crate::cluster) struct Writer {
    bus: Bus,
    names: Names,
    me: NodeId,
    turns: Arc<Semaphore>,
    node_limit: Duration,
    owner_limit: Duration,
    rules: Rules,
}

/// A write to try.
pub(super) struct Attempt {
    pub(super) op: OpId,
    pub(super) key: RecordKey,
    pub(super) record: Option<Record>,
    pub(super) expected: Revision,
    /// The highest revision of the bucket that is known.
    pub(super) floor: Revision,
    /// It takes a session over from another node.
    pub(super) takes: bool,
}

impl Attempt {
    /// The session that it begins to hand over, and to whom.
    pub(super) fn begins_move(&self) -> Option<(SessionRef, NodeId)> {
        let Some(Record::Owner(record)) = &self.record else {
            return None;
        };
        match &record.phase {
            OwnerPhase::Moving { target } => Some((record.session.clone(), target.clone())),
            OwnerPhase::Owned | OwnerPhase::Parked { .. } => None,
        }
    }

    /// The result where there was no point in trying.
    pub(super) fn not_tried(self) -> Sent {
        self.with(Written::No, Duration::ZERO)
    }

    fn with(self, result: Written, took: Duration) -> Sent {
        Sent {
            op: self.op,
            key: self.key,
            floor: self.floor,
            takes: self.takes,
            result,
            took,
        }
    }
}

/// A write and its result.
pub(super) struct Sent {
    pub(super) op: OpId,
    pub(super) key: RecordKey,
    /// The highest revision of the bucket that was known when it was sent.
    pub(super) floor: Revision,
    /// It takes a session over from another node.
    pub(super) takes: bool,
    pub(super) result: Written,
    pub(super) took: Duration,
}

impl Writer {
    /// Limits follow the lease: an answer that comes later than the next heartbeat is of no use.
    pub(in crate::cluster) fn new(
        bus: Bus,
        names: Names,
        me: NodeId,
        lease: Duration,
        rules: Rules,
    ) -> Self {
        Self {
            bus,
            names,
            me,
            turns: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
            node_limit: lease / 4,
            owner_limit: lease / 2,
            rules,
        }
    }

    /// Whether it is this node's own record.
    pub(super) fn is_own(&self, key: &RecordKey) -> bool {
        matches!(key, RecordKey::Node(node) if *node == self.me)
    }

    fn limit(&self, key: &RecordKey) -> Duration {
        match key {
            RecordKey::Node(_) => self.node_limit,
            RecordKey::Owner(_) => self.owner_limit,
        }
    }

    /// A compare-and-set.
    pub(super) async fn write(self, attempt: Attempt) -> Sent {
        // Closed never: the writer has it.
        let _turn = match attempt.key {
            RecordKey::Owner(_) => self.turns.acquire().await.ok(),
            RecordKey::Node(_) => None,
        };
        let began = Instant::now();
        let trying = self.try_write(&attempt.key, attempt.record.as_ref(), attempt.expected);
        let result = match timeout(self.limit(&attempt.key), trying).await {
            Ok(written) => written,
            Err(_) => Written::Unknown,
        };
        attempt.with(result, began.elapsed())
    }

    async fn try_write(
        &self,
        key: &RecordKey,
        record: Option<&Record>,
        expected: Revision,
    ) -> Written {
        let (bucket, place) = match records::place(&self.names, key) {
            Ok(place) => place,
            Err(error) => {
                tracing::error!(?key, %error, "a record has no place");
                return Written::No;
            }
        };
        let kv = &self.bus.kv;
        let result = match record.map(records::encode_any) {
            None => kv.delete(&bucket, &place, expected).await,
            Some(Ok(value)) if expected == 0 => kv.create(&bucket, &place, value).await,
            Some(Ok(value)) => kv.update(&bucket, &place, value, expected).await,
            Some(Err(error)) => {
                tracing::error!(?key, %error, "a record cannot be written");
                return Written::No;
            }
        };
        if let Err(error) = &result {
            tracing::debug!(?key, expected, %error, "a record was not written");
        }
        records::written(Some(result))
    }

    /// A read.
    pub(super) async fn read(self, op: OpId, key: RecordKey) -> Input {
        let _turn = match key {
            RecordKey::Owner(_) => self.turns.acquire().await.ok(),
            RecordKey::Node(_) => None,
        };
        let reading = async {
            let (bucket, place) = records::place(&self.names, &key).map_err(drop)?;
            let entry = self.bus.kv.get(&bucket, &place).await.map_err(drop)?;
            Ok(entry.map(|entry| records::read(&key, &entry, &self.rules)))
        };
        let result = timeout(self.limit(&key), reading).await;
        Input::Read(op, result.unwrap_or(Err(())))
    }
}
