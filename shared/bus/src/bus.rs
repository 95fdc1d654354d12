//! The bundle that routers and nodes are built with, and the state of its connection.

use std::sync::Arc;

use tokio::sync::watch;

use crate::metered::Metered;
use crate::{EventLog, Kv, Rpc};

/// Whether the bus can be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Calls go through. The in-process bus is always here.
    Connected,
    /// No server is reachable; the client keeps trying. Calls fail with `Disconnected`.
    Reconnecting,
    /// Given up or shut down. Nothing will work again on this value.
    Closed,
}

/// The three traits together. Cheap to clone; all clones share one connection.
#[derive(Debug, Clone)]
pub struct Bus {
    /// Request and reply.
    pub rpc: Arc<dyn Rpc>,
    /// Records with compare-and-set.
    pub kv: Arc<dyn Kv>,
    /// The stream of events.
    pub log: Arc<dyn EventLog>,
    health: watch::Receiver<Health>,
    copies: usize,
}

impl Bus {
    /// Bundles three implementations with the state of what carries them. Every call through the bundle is timed.
    ///
    /// A wrapper, such as one that injects faults, takes the place of a field of an existing bundle instead.
    #[must_use]
    pub fn new(
        rpc: Arc<dyn Rpc>,
        kv: Arc<dyn Kv>,
        log: Arc<dyn EventLog>,
        health: watch::Receiver<Health>,
    ) -> Self {
        Self {
            rpc: Metered::<dyn Rpc>::new(rpc),
            kv: Metered::<dyn Kv>::new(kv),
            log: Metered::<dyn EventLog>::new(log),
            health,
            copies: 1,
        }
    }

    /// The same bundle, whose buckets and streams are made with that many copies on different servers.
    #[must_use]
    pub fn with_copies(mut self, copies: usize) -> Self {
        self.copies = copies;
        self
    }

    /// How many servers keep what this process makes; one in process. What exists keeps its number.
    #[must_use]
    pub const fn copies(&self) -> usize {
        self.copies
    }

    /// The state of the connection now.
    #[must_use]
    pub fn health(&self) -> Health {
        *self.health.borrow()
    }

    /// A receiver that wakes on every change of [`Bus::health`].
    #[must_use]
    pub fn health_changes(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}
