//! What a node knows of one session.

use switchboard_vocab::NodeId;
use switchboard_vocab::cluster::{Incarnation, OwnerRecord};

use crate::{DataFrom, OpId, Position, Revision};

/// The owner record as last seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Known {
    #[default]
    Absent,
    /// Why it cannot be used.
    Unreadable(String),
    Record(Box<OwnerRecord>),
}

/// A session of which [`crate::Output::Run`] was said and no end was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) epoch: u64,
    /// It was told to stop; `true`: at once.
    pub(super) stopping: Option<bool>,
}

/// Why a session is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Order,
    Drain,
    Balance,
}

/// How far a hand-over is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    /// The record shall say so.
    Announce,
    /// The record says so; the session stops.
    Stop,
    /// It is sent.
    Send,
    /// It is staged there; the record shall name the target.
    Flip,
    /// It failed; the record shall name this node again.
    Back,
}

/// A hand-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) target: NodeId,
    /// The life of the target that the copy was sent to.
    pub(super) life: Option<Incarnation>,
    /// The epoch that ends.
    pub(super) epoch: u64,
    pub(super) leg: Leg,
    pub(super) reason: Reason,
}

/// What is going on with a session here, beside running it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Plan {
    #[default]
    None,
    Move(Move),
    /// The record shall say that nobody may run it, with this reason.
    Park(String),
}

/// A staged copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StagedCopy {
    pub(super) epoch: u64,
    pub(super) since: Position,
    /// An owner record named it: it is the session's data until the session leaves.
    pub(super) named: bool,
}

/// What is known of one session.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    /// Of the directory; none while it does not list the session.
    pub(super) uuid: Option<String>,
    /// The directory said that it was deleted.
    pub(super) gone: bool,
    /// It was created while this node was watching, and no record named it: nobody has data of it.
    pub(super) arrived: bool,
    pub(super) record: Known,
    /// When the record was deleted; the directory may be about to say why.
    pub(super) deleted_at: Option<Position>,
    /// Of the record; zero while there is none.
    pub(super) revision: Revision,
    /// Of the watch that showed it last.
    pub(super) generation: u64,
    /// The highest epoch that was seen anywhere.
    pub(super) floor: u64,
    /// The highest epoch that a record named another node with.
    pub(super) foreign: u64,
    /// The highest epoch that this store ran or released.
    pub(super) used: u64,
    /// The highest epoch that this process tried to claim.
    pub(super) claimed: u64,
    /// The epoch of the data in this store, if there is any.
    pub(super) data: Option<u64>,
    /// Of the session whose data it was when the process began, where that is known: the name may be another's by now.
    pub(super) rows_of: Option<String>,
    /// The same as it was when the process began; a staged copy of a higher one is newer.
    pub(super) on_disk: u64,
    pub(super) running: Option<Run>,
    /// Where the data of the last run comes from, while it is not known to be live.
    pub(super) pending: Option<DataFrom>,
    pub(super) staged: Option<StagedCopy>,
    /// Where the data comes from if the record names this node with this epoch.
    pub(super) intent: Option<(u64, DataFrom)>,
    pub(super) plan: Plan,
    /// The epoch that was handed over, as far as known: its data may be dropped once another node has a higher one.
    pub(super) handing: Option<u64>,
    pub(super) op: Option<OpId>,
    /// The record may be another one than the one that is known.
    pub(super) doubt: bool,
    /// Reads that showed less than what is known.
    pub(super) behind: u8,
    /// It ran here under a valid lease when the records went back.
    pub(super) asserted: bool,
    /// The records went back, and epochs may have been used that nobody here saw.
    pub(super) suspect: bool,
    pub(super) busy: bool,
    /// When it came here by a move.
    pub(super) moved_in: Option<Position>,
    /// Since when it could move and was passed over because it was busy.
    pub(super) passed_over: Option<Position>,
    /// Hand-overs that failed in a row.
    pub(super) failures: u32,
    /// Nothing is written or moved before this moment.
    pub(super) not_before: Position,
    pub(super) move_not_before: Position,
    pub(super) wake: Option<Position>,
    /// Since when the record has named this node and nothing of it is here.
    pub(super) missing_since: Option<Position>,
    /// A line of log was written about its state.
    pub(super) noted: bool,
}

impl Session {
    /// The epoch at which it runs and goes on running.
    pub(super) fn runs_at(&self) -> Option<u64> {
        self.running
            .filter(|run| run.stopping.is_none())
            .map(|run| run.epoch)
    }

    /// Whether it runs with its data and nothing else is going on.
    pub(super) fn rests(&self) -> bool {
        self.runs_at().is_some()
            && self.pending.is_none()
            && self.plan == Plan::None
            && self.op.is_none()
            && !self.doubt
    }

    /// The record, if it can be used.
    pub(super) fn owner(&self) -> Option<&OwnerRecord> {
        match &self.record {
            Known::Record(record) => Some(record),
            Known::Absent | Known::Unreadable(_) => None,
        }
    }

    /// Whether the record that is known is of an earlier session of the name, so that its end needs no explanation.
    pub(super) fn is_outlived(&self) -> bool {
        self.owner().is_some_and(|record| self.is_renamed(record))
    }

    /// Whether the owner record speaks of another life of the session's name.
    pub(super) fn is_renamed(&self, record: &OwnerRecord) -> bool {
        self.uuid.as_ref().is_some_and(|uuid| *uuid != record.uuid)
    }
}
