//! One durable consumer: what it has been given and what it has finished.
//!
//! `floor` and the marks above it are on the disk; `next` and `pending` are not, so that a delivery costs no
//! write: after a restart everything unfinished is new again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

use super::Message;
use super::rows::{self, Mark, StoredReader};
use crate::event_log::ConsumerSpec;
use crate::in_process::storage::Op;
use crate::{ConsumerName, StreamName, SubjectFilter};

/// The state of one consumer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// `None` while only its rows are loaded and nobody has opened it.
    spec: Option<ConsumerSpec>,
    /// Its filter on the disk.
    filter: Option<SubjectFilter>,
    /// Every sequence up to here is done.
    floor: u64,
    /// Sequences above the floor that are done.
    done: BTreeSet<u64>,
    /// Every sequence up to here has been looked at for a first delivery.
    looked: u64,
    /// Delivered and not done.
    pending: BTreeMap<u64, Pending>,
    /// Deliveries counted before a restart.
    counted: HashMap<u64, u32>,
}

#[derive(Debug)]
struct Pending {
    deliveries: u32,
    /// When it is delivered again.
    due: Instant,
}

/// The result of a fetch.
#[derive(Debug)]
pub(in crate::in_process) struct Fetched {
    /// Messages, each with the number of its deliveries.
    pub(in crate::in_process) messages: Vec<(Arc<Message>, u32)>,
    /// When an unfinished message is due again, if nothing else happens.
    pub(in crate::in_process) next_due: Option<Instant>,
}

impl Reader {
    pub(super) fn restore(&mut self, stored: StoredReader) {
        self.floor = stored.floor;
        self.filter = Some(stored.filter);
    }

    pub(super) fn restore_mark(&mut self, seq: u64, mark: Mark) {
        match mark {
            Mark::Done => {
                self.done.insert(seq);
            }
            Mark::Delivered(count) => {
                self.counted.insert(seq, count);
            }
        }
    }

    /// Call once, after the last row.
    pub(super) fn loaded(&mut self) {
        self.looked = self.floor;
        self.done.retain(|seq| *seq > self.floor);
        self.counted.retain(|seq, _| *seq > self.floor);
    }

    /// Adopts `spec`. The error says what differs from the consumer that exists.
    pub(super) fn open(&mut self, spec: &ConsumerSpec) -> Result<(), String> {
        if let Some(filter) = self
            .filter
            .as_ref()
            .filter(|filter| **filter != spec.filter)
        {
            return Err(format!(
                "consumer {} exists with filter {filter}",
                spec.name
            ));
        }
        self.filter = Some(spec.filter.clone());
        self.spec = Some(spec.clone());
        Ok(())
    }

    /// Its row.
    pub(super) fn put(&self, stream: &StreamName, name: &ConsumerName) -> Op {
        let all = SubjectFilter::from_wire(">");
        rows::put_reader(
            stream,
            name,
            self.floor,
            self.filter.as_ref().unwrap_or(&all),
        )
    }

    /// Removes its rows.
    pub(super) fn delete(&self, stream: &StreamName, name: &ConsumerName, batch: &mut Vec<Op>) {
        batch.push(rows::delete_reader(stream, name));
        for seq in self
            .done
            .iter()
            .chain(self.pending.keys())
            .chain(self.counted.keys())
        {
            batch.push(rows::delete_mark(stream, name, *seq));
        }
    }

    /// Due messages first, then new ones.
    pub(super) fn fetch(
        &mut self,
        messages: &BTreeMap<u64, Arc<Message>>,
        max: usize,
        now: Instant,
    ) -> Fetched {
        let Some(spec) = &self.spec else {
            return Fetched {
                messages: Vec::new(),
                next_due: None,
            };
        };
        let due_again = now + spec.ack_wait;
        let deliveries_max = spec.deliveries_max.unwrap_or(u32::MAX);
        let mut fetched = Vec::new();
        let mut given_up = Vec::new();
        for (seq, pending) in self
            .pending
            .iter_mut()
            .filter(|(_, pending)| pending.due <= now)
        {
            let Some(message) = messages
                .get(seq)
                .filter(|_| pending.deliveries < deliveries_max)
            else {
                given_up.push(*seq);
                continue;
            };
            if fetched.len() == max {
                break;
            }
            pending.deliveries += 1;
            pending.due = due_again;
            fetched.push((Arc::clone(message), pending.deliveries));
        }
        for seq in given_up {
            // Not written down: after a restart it may be delivered again, like any unfinished one.
            self.pending.remove(&seq);
            self.done.insert(seq);
        }
        let room = usize::try_from(spec.unacknowledged_max).unwrap_or(usize::MAX);
        for (seq, message) in messages.range(self.looked + 1..) {
            if fetched.len() >= max || self.pending.len() >= room {
                break;
            }
            self.looked = *seq;
            if self.done.contains(seq) || !spec.filter.matches(&message.subject) {
                continue;
            }
            let deliveries = self.counted.remove(seq).unwrap_or(0) + 1;
            if deliveries > deliveries_max {
                self.done.insert(*seq);
                continue;
            }
            self.pending.insert(
                *seq,
                Pending {
                    deliveries,
                    due: due_again,
                },
            );
            fetched.push((Arc::clone(message), deliveries));
        }
        let next_due = self.pending.values().map(|pending| pending.due).min();
        Fetched {
            messages: fetched,
            next_due,
        }
    }

    pub(super) fn ack(
        &mut self,
        stream: &StreamName,
        name: &ConsumerName,
        seq: u64,
        batch: &mut Vec<Op>,
    ) {
        if self.pending.remove(&seq).is_none() {
            return;
        }
        self.done.insert(seq);
        let floor = self
            .pending
            .first_key_value()
            .map_or(self.looked, |(first, _)| first - 1);
        if floor > self.floor {
            self.floor = floor;
            let above = self.done.split_off(&(floor + 1));
            for below in std::mem::replace(&mut self.done, above) {
                batch.push(rows::delete_mark(stream, name, below));
            }
            batch.push(self.put(stream, name));
        }
        if seq > self.floor {
            batch.push(rows::put_mark(stream, name, seq, Mark::Done));
        }
    }

    /// The message is no longer stored.
    pub(super) fn gone(
        &mut self,
        stream: &StreamName,
        name: &ConsumerName,
        seq: u64,
        batch: &mut Vec<Op>,
    ) {
        if self.counted.remove(&seq).is_some() {
            batch.push(rows::delete_mark(stream, name, seq));
        }
        self.ack(stream, name, seq, batch);
    }

    pub(super) fn nak(
        &mut self,
        stream: &StreamName,
        name: &ConsumerName,
        seq: u64,
        due: Instant,
        batch: &mut Vec<Op>,
    ) {
        if let Some(pending) = self.pending.get_mut(&seq) {
            pending.due = due;
            batch.push(rows::put_mark(
                stream,
                name,
                seq,
                Mark::Delivered(pending.deliveries),
            ));
        }
    }
}
