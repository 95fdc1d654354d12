//! The log of one session as it was read: records in order, each checked against the one before.
//!
//! Pure. Owns what counts as a complete record, as the next one, as damage, and from where a state can be restored. Must not
//! know the bus or the store.

use crate::record::{self, Base, Head, Id, NO_RECORD, Record, What};
use crate::seal::Sealer;

/// Most plain bytes that are held of one session's log. A longer one means that no snapshot succeeded for long.
const CHAIN_BYTES_MAX: usize = 1 << 30;

/// A record of the log.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    /// Sequence of its last message.
    pub(crate) seq: u64,
    /// Plain bytes.
    pub(crate) bytes: usize,
    pub(crate) record: Record,
}

/// The place after which reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) id: Id,
    pub(crate) number: u64,
    pub(crate) epoch: u64,
}

#[derive(Debug)]
struct Torn {
    head: Head,
    plain: Vec<u8>,
}

/// What was read so far.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// Set when reading did not begin at the log's beginning.
    after: Option<After>,
    entries: Vec<Entry>,
    torn: Option<Torn>,
    broken: Option<String>,
    bytes: usize,
    /// Sequence of the last message, whatever it was; 0 without any.
    last_seq: u64,
    /// The highest number and epoch of any message that could be opened.
    highest: (u64, u64),
}

/// From where a state can be made.
#[derive(Debug)]
pub(crate) enum Plan<'a> {
    /// From nothing: the log goes back to its beginning.
    Beginning(&'a [Entry]),
    /// From a snapshot and what follows.
    Snapshot {
        base: &'a Base,
        /// The record of a base that voids everything before.
        reset: Option<&'a Entry>,
        rest: &'a [Entry],
    },
}

impl Chain {
    /// Reading begins after a record that is known to be in the log.
    pub(crate) fn after(after: After) -> Self {
        Self {
            after: Some(after),
            highest: (after.number, after.epoch),
            ..Self::default()
        }
    }

    /// Says where the record is that reading begins after.
    pub(crate) fn begin_at(&mut self, seq: u64) {
        self.last_seq = seq;
    }

    /// Takes the next message of the log.
    pub(crate) fn push(&mut self, sealer: &Sealer, place: &str, seq: u64, message: &[u8]) {
        self.last_seq = seq;
        match record::open(sealer, place, message) {
            Ok((head, piece)) => {
                self.highest = (
                    self.highest.0.max(head.number),
                    self.highest.1.max(head.epoch),
                );
                self.piece(seq, head, piece);
            }
            Err(bad) => {
                self.torn = None;
                self.break_at(seq, &bad.to_string());
            }
        }
    }

    fn piece(&mut self, seq: u64, head: Head, piece: Vec<u8>) {
        let torn = self.torn.take();
        let (cut, plain) = match torn {
            Some(mut torn) if continues(&torn.head, &head) => {
                torn.plain.extend_from_slice(&piece);
                (false, torn.plain)
            }
            torn if head.part == 0 => (torn.is_some(), piece),
            _ => return self.break_at(seq, "a part without the parts before it"),
        };
        // What was torn never counted; only a new owner, who saw that, may go on after it.
        if cut {
            self.torn_before(seq, &head, &plain);
        }
        if head.part + 1 < head.parts {
            self.torn = Some(Torn { head, plain });
            return;
        }
        match record::decode(&plain) {
            Ok(record) => self.record(seq, &head, plain.len(), record),
            Err(bad) => self.break_at(seq, &bad.to_string()),
        }
    }

    fn torn_before(&mut self, seq: u64, head: &Head, plain: &[u8]) {
        let begins =
            head.parts == 1 && record::decode(plain).is_ok_and(|record| record.what.begins());
        if !begins {
            self.break_at(seq, "the record before it is not complete");
        }
    }

