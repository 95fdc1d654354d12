//! Who runs a session, as far as the router knows.
//!
//! Owns the trait and its answer from a fixed list of members. Must not know the bus: a lookup is answered from memory.

use std::fmt;

use switchboard_vocab::placement::Members;
use switchboard_vocab::{Epoch, NodeId, SessionRef};

/// Knows the owner of every session.
pub trait Owners: Send + Sync + fmt::Debug {
    /// The node to ask first; `None` when no node can have the session now.
    fn owner(&self, session: &SessionRef) -> Option<NodeId>;

    /// A node said that it is not the owner (any more): whom to ask instead, once. `None` when nobody else is known.
    fn not_owner(
        &self,
        session: &SessionRef,
        asked: &NodeId,
        epoch: Epoch,
        hint: Option<NodeId>,
    ) -> Option<NodeId>;

    /// The nodes of the cluster with their weights, sorted by name.
    fn members(&self) -> Vec<(NodeId, u32)>;
}

/// Ownership by the placement hash over a fixed list.
#[derive(Debug, Clone)]
pub struct FixedOwners {
    members: Members,
}

impl FixedOwners {
    /// The owners in a cluster of these members.
    #[must_use]
    pub const fn new(members: Members) -> Self {
        Self { members }
    }
}

impl Owners for FixedOwners {
    fn owner(&self, session: &SessionRef) -> Option<NodeId> {
        self.members.first(session).cloned()
    }

    fn not_owner(
        &self,
        session: &SessionRef,
        asked: &NodeId,
        _: Epoch,
        hint: Option<NodeId>,
    ) -> Option<NodeId> {
        hint.or_else(|| self.owner(session))
            .filter(|next| next != asked)
    }

    fn members(&self) -> Vec<(NodeId, u32)> {
        let members = self.members.as_slice().iter();
        members
            .map(|member| (member.id.clone(), member.weight))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use switchboard_vocab::placement::Member;

    use super::*;

    #[test]
    fn a_node_that_denies_is_not_asked_again() {
        let node = |name: &str| NodeId::parse(name).unwrap();
        let owners = FixedOwners::new(Members::new([Member::new(node("a"), 1)]));
        let session: SessionRef = "default/s".parse().unwrap();
        assert_eq!(owners.owner(&session), Some(node("a")));
        let next = |hint| owners.not_owner(&session, &node("a"), Epoch(1), hint);
        assert_eq!(next(None), None);
        assert_eq!(next(Some(node("a"))), None);
        assert_eq!(next(Some(node("b"))), Some(node("b")));
    }
}
