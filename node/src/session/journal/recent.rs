//! What a session's journal read and wrote last, so that the next step of the same message need not read it from the store.
//!
//! A send is recorded in four steps within milliseconds, each of which reads the rows of the one before. Owns copies of rows and
//! of events that are durable, a few KiB of each; forgets them soon. Must not know what they mean.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard_keystore::{Kind, Op};
use switchboard_vocab::events::Envelope;

use crate::session::kinds;

/// Bytes of rows that one half holds; there are two of them. Some messages under way need about 2.5 KiB each.
const HALF_BYTES_MAX: usize = 8 << 10;
/// Bytes of events, as they are stored, that are kept for the sinks that follow closely. A receiver that is down keeps them here
/// for every session that is told of something, so they are few.
const EVENTS_BYTES_MAX: usize = 16 << 10;

/// Rows that are written once and read by scans: copies of them would only push out what is read again.
const NOT_KEPT: [Kind; 5] = [
    kinds::HEAD,
    kinds::OUTBOX,
    kinds::BY_TIME,
    kinds::IN_CHAT,
    kinds::UNINDEXED,
];

type Place = (Kind, Vec<u8>);
type Half = HashMap<Place, Option<Vec<u8>>>;

/// Rows as the store has them, `None` where it has none. Only the writer changes them, so they are true.
#[derive(Debug, Default)]
pub(super) struct Recent {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    young: Half,
    young_bytes: usize,
    /// Those that were young before; what is read of them is young again.
    old: Half,
}

impl Recent {
    pub(super) fn get(&self, place: &Place) -> Option<Option<Vec<u8>>> {
        let mut rows = self.rows();
        if let Some(row) = rows.young.get(place) {
            return Some(row.clone());
        }
        let row = rows.old.remove(place)?;
        rows.keep(place.clone(), row.clone());
        Some(row)
    }

    /// The store has this row.
    pub(super) fn keep(&self, place: Place, row: Option<Vec<u8>>) {
        self.rows().keep(place, row);
    }

