//! The watchdog: an operating system's thread that shuts the gate of a lease that has run out (design rule R-12).
//!
//! It does not depend on the runtime, whose tasks may all be waiting for something. Nothing else of the crate starts threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::gate::Gate;

/// How often the lease is looked at. Source: design rule R-12.
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct Watched {
    gate: Mutex<Option<Arc<Gate>>>,
    stop: AtomicBool,
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts it with nothing to watch.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let watched = Arc::new(Watched::default());
        let seen = Arc::clone(&watched);
        let thread = thread::Builder::new()
            .name("lease".to_owned())
            .spawn(move || look(&seen))?;
        Ok(Self {
            watched,
            thread: Some(thread),
        })
    }

    /// Watches this gate from now on, instead of an earlier one.
    pub(crate) fn watch(&self, gate: Arc<Gate>) {
        let mut watched = self
            .watched
            .gate
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *watched = Some(gate);
    }
}

fn look(watched: &Watched) {
    while !watched.stop.load(Ordering::SeqCst) {
        let gate = watched
            .gate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(gate) = gate {
            // Asking is what shuts it.
            gate.holds();
        }
        thread::park_timeout(LOOK_EVERY);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.watched.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the watchdog of the lease had failed");
            }
        }
    }
}
