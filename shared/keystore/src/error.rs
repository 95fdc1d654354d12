//! Errors of a running store. Those of opening one are in [`crate::open()`].

use crate::store::Epoch;

/// Why a call failed.
///
/// `Clone`, because one failed sync is the answer to every batch of its group.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The caller is no longer the owner. Nothing was stored.
    #[error("epoch {} of {namespace} is below the stored epoch {}", given.0, stored.0)]
    StaleEpoch {
        /// Text form of the namespace.
        namespace: String,
        /// Epoch of the refused call.
        given: Epoch,
        /// Highest epoch known.
        stored: Epoch,
    },
    /// The caller's lease is over: it may not write, whatever its epoch is. Nothing was stored. No store says so by itself;
    /// the node does, before it asks one.
    #[error("write to {0} refused: the lease is over")]
    Fenced(String),
    /// A limit was exceeded. Nothing was stored.
    #[error("{what} of {size} is over the limit of {limit}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// Its size or count.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The namespace does not exist.
    #[error("namespace {0} does not exist")]
    UnknownNamespace(String),
    /// No finished import of this name.
    #[error("namespace {0} has no finished import")]
    NotStaged(String),
    /// The tree was dropped, replaced or discarded while the call was under way. Nothing was
    /// stored.
    #[error("tree of {0} was dropped or replaced during the call")]
    Retired(String),
    /// The disk does not hold what was written. The namespace must not be used (restore it).
    #[error("namespace {namespace} is damaged: {what}")]
    Damaged {
        /// Text form of the namespace.
        namespace: String,
        /// What does not fit.
        what: String,
    },
    /// A commit came between the first and the last frame of an export.
    #[error("namespace {0} changed during its export")]
    ChangedDuringExport(String),
    /// Frames that cannot be imported.
    #[error("import of {namespace} refused: {what}")]
    BadImport {
        /// Text form of the namespace.
        namespace: String,
        /// What is wrong with the frames.
        what: String,
    },
    /// A write or sync failed earlier or right now; whether the batch is stored is unknown. The
    /// process must exit: a failed sync is never retried.
    #[error("store is poisoned: {0}")]
    Poisoned(String),
    /// A new master key is one byte repeated; nothing was changed.
    #[error("master key is blank")]
    BlankMasterKey,
    /// A read failed in the engine.
    #[error("engine failed to {action}: {cause}")]
    Engine {
        /// What was tried.
        action: &'static str,
        /// The engine's own words.
        cause: String,
    },
    /// A store whose batches count only once they are copied elsewhere could not copy this one, or does not know whether it
    /// did. The batch does not count; whether it will is decided when the namespace is taken over the next time.
    #[error("batch of {namespace} is not replicated: {why}")]
    Unreplicated {
        /// Text form of the namespace.
        namespace: String,
        /// What stood in the way.
        why: String,
    },
    /// The store was closed.
    #[error("store is closed")]
    Closed,
}

impl Error {
    /// Whether the effect certainly did not happen.
    #[must_use]
    pub fn certainly_not_stored(&self) -> bool {
        match self {
            Self::StaleEpoch { .. }
            | Self::Fenced(_)
            | Self::TooLarge { .. }
            | Self::UnknownNamespace(_)
            | Self::NotStaged(_)
            | Self::Retired(_)
            | Self::Damaged { .. }
            | Self::ChangedDuringExport(_)
            | Self::BadImport { .. }
            | Self::BlankMasterKey => true,
            Self::Poisoned(_) | Self::Engine { .. } | Self::Unreplicated { .. } | Self::Closed => {
                false
            }
        }
    }
}
