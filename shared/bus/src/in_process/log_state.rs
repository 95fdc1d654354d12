//! The streams of the in-process bus: messages, duplicate windows and retention.
//!
//! Pure: no task, no disk; the time comes in as an argument. Consumers are in
//! `consumer_state`, the form on the disk is in `rows`.

mod consumer_state;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::engine::Machine;
use super::storage::Op;
use crate::event_log::{Appended, ConsumerSpec, LogRecord, Overflow, StreamSpec};
use crate::limits::{FETCH_MAX, READ_BYTES_MAX};
use crate::{ConsumerName, StreamName, Subject, SubjectFilter};

pub(super) use consumer_state::Fetched;
use consumer_state::Reader;

/// The most ids remembered per stream; over it the oldest are forgotten before their window ends.
const DUPLICATES_MAX: usize = 1_000_000;

/// When a command runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) monotonic: Instant,
    pub(super) unix_ms: u64,
}

/// All streams.
#[derive(Debug, Default)]
pub(super) struct State {
    streams: HashMap<StreamName, Stream>,
    changed: Vec<StreamName>,
}

#[derive(Debug, Default)]
struct Stream {
    /// `None` while only its rows are loaded and nobody has opened it.
    spec: Option<StreamSpec>,
    last: u64,
    bytes: u64,
    messages: BTreeMap<u64, Arc<Message>>,
    by_subject: HashMap<Subject, BTreeSet<u64>>,
    duplicates: HashMap<String, u64>,
    /// Ids in the order of their expiry; `None`: loaded, not yet dated.
    windows: VecDeque<(Option<Instant>, String)>,
    readers: HashMap<ConsumerName, Reader>,
    changed: watch::Sender<()>,
}

/// A stored message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) seq: u64,
    pub(super) at_ms: u64,
    pub(super) subject: Subject,
    pub(super) id: String,
    pub(super) payload: Bytes,
}

impl Message {
    fn size(&self) -> u64 {
        let size = self.subject.as_str().len() + self.id.len() + self.payload.len();
        u64::try_from(size).unwrap_or(u64::MAX)
    }
}

/// Why a command changed nothing.
#[derive(Debug)]
pub(super) enum Refused {
    NoStream,
    Conflict(String),
    WrongSequence(Option<u64>),
    Full,
}

/// An event to append.
#[derive(Debug)]
pub(super) struct NewMessage {
    pub(super) subject: Subject,
    pub(super) id: String,
    pub(super) payload: Bytes,
    pub(super) expected_last: Option<u64>,
}

impl State {
    /// Takes a stored row; false if it is not one of this state's.
    pub(super) fn load(&mut self, row: &[u8], value: &Bytes) -> bool {
        let Some((name, row)) = rows::read(row, value) else {
            return false;
        };
        let stream = self.streams.entry(name).or_default();
        match row {
            rows::Row::Last(last) => stream.last = stream.last.max(last),
            rows::Row::Message(message) => stream.insert(message),
            rows::Row::Reader(name, reader) => stream.reader(name).restore(reader),
            rows::Row::Mark(name, seq, mark) => stream.reader(name).restore_mark(seq, mark),
        }
        true
    }

    /// Call once, after the last [`State::load`].
    pub(super) fn loaded(&mut self) {
        for stream in self.streams.values_mut() {
            for message in stream.messages.values() {
                stream.duplicates.insert(message.id.clone(), message.seq);
                stream.windows.push_back((None, message.id.clone()));
            }
            for reader in stream.readers.values_mut() {
                reader.loaded();
            }
        }
    }

    pub(super) fn open(
        &mut self,
        spec: StreamSpec,
        now: Now,
        batch: &mut Vec<Op>,
    ) -> Result<(), Refused> {
        let taken = self
            .streams
            .values()
            .filter_map(|stream| stream.spec.as_ref())
            .find(|other| other.name != spec.name && other.subjects.overlaps(&spec.subjects));
        if let Some(other) = taken {
            return Err(Refused::Conflict(format!(
                "stream {} already takes subjects of {}",
                other.name, spec.subjects
            )));
        }
        let stream = self.streams.entry(spec.name.clone()).or_default();
        if let Some(before) = stream
            .spec
            .as_ref()
            .filter(|old| old.subjects != spec.subjects)
        {
            return Err(Refused::Conflict(format!(
                "the stream exists with subjects {}",
                before.subjects
            )));
        }
        // The ids of loaded messages are dated by this opening, the first moment they can be asked for.
        for (expiry, _) in &mut stream.windows {
            expiry.get_or_insert(now.monotonic + spec.duplicate_window);
        }
        stream.spec = Some(spec);
        stream.retain(now, batch);
        Ok(())
    }