    fn record(&mut self, seq: u64, head: &Head, bytes: usize, record: Record) {
        if record.what.voids() {
            // Whatever was before, also damage, does not matter any more.
            self.entries.clear();
            (self.broken, self.after, self.bytes) = (None, None, 0);
        } else if self.broken.is_some() {
            return;
        } else if let Err(what) = self.follows(head, &record) {
            return self.break_at(seq, what);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > CHAIN_BYTES_MAX {
            return self.break_at(seq, "it is longer than can be read");
        }
        self.entries.push(Entry {
            id: head.id,
            epoch: head.epoch,
            number: head.number,
            seq,
            bytes,
            record,
        });
    }

    fn follows(&self, head: &Head, record: &Record) -> Result<(), &'static str> {
        let Some(last) = self.last() else {
            // The first one that is kept: the log's first, or whatever snapshots have left.
            let first = head.number == 1;
            return if first == (record.previous == NO_RECORD) && head.number > 0 {
                Ok(())
            } else {
                Err("it is not a first record")
            };
        };
        if record.previous != last.id || Some(head.number) != last.number.checked_add(1) {
            return Err("it does not follow the record before it");
        }
        if head.epoch < last.epoch || (head.epoch > last.epoch && !record.what.begins()) {
            return Err("its epoch has not begun");
        }
        Ok(())
    }

    fn break_at(&mut self, seq: u64, what: &str) {
        if self.broken.is_none() {
            self.broken = Some(format!("message {seq}: {what}"));
        }
    }

    /// What is wrong, and where.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The last complete record, or the one that reading began after.
    pub(crate) fn last(&self) -> Option<After> {
        let last = self.entries.last().map(|entry| After {
            id: entry.id,
            number: entry.number,
            epoch: entry.epoch,
        });
        last.or(self.after)
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The highest number and the highest epoch of any message that opens, in damaged parts too.
    pub(crate) fn highest(&self) -> (u64, u64) {
        self.highest
    }

    /// Whether nothing at all was there.
    pub(crate) fn is_empty(&self) -> bool {
        self.last_seq == 0 && self.after.is_none()
    }

    /// What follows a record, if it is in the log or was until a snapshot covered it, and nothing later voids it.
    pub(crate) fn following(&self, id: Id) -> Option<&[Entry]> {
        if self.after.is_some_and(|after| after.id == id) {
            return Some(&self.entries);
        }
        let first = self.entries.first()?;
        if first.record.previous == id && id != NO_RECORD && !first.record.what.voids() {
            return Some(&self.entries);
        }
        let at = self.entries.iter().position(|entry| entry.id == id)?;
        self.entries.get(at + 1..)
    }

    /// The record that made a snapshot the state.
    pub(crate) fn base_of(&self, snapshot: Id) -> Option<&Entry> {
        let is = |entry: &&Entry| matches!(&entry.record.what, What::Base(base) if base.snapshot == snapshot);
        self.entries.iter().find(is)
    }

    /// The number of the first record that is kept.
    pub(crate) fn first_number(&self) -> Option<u64> {
        self.entries.first().map(|entry| entry.number)
    }

    /// From where the state of the last record can be made; `None` where too much is gone.
    pub(crate) fn plan(&self) -> Option<Plan<'_>> {
        for (at, entry) in self.entries.iter().enumerate().rev() {
            let What::Base(base) = &entry.record.what else {
                continue;
            };
            let Some(covers) = base.covers else {
                let rest = self.entries.get(at + 1..)?;
                return Some(Plan::Snapshot {
                    base,
                    reset: Some(entry),
                    rest,
                });
            };
            let from = self
                .entries
                .iter()
                .position(|entry| entry.number > covers)?;
            let first = self.entries.get(from)?;
            if first.number == covers.saturating_add(1) {
                let rest = self.entries.get(from..)?;
                return Some(Plan::Snapshot {
                    base,
                    reset: None,
                    rest,
                });
            }
        }
        let first = self.entries.first()?;
        (first.number == 1 && first.record.previous == NO_RECORD)
            .then_some(Plan::Beginning(&self.entries))
    }
}

fn continues(torn: &Head, next: &Head) -> bool {
    let expected = Head {
        part: torn.part + 1,
        ..*torn
    };
    *next == expected
}

impl What {
    /// Whether an epoch may begin with it.
    pub(crate) fn begins(&self) -> bool {
        matches!(self, Self::Begin) || self.voids()
    }

    /// Whether everything before it is void.
    pub(crate) fn voids(&self) -> bool {
        matches!(self, Self::Base(base) if base.covers.is_none())
    }
}

#[cfg(test)]
mod tests;
