//! The safety rules by name, so that a test can switch one off and show that the others do not stand in for it.
//!
//! The shipped programs only ever use [`Rules::all`]; nothing in their configuration reaches the switches.

use std::collections::BTreeSet;
use std::str::FromStr;

/// One rule of the failure table (design-notes 3.4 and 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// R-11a, R-12: a node whose lease ran out by its own clock stops everything.
    SelfFence,
    /// no byte leaves a socket while the lease is not valid.
    TransportFence,
    /// R-11b: an owner record counts only for the incarnation it names.
    Incarnation,
    /// a peer is declared dead only after its whole lease and a margin passed without a heartbeat.
    PeerPatience,
    /// only an observer whose own lease is valid declares others dead.
    ObserverLease,
    /// sessions of a node that is gone are taken over.
    TakeOver,
    /// a heartbeat with an unknown result is looked up before it is believed either way.
    UnknownResult,
    /// a replaced connection is not connected again.
    NoReconnectWhenReplaced,
    /// no session starts at an epoch that this node released or saw used.
    EpochFloor,
    /// records that went back in time fence the node, and holders assert their epochs before others claim.
    RollBack,
    /// A live node of the same name is not joined over.
    DuplicateNode,
    /// A heartbeat that failed is tried again while the lease lasts.
    HeartbeatRetry,
    /// The parent that saw the process die releases its lease.
    ParentRelease,
    /// A local disk's sessions are run by nobody else.
    KeptHere,
    /// Appends to the replicated log name the expected last sequence.
    LogFence,
    /// The key store refuses a commit of an older epoch.
    StoreEpoch,
    /// the disk's watermarks stop sends before the store fails.
    DiskWatermark,
    /// A session that crashes again and again is parked.
    CrashBudget,
    /// The router asks again where it was told that a node is not the owner.
    FollowOwner,
    /// Leases are measured by a clock that no one can set.
    BootClock,
    /// A store that does not open is moved aside and its node takes no sessions.
    ModestAfterLoss,
    /// Names of one cluster carry its id.
    ClusterNames,
    /// A node with another master key than its cluster's is refused.
    ClusterKey,
    /// how long a peer is silent is counted by the observer's own clock, from when it saw the last heartbeat.
    OwnClock,
    /// A record of a later release is left alone, and what it speaks of is not run.
    RecordVersion,
    /// A node that is told to stop hands its sessions over and says that it left.
    DrainOnStop,
    /// What is taken over from the replicated log is rebuilt from snapshot and tail before it runs.
    RestoreFromLog,
    /// A router that has not seen every record yet refuses calls instead of answering by what it knows.
    CompleteView,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 28] = [
        Self::SelfFence,
        Self::TransportFence,
        Self::Incarnation,
        Self::PeerPatience,
        Self::ObserverLease,
        Self::TakeOver,
        Self::UnknownResult,
        Self::NoReconnectWhenReplaced,
        Self::EpochFloor,
        Self::RollBack,
        Self::DuplicateNode,
        Self::HeartbeatRetry,
        Self::ParentRelease,
        Self::KeptHere,
        Self::LogFence,
        Self::StoreEpoch,
        Self::DiskWatermark,
        Self::CrashBudget,
        Self::FollowOwner,
        Self::BootClock,
        Self::ModestAfterLoss,
        Self::ClusterNames,
        Self::ClusterKey,
        Self::OwnClock,
        Self::RecordVersion,
        Self::DrainOnStop,
        Self::RestoreFromLog,
        Self::CompleteView,
    ];
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|rule| format!("{rule:?}") == text)
            .ok_or_else(|| format!("there is no rule {text}"))
    }
}

/// The rules in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    off: BTreeSet<Rule>,
}

impl Rules {
    /// Every rule, as every shipped program has it.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            off: BTreeSet::new(),
        }
    }

    /// All but these; for tests that show what a rule is good for.
    #[must_use]
    pub fn without(off: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            off: off.into_iter().collect(),
        }
    }

    /// Whether a rule is in force.
    #[must_use]
    pub fn has(&self, rule: Rule) -> bool {
        !self.off.contains(&rule)
    }
}
