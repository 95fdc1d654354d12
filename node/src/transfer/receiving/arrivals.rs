//! What is on its way here, and what arrived lately.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_keystore::Import;
use switchboard_vocab::{Epoch, NodeId, SessionRef};
use tokio::time::Instant;

use crate::transfer::wire::{Report, TransferId};

/// Imports under way at once. Source: a node that drains sends a few at a time; this is several such nodes.
pub(super) const IMPORTS_MAX: usize = 16;
/// An import that hears nothing for so long is given up.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(30);
/// Finished transfers remembered, so that a repeated "finish" is answered again.
const DONE_MAX: usize = 256;

/// See the module.
#[derive(Default)]
pub(super) struct Arrivals {
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    under_way: HashMap<SessionRef, Arc<Arrival>>,
    done: VecDeque<Done>,
}

/// One import.
pub(super) struct Arrival {
    pub(super) session: SessionRef,
    pub(super) transfer: TransferId,
    pub(super) from: NodeId,
    pub(super) next: Epoch,
    pub(super) progress: tokio::sync::Mutex<Progress>,
    touched: Mutex<Instant>,
}

/// How far an import is.
#[derive(Default)]
pub(super) struct Progress {
    /// Absent before the first frame, and after the end.
    pub(super) import: Option<Box<dyn Import>>,
    /// Frames written.
    pub(super) taken: u32,
    /// It was finished or given up.
    pub(super) over: bool,
}

/// A finished transfer.
#[derive(Clone)]
pub(super) struct Done {
    pub(super) session: SessionRef,
    pub(super) transfer: TransferId,
    pub(super) next: Epoch,
    pub(super) report: Report,
}

/// What became of a wish to begin.
pub(super) enum Entered {
    /// It may begin, in the place of this one.
    New(Option<Arc<Arrival>>),
    /// It has begun already.
    Again,
    /// Too many are under way.
    Busy,
    /// Another one is under way that counts more.
    Behind(Arc<Arrival>),
}

impl Arrival {
    pub(super) fn new(
        session: SessionRef,
        from: NodeId,
        transfer: TransferId,
        next: Epoch,
    ) -> Arc<Self> {
        Arc::new(Self {
            session,
            transfer,
            from,
            next,
            progress: tokio::sync::Mutex::default(),
            touched: Mutex::new(Instant::now()),
        })
    }

    pub(super) fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn idle(&self) -> bool {
        let touched = *self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.elapsed() > IDLE_MAX
    }
}

impl Arrivals {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Changed in single steps, so a panic elsewhere leaves it sound.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, arrival: &Arc<Arrival>) -> Entered {
        let mut book = self.book();
        let count = book.under_way.len();
        match book.under_way.entry(arrival.session.clone()) {
            Entry::Vacant(_) if count >= IMPORTS_MAX => Entered::Busy,
            Entry::Vacant(place) => {
                place.insert(Arc::clone(arrival));
                Entered::New(None)
            }
            Entry::Occupied(mut place) => {
                let old = place.get();
                if old.transfer == arrival.transfer {
                    return Entered::Again;
                }
                // Every new attempt of a source has a higher epoch, unless it restarted in between. A call of an earlier
                // attempt that comes late must not end a later one.
                let same = old.from == arrival.from && old.next == arrival.next;
                if old.next > arrival.next || (old.next == arrival.next && !same) {
                    return Entered::Behind(Arc::clone(old));
                }
                Entered::New(Some(place.insert(Arc::clone(arrival))))
            }
        }
    }

    pub(super) fn find(&self, session: &SessionRef, transfer: &TransferId) -> Option<Arc<Arrival>> {
        let book = self.book();
        let found = book.under_way.get(session)?;
        (found.transfer == *transfer).then(|| Arc::clone(found))
    }

    /// Takes an import out, unless another has its place already.
    pub(super) fn leave(&self, arrival: &Arrival) {
        let mut book = self.book();
        let mine = book.under_way.get(&arrival.session);
        if mine.is_some_and(|found| found.transfer == arrival.transfer) {
            book.under_way.remove(&arrival.session);
        }
    }

    pub(super) fn remember(&self, done: Done) {
        let mut book = self.book();
        if book.done.len() >= DONE_MAX {
            book.done.pop_front();
        }
        book.done.push_back(done);
    }

    pub(super) fn done(&self, transfer: &TransferId) -> Option<Done> {
        let book = self.book();
        let found = book.done.iter().find(|done| done.transfer == *transfer);
        found.cloned()
    }

    pub(super) fn forget(&self, transfer: &TransferId) {
        self.book().done.retain(|done| done.transfer != *transfer);
    }

    pub(super) fn idle(&self) -> Vec<Arc<Arrival>> {
        let book = self.book();
        let idle = book.under_way.values().filter(|arrival| arrival.idle());
        idle.cloned().collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<Arrival>> {
        self.book().under_way.values().cloned().collect()
    }
}
