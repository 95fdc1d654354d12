//! What crosses the edge of the machine.

use std::time::Duration;

use switchboard_vocab::cluster::{Incarnation, NodeRecord, NodeState, OwnerRecord, StoreId};
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use crate::Rules;

/// A moment: time since the machine's boot, sleep included (CLOCK_BOOTTIME). Never a wall clock.
pub type Position = Duration;

/// The number of a change of a bucket, see the bus; the handle of the next compare-and-set.
pub type Revision = u64;

/// One attempt to write or read; the result names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// The two buckets that the machine follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// Node records.
    Nodes,
    /// Owner records.
    Owners,
}

/// What a node starts with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its stable name.
    pub me: NodeId,
    /// Its lease; the heartbeat is a quarter, the margin a tenth of it.
    pub lease: Duration,
    /// Its share; zero takes no sessions.
    pub weight: u32,
    /// Its key store.
    pub store: StoreId,
    /// The boot of its machine.
    pub boot: String,
    /// The token of its parent.
    pub supervisor: Option<String>,
    /// Its release.
    pub release: String,
    /// Keys are in the replicated log, so other nodes can take over.
    pub replicated: bool,
    /// The records are this process's own (the in-process bus): whoever wrote them before is gone.
    pub alone: bool,
    /// Limits of moves.
    pub moves: MoveLimits,
    /// The rules in force.
    pub rules: Rules,
}

/// How fast sessions leave a node by plan.
#[derive(Debug, Clone)]
pub struct MoveLimits {
    /// Hand-overs under way at once.
    pub concurrent_max: usize,
    /// Hand-overs begun per second, for balance.
    pub per_second_max: u32,
    /// Hand-overs begun per second, for a drain.
    pub drain_per_second_max: u32,
    /// How long the members must have been the same before anything moves for balance.
    pub settle: Duration,
    /// How long a session that came here by a move stays before it moves for balance again.
    pub hold: Duration,
    /// How long a busy session is passed over in favour of idle ones.
    pub busy_patience: Duration,
}

/// A record as the bus showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<R> {
    /// What it says; the text says why it cannot be used (a newer version, not a record).
    pub record: Result<R, String>,
    /// Its revision.
    pub revision: Revision,
}

/// Names a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKey {
    /// A node's.
    Node(NodeId),
    /// A session's.
    Owner(SessionRef),
}

/// A record to write; `None` as value of a write deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Of a node.
    Node(NodeRecord),
    /// Of a session's owner.
    Owner(OwnerRecord),
}

/// The result of a compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was applied.
    Yes(Revision),
    /// Another revision was there; nothing was written.
    WrongRevision,
    /// Certainly not applied: there was no connection.
    No,
    /// Nobody knows: no answer in time.
    Unknown,
}

/// What the node's store holds of a session when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which session.
    pub session: SessionRef,
    /// The session of that name whose data it is, where that was written down.
    pub uuid: Option<String>,
    /// The highest epoch known.
    pub epoch: Epoch,
    /// Whether its data is here; otherwise only the mark that it was released.
    pub data: bool,
}

/// Why a hand-over did not happen; the source goes on with the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferFailure {
    /// The target said no, or could not be reached; certainly nothing is staged that counts.
    Refused(String),
    /// It took too long.
    TimedOut,
}

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin or end a drain.
    Drain(bool),
    /// Change the weight.
    Weigh(u32),
    /// Hand a session over.
    Move {
        /// Which.
        session: SessionRef,
        /// To whom.
        target: NodeId,
    },
    /// Own a parked session again, at a new epoch; the data comes from where the operator said.
    Restore {
        /// Which.
        session: SessionRef,
        /// From where.
        from: DataFrom,
    },
    /// Park an owned session: its data could not be had. Comes from the driver.
    Park {
        /// Which.
        session: SessionRef,
        /// At which epoch.
        epoch: Epoch,
        /// Why, and what helps.
        reason: String,
    },
    /// Hand everything over (a drain), then leave; [`Output::Left`] says that nothing runs any more.
    Leave {
        /// How long handing over may take; what is left then is stopped.
        within: Duration,
    },
}

/// Why a command was not begun; the text is for the operator and names the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

