//! Rows that need no commit of their own: they ride along with the next one of their session.
//!
//! For what must not be missing once a later write of the library is durable, and may be missing when that one is: a
//! decrypted message beside the ratchet that went on for it, what was sent beside the counters it took. The library
//! writes its Signal state within 25 ms of any message, so they are on the disk soon after, at the price of no sync.
//!
//! Owns what waits. Reads of single rows see it; scans do not. Must not know what the rows mean.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_keystore::{Kind, Op};
use tokio::sync::Notify;

/// Rows that wait; with more of them a commit is paid for.
const ROWS_MAX: usize = 256;
/// Bytes of these rows.
const BYTES_MAX: usize = 1 << 20;

type Place = (Kind, Vec<u8>);

/// What a row is to become.
#[derive(Debug, Clone)]
struct Rider {
    /// Absent where it goes.
    value: Option<Vec<u8>>,
    /// Grows with each change, so that a ride takes off its list what it took along and nothing newer.
    number: u64,
    /// A commit took it along, and may have written it.
    boarded: bool,
}

/// The rows that wait.
#[derive(Debug, Default)]
pub(super) struct Riders {
    waiting: Mutex<Waiting>,
    /// Told when the first of them comes.
    first: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    rows: BTreeMap<Place, Rider>,
    bytes: usize,
    last_number: u64,
}

/// What one commit took along.
#[derive(Debug, Default)]
pub(super) struct Ride(Vec<(Place, u64)>);

impl Riders {
    /// Lets a row wait; `true` when there are so many that somebody should write them.
    pub(super) fn put(&self, kind: Kind, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.set((kind, key), Some(value))
    }

    /// Lets the removal of a stored row wait; `true` as for [`Riders::put`].
    pub(super) fn delete(&self, kind: Kind, key: Vec<u8>) -> bool {
        self.set((kind, key), None)
    }

    fn set(&self, place: Place, value: Option<Vec<u8>>) -> bool {
        let mut waiting = self.waiting();
        if waiting.rows.is_empty() {
            self.first.notify_one();
        }
        waiting.set(place, value);
        waiting.is_full()
    }

    /// Returns once something has waited for a commit all through `patience`, and none came.
    pub(super) async fn late(&self, patience: Duration) {
        loop {
            if self.waiting().rows.is_empty() {
                self.first.notified().await;
            }
            let known = self.waiting().last_number;
            tokio::time::sleep(patience).await;
            let waiting = self.waiting();
            if waiting.rows.values().any(|rider| rider.number <= known) {
                return;
            }
        }
    }

    /// Removes a row that waits, or lets its removal wait where a commit may have written it; `false` where none waits, so that
    /// the store alone knows.
    pub(super) fn take_off(&self, kind: Kind, key: &[u8]) -> bool {
        let mut waiting = self.waiting();
        let place = (kind, key.to_vec());
        let Some(rider) = waiting.rows.get(&place) else {
            return false;
        };
        if rider.boarded {
            waiting.set(place, None);
        } else {
            waiting.remove(&place);
        }
        true
    }

    /// What a row is to become, where it waits.
    pub(super) fn get(&self, kind: Kind, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let waiting = self.waiting();
        let rider = waiting.rows.get(&(kind, key.to_vec()))?;
        Some(rider.value.clone())
    }

    /// Everything that waits, as operations. It waits on until [`Riders::arrived`].
    pub(super) fn board(&self) -> (Vec<Op>, Ride) {
        let mut waiting = self.waiting();
        let mut ride = Ride::default();
        let mut ops = Vec::with_capacity(waiting.rows.len());
        for ((kind, key), rider) in &mut waiting.rows {
            rider.boarded = true;
            ride.0.push(((*kind, key.clone()), rider.number));
            let (kind, key) = (*kind, key.clone());
            ops.push(match rider.value.clone() {
                Some(value) => Op::Put { kind, key, value },
                None => Op::Delete { kind, key },
            });
        }
        (ops, ride)
    }

    /// A ride is durable.
    pub(super) fn arrived(&self, ride: Ride) {
        let mut waiting = self.waiting();
        for (place, number) in ride.0 {
            if waiting
                .rows
                .get(&place)
                .is_some_and(|rider| rider.number == number)
            {
                waiting.remove(&place);
            }
        }
    }

    /// Nothing waits any more.
    pub(super) fn clear(&self) {
        *self.waiting() = Waiting::default();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn set(&mut self, place: Place, value: Option<Vec<u8>>) {
        let boarded = self.remove(&place);
        self.last_number += 1;
        let rider = Rider {
            value,
            number: self.last_number,
            boarded,
        };
        self.bytes += weight(&place, &rider);
        self.rows.insert(place, rider);
    }

    /// Says whether a commit had taken it along.
    fn remove(&mut self, place: &Place) -> bool {
        let Some(rider) = self.rows.remove(place) else {
            return false;
        };
        self.bytes = self.bytes.saturating_sub(weight(place, &rider));
        rider.boarded
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.bytes >= BYTES_MAX
    }
}

fn weight((_, key): &Place, rider: &Rider) -> usize {
    key.len() + rider.value.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind(0x2A);

    fn put(riders: &Riders, key: &str, value: &str) -> bool {
        riders.put(KIND, key.into(), value.into())
    }

    fn shown(riders: &Riders, key: &str) -> Option<Option<String>> {
        let row = riders.get(KIND, key.as_bytes())?;
        Some(row.map(|value| String::from_utf8(value).unwrap()))
    }

    #[test]
    fn what_is_removed_before_it_was_written_is_never_written() {
        let riders = Riders::default();
        put(&riders, "a", "1");
        assert!(riders.take_off(KIND, b"a"));
        assert_eq!(riders.board().0, []);
        assert_eq!(shown(&riders, "a"), None);
    }

    #[test]
    fn what_may_have_been_written_is_removed_with_the_next_ride() {
        let riders = Riders::default();
        put(&riders, "a", "1");
        let (_, first) = riders.board();
        assert!(riders.take_off(KIND, b"a"));
        assert_eq!(shown(&riders, "a"), Some(None));
        riders.arrived(first);
        let (ops, second) = riders.board();
        let gone = Op::Delete {
            kind: KIND,
            key: b"a".to_vec(),
        };
        assert_eq!(ops, [gone]);
        riders.arrived(second);
        assert_eq!(riders.board().0, []);
    }

    #[test]
    fn a_ride_takes_nothing_newer_off_the_list() {
        let riders = Riders::default();
        put(&riders, "a", "1");
        let (_, first) = riders.board();
        put(&riders, "a", "2");
        riders.arrived(first);
        assert_eq!(shown(&riders, "a"), Some(Some("2".to_owned())));
        let (_, second) = riders.board();
        riders.arrived(second);
        assert_eq!(shown(&riders, "a"), None);
    }

    #[test]
    fn of_what_is_stored_only_the_store_knows() {
        let riders = Riders::default();
        assert!(!riders.take_off(KIND, b"a"));
        riders.delete(KIND, b"a".to_vec());
        assert_eq!(riders.board().0.len(), 1);
    }

    #[test]
    fn too_many_are_said() {
        let riders = Riders::default();
        let said: Vec<bool> = (0..ROWS_MAX)
            .map(|at| put(&riders, &at.to_string(), ""))
            .collect();
        assert_eq!(said.iter().position(|full| *full), Some(ROWS_MAX - 1));
        let riders = Riders::default();
        assert!(put(&riders, "large", &"x".repeat(BYTES_MAX)));
        riders.clear();
        assert!(!put(&riders, "large", ""));
    }
}
