//! What the cluster knows of its nodes and of who runs what: records of the buckets `cluster`, `nodes` and `owners`, as
//! JSON, and the calls between routers and nodes that are about nodes, not about one session's operation.
//!
//! Every change of a record is a compare-and-set. Nodes write them; routers only read. No secret stands in them.

use serde::{Deserialize, Serialize};

use crate::error::OpError;
use crate::ids::{Epoch, NodeId, SessionRef};

/// The version that this release writes; a record of a higher one is never changed by it, and what it speaks of is not run.
pub const RECORD_VERSION: u32 = 1;

/// One life of a node: from joining the cluster to leaving it or losing its lease.
///
/// A node that lost its lease comes back under another one, so that nothing started under the old can go on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub String);

impl std::fmt::Display for Incarnation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of one key store on one disk; another one means that the disk was lost or replaced.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreId(pub String);

/// The cluster itself; the first node writes it, every node compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// [`RECORD_VERSION`] of the writer.
    pub version: u32,
    /// Random; another one than before means that the records were replaced (design rule R-17).
    pub id: String,
    /// A keyed hash of a constant: nodes with another master key could not open each other's sessions and are refused.
    pub key_check: String,
}

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Runs sessions and takes new ones.
    Up,
    /// Gives its sessions to others and takes none.
    Draining,
    /// Declared dead by another node; its incarnation never runs anything again.
    Fenced,
    /// Ended by itself and runs nothing, or its parent saw the process end (design-notes 3.7).
    Left,
}

impl NodeState {
    /// Whether sessions may run under a record of this state while its lease holds.
    #[must_use]
    pub const fn may_run(self) -> bool {
        matches!(self, Self::Up | Self::Draining)
    }
}

/// A node. Written anew with every heartbeat; that compare-and-set is the lease (design rule R-11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// [`RECORD_VERSION`] of the writer.
    pub version: u32,
    /// Its stable name.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// What it is doing.
    pub state: NodeState,
    /// Its share of the sessions; zero takes none.
    pub weight: u32,
    /// How long its lease lasts, in milliseconds; whoever watches it uses this figure, not its own.
    pub lease_ms: u64,
    /// Counts the heartbeats of this incarnation.
    pub beat: u64,
    /// Its key store.
    pub store: StoreId,
    /// The boot of the machine it runs on: a record of the same store and boot belongs to a process that is gone once the
    /// store's lock is ours.
    pub boot: String,
    /// The token of the parent that watches the process, if there is one; it may release the lease when the process ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<String>,
    /// The release it runs, for people.
    pub release: String,
}

/// Where a session's keys are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kept", rename_all = "snake_case")]
pub enum Kept {
    /// On one node's disk only: nobody else can run the session.
    Node {
        /// Which node.
        node: NodeId,
        /// Which store of it.
        store: StoreId,
    },
    /// In the replicated log: any node can restore them.
    Log,
}

/// What an owner does with its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum OwnerPhase {
    /// The owner runs it.
    Owned,
    /// The owner is handing it over; calls wait for the next epoch.
    Moving {
        /// To whom.
        target: NodeId,
    },
    /// Nobody may run it until an operator decides.
    Parked {
        /// Why, and what helps; for people.
        reason: String,
    },
}

/// Who may run a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// [`RECORD_VERSION`] of the writer.
    pub version: u32,
    /// Which session.
    pub session: SessionRef,
    /// Which life of the session's name: the `uuid` of its [`crate::directory::SessionRecord`].
    pub uuid: String,
    /// The owner.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// The fencing number: always one more than before, never used twice.
    pub epoch: Epoch,
    /// What the owner does with it.
    pub phase: OwnerPhase,
    /// Where its keys are.
    pub kept: Kept,
}

/// What an operator asks of one node; sent by a router to the node's `admin` subject as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum NodeOrder {
    /// Give every session to other nodes and take no new ones; or take them again.
    Drain {
        /// False ends a drain.
        on: bool,
    },
    /// Change the node's share.
    Weigh {
        /// The new weight.
        weight: u32,
    },
    /// Hand one session to another node. Only its owner does it.
    Move {
        /// Which session.
        session: SessionRef,
        /// To whom.
        target: NodeId,
    },
    /// Run a parked session again although something of it is lost.
    Restore {
        /// Which session.
        session: SessionRef,
        /// From what.
        from: RestoreFrom,
    },
}

/// What a parked session is restored from; each of these loses something, so only an operator chooses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum RestoreFrom {
    /// What the replicated log still has, although it is older than what ran: Signal sessions and sender keys are dropped
    /// and fresh prekeys uploaded (design-notes 3.6, lossy restore).
    Log,
    /// An old copy of a store's folder on the executing node: as [`RestoreFrom::Log`].
    Folder {
        /// The folder.
        path: String,
    },
    /// Nothing: the session is empty afterwards and is paired again.
    Nothing,
}

/// A node's answer to a [`NodeOrder`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum OrderAnswer {
    /// It is under way; the records show how far it is.
    Accepted,
    /// It was not begun.
    Refused {
        /// Why.
        error: OpError,
    },
}