/// What a node is told. Every input comes with the moment it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time has passed: at the latest at the moment that the machine asked for.
    Tick,
    /// A node's record was seen.
    Node(NodeId, Seen<NodeRecord>),
    /// A node's record was deleted.
    NodeGone(NodeId, Revision),
    /// A session's owner record was seen.
    Owner(SessionRef, Seen<OwnerRecord>),
    /// A session's owner record was deleted.
    OwnerGone(SessionRef, Revision),
    /// Everything that existed in the bucket has been seen.
    Current(Bucket),
    /// The watch of the bucket ended; what it has said is void until the next [`Input::Current`].
    WatchLost(Bucket),
    /// The bucket went back in time, or is another one (design rule R-17). What was seen of it is void; a new watch follows.
    RolledBack(Bucket),
    /// The gate of this incarnation is closed, although the machine may not have noticed.
    GateClosed(Incarnation),
    /// A session exists, with the uuid of this life of its name.
    Session(SessionRef, String, Age),
    /// A session was deleted and this node has removed its data, if it had any.
    SessionGone(SessionRef),
    /// A write's result.
    Written(OpId, Written),
    /// A read's result; `None`: the record does not exist. `Err`: it could not be read.
    Read(OpId, Result<Option<Seen<Record>>, ()>),
    /// A session's data is live here, so that it runs or is about to. Before this it is not handed over, and where the data
    /// comes from is not forgotten.
    Running(SessionRef, Epoch),
    /// A session's actor has ended and nothing of it runs any more.
    Stopped(SessionRef, Epoch),
    /// Calls or traffic keep a session busy, or no longer.
    Busy(SessionRef, bool),
    /// A complete copy of a session is staged here, for the epoch that follows.
    Staged(SessionRef, Epoch),
    /// A hand-over: everything is staged at the target, or not.
    Sent(SessionRef, Epoch, Result<(), TransferFailure>),
    /// An operator's or the driver's command.
    Command(Command),
}

/// What is known of a session's age when its node is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Age {
    /// It was created after this node had seen the whole directory: what has no owner record yet was never owned.
    New,
    /// It may have been there before, so that somebody may have data of it whose record was lost.
    Unknown,
}

/// Where the data of a session that starts comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataFrom {
    /// Nothing exists yet: the session was never owned.
    Fresh,
    /// This node's store.
    Here,
    /// The staged copy that another node sent for this epoch. When it was made live before (by an earlier life of this process,
    /// which was fenced since), what is live here is meant, if it is of this epoch or a later one.
    Staged(Epoch),
    /// The replicated log; what is here already is used where it agrees.
    Log,
    /// As `Log`, but known to be older than what ran: a lossy restore.
    LossyLog,
    /// As `LossyLog`, from an old copy of a store's folder that the driver knows.
    LossyFolder,
    /// The operator gave the data up, or it belongs to an earlier session of the same name: the session begins empty.
    Nothing,
}

/// What a node does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Try this compare-and-set; `expected` 0 creates, no record deletes.
    Write {
        /// Names the attempt.
        op: OpId,
        /// Which record.
        key: RecordKey,
        /// What it shall say.
        record: Option<Record>,
        /// The revision it must have.
        expected: Revision,
    },
    /// Read a record once.
    Read {
        /// Names the attempt.
        op: OpId,
        /// Which record.
        key: RecordKey,
    },
    /// The fence is open until this moment, for sessions of this incarnation.
    OpenUntil(Incarnation, Position),
    /// The fence of this incarnation is closed for good: drop every socket, refuse every commit, end every actor at once.
    Fence(Incarnation),
    /// Join again: the driver answers with a fresh incarnation, see [`crate::Machine::renew`].
    NeedIncarnation,
    /// Run a session.
    Run {
        /// Which.
        session: SessionRef,
        /// Under which epoch.
        epoch: Epoch,
        /// Its data.
        from: DataFrom,
    },
    /// Stop a session, letting calls under way finish; answered by [`Input::Stopped`].
    Stop {
        /// Which.
        session: SessionRef,
        /// Of which epoch.
        epoch: Epoch,
        /// Drop it at once instead.
        abort: bool,
    },
    /// Send a stopped session to another node, which stages it for `next`; answered by [`Input::Sent`].
    Send {
        /// Which.
        session: SessionRef,
        /// The epoch it had here.
        epoch: Epoch,
        /// The epoch it will have there.
        next: Epoch,
        /// To whom.
        target: NodeId,
    },
    /// The session belongs to another node now: keep only the mark that `epoch` was released (design rule R-17).
    Forget {
        /// Which.
        session: SessionRef,
        /// The highest epoch it had here.
        epoch: Epoch,
    },
    /// The staged copy of a session for this epoch, or for an earlier one, is of no use any more. A copy for a later epoch
    /// may have come meanwhile and stays.
    DiscardStaged(SessionRef, Epoch),
    /// This node must not run: a live node has its name, or its name's record cannot be read. The process ends with the text.
    Refuse(String),
    /// Nothing runs here any more and the node's record says so.
    Left,
    /// For people: a line of log.
    Note(String),
}

/// Who may run a session, as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This node, now.
    Owned {
        /// The fencing number.
        epoch: Epoch,
    },
    /// Another node, or nobody.
    NotOwned {
        /// The epoch last seen.
        epoch: Epoch,
        /// Who owns it; none while it is being moved or nobody does.
        hint: Option<NodeId>,
    },
}

/// A node as the machine sees it, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Its name.
    pub node: NodeId,
    /// Its state.
    pub state: NodeState,
    /// Since when its record has not changed.
    pub silent_for: Duration,
}
