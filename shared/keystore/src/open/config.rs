//! What opening takes and gives: configuration, result, errors.
//!
//! Owns the values only.

use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::Watermarks;
use crate::seal::MasterKey;
use crate::store::KeyStore;

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// sled 0.34.7, the default.
    Sled,
    /// redb 4.4.
    Redb,
    /// redb without a file: for tests and load generators, gone when it closes.
    Memory,
}

impl EngineKind {
    /// Name of its directory; `None` in memory.
    pub(super) fn directory(self) -> Option<&'static str> {
        match self {
            Self::Sled => Some("sled"),
            Self::Redb => Some("redb"),
            Self::Memory => None,
        }
    }
}

impl std::str::FromStr for EngineKind {
    type Err = Error;

    /// Reads the configuration value `store.engine`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "sled" => Ok(Self::Sled),
            "redb" => Ok(Self::Redb),
            "memory" => Ok(Self::Memory),
            _ => Err(Error::UnknownEngine(text.to_owned())),
        }
    }
}

/// What to do with files that are damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBroken {
    /// Move them aside, start empty, and say so: the node then recovers its sessions.
    MoveAside,
    /// Give [`Error::Broken`] and touch nothing.
    Refuse,
}

/// How to open a store.
#[derive(Debug)]
pub struct Config {
    /// Directory of the store; created when missing. Unused in memory.
    pub dir: PathBuf,
    /// Which engine.
    pub engine: EngineKind,
    /// Opens the catalog.
    pub master: MasterKey,
    /// The engine's cache in bytes. sled uses about 2.7 times as much memory.
    pub cache_bytes: u64,
    /// When to stop accepting work for lack of disk.
    pub watermarks: Watermarks,
    /// What to do with files that are damaged.
    pub on_broken: OnBroken,
}

impl Config {
    /// 256 MiB of cache, the watermarks of R-8, damaged files moved aside.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, engine: EngineKind, master: MasterKey) -> Self {
        Self {
            dir: dir.into(),
            engine,
            master,
            cache_bytes: 256 << 20,
            watermarks: Watermarks::default(),
            on_broken: OnBroken::MoveAside,
        }
    }
}

/// A store, and what the node must know about how it came up.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Arc<dyn KeyStore>,
    /// True when it was created just now.
    pub created: bool,
    /// Set when damaged files were moved aside: every session of this node needs recovery.
    pub moved_aside: Option<MovedAside>,
    /// Set when the store opened only as a copy without sled's snapshot; the original is kept. All
    /// that was ever acknowledged is there: catalog and witness were compared.
    pub mended: Option<MovedAside>,
    /// Every directory that was ever moved aside and not removed since, oldest first.
    pub aside: Vec<PathBuf>,
}

/// Damaged files, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedAside {
    /// Where they are now.
    pub path: PathBuf,
    /// Why they could not be used.
    pub cause: String,
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The canary does not open. Nothing was changed.
    #[error("master key does not open the store in {dir:?} (wrong key, or its canary is damaged)")]
    WrongMasterKey {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// The key is one byte repeated.
    #[error("master key is blank")]
    BlankMasterKey,
    /// Another process, or another handle in this one, has the store.
    #[error("store in {dir:?} is open elsewhere")]
    Busy {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// The directory holds a store of another engine; opening an empty one beside it would look
    /// like the loss of every session.
    #[error("store in {dir:?} belongs to engine {found}")]
    OtherEngine {
        /// Directory of the store.
        dir: PathBuf,
        /// The engine found.
        found: &'static str,
    },
    /// Not an engine.
    #[error("store engine {0:?} is none of sled, redb, memory")]
    UnknownEngine(String),
    /// Damaged, and told not to move it aside.
    #[error("store in {dir:?} is damaged: {cause}")]
    Broken {
        /// Directory of the store.
        dir: PathBuf,
        /// The engine's own words.
        cause: String,
    },
    /// The machine says no: disk full, rights, memory. Nothing was moved.
    #[error("cannot {action} for the store in {dir:?}: {cause}")]
    Machine {
        /// What was tried.
        action: &'static str,
        /// Directory of the store.
        dir: PathBuf,
        /// The machine's own words.
        cause: String,
    },
}
