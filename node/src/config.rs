//! What a node is told about itself and its cluster. Reading files and flags is the binary's work.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use switchboard_bus::Names;
use switchboard_ownership::{MoveLimits, Rules};
use switchboard_vocab::NodeId;

/// Everything a node needs besides its bus, its store and its client.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its stable name.
    pub id: NodeId,
    /// The cluster's names on the bus.
    pub names: Names,
    /// Its limits.
    pub limits: Limits,
    /// Its place in the cluster.
    pub cluster: ClusterConfig,
    /// The folder of its search index; without one messages cannot be searched.
    pub search: Option<PathBuf>,
}

/// How a node takes part in its cluster.
#[derive(Clone)]
pub struct ClusterConfig {
    /// How long its lease lasts; the heartbeat is a quarter, the margin a tenth of it. Source: design-notes 3.7, 2 to 60 s.
    pub lease: Duration,
    /// Its share of the sessions; zero takes none.
    pub weight: u32,
    /// Keys are in the replicated log too, so that other nodes can take over.
    pub replicated: bool,
    /// Bytes that this log may take on the bus, the same on every node; see [`switchboard_replica::Config::log_bytes_max`].
    pub log_bytes_max: u64,
    /// Bytes that its snapshots may take, the same on every node.
    pub snapshots_bytes_max: u64,
    /// The bus is this process's own: whoever wrote its records before is gone.
    pub alone: bool,
    /// The token of the parent that watches this process and may release its lease when it ends.
    pub supervisor: Option<String>,
    /// The release, for people.
    pub release: String,
    /// How fast sessions leave by plan.
    pub moves: MoveLimits,
    /// The safety rules in force. Programs use [`Rules::all`]; only tests switch one off.
    pub rules: Rules,
    /// A keyed hash of a constant under the cluster's master key: a node with another key is refused.
    pub key_check: String,
    /// Seals sessions on their way between nodes; the same on every node, derived from the master key.
    pub transfer_key: [u8; 32],
    /// The cluster's master key, for old copies of stores that an operator restores from, and the log's own key.
    pub master_key: [u8; 32],
    /// A folder for copies of such stores; they are removed after use.
    pub scratch: PathBuf,
    /// How long handing sessions over may take when the node is told to stop.
    pub leave_within: Duration,
    /// Where to write which sessions run, moment by moment; see [`crate::cluster`]. None writes nothing.
    pub witness: Option<PathBuf>,
}

impl fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterConfig")
            .field("lease", &self.lease)
            .field("weight", &self.weight)
            .field("replicated", &self.replicated)
            .field("alone", &self.alone)
            .field("moves", &self.moves)
            .field("rules", &self.rules)
            .field("leave_within", &self.leave_within)
            .field("witness", &self.witness)
            .finish_non_exhaustive()
    }
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
    /// Bytes of these messages.
    pub message_bytes_per_session_max: u64,
    /// How old they get; for ever when `None`.
    pub message_age_max: Option<Duration>,
    /// Events kept for sinks that lag; the oldest go first. Source: design rule R-22.
    pub events_per_session_max: u64,
    /// Bytes of these events. Source: design rule R-22.
    pub event_bytes_per_session_max: u64,
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
            message_bytes_per_session_max: 256 << 20,
            message_age_max: None,
            events_per_session_max: 100_000,
            event_bytes_per_session_max: 64 << 20,
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
