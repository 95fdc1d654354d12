//! The owner records counted, for operators and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use switchboard_vocab::cluster::OwnerPhase;
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use super::{Owners, is_replicated, read};
use crate::owners::nodes::Standing;

/// Sessions by what their owner records say. Every session counts as one of owned, moving, orphaned, parked and unowned.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// All of them.
    pub(crate) sessions: usize,
    /// A node runs them.
    pub(crate) owned: usize,
    /// A node hands them over.
    pub(crate) moving: usize,
    /// The life of the node that owned them is over, or the node is silent.
    pub(crate) orphaned: usize,
    /// They wait for an operator.
    pub(crate) parked: usize,
    /// They have no record that counts.
    pub(crate) unowned: usize,
    /// Any node could take them over.
    pub(crate) replicated: usize,
    /// Per node, whether it lives or not: owned, and being handed over.
    pub(crate) nodes: BTreeMap<NodeId, (usize, usize)>,
    /// Some of those under way to another node.
    pub(crate) moves: Vec<Moving>,
    /// Some of the parked ones.
    pub(crate) reasons: Vec<Parked>,
}

/// A session on its way.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Moving {
    session: SessionRef,
    from: NodeId,
    to: NodeId,
    epoch: Epoch,
}

/// A parked session.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Parked {
    session: SessionRef,
    node: NodeId,
    reason: String,
}

impl Owners {
    /// Counts these sessions; names up to `shown` of those that move, and of those that are parked.
    pub(crate) fn tally(&self, sessions: &[Arc<SessionRecord>], shown: usize) -> Tally {
        let mut tally = Tally {
            sessions: sessions.len(),
            ..Tally::default()
        };
        let (held, nodes) = (read(&self.sessions), read(&self.nodes));
        for of in sessions {
            let record = held
                .get(&of.session)
                .and_then(|held| held.record.as_deref());
            let Some(record) = record.filter(|record| record.uuid == of.uuid) else {
                tally.unowned += 1;
                continue;
            };
            tally.replicated += usize::from(is_replicated(record));
            let lives = nodes.standing(&record.node, &record.incarnation) == Standing::Lives;
            let of_node = tally.nodes.entry(record.node.clone()).or_default();
            match &record.phase {
                OwnerPhase::Parked { .. } => {}
                OwnerPhase::Owned => of_node.0 += 1,
                OwnerPhase::Moving { .. } => of_node.1 += 1,
            }
            match &record.phase {
                OwnerPhase::Parked { reason } => {
                    tally.parked += 1;
                    if tally.reasons.len() < shown {
                        tally.reasons.push(Parked {
                            session: record.session.clone(),
                            node: record.node.clone(),
                            reason: reason.clone(),
                        });
                    }
                }
                OwnerPhase::Owned | OwnerPhase::Moving { .. } if !lives => tally.orphaned += 1,
                OwnerPhase::Owned => tally.owned += 1,
                OwnerPhase::Moving { target } => {
                    tally.moving += 1;
                    if tally.moves.len() < shown {
                        tally.moves.push(Moving {
                            session: record.session.clone(),
                            from: record.node.clone(),
                            to: target.clone(),
                            epoch: record.epoch,
                        });
                    }
                }
            }
        }
        tally
    }
}
