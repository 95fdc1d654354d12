//! Collections of the synchronised state that another device changed and that this one may not have read yet.
//!
//! Owns which they are and when they are read again; they outlive a lost connection, and what was told the process too (see
//! `Backend::behind`): connecting again, the library reads nothing that WhatsApp does not call dirty. The library reads a collection when
//! it is told of a change, but drops what it is told while it reads the same collection, and leaves what it gave up to the
//! next change. WhatsApp tells once: so what was told stands here until the store has the version, or the tries are over.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use wacore::appstate::patch_decode::WAPatchName;

/// How long the library has to read by itself.
const CHECK_AFTER: Duration = Duration::from_secs(2);
/// Pauses after each reading that did not bring the version. After the last one the next change must bring it.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1_800),
];

/// One collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Debt {
    pub(crate) name: WAPatchName,
    /// The highest version that was told; 0 where only a skipped reading is known.
    pub(crate) version: u64,
    /// The library said that it skipped a reading: it is read whatever version stands in the store.
    pub(crate) is_skipped: bool,
    tries: usize,
    due: Instant,
}

/// All of a session; one per collection at most.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    debts: Mutex<Vec<Debt>>,
    changed: Notify,
}

impl Owed {
    fn lock(&self) -> MutexGuard<'_, Vec<Debt>> {
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another device made this version.
    pub(crate) fn told(&self, name: WAPatchName, version: u64) {
        self.owe(name, version, false, CHECK_AFTER);
    }

    /// The library did not read the collection because it was reading it.
    pub(crate) fn skipped(&self, name: WAPatchName) {
        self.owe(name, 0, true, Duration::ZERO);
    }

    fn owe(&self, name: WAPatchName, version: u64, is_skipped: bool, after: Duration) {
        if name == WAPatchName::Unknown {
            return;
        }
        let due = Instant::now() + after;
        let mut debts = self.lock();
        match debts.iter_mut().find(|debt| debt.name == name) {
            Some(debt) => {
                if version > debt.version || is_skipped {
                    debt.tries = 0;
                    debt.due = debt.due.min(due);
                }
                debt.version = debt.version.max(version);
                debt.is_skipped |= is_skipped;
            }
            None => debts.push(Debt {
                name,
                version,
                is_skipped,
                tries: 0,
                due,
            }),
        }
        drop(debts);
        self.changed.notify_one();
    }

    /// The next collection that is due; waits for it.
    pub(crate) async fn next(&self) -> Debt {
        loop {
            let changed = self.changed.notified();
            let next = self.lock().iter().min_by_key(|debt| debt.due).copied();
            match next {
                Some(debt) if debt.due <= Instant::now() => return debt,
                Some(debt) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(debt.due) => {}
                },
                None => changed.await,
            }
        }
    }

    /// A reading begins: false when there were enough, and the debt is given up. What is told from now on is owed anew.
    pub(crate) fn begin(&self, name: WAPatchName) -> bool {
        let mut debts = self.lock();
        let Some(debt) = debts.iter_mut().find(|debt| debt.name == name) else {
            return false;
        };
        let Some(pause) = PAUSES.get(debt.tries) else {
            debts.retain(|debt| debt.name != name);
            return false;
        };
        debt.due = Instant::now() + *pause;
        debt.tries += 1;
        debt.is_skipped = false;
        true
    }

    /// The collection stands at this version, or above.
    pub(crate) fn paid(&self, name: WAPatchName, version: u64) {
        self.lock()
            .retain(|debt| debt.name != name || debt.is_skipped || debt.version > version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: WAPatchName = WAPatchName::Regular;

    fn is_empty(owed: &Owed) -> bool {
        owed.lock().is_empty()
    }

    #[tokio::test(start_paused = true)]
    async fn the_library_reads_first_and_what_it_skipped_is_read_at_once() {
        let owed = Owed::default();
        let begun = Instant::now();
        owed.told(NAME, 3);
        let debt = owed.next().await;
        assert_eq!((debt.version, debt.is_skipped), (3, false));
        assert_eq!(begun.elapsed(), CHECK_AFTER);
        owed.paid(NAME, 3);
        assert!(is_empty(&owed));
        let begun = Instant::now();
        owed.skipped(NAME);
        assert!(owed.next().await.is_skipped);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        // A version in the store does not tell what was skipped.
        owed.paid(NAME, 9);
        assert!(!is_empty(&owed));
        assert!(owed.begin(NAME));
        owed.paid(NAME, 0);
        assert!(is_empty(&owed));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_during_a_reading_is_still_owed() {
        let owed = Owed::default();
        owed.told(NAME, 3);
        let read = owed.next().await;
        assert!(owed.begin(NAME));
        owed.told(NAME, 4);
        owed.paid(NAME, read.version);
        assert_eq!(owed.next().await.version, 4);
        assert!(owed.begin(NAME));
        owed.skipped(NAME);
        owed.paid(NAME, 4);
        assert!(owed.next().await.is_skipped);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_given_up_at_last_and_begins_anew_with_the_next_change() {
        let owed = Owed::default();
        owed.told(NAME, 3);
        for pause in PAUSES {
            owed.next().await;
            let begun = Instant::now();
            assert!(owed.begin(NAME));
            owed.next().await;
            assert_eq!(begun.elapsed(), pause);
        }
        assert!(!owed.begin(NAME));
        assert!(is_empty(&owed));
        owed.told(WAPatchName::Unknown, 1);
        assert!(is_empty(&owed));
        owed.told(NAME, 4);
        assert_eq!(owed.next().await.version, 4);
        assert!(owed.begin(NAME));
    }
}
