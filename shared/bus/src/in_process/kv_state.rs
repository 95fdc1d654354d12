//! The records of the in-process bus: buckets, revisions, and the order of changes.
//!
//! Pure: no clock, no task, no disk. A deleted key keeps a slot without value, as in NATS, so that revisions stay
//! comparable and a watcher that looks away sees the deletion.

use std::collections::{BTreeMap, HashMap};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::watch;

use super::engine::Machine;
use super::storage::Op;
use crate::kv::{Entry, Revision, WatchEvent};
use crate::{Bucket, Key, KeyPrefix};

/// The most changes that one [`State::changes`] looks at, so that a long listing does not hold up writers.
const SCAN_MAX: usize = 1024;
/// First bytes of this state's rows.
const ROW: &[u8] = b"k\0";

/// All buckets.
#[derive(Debug, Default)]
pub(super) struct State {
    buckets: HashMap<Bucket, Records>,
    /// Buckets changed since the last commit.
    changed: Vec<Bucket>,
}

#[derive(Debug, Default)]
struct Records {
    last: Revision,
    slots: BTreeMap<Key, Slot>,
    /// Each key once, at its last change.
    order: BTreeMap<Revision, Key>,
    committed: watch::Sender<Revision>,
}

#[derive(Debug)]
struct Slot {
    revision: Revision,
    /// `None`: deleted.
    value: Option<Bytes>,
}

/// What a write demands of the key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expect {
    /// Never written, or deleted.
    Absent,
    /// Its last change.
    Last(Revision),
}

/// Some changes in revision order.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) events: Vec<WatchEvent>,
    /// Everything up to here has been looked at.
    pub(super) seen: Revision,
    /// The bucket's last change.
    pub(super) last: Revision,
}

impl State {
    /// Takes a stored row; false if it is not one of this state's.
    pub(super) fn load(&mut self, row: &[u8], value: &Bytes) -> bool {
        let Some((bucket, key)) = read_row_key(row) else {
            return false;
        };
        let Some((revision, value)) = read_row_value(value) else {
            return false;
        };
        self.buckets
            .entry(bucket)
            .or_default()
            .put(key, Slot { revision, value });
        true
    }

    /// Writes (`Some`) or deletes (`None`) a key. The error is the key's last change.
    pub(super) fn write(
        &mut self,
        bucket: &Bucket,
        key: &Key,
        value: Option<Bytes>,
        expect: Expect,
        batch: &mut Vec<Op>,
    ) -> Result<Revision, Option<Revision>> {
        let records = self.buckets.entry(bucket.clone()).or_default();
        let slot = records.slots.get(key);
        let current = slot.map(|slot| slot.revision);
        let met = match expect {
            Expect::Absent => slot.is_none_or(|slot| slot.value.is_none()),
            Expect::Last(revision) => current == Some(revision),
        };
        if !met {
            return Err(current);
        }
        let revision = records.last + 1;
        batch.push(Op::Put {
            key: row_key(bucket, key),
            value: row_value(revision, value.as_deref()),
        });
        records.put(key.clone(), Slot { revision, value });
        self.changed.push(bucket.clone());
        Ok(revision)
    }

    pub(super) fn get(&self, bucket: &Bucket, key: &Key) -> Option<Entry> {
        let slot = self.buckets.get(bucket)?.slots.get(key)?;
        Some(Entry {
            value: slot.value.clone()?,
            revision: slot.revision,
        })
    }

    /// The bucket's last change; 0 before the first.
    pub(super) fn last(&self, bucket: &Bucket) -> Revision {
        self.buckets.get(bucket).map_or(0, |records| records.last)
    }

    /// The changes below `prefix` after `seen`, as far as one look reaches.
    pub(super) fn changes(&self, bucket: &Bucket, prefix: &KeyPrefix, seen: Revision) -> Changes {
        let Some(records) = self.buckets.get(bucket) else {
            return Changes {
                events: Vec::new(),
                seen,
                last: 0,
            };
        };
        let mut changes = Changes {
            events: Vec::new(),
            seen: records.last,
            last: records.last,
        };
        for (looked_at, (revision, key)) in records.order.range(seen + 1..).enumerate() {
            if looked_at == SCAN_MAX {
                changes.seen = revision - 1;
                break;
            }
            if let Some(slot) = records.slots.get(key).filter(|_| prefix.matches(key)) {
                changes.events.push(slot.event(key));
            }
        }
        changes
    }

    /// Tells of every commit that changes the bucket.
    pub(super) fn subscribe(&mut self, bucket: &Bucket) -> watch::Receiver<Revision> {
        self.buckets
            .entry(bucket.clone())
            .or_default()
            .committed
            .subscribe()
    }
}

impl Machine for State {
    fn committed(&mut self) {
        for bucket in self.changed.drain(..) {
            if let Some(records) = self.buckets.get(&bucket) {
                records.committed.send_replace(records.last);
            }
        }
    }
}

impl Records {
    fn put(&mut self, key: Key, slot: Slot) {
        self.last = self.last.max(slot.revision);
        self.order.insert(slot.revision, key.clone());
        if let Some(before) = self.slots.insert(key, slot) {
            self.order.remove(&before.revision);
        }
    }
}

impl Slot {
    fn event(&self, key: &Key) -> WatchEvent {
        let (key, revision) = (key.clone(), self.revision);
        match &self.value {
            Some(value) => WatchEvent::Put {
                key,
                entry: Entry {
                    value: value.clone(),
                    revision,
                },
            },
            None => WatchEvent::Delete { key, revision },
        }
    }
}

/// `k 0 <bucket> 0 <key>`; neither name has a zero byte.
fn row_key(bucket: &Bucket, key: &Key) -> Vec<u8> {
    [
        ROW,
        bucket.as_str().as_bytes(),
        b"\0",
        key.as_str().as_bytes(),
    ]
    .concat()
}

fn read_row_key(row: &[u8]) -> Option<(Bucket, Key)> {
    let (bucket, key) = std::str::from_utf8(row.strip_prefix(ROW)?)
        .ok()?
        .split_once('\0')?;
    Some((
        Bucket::from_storage(bucket).ok()?,
        Key::from_wire(key).ok()?,
    ))
}

/// Revision (8 bytes, big endian), 1 for a value or 0 for a deletion, the value.
fn row_value(revision: Revision, value: Option<&[u8]>) -> Bytes {
    let mut row = BytesMut::with_capacity(9 + value.map_or(0, <[u8]>::len));
    row.put_u64(revision);
    row.put_u8(u8::from(value.is_some()));
    row.put_slice(value.unwrap_or_default());
    row.freeze()
}

fn read_row_value(row: &Bytes) -> Option<(Revision, Option<Bytes>)> {
    let (revision, rest) = row.split_first_chunk::<8>()?;
    let value = match rest.split_first()? {
        (1, value) => Some(row.slice_ref(value)),
        (0, []) => None,
        _ => return None,
    };
    Some((u64::from_be_bytes(*revision), value))
}
