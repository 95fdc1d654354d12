//! Where this node stands, for everybody who asks: the machine's verdicts and the gate of its present life.

use std::sync::{Arc, PoisonError, RwLock};

use switchboard_ownership::{Machine, Position, Verdict};
use switchboard_vocab::SessionRef;
use tokio::sync::watch;

use super::gate::Gate;
use crate::placement::Ownership;

/// The machine and the gate. Only the driver changes them; asking takes a lock that is held for microseconds.
#[derive(Debug)]
pub(crate) struct Standing {
    machine: RwLock<Machine>,
    gate: RwLock<Option<Arc<Gate>>>,
    changes: watch::Sender<u64>,
}

impl Standing {
    pub(super) fn new(machine: Machine) -> Self {
        Self {
            machine: RwLock::new(machine),
            gate: RwLock::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// The gate of the present life, once it has a lease.
    pub(super) fn gate(&self) -> Option<Arc<Gate>> {
        self.gate
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_gate(&self, gate: Arc<Gate>) {
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = Some(gate);
        self.wake();
    }

    /// Verdicts may be others now.
    fn wake(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes the machine, then wakes whoever waits for another verdict.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        let result = {
            let mut machine = self.machine.write().unwrap_or_else(PoisonError::into_inner);
            change(&mut machine)
        };
        self.wake();
        result
    }

    /// Looks at the machine.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.machine.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// When the machine wants to be told the time.
    pub(super) fn next_wake(&self) -> Position {
        self.look(Machine::next_wake)
    }
}

impl Ownership for Standing {
    fn owner(&self, session: &SessionRef) -> Verdict {
        let verdict = self.look(|machine| machine.verdict(session));
        match &verdict {
            // The machine is told the time now and then; the gate looks at the clock.
            Verdict::Owned { epoch } if !self.gate().is_some_and(|gate| gate.holds()) => {
                Verdict::NotOwned {
                    epoch: *epoch,
                    hint: None,
                }
            }
            Verdict::Owned { .. } | Verdict::NotOwned { .. } => verdict,
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
