//! What a node is told about itself and its cluster. Reading files and flags is the binary's work.

use std::time::Duration;

use switchboard_bus::Names;
use switchboard_vocab::NodeId;
use switchboard_vocab::placement::Member;

/// Everything a node needs besides its bus, its store and its client.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its stable name.
    pub id: NodeId,
    /// The members of the cluster with their weights, this node among them. The cluster's placement until leases come.
    pub members: Vec<Member>,
    /// The cluster's names on the bus.
    pub names: Names,
    /// Its limits.
    pub limits: Limits,
}

/// The limits of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Calls that one session runs or has waiting; one more is refused as busy (design rule R-25).
    pub calls_per_session_max: usize,
    /// Calls under way on the node; more wait on the bus.
    pub calls_max: usize,
    /// Connections to WhatsApp opened per second (design rule R-24).
    pub connects_per_second_max: u32,
    /// Messages kept in a session's log; the oldest go first.
    pub messages_per_session_max: u64,
    /// Events kept for sinks that lag; the oldest go first. Source: design rule R-22.
    pub events_per_session_max: u64,
    /// When a session that crashes is started again.
    pub restarts: RestartPolicy,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_per_session_max: 64,
            calls_max: 4_096,
            connects_per_second_max: 20,
            messages_per_session_max: 100_000,
            events_per_session_max: 100_000,
            restarts: RestartPolicy::default(),
        }
    }
}

/// When a session that crashes is started again; each session has a budget of its own. Source: design rule R-24.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// The wait after the first crash, before jitter.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// A session that ran this long starts with a clean record.
    pub healthy_after: Duration,
    /// After this many crashes without a healthy run it is parked until somebody starts it.
    pub crashes_max: u32,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(300),
            healthy_after: Duration::from_secs(600),
            crashes_max: 10,
        }
    }
}
