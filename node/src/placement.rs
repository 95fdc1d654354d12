//! Who may run a session.
//!
//! Owns the question, not the answer's source: everything asks [`Ownership`], nothing runs on the strength of the hash
//! alone (design rule R-10). Today's one source is the configured list of members; leases with owner records are
//! another implementation of the same trait, whose fence closes when the lease runs out (design rules ).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_vocab::placement::Members;
use switchboard_vocab::{Epoch, NodeId, SessionRef};
use switchboard_whatsapp::Fence;
use tokio::sync::watch;

/// The answer to who may run a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This node, until [`Ownership::changes`] says otherwise.
    Owned {
        /// The fencing number of this ownership.
        epoch: Epoch,
    },
    /// Another node, or nobody.
    NotOwned {
        /// The epoch this node last knew.
        epoch: Epoch,
        /// Who might own it.
        hint: Option<NodeId>,
    },
}

/// Knows who may run a session.
pub trait Ownership: Send + Sync + fmt::Debug {
    /// Who may run the session now.
    fn owner(&self, session: &SessionRef) -> Verdict;

    /// Wakes when any answer of [`Ownership::owner`] may have changed; the value counts the changes.
    fn changes(&self) -> watch::Receiver<u64>;

    /// The check at the socket of every session of this node.
    fn fence(&self) -> Arc<dyn Fence>;
}

/// A fence that whoever watches the lease opens and closes.
#[derive(Debug)]
pub struct Gate(AtomicBool);

impl Gate {
    /// An open gate.
    #[must_use]
    pub const fn open() -> Self {
        Self(AtomicBool::new(true))
    }

    /// Closes it: no byte leaves from here on.
    pub fn close(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Fence for Gate {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The epoch of every session while nothing ever moves.
const STATIC_EPOCH: Epoch = Epoch(1);

/// Ownership by a fixed list of members: each session belongs to its first in rendezvous order, for good.
#[derive(Debug)]
pub struct StaticOwnership {
    me: NodeId,
    members: Members,
    gate: Arc<Gate>,
    changes: watch::Sender<u64>,
}

impl StaticOwnership {
    /// This node among the members.
    #[must_use]
    pub fn new(me: NodeId, members: Members) -> Self {
        Self {
            me,
            members,
            gate: Arc::new(Gate::open()),
            changes: watch::Sender::new(0),
        }
    }
}

impl Ownership for StaticOwnership {
    fn owner(&self, session: &SessionRef) -> Verdict {
        match self.members.first(session) {
            Some(node) if *node == self.me => Verdict::Owned {
                epoch: STATIC_EPOCH,
            },
            other => Verdict::NotOwned {
                epoch: STATIC_EPOCH,
                hint: other.cloned(),
            },
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn fence(&self) -> Arc<dyn Fence> {
        Arc::clone(&self.gate) as Arc<dyn Fence>
    }
}

#[cfg(test)]
mod tests {
    use switchboard_vocab::placement::Member;

    use super::*;

    #[test]
    fn every_session_has_exactly_one_owner_and_the_others_point_to_it() {
        let ids: Vec<NodeId> = ["a", "b", "c"]
            .iter()
            .map(|id| id.parse().unwrap())
            .collect();
        let members = Members::new(ids.iter().map(|id| Member::new(id.clone(), 1)));
        let nodes: Vec<_> = ids
            .iter()
            .map(|id| StaticOwnership::new(id.clone(), members.clone()))
            .collect();
        for at in 0..200 {
            let session: SessionRef = format!("default/s{at}").parse().unwrap();
            let owners: Vec<_> = nodes
                .iter()
                .filter(|node| matches!(node.owner(&session), Verdict::Owned { .. }))
                .collect();
            assert_eq!(owners.len(), 1);
            let hints = nodes.iter().filter_map(|node| match node.owner(&session) {
                Verdict::NotOwned { hint, .. } => hint,
                Verdict::Owned { .. } => None,
            });
            assert!(hints.into_iter().all(|hint| hint == owners[0].me));
        }
    }
}