    pub(super) fn append(
        &mut self,
        name: &StreamName,
        message: NewMessage,
        now: Now,
        batch: &mut Vec<Op>,
    ) -> Result<Appended, Refused> {
        let stream = self.opened(name)?;
        let Some((window, room)) = stream
            .spec
            .as_ref()
            .filter(|spec| spec.subjects.matches(&message.subject))
            .map(|spec| (spec.duplicate_window, stream.room(spec)))
        else {
            return Err(Refused::NoStream);
        };
        stream.forget_ids(now);
        if let Some(seq) = stream.duplicates.get(&message.id) {
            return Ok(Appended {
                seq: *seq,
                duplicate: true,
            });
        }
        let current = stream.last_of(&message.subject);
        if message
            .expected_last
            .is_some_and(|expected| expected != current.unwrap_or(0))
        {
            return Err(Refused::WrongSequence(current));
        }
        let NewMessage {
            subject,
            id,
            payload,
            ..
        } = message;
        let seq = stream.last + 1;
        let message = Message {
            seq,
            at_ms: now.unix_ms,
            subject,
            id,
            payload,
        };
        if room.is_some_and(|room| message.size() > room) {
            return Err(Refused::Full);
        }
        let (expiry, id) = (now.monotonic + window, message.id.clone());
        stream.duplicates.insert(id.clone(), seq);
        stream.windows.push_back((Some(expiry), id));
        batch.push(rows::put_message(name, &message));
        stream.insert(message);
        stream.retain(now, batch);
        self.changed.push(name.clone());
        Ok(Appended {
            seq,
            duplicate: false,
        })
    }

    pub(super) fn last(
        &mut self,
        name: &StreamName,
        subject: &Subject,
        now: Now,
        batch: &mut Vec<Op>,
    ) -> Result<Option<u64>, Refused> {
        let stream = self.opened(name)?;
        stream.retain(now, batch);
        Ok(stream.last_of(subject))
    }

    pub(super) fn read(
        &mut self,
        name: &StreamName,
        subject: &Subject,
        after: u64,
        max: usize,
        now: Now,
        batch: &mut Vec<Op>,
    ) -> Result<Vec<LogRecord>, Refused> {
        let stream = self.opened(name)?;
        stream.retain(now, batch);
        let (mut found, mut bytes) = (Vec::new(), 0);
        let seqs = stream.by_subject.get(subject);
        let above = (Bound::Excluded(after), Bound::Unbounded);
        for seq in seqs.into_iter().flat_map(|seqs| seqs.range(above)) {
            if found.len() >= max.clamp(1, FETCH_MAX) || bytes >= READ_BYTES_MAX {
                break;
            }
            if let Some(message) = stream.messages.get(seq) {
                bytes += message.payload.len();
                found.push(LogRecord {
                    seq: message.seq,
                    id: Some(message.id.clone()),
                    payload: message.payload.clone(),
                });
            }
        }
        Ok(found)
    }

    pub(super) fn purge(
        &mut self,
        name: &StreamName,
        filter: &SubjectFilter,
        up_to: u64,
        batch: &mut Vec<Op>,
    ) -> Result<u64, Refused> {
        let stream = self.opened(name)?;
        let subjects = stream.by_subject.iter();
        let mut matching: Vec<u64> = subjects
            .filter(|(subject, _)| filter.matches(subject))
            .flat_map(|(_, seqs)| seqs.range(..=up_to).copied())
            .collect();
        matching.sort_unstable();
        if !matching.is_empty() {
            // Without their messages nothing else would remember that the sequences were used.
            batch.push(rows::put_last(name, stream.last));
        }
        for seq in &matching {
            stream.remove(name, *seq, batch);
        }
        Ok(u64::try_from(matching.len()).unwrap_or(u64::MAX))
    }

    /// Opens a consumer and returns what tells of changes to it.
    pub(super) fn consumer(
        &mut self,
        name: &StreamName,
        spec: &ConsumerSpec,
        batch: &mut Vec<Op>,
    ) -> Result<watch::Receiver<()>, Refused> {
        let stream = self.opened(name)?;
        let reader = stream.readers.entry(spec.name.clone()).or_default();
        reader.open(spec).map_err(Refused::Conflict)?;
        batch.push(reader.put(name, &spec.name));
        Ok(stream.changed.subscribe())
    }

    pub(super) fn remove_consumer(
        &mut self,
        name: &StreamName,
        consumer: &ConsumerName,
        batch: &mut Vec<Op>,
    ) -> Result<(), Refused> {
        if let Some(reader) = self.opened(name)?.readers.remove(consumer) {
            reader.delete(name, consumer, batch);
        }
        Ok(())
    }

