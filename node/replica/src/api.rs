//! What the caller gives and gets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use switchboard_bus::EventLogError;
use switchboard_keystore::{Epoch, KeyStore, Namespace};
use switchboard_ownership::Rules;
use zeroize::Zeroizing;

/// A cause that the caller's own function gives.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Seals everything that leaves the node; every node of the cluster derives the same from the master key. Wiped when dropped.
#[derive(Clone)]
pub struct ReplicaKey(pub(crate) Zeroizing<[u8; 32]>);

impl ReplicaKey {
    /// Takes 32 bytes as good as random.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for ReplicaKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ReplicaKey(..)")
    }
}

/// How to replicate.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes that the log of batches may take on the bus; when it is full commits are refused. A NATS server reserves them.
    pub log_bytes_max: u64,
    /// Bytes that the snapshots may take on the bus.
    pub snapshots_bytes_max: u64,
    /// How long a batch is offered to a bus that is away before its commit fails. [`crate::ReplicatedStore::let_go`] ends it
    /// earlier.
    pub patience: Duration,
    /// Plain bytes of one message; what is larger is cut. It must leave room below the largest message that the bus takes.
    pub message_bytes_max: usize,
    /// A session's tail of fewer records is not replaced by a snapshot.
    pub tail_records_min: u64,
    /// The rules in force.
    pub rules: Rules,
}

impl Config {
    /// Default of [`Config::message_bytes_max`]. Source: nats-server takes 1 MiB by default, headers included.
    pub const MESSAGE_BYTES_MAX: usize = 900_000;
    /// Default of [`Config::tail_records_min`]. Source: design-notes 3.6.
    pub const TAIL_RECORDS_MIN: u64 = 256;
    /// Default of [`Config::log_bytes_max`].
    pub const LOG_BYTES_MAX: u64 = 4 << 30;
    /// Default of [`Config::snapshots_bytes_max`].
    pub const SNAPSHOTS_BYTES_MAX: u64 = 8 << 30;
    /// Default of [`Config::patience`]. Source: longer than the longest lease lasts after its bus has gone, so it is the
    /// lease that ends a session.
    pub const PATIENCE: Duration = Duration::from_secs(60);
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log_bytes_max: Self::LOG_BYTES_MAX,
            snapshots_bytes_max: Self::SNAPSHOTS_BYTES_MAX,
            patience: Self::PATIENCE,
            message_bytes_max: Self::MESSAGE_BYTES_MAX,
            tail_records_min: Self::TAIL_RECORDS_MIN,
            rules: Rules::all(),
        }
    }
}

/// How the node's store came to the state of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// Neither the log nor the store knows anything of the session: it begins. Whoever knows that it ran before must not run
    /// it, because the log as a whole was lost.
    Fresh,
    /// It was there already.
    Current,
    /// The end of the log was applied to what the store had.
    Tail,
    /// The store had nothing of use; everything came from the log.
    Restored,
    /// The log was behind the store, or had nothing; it was written anew from the store.
    Seeded,
    /// A lossy restore.
    Lossy,
}

/// A session that this node may write now, until another one takes it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// How.
    pub how: How,
    /// Under which epoch.
    pub epoch: Epoch,
    /// Batches that were applied to the store.
    pub batches: u64,
    /// Bytes that were read from the log and its snapshot.
    pub bytes: u64,
}

/// Where a lossy restore gets its data.
#[derive(Debug, Clone)]
pub enum LossySource {
    /// The best complete beginning of what the log has.
    Log,
    /// An old copy of a store's folder, see [`crate::open_folder`].
    Folder(Arc<dyn KeyStore>),
}

/// Takes out of a session restored from old data what must not be used again. It commits to the given store, at the given
/// epoch.
pub type Strip<'f> = dyn for<'a> Fn(&'a dyn KeyStore, &'a Namespace, Epoch) -> BoxFuture<'a, Result<(), BoxError>>
    + Send
    + Sync
    + 'f;

/// Why a session was not taken over. Nothing of it may run.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// Not a session's namespace.
    #[error("take over {0}: only sessions are replicated")]
    NotASession(String),
    /// A newer owner has begun.
    #[error("take over {namespace} at epoch {}: epoch {} has begun", given.0, newer.0)]
    Superseded {
        /// The session.
        namespace: String,
        /// The epoch asked for.
        given: Epoch,
        /// The epoch that the log has.
        newer: Epoch,
    },
    /// The log ends before what this node knows to have existed. A lossy restore helps, or the store that has more.
    #[error(
        "take over {namespace}: the log is behind what this node knows of it ({known}; the log ends at {found}); start a \
         node whose store has it, or order a lossy restore"
    )]
    Behind {
        /// The session.
        namespace: String,
        /// What is known.
        known: String,
        /// What the log has.
        found: String,
    },
    /// Store and log disagree although both are of the same epoch. A lossy restore from one of them helps.
    #[error("take over {namespace}: the store and the log have gone different ways within epoch {}", epoch.0)]
    Diverged {
        /// The session.
        namespace: String,
        /// The epoch.
        epoch: Epoch,
    },
    /// The log cannot be read to its end. A lossy restore helps.
    #[error("take over {namespace}: the log is damaged: {what}; order a lossy restore")]
    Damaged {
        /// The session.
        namespace: String,
        /// What is wrong, and where.
        what: String,
    },
    /// The source of a lossy restore has nothing of the session.
    #[error("restore {namespace}: {what}")]
    Nothing {
        /// The session.
        namespace: String,
        /// What was looked for.
        what: String,
    },
    /// Others kept writing to the log while it was read.
    #[error("take over {namespace}: the log changed {tries} times while it was read")]
    Busy {
        /// The session.
        namespace: String,
        /// How often it was tried.
        tries: usize,
    },
    /// The log is full.
    #[error("take over {namespace}: the log is full")]
    Full {
        /// The session.
        namespace: String,
    },
    /// [`crate::ReplicatedStore::let_go`] came meanwhile, or another taking over of the same session.
    #[error("take over {namespace}: the session was let go")]
    LetGo {
        /// The session.
        namespace: String,
    },
    /// The bus; try again.
    #[error("{action} of {namespace}: the log cannot be reached")]
    Bus {
        /// What was tried.
        action: &'static str,
        /// The session.
        namespace: String,
        /// What the bus said.
        #[source]
        source: EventLogError,
    },
    /// The node's own store.
    #[error("{action} of {namespace}: the key store failed")]
    Store {
        /// What was tried.
        action: &'static str,
        /// The session.
        namespace: String,
        /// What it said.
        #[source]
        source: switchboard_keystore::Error,
    },
    /// The function that takes out what must not be used again.
    #[error("restore {namespace}: what must not be used again could not be taken out")]
    Strip {
        /// The session.
        namespace: String,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// Something cannot be sealed or named; a mistake of the program or the configuration.
    #[error("{action} of {namespace}: {what}")]
    Internal {
        /// What was tried.
        action: &'static str,
        /// The session.
        namespace: String,
        /// What.
        what: String,
    },
}

impl ReplicaError {
    /// Whether the same call may succeed in a moment without anybody's doing.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Bus { .. } | Self::Busy { .. })
    }
}
