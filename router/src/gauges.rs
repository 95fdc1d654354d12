//! Numbers about the cluster, as this router's mirrors have it when somebody asks for the metrics.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use switchboard_vocab::NodeId;

use crate::directory::Directory;
use crate::owners::{Owners, State, Tally};

/// Sets the gauges; remembers which nodes it spoke of last, so that one that is gone does not keep its last
/// number.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    told: Mutex<BTreeSet<NodeId>>,
}

impl Gauges {
    /// Sets every gauge of the cluster.
    pub(crate) fn set(&self, directory: &Directory, owners: &Owners) {
        if !owners.is_current() {
            return;
        }
        let nodes = owners.nodes();
        for state in State::ALL {
            let count = nodes.iter().filter(|node| node.state == state).count();
            metrics::gauge!("switchboard_cluster_nodes", "state" => state.as_str())
                .set(number(count));
        }
        let tally = owners.tally(&directory.sessions(None, None, usize::MAX), 0);
        for (phase, count) in phases(&tally) {
            metrics::gauge!("switchboard_cluster_sessions", "phase" => phase).set(number(count));
        }
        let mut now: BTreeSet<NodeId> = nodes.into_iter().map(|node| node.id).collect();
        now.extend(tally.nodes.keys().cloned());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for node in told.union(&now) {
            let (owned, moving) = tally.nodes.get(node).copied().unwrap_or_default();
            metrics::gauge!("switchboard_cluster_node_sessions", "node" => node.to_string())
                .set(number(owned + moving));
        }
        *told = now;
    }
}

/// The phases a session counts under; each under one.
const fn phases(tally: &Tally) -> [(&'static str, usize); 5] {
    [
        ("owned", tally.owned),
        ("moving", tally.moving),
        ("orphaned", tally.orphaned),
        ("parked", tally.parked),
        ("unowned", tally.unowned),
    ]
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