    pub(super) fn fetch(
        &mut self,
        name: &StreamName,
        consumer: &ConsumerName,
        max: usize,
        now: Now,
        batch: &mut Vec<Op>,
    ) -> Result<Fetched, Refused> {
        let stream = self.opened(name)?;
        stream.retain(now, batch);
        let reader = stream.readers.get_mut(consumer).ok_or(Refused::NoStream)?;
        Ok(reader.fetch(&stream.messages, max, now.monotonic))
    }

    pub(super) fn ack(
        &mut self,
        name: &StreamName,
        consumer: &ConsumerName,
        seq: u64,
        batch: &mut Vec<Op>,
    ) -> Result<(), Refused> {
        let reader = self
            .opened(name)?
            .readers
            .get_mut(consumer)
            .ok_or(Refused::NoStream)?;
        reader.ack(name, consumer, seq, batch);
        // A place among the unacknowledged may be free now.
        self.changed.push(name.clone());
        Ok(())
    }

    pub(super) fn nak(
        &mut self,
        name: &StreamName,
        consumer: &ConsumerName,
        seq: u64,
        due: Instant,
        batch: &mut Vec<Op>,
    ) -> Result<(), Refused> {
        let reader = self
            .opened(name)?
            .readers
            .get_mut(consumer)
            .ok_or(Refused::NoStream)?;
        reader.nak(name, consumer, seq, due, batch);
        self.changed.push(name.clone());
        Ok(())
    }

    fn opened(&mut self, name: &StreamName) -> Result<&mut Stream, Refused> {
        self.streams
            .get_mut(name)
            .filter(|stream| stream.spec.is_some())
            .ok_or(Refused::NoStream)
    }
}

impl Machine for State {
    fn committed(&mut self) {
        for name in self.changed.drain(..) {
            if let Some(stream) = self.streams.get(&name) {
                stream.changed.send_replace(());
            }
        }
    }
}

impl Stream {
    fn reader(&mut self, name: ConsumerName) -> &mut Reader {
        self.readers.entry(name).or_default()
    }

    fn last_of(&self, subject: &Subject) -> Option<u64> {
        self.by_subject.get(subject)?.last().copied()
    }

    /// Bytes that an append may add; `None` where older messages make room for it.
    fn room(&self, spec: &StreamSpec) -> Option<u64> {
        match spec.overflow {
            Overflow::DropOldest => None,
            Overflow::Refuse => Some(spec.bytes_max.saturating_sub(self.bytes)),
        }
    }

    fn insert(&mut self, message: Message) {
        self.last = self.last.max(message.seq);
        self.bytes += message.size();
        self.by_subject
            .entry(message.subject.clone())
            .or_default()
            .insert(message.seq);
        self.messages.insert(message.seq, Arc::new(message));
    }

    fn remove(&mut self, name: &StreamName, seq: u64, batch: &mut Vec<Op>) {
        let Some(message) = self.messages.remove(&seq) else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(message.size());
        if let Some(seqs) = self.by_subject.get_mut(&message.subject) {
            seqs.remove(&seq);
            if seqs.is_empty() {
                self.by_subject.remove(&message.subject);
            }
        }
        batch.push(rows::delete_message(name, seq));
        for (consumer, reader) in &mut self.readers {
            reader.gone(name, consumer, seq, batch);
        }
    }

    /// Drops the oldest messages while they are too old or all are too large. The newest stays.
    fn retain(&mut self, now: Now, batch: &mut Vec<Op>) {
        let Some(spec) = &self.spec else { return };
        let (name, bytes_max) = (spec.name.clone(), spec.bytes_max);
        let drops = spec.overflow == Overflow::DropOldest;
        let oldest_ms = spec.age_max.map_or(0, |age_max| {
            let age_max_ms = u64::try_from(age_max.as_millis()).unwrap_or(u64::MAX);
            now.unix_ms.saturating_sub(age_max_ms)
        });
        while let Some((seq, message)) = self.messages.first_key_value() {
            let too_large = drops && self.bytes > bytes_max && self.messages.len() > 1;
            if !too_large && message.at_ms >= oldest_ms {
                break;
            }
            let seq = *seq;
            if seq == self.last {
                batch.push(rows::put_last(&name, seq));
            }
            self.remove(&name, seq, batch);
        }
    }

    fn forget_ids(&mut self, now: Now) {
        while let Some((expiry, id)) = self.windows.front() {
            let expired = expiry.is_some_and(|at| at <= now.monotonic);
            if !expired && self.windows.len() <= DUPLICATES_MAX {
                break;
            }
            self.duplicates.remove(id);
            self.windows.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
