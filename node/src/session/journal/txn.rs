//! The rows that one durable commit will write, readable while it is put together.
//!
//! Several requests share a commit. Each works on a layer of its own, so that one that fails leaves nothing behind.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use switchboard_keystore::{KeyStore, Kind, Namespace, Op, ScanRange};
use switchboard_vocab::events::sessions::HistoryPart;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::webhooks::EventClass;

use super::recent::{Recent, Weighed};
use super::rows::Head;
use super::{Error, rows};
use crate::ports::{WEBHOOK_SINK_PREFIX, WebhookBook};
use crate::session::kinds;

type Layer = BTreeMap<(Kind, Vec<u8>), Option<Vec<u8>>>;

/// The state that the writer keeps in memory between commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) head: Head,
    pub(super) sinks: BTreeMap<String, u64>,
    /// The webhooks, which say what their sinks have to see.
    pub(super) webhooks: Arc<WebhookBook>,
    /// Who the account is, as far as the session was told.
    pub(super) me: Option<Identity>,
    /// Parts of the history under way: conversations and messages so far.
    pub(super) history: BTreeMap<String, HistoryPart>,
    /// The answer about a number that was looked at last.
    pub(super) checked_until: Vec<u8>,
    /// The sequence of the oldest event that was looked at, and the bytes of events before it.
    pub(super) oldest_event: Option<(u64, u64)>,
}

impl Memory {
    /// Whether some sink has to see events of a class.
    pub(super) fn wants(&self, class: EventClass) -> bool {
        let is_webhook = |name: &String| name.starts_with(WEBHOOK_SINK_PREFIX);
        !self.sinks.keys().all(is_webhook) || self.webhooks.values().any(|some| some.want(class))
    }
}

/// A commit that is put together.
pub(super) struct Finished {
    pub(super) ops: Vec<Op>,
    pub(super) memory: Memory,
    /// What it tells, in order.
    pub(super) events: Vec<Weighed>,
}

pub(super) struct Txn<'a> {
    store: &'a Arc<dyn KeyStore>,
    namespace: &'a Namespace,
    recent: &'a Recent,
    accepted: Layer,
    pending: Layer,
    accepted_events: Vec<Weighed>,
    /// Events of the request under way.
    events: Vec<Weighed>,
    accepted_memory: Memory,
    /// As the request under way wants it.
    pub(super) memory: Memory,
    bytes: usize,
}

impl<'a> Txn<'a> {
    pub(super) fn new(
        store: &'a Arc<dyn KeyStore>,
        namespace: &'a Namespace,
        recent: &'a Recent,
        memory: Memory,
    ) -> Self {
        Self {
            store,
            namespace,
            recent,
            accepted: Layer::new(),
            pending: Layer::new(),
            accepted_events: Vec::new(),
            events: Vec::new(),
            accepted_memory: memory.clone(),
            memory,
            bytes: 0,
        }
    }

    pub(super) async fn get(&self, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let place = (kind, key.to_vec());
        if let Some(row) = self
            .pending
            .get(&place)
            .or_else(|| self.accepted.get(&place))
        {
            return Ok(row.clone());
        }
        if let Some(row) = self.recent.get(&place) {
            return Ok(row);
        }
        let row = self.store.get(self.namespace, kind, key).await?;
        self.recent.keep(place, row.clone());
        Ok(row)
    }

    /// Rows of a kind in a range, with what this commit has written so far. At most `range.limit`, in the order asked for.
    pub(super) async fn scan(
        &self,
        kind: Kind,
        mut range: ScanRange,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        let limit = range.limit;
        let reverse = range.reverse;
        let within = |bound: &Bound<Vec<u8>>, unbounded: Vec<u8>| match bound {
            Bound::Included(key) => Bound::Included((kind, key.clone())),
            Bound::Excluded(key) => Bound::Excluded((kind, key.clone())),
            Bound::Unbounded => Bound::Included((kind, unbounded)),
        };
        let highest = vec![u8::MAX; switchboard_keystore::KEY_BYTES_MAX];
        let bounds = (within(&range.from, Vec::new()), within(&range.to, highest));
        let (
            Bound::Included(low) | Bound::Excluded(low),
            Bound::Included(high) | Bound::Excluded(high),
        ) = (&bounds.0, &bounds.1)
        else {
            return Ok(Vec::new());
        };
        if low >= high {
            // A range of one key is asked for by nobody, and an empty one has nothing.
            return Ok(Vec::new());
        }
        let mut own: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for layer in [&self.accepted, &self.pending] {
            for ((_, key), row) in layer.range(bounds.clone()) {
                own.insert(key.clone(), row.clone());
            }
        }
        // So many rows of the store can be hidden by those of this commit.
        range.limit = limit.saturating_add(own.len());
        let page = self.store.scan(self.namespace, kind, range).await?;
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = page.entries.into_iter().collect();
        for (key, row) in own {
            match row {
                Some(row) => drop(merged.insert(key, row)),
                None => drop(merged.remove(&key)),
            }
        }
        let found = merged.into_iter();
        Ok(if reverse {
            found.rev().take(limit).collect()
        } else {
            found.take(limit).collect()
        })
    }

    pub(super) fn put(&mut self, kind: Kind, key: Vec<u8>, value: Vec<u8>) {
        self.bytes = self
            .bytes
            .saturating_add(key.len())
            .saturating_add(value.len());
        self.pending.insert((kind, key), Some(value));
    }

    pub(super) fn delete(&mut self, kind: Kind, key: Vec<u8>) {
        self.pending.insert((kind, key), None);
    }

    /// Tells an event once the commit is durable.
    pub(super) fn tell(&mut self, event: Weighed) {
        self.events.push(event);
    }

    /// Keeps what the request under way has written.
    pub(super) fn accept(&mut self) {
        self.accepted.append(&mut self.pending);
        self.accepted_events.append(&mut self.events);
        self.accepted_memory = self.memory.clone();
    }

    /// Drops what the request under way has written.
    pub(super) fn discard(&mut self) {
        self.pending.clear();
        self.events.clear();
        self.memory = self.accepted_memory.clone();
    }

    /// Rows and bytes so far, to end a group before it is too large for one commit.
    pub(super) fn weight(&self) -> (usize, usize) {
        (self.accepted.len(), self.bytes)
    }

    /// The changes to commit, and what is true once they are durable; no changes, no commit.
    pub(super) fn finish(mut self, before: &Memory) -> Result<Finished, Error> {
        let memory = self.accepted_memory;
        if memory.head != before.head {
            self.accepted.insert(
                (kinds::HEAD, Vec::new()),
                Some(rows::encode("head", &memory.head)?),
            );
        }
        let ops = self
            .accepted
            .into_iter()
            .map(|((kind, key), value)| match value {
                Some(value) => Op::Put { kind, key, value },
                None => Op::Delete { kind, key },
            });
        let mut ops: Vec<Op> = ops.collect();
        let (from, to) = (before.head.first_sequence, memory.head.first_sequence);
        if from < to {
            let (from, to) = (rows::number_key(from), rows::number_key(to));
            ops.push(Op::DeleteRange {
                kind: kinds::OUTBOX,
                from,
                to,
            });
        }
        Ok(Finished {
            ops,
            memory,
            events: self.accepted_events,
        })
    }
}