    /// A commit is about to change the store.
    pub(super) fn changed(&self, ops: &[Op]) {
        let mut rows = self.rows();
        for op in ops {
            match op {
                Op::Put { kind, key, value } => {
                    rows.keep((*kind, key.clone()), Some(value.clone()));
                }
                Op::Delete { kind, key } => rows.keep((*kind, key.clone()), None),
                Op::DeleteRange { kind, from, to } => {
                    let gone = |(at, key): &Place| at == kind && key >= from && key < to;
                    rows.young.retain(|place, _| !gone(place));
                    rows.old.retain(|place, _| !gone(place));
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let rows = self.rows();
        rows.young.is_empty() && rows.old.is_empty()
    }

    pub(super) fn clear(&self) {
        *self.rows() = Rows::default();
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn keep(&mut self, place: Place, row: Option<Vec<u8>>) {
        if NOT_KEPT.contains(&place.0) {
            return;
        }
        self.old.remove(&place);
        let bytes = weight(&place, row.as_deref());
        if let Some(before) = self.young.remove(&place) {
            self.young_bytes -= weight(&place, before.as_deref());
        }
        if bytes > HALF_BYTES_MAX {
            return;
        }
        if self.young_bytes + bytes > HALF_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(place, row);
    }
}

fn weight((_, key): &Place, row: Option<&[u8]>) -> usize {
    key.len() + row.map_or(0, <[u8]>::len)
}

/// An event with its length as it is stored.
pub(super) type Weighed = (Envelope, usize);

/// The newest events of the outbox.
#[derive(Debug, Default)]
pub(super) struct Tail {
    events: VecDeque<Weighed>,
    bytes: usize,
}

impl Tail {
    /// These are durable now; sinks have passed those before `first`.
    pub(super) fn push(&mut self, events: Vec<Weighed>, first: u64) {
        for event in events {
            self.bytes += event.1;
            self.events.push_back(event);
        }
        while let Some((event, len)) = self.events.front()
            && (self.bytes > EVENTS_BYTES_MAX || event.sequence < first)
        {
            self.bytes -= len;
            self.events.pop_front();
        }
    }

    /// The events behind `after`, at most `limit`; `None` where some of them may be in the store only.
    pub(super) fn read(&self, after: u64, limit: usize) -> Option<Vec<Envelope>> {
        let (first, _) = self.events.front()?;
        if first.sequence > after + 1 {
            return None;
        }
        let events = self.events.iter().map(|(event, _)| event);
        let behind = events.skip_while(|event| event.sequence <= after);
        Some(behind.take(limit).cloned().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The store has them all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use switchboard_vocab::events::{Event, sessions};
    use switchboard_vocab::{Epoch, EventId, Timestamp};

    use super::*;

    fn place(key: &str) -> Place {
        (kinds::MESSAGE, key.into())
    }

    fn put(key: &str, value: &str) -> Op {
        let (kind, key) = place(key);
        let value = value.into();
        Op::Put { kind, key, value }
    }

    fn shown(recent: &Recent, key: &str) -> Option<Option<String>> {
        let row = recent.get(&place(key))?;
        Some(row.map(|row| String::from_utf8(row).unwrap()))
    }

    #[test]
    fn what_was_written_last_is_seen() {
        let recent = Recent::default();
        assert_eq!(shown(&recent, "a"), None, "only the store knows");
        recent.keep(place("a"), None);
        assert_eq!(shown(&recent, "a"), Some(None));
        recent.changed(&[put("a", "1"), put("b", "1"), put("a", "2")]);
        assert_eq!(shown(&recent, "a"), Some(Some("2".to_owned())));
        let (kind, key) = place("a");
        recent.changed(&[Op::Delete { kind, key }]);
        assert_eq!(shown(&recent, "a"), Some(None));
        assert_eq!(shown(&recent, "b"), Some(Some("1".to_owned())));
    }

    #[test]
    fn a_range_that_goes_is_the_store_s_to_tell() {
        let recent = Recent::default();
        recent.changed(&[put("a", "1"), put("b", "1"), put("c", "1")]);
        recent.changed(&[Op::DeleteRange {
            kind: kinds::MESSAGE,
            from: b"a".to_vec(),
            to: b"c".to_vec(),
        }]);
        let seen = ["a", "b", "c"].map(|key| shown(&recent, key).is_some());
        assert_eq!(seen, [false, false, true]);
    }

    #[test]
    fn it_stays_small_and_keeps_what_is_read_again() {
        let recent = Recent::default();
        let value = "x".repeat(1_000);
        recent.changed(&[put("read", "1")]);
        for at in 0..100 {
            recent.changed(&[put(&at.to_string(), &value)]);
            assert!(shown(&recent, "read").is_some());
            let rows = recent.rows();
            let all = rows.young.iter().chain(&rows.old);
            let bytes: usize = all.map(|(at, row)| weight(at, row.as_deref())).sum();
            assert!(bytes <= 2 * HALF_BYTES_MAX, "{bytes}");
        }
        assert_eq!(shown(&recent, "0"), None);
        let large = "x".repeat(HALF_BYTES_MAX);
        recent.changed(&[put("read", &large)]);
        assert_eq!(shown(&recent, "read"), None, "it would push out the rest");
        recent.clear();
        assert!(recent.is_empty());
    }

    #[test]
    fn rows_for_scans_are_not_kept() {
        let recent = Recent::default();
        recent.keep((kinds::OUTBOX, vec![1]), Some(vec![1]));
        assert!(recent.is_empty());
    }

    #[test]
    fn few_events_are_kept_whoever_has_not_passed_them() {
        let event = |sequence| Envelope {
            id: EventId::new("u", Epoch(1), sequence),
            session: "default/one".parse().unwrap(),
            epoch: Epoch(1),
            sequence,
            at: Timestamp::from_secs(1),
            event: Event::Sessions(sessions::Event::HistoryTaken(
                sessions::HistoryPart::default(),
            )),
        };
        let sequences = |tail: &Tail, after| {
            let events = tail.read(after, 9)?;
            Some(events.iter().map(|e| e.sequence).collect::<Vec<_>>())
        };
        let mut tail = Tail::default();
        let third = EVENTS_BYTES_MAX / 3;
        for sequence in 1..=5 {
            tail.push(vec![(event(sequence), third)], 1);
        }
        assert_eq!(sequences(&tail, 1), None, "the store has it");
        assert_eq!(sequences(&tail, 2), Some(vec![3, 4, 5]));
        tail.push(Vec::new(), 5);
        assert_eq!(sequences(&tail, 3), None);
        assert_eq!(sequences(&tail, 4), Some(vec![5]));
        tail.push(vec![(event(6), EVENTS_BYTES_MAX + 1)], 5);
        assert_eq!(sequences(&tail, 5), None, "it is too large");
        assert_eq!(tail.bytes, 0);
    }
}
