//! Who of a node's sessions may connect to WhatsApp next, and how fast one after the other.
//!
//! Owns the queue and its fairness; [`pace`] owns the speed. Must not know what a session is or why it connects. The queue is as long
//! as there are sessions that wait: each has one connection at most. Who gives up waiting leaves it.

mod pace;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use pace::{Generation, Pace};

/// How urgent a connect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Somebody looks at the screen: a session that is not linked yet shows its code only when it is connected. Takes turns with
    /// the others, so that it can neither be kept waiting by a restart of thousands nor keep them waiting.
    Awaited,
    /// All others, in the order of asking.
    Usual,
}

/// Gives out turns to connect.
#[derive(Debug)]
pub(crate) struct Limiter {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    awaited: BTreeMap<u64, Arc<Notify>>,
    usual: BTreeMap<u64, Arc<Notify>>,
    last: u64,
    /// The last turn went to an awaited one.
    was_awaited: bool,
}

impl Limiter {
    /// At most `per_second_max` a second, by adaption less; zero counts as one.
    pub(crate) fn new(per_second_max: u32) -> Arc<Self> {
        let limiter = Self {
            began: Instant::now(),
            state: Mutex::new(State {
                pace: Pace::new(per_second_max),
                awaited: BTreeMap::new(),
                usual: BTreeMap::new(),
                last: 0,
                was_awaited: false,
            }),
        };
        limiter.lock().show();
        Arc::new(limiter)
    }

    /// Returns when it is the caller's turn. A caller that gives up leaves the queue.
    pub(crate) async fn acquire(self: &Arc<Self>, urgency: Urgency) -> Turn {
        let place = Place::at_end(self, urgency);
        loop {
            match self.try_take(&place) {
                Step::Go(under) => {
                    return Turn {
                        limiter: Arc::clone(self),
                        under,
                        is_welcome: AtomicBool::new(false),
                    };
                }
                // Woken early when the pace changes or somebody more urgent comes or goes.
                Step::At(due) => drop(timeout(due, place.woken.notified()).await),
                Step::NotFirst => place.woken.notified().await,
            }
        }
    }

    fn try_take(&self, place: &Place<'_>) -> Step {
        let now = self.began.elapsed();
        let mut state = self.lock();
        if state.first() != Some((place.urgency, place.number)) {
            return Step::NotFirst;
        }
        match state.pace.take(now, rand::random()) {
            Ok(under) => {
                state.was_awaited = place.urgency == Urgency::Awaited;
                Step::Go(under)
            }
            Err(due) => Step::At(due.saturating_sub(now)),
        }
    }

    fn report(&self, tell: impl FnOnce(&mut Pace, Duration, f64)) {
        let now = self.began.elapsed();
        let mut state = self.lock();
        tell(&mut state.pace, now, rand::random());
        state.show();
        state.wake_first();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Step {
    Go(Generation),
    At(Duration),
    NotFirst,
}

impl State {
    fn queue(&mut self, urgency: Urgency) -> &mut BTreeMap<u64, Arc<Notify>> {
        match urgency {
            Urgency::Awaited => &mut self.awaited,
            Urgency::Usual => &mut self.usual,
        }
    }

    fn first(&self) -> Option<(Urgency, u64)> {
        let awaited = self.awaited.keys().next().map(|at| (Urgency::Awaited, *at));
        let usual = self.usual.keys().next().map(|at| (Urgency::Usual, *at));
        if self.was_awaited {
            usual.or(awaited)
        } else {
            awaited.or(usual)
        }
    }

    fn wake_first(&mut self) {
        if let Some((urgency, number)) = self.first()
            && let Some(woken) = self.queue(urgency).get(&number)
        {
            woken.notify_one();
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge of some thousands")]
    fn show(&self) {
        let waiting = self.awaited.len() + self.usual.len();
        metrics::gauge!("switchboard_connects_waiting").set(waiting as f64);
        metrics::gauge!("switchboard_connect_pace").set(self.pace.rate());
    }
}

/// A place in the queue; dropped, it is free and the next is woken.
struct Place<'a> {
    limiter: &'a Limiter,
    urgency: Urgency,
    number: u64,
    woken: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn at_end(limiter: &'a Limiter, urgency: Urgency) -> Self {
        let woken = Arc::new(Notify::new());
        let mut state = limiter.lock();
        state.last += 1;
        let number = state.last;
        state.queue(urgency).insert(number, Arc::clone(&woken));
        state.show();
        drop(state);
        Self {
            limiter,
            urgency,
            number,
            woken,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.lock();
        state.queue(self.urgency).remove(&self.number);
        state.show();
        state.wake_first();
    }
}

/// A turn that was given. What became of the connect is told to it, and decides the pace of the next ones.
#[derive(Debug)]
pub(crate) struct Turn {
    limiter: Arc<Limiter>,
    under: Generation,
    is_welcome: AtomicBool,
}

impl Turn {
    /// WhatsApp took the connection. Only the first time counts.
    pub(crate) fn welcome(&self) {
        if !self.is_welcome.swap(true, Ordering::Relaxed) {
            self.limiter.report(|pace, _, _| pace.succeeded());
        }
    }

    /// The connection ended without a reason; it counts against the pace where WhatsApp never took it.
    pub(crate) fn closed(&self) {
        if !self.is_welcome.load(Ordering::Relaxed) {
            self.limiter
                .report(|pace, now, jitter| pace.refused(now, self.under, jitter));
        }
    }

    /// WhatsApp asked to slow down.
    pub(crate) fn throttled(&self) {
        metrics::counter!("switchboard_connects_throttled_total").increment(1);
        let under = (!self.is_welcome.load(Ordering::Relaxed)).then_some(self.under);
        self.limiter
            .report(|pace, now, jitter| pace.throttled(now, under, jitter));
    }
}

#[cfg(test)]
mod tests;
