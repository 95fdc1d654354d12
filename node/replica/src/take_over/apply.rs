//! Bringing a session's tree to the log's state: from a snapshot, then record by record.
//!
//! Owns the position that goes with every change. Must not decide anything.

use switchboard_keystore::{
    BATCH_BYTES_MAX, BATCH_OPS_MAX, Epoch, Error, KeyStore, Namespace, Remains,
};

use super::TakeOver;
use crate::api::ReplicaError;
use crate::chain::{Entry, Plan};
use crate::core::End;
use crate::position::{At, Position};
use crate::record::{NO_RECORD, What};
use crate::snapshot::{self, Unreadable};
use crate::writer::moved;

/// Changes of several records are committed together up to this many bytes.
const APPLY_BYTES_MAX: usize = 4 << 20;

impl TakeOver<'_> {
    /// Replaces the tree by the one that a plan begins with; gives where it stands and what is still to be applied.
    pub(crate) async fn lay<'p>(
        &self,
        plan: &Plan<'p>,
    ) -> Result<(At, &'p [Entry], u64), ReplicaError> {
        let (store, ns) = (self.core.local.as_ref(), &self.session.ns);
        let (base, reset, rest) = match plan {
            Plan::Beginning(rest) => {
                let known = match store.epoch(ns).await {
                    Err(Error::Damaged { .. }) => None,
                    epoch => self.stored("read the epoch", epoch)?,
                };
                if let Some(epoch) = known {
                    let dropped = store.drop_namespace(ns, Remains::Tombstone(epoch)).await;
                    self.stored("remove the useless tree", dropped)?;
                }
                return Ok((At::default(), rest, 0));
            }
            Plan::Snapshot { base, reset, rest } => (base, reset, rest),
        };
        let imported = snapshot::import(self.core, self.session, base, self.epoch).await;
        let read = imported.map_err(|error| match error {
            Unreadable::Store(error) => self.store("import a snapshot", error),
            Unreadable::Bus(source) => self.bus("read a snapshot", source),
            Unreadable::Damaged(what) => self.damaged(&what),
        })?;
        self.stored("promote a snapshot", store.promote(ns).await)?;
        let at = match reset {
            Some(entry) => at_of(entry),
            None => {
                let at = self.stored("read the position", snapshot::position(store, ns).await)?;
                let at = at.ok_or_else(|| self.damaged("a snapshot without a position"))?;
                At {
                    tree_bytes: base.bytes,
                    ..at
                }
            }
        };
        let from = rest.partition_point(|entry| entry.number <= at.number);
        Ok((at, rest.get(from..).unwrap_or_default(), read))
    }

    /// Applies records to the tree, several in one commit, and moves its position to `end`, the record that begins the epoch.
    pub(super) async fn apply(
        &self,
        at: At,
        rest: &[Entry],
        end: End,
    ) -> Result<(At, u64), ReplicaError> {
        let (at, batches) = self.apply_entries(at, rest).await?;
        let at = At {
            tail: at.tail.saturating_add(1),
            ..moved(at, end, self.epoch)
        };
        let put = self.stored("encode a position", Position::At(at).put())?;
        let committed = self
            .core
            .local
            .commit(&self.session.ns, self.epoch, vec![put]);
        self.stored("store the position", committed.await)?;
        Ok((at, batches))
    }

    pub(crate) async fn apply_entries(
        &self,
        mut at: At,
        rest: &[Entry],
    ) -> Result<(At, u64), ReplicaError> {
        let (store, ns) = (self.core.local.as_ref(), &self.session.ns);
        let (mut ops, mut bytes, mut batches) = (Vec::new(), 0, 0);
        for entry in rest {
            let count = match &entry.record.what {
                What::Batch(changes) => changes.len(),
                What::Begin | What::Base(_) => 0,
            };
            let full = bytes + entry.bytes > APPLY_BYTES_MAX.min(BATCH_BYTES_MAX)
                || ops.len() + count >= BATCH_OPS_MAX;
            if full && !ops.is_empty() {
                self.commit_at(store, ns, std::mem::take(&mut ops), at)
                    .await?;
                bytes = 0;
            }
            at = next(at, entry);
            if let What::Batch(changes) = &entry.record.what {
                ops.extend(changes.iter().cloned().map(Into::into));
                bytes += entry.bytes;
                batches += 1;
            }
        }
        if !ops.is_empty() {
            self.commit_at(store, ns, ops, at).await?;
        }
        Ok((at, batches))
    }

    pub(super) async fn commit_at(
        &self,
        store: &dyn KeyStore,
        ns: &Namespace,
        mut ops: Vec<switchboard_keystore::Op>,
        at: At,
    ) -> Result<(), ReplicaError> {
        ops.push(self.stored("encode a position", Position::At(at).put())?);
        let committed = store.commit(ns, self.epoch, ops).await;
        self.stored("apply the log", committed).map(drop)
    }
}

/// The position after a record that is the state.
pub(super) fn at_of(entry: &Entry) -> At {
    let tree_bytes = match &entry.record.what {
        What::Base(base) => base.bytes,
        What::Begin | What::Batch(_) => 0,
    };
    At {
        id: entry.id,
        epoch: entry.epoch,
        number: entry.number,
        seq: entry.seq,
        tail: 0,
        tail_bytes: 0,
        tree_bytes,
    }
}

/// The position after one more record.
fn next(at: At, entry: &Entry) -> At {
    let bytes = entry.bytes as u64;
    let moved = At {
        tail: at.tail.saturating_add(1),
        tail_bytes: at.tail_bytes.saturating_add(bytes),
        ..at
    };
    let end = End {
        seq: entry.seq,
        id: entry.id,
        number: entry.number,
    };
    let moved = self::moved(moved, end, Epoch(entry.epoch));
    match &entry.record.what {
        What::Base(base) => At {
            tail: entry
                .number
                .saturating_sub(base.covers.unwrap_or(entry.number)),
            tail_bytes: 0,
            tree_bytes: base.bytes,
            ..moved
        },
        What::Begin | What::Batch(_) => moved,
    }
}

impl Default for At {
    /// Before the first record.
    fn default() -> Self {
        Self {
            id: NO_RECORD,
            epoch: 0,
            number: 0,
            seq: 0,
            tail: 0,
            tail_bytes: 0,
            tree_bytes: 0,
        }
    }
}
