//! How much is under way: calls in all, and calls per session.
//!
//! Owns the counts; must not know what a call does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard_vocab::{ErrorCode, OpError, SessionRef};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::body::Budget;
use crate::config::Limits;

/// When trying again makes sense after a count was full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The counts.
#[derive(Debug)]
pub(crate) struct Gate {
    requests: Arc<Semaphore>,
    per_session: Arc<PerSession>,
    /// Memory for bodies.
    pub(crate) budget: Budget,
}

#[derive(Debug)]
struct PerSession {
    max: usize,
    counts: Mutex<HashMap<SessionRef, usize>>,
}

/// One call of a session that is under way.
#[derive(Debug)]
pub(crate) struct SessionPermit {
    session: SessionRef,
    all: Arc<PerSession>,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(limits.requests.min(Semaphore::MAX_PERMITS))),
            per_session: Arc::new(PerSession {
                max: limits.session_requests,
                counts: Mutex::default(),
            }),
            budget: Budget::new(limits.bodies_bytes),
        }
    }

    /// Counts a call in.
    ///
    /// # Errors
    /// `Unavailable` when as many are under way as may be.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, OpError> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| {
            let words = "the gateway has as many calls under way as it can; try again";
            OpError::new(ErrorCode::Unavailable, words).retry_after(RETRY_AFTER)
        })
    }

    /// Counts a call of a session in.
    ///
    /// # Errors
    /// `Busy` when as many are under way for the session as may be.
    pub(crate) fn enter_session(&self, session: &SessionRef) -> Result<SessionPermit, OpError> {
        let max = self.per_session.max;
        let mut counts = self
            .per_session
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(session.clone()).or_default();
        if *count >= max {
            let words = format!("this session has {max} calls under way; try again");
            return Err(OpError::new(ErrorCode::Busy, words).retry_after(RETRY_AFTER));
        }
        *count += 1;
        Ok(SessionPermit {
            session: session.clone(),
            all: Arc::clone(&self.per_session),
        })
    }
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        let mut counts = self
            .all
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.session) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_forgotten_when_its_last_call_ends() {
        let gate = Gate::new(&Limits {
            session_requests: 2,
            ..Limits::default()
        });
        let (a, b): (SessionRef, SessionRef) = ("t/a".parse().unwrap(), "t/b".parse().unwrap());
        let first = gate.enter_session(&a).unwrap();
        let second = gate.enter_session(&a).unwrap();
        assert_eq!(gate.enter_session(&a).unwrap_err().code, ErrorCode::Busy);
        let other = gate.enter_session(&b).unwrap();
        drop(first);
        drop(gate.enter_session(&a).unwrap());
        drop((second, other));
        assert!(gate.per_session.counts.lock().unwrap().is_empty());
    }
}
