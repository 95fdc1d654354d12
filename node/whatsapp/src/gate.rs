//! Whether bytes and writes may still leave a session: the node's fence, and our own switch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use crate::api::Fence;

/// One session's gate. It can be closed, never opened again.
#[derive(Debug)]
pub(crate) struct Gate {
    fence: Arc<dyn Fence>,
    /// The key store knows a later owner, or the node gave the session up: nothing is written any more.
    superseded: Arc<AtomicBool>,
    /// Drops the socket at once.
    cut: CancellationToken,
}

impl Gate {
    pub(crate) fn new(fence: Arc<dyn Fence>) -> Self {
        Self {
            fence,
            superseded: Arc::default(),
            cut: CancellationToken::new(),
        }
    }

    /// Whether bytes may leave now. Once the answer was no, the socket is dropped and it stays no.
    pub(crate) fn is_open(&self) -> bool {
        if self.is_shut() {
            return false;
        }
        if self.fence.is_open() {
            return true;
        }
        self.shut();
        false
    }

    /// Whether it was closed for good, the fence not asked.
    pub(crate) fn is_shut(&self) -> bool {
        let superseded = self.superseded.load(Ordering::Acquire);
        if superseded {
            self.cut.cancel();
        }
        superseded || self.cut.is_cancelled()
    }

    /// Closes it for good.
    pub(crate) fn shut(&self) {
        self.superseded.store(true, Ordering::Release);
        self.cut.cancel();
    }

    /// Set when nothing may be written to the key store any more.
    pub(crate) fn superseded(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.superseded)
    }

    /// Resolves when the socket must be dropped.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Switch(AtomicBool);

    impl Fence for Switch {
        fn is_open(&self) -> bool {
            self.0.load(Ordering::Acquire)
        }
    }

    #[test]
    fn a_gate_closes_once_and_for_good() {
        let fence = Arc::new(Switch(AtomicBool::new(true)));
        let gate = Gate::new(Arc::clone(&fence) as Arc<dyn Fence>);
        assert!(gate.is_open() && !gate.cut().is_cancelled());
        fence.0.store(false, Ordering::Release);
        assert!(!gate.is_open());
        fence.0.store(true, Ordering::Release);
        assert!(!gate.is_open() && gate.cut().is_cancelled());
    }

    #[test]
    fn a_later_owner_closes_it() {
        let gate = Gate::new(Arc::new(Switch(AtomicBool::new(true))));
        gate.superseded().store(true, Ordering::Release);
        assert!(!gate.is_open() && gate.cut().is_cancelled());
    }
}
