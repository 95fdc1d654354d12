//! What to do with a session's tree when it is taken over: a pure decision from what the store and the log say.
//!
//! The rule in one line: the higher epoch is right; within one epoch there is one writer, so the longer side is right, and
//! two sides that went different ways are nobody's to choose between.

use switchboard_keystore::Epoch;

use crate::chain::Chain;
use crate::position::{At, Known};
use crate::record::Id;

/// What the store holds of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Local {
    /// Nothing that can be believed.
    Nothing,
    /// A tree that was never replicated, of this epoch.
    Unmarked(u64),
    /// A tree that was the log's state.
    At(At),
    /// A tree from which the log was being written anew.
    Seeding {
        epoch: u64,
        snapshot: Id,
        number: u64,
    },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The session begins.
    Fresh,
    /// The tree is in the log: apply what follows this record.
    Follow(Id),
    /// The tree is worth nothing: make it from the log.
    Restore,
    /// The tree is ahead of the log: write that from it.
    Seed,
    /// The epoch asked for is over.
    Superseded(u64),
    /// Both are behind what is known.
    Behind(Known),
    /// They went different ways.
    Diverged(u64),
}

/// Decides. `known`: how far the session is known to have come apart from what the tree says.
pub(crate) fn judge(local: &Local, known: Known, log: &Chain, epoch: Epoch) -> Verdict {
    let last = log.last();
    let log_epoch = log.highest().1;
    if log_epoch > epoch.0 {
        return Verdict::Superseded(log_epoch);
    }
    let here = match local {
        Local::Nothing => Known::default(),
        Local::Unmarked(epoch) => Known {
            epoch: *epoch,
            number: 0,
        },
        Local::At(at) => Known {
            epoch: at.epoch,
            number: at.number,
        },
        Local::Seeding { epoch, number, .. } => Known {
            epoch: *epoch,
            number: *number,
        },
    };
    let there = last.map_or(Known::default(), |last| Known {
        epoch: last.epoch,
        number: last.number,
    });
    let followed = match local {
        Local::At(at) => log.following(at.id).map(|_rest| at.id),
        Local::Seeding { snapshot, .. } => log.base_of(*snapshot).map(|entry| entry.id),
        Local::Nothing | Local::Unmarked(_) => None,
    };
    if known > here.max(there) {
        return Verdict::Behind(known);
    }
    if let Some(id) = followed {
        // Something later may have voided what the tree was.
        let voided = log
            .following(id)
            .is_none_or(|rest| rest.iter().any(|entry| entry.record.what.voids()));
        return if voided {
            Verdict::Restore
        } else {
            Verdict::Follow(id)
        };
    }
    if *local == Local::Nothing {
        return if log.is_empty() {
            Verdict::Fresh
        } else {
            behind_or_restore(known, there)
        };
    }
    if log.is_empty() || here.epoch > there.epoch {
        return Verdict::Seed;
    }
    if here.epoch < there.epoch {
        return behind_or_restore(known, there);
    }
    match local {
        // An own attempt to write the log anew that did not come to its end.
        Local::Seeding { .. } => Verdict::Seed,
        // One writer: what the log does not have any more was rolled back, what it has beyond the tree is in its snapshots.
        Local::At(at) if at.number > there.number => Verdict::Seed,
        Local::At(at) if log.first_number().is_some_and(|first| at.number < first) => {
            behind_or_restore(known, there)
        }
        Local::At(_) | Local::Unmarked(_) | Local::Nothing => Verdict::Diverged(here.epoch),
    }
}

/// The tree is not used, so it is the log alone that must not be behind.
fn behind_or_restore(known: Known, there: Known) -> Verdict {
    if known > there {
        Verdict::Behind(known)
    } else {
        Verdict::Restore
    }
}

#[cfg(test)]
mod tests;
