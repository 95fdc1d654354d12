//! The contract of a store: the trait, its values and its limits.
//!
//! Owns what the node may ask and what it may count on. Must not know any engine.

use std::fmt;
use std::ops::Bound;

use async_trait::async_trait;

use crate::disk::{Admission, Disk};
use crate::error::Error;
use crate::namespace::Namespace;
use crate::seal::{MasterKey, TransferKey};
use crate::transfer::{Export, Import};

/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Longest value in bytes.
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// Most operations in one batch.
pub const BATCH_OPS_MAX: usize = 16_384;
/// Most bytes of keys and values in one batch.
pub const BATCH_BYTES_MAX: usize = 32 << 20;
/// Most keys of one [`KeyStore::multi_get`].
pub const MULTI_GET_MAX: usize = 4_096;
/// Most entries of one [`Page`], whatever limit was asked for.
pub const PAGE_ENTRIES_MAX: usize = 10_000;
/// A [`Page`] ends early once it holds this many bytes of keys and values.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// Fencing token of an owner; a batch with a lower epoch than the highest stored is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// A key space inside a namespace. Keys sort by kind, then by bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

/// One change inside a batch. Later changes of a batch see the earlier ones.
#[derive(Clone, PartialEq, Eq)]
pub enum Op {
    /// Stores a value, replacing what was there.
    Put {
        /// Key space.
        kind: Kind,
        /// At most [`KEY_BYTES_MAX`] bytes; may be empty.
        key: Vec<u8>,
        /// At most [`VALUE_BYTES_MAX`] bytes; may be empty.
        value: Vec<u8>,
    },
    /// Removes a key; nothing happens when it is not there.
    Delete {
        /// Key space.
        kind: Kind,
        /// The key.
        key: Vec<u8>,
    },
    /// Removes every key with `from <= key < to`.
    DeleteRange {
        /// Key space.
        kind: Kind,
        /// First key to go.
        from: Vec<u8>,
        /// First key to stay.
        to: Vec<u8>,
    },
}

impl fmt::Debug for Op {
    /// Never shows values: they hold key material and message bodies.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { kind, key, value } => {
                write!(
                    out,
                    "Put({}, {} B key, {} B value)",
                    kind.0,
                    key.len(),
                    value.len()
                )
            }
            Self::Delete { kind, key } => write!(out, "Delete({}, {} B key)", kind.0, key.len()),
            Self::DeleteRange { kind, .. } => write!(out, "DeleteRange({})", kind.0),
        }
    }
}

/// Proof that a batch is on disk: only a store makes it, after the sync call returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durable {
    pub(crate) epoch: Epoch,
    pub(crate) sequence: u64,
}

impl Durable {
    /// Epoch under which the batch was stored.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Number of the batch in its namespace, from 1, gap-free for the life of the tree.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// What to read of one kind.
#[derive(Debug, Clone)]
pub struct ScanRange {
    /// Lower end.
    pub from: Bound<Vec<u8>>,
    /// Upper end.
    pub to: Bound<Vec<u8>>,
    /// Highest key first.
    pub reverse: bool,
    /// Most entries wanted; more than [`PAGE_ENTRIES_MAX`] counts as that.
    pub limit: usize,
}

impl ScanRange {
    /// Every key of the kind, lowest first, up to `limit` entries.
    #[must_use]
    pub fn all(limit: usize) -> Self {
        Self {
            from: Bound::Unbounded,
            to: Bound::Unbounded,
            reverse: false,
            limit,
        }
    }

    /// Every key that starts with `prefix`, lowest first, up to `limit` entries.
    #[must_use]
    pub fn prefix(prefix: &[u8], limit: usize) -> Self {
        let mut end = prefix.to_vec();
        let to = loop {
            match end.pop() {
                None => break Bound::Unbounded,
                Some(u8::MAX) => {}
                Some(byte) => {
                    end.push(byte + 1);
                    break Bound::Excluded(end);
                }
            }
        };
        Self {
            from: Bound::Included(prefix.to_vec()),
            to,
            reverse: false,
            limit,
        }
    }
}

/// Part of a scan.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and values in the order asked for.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// True when a limit cut the page: go on from (excluding) the last key.
    pub more: bool,
}

impl fmt::Debug for Page {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Page({} entries, more: {})",
            self.entries.len(),
            self.more
        )
    }
}

/// What a dropped namespace leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// Nothing: the name may start again at any epoch (the session was deleted for good).
    Nothing,
    /// The highest epoch released here: lower ones stay refused, also after a restart.
    Tombstone(Epoch),
}

/// A finished import that waits for [`KeyStore::promote`] or [`KeyStore::discard_staging`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The namespace it will become.
    pub namespace: Namespace,
    /// Epoch given to [`KeyStore::import`].
    pub epoch: Epoch,
}

/// Result of [`KeyStore::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Entries in the tree, parts of large values counted singly.
    pub entries: u64,
    /// Their bytes, keys and sealed values.
    pub bytes: u64,
    /// Number of the last batch.
    pub sequence: u64,
}

/// State of a store, cheap enough for a health check.
#[derive(Debug, Clone)]
pub struct Stats {
    /// `sled`, `redb` or `memory`.
    pub engine: &'static str,
    /// Set once a write or sync failed: nothing is accepted any more, the process should exit.
    pub poisoned: Option<String>,
    /// Live namespaces.
    pub namespaces: usize,
    /// Finished imports that were neither promoted nor discarded.
    pub staged: usize,
    /// Trees no record names; kept, because only damage makes them.
    pub orphans: usize,
    /// Requests waiting for the committer.
    pub queued: usize,
    /// Groups synced since the store was opened.
    pub groups: u64,
    /// Batches acknowledged since the store was opened.
    pub batches: u64,
    /// Bytes of the engine's files.
    pub store_bytes: u64,
    /// Space of the file system; `None` in memory or when it could not be read.
    pub disk: Option<Disk>,
    /// What the watermarks allow.
    pub admission: Admission,
}

/// The durable store of a node.
///
/// Reads are answered on the caller's thread from the engine's cache; long scans move to a
/// blocking thread by themselves. A read may see a batch that is applied but not yet durable:
/// whoever acts on the outside world must have awaited its own [`KeyStore::commit`].
///
/// The first use of a namespace after opening checks its whole tree against a sealed sum, so that
/// a damaged disk gives [`Error::Damaged`] and never a wrong or missing value.
#[async_trait]
pub trait KeyStore: fmt::Debug + Send + Sync + 'static {
    /// Applies all `ops` or none, and returns after they are on disk.
    ///
    /// The first commit creates the namespace. `ops` may be empty: that stores the epoch.
    /// When the future is dropped the batch may still be applied.
    ///
    /// # Errors
    /// [`Error::StaleEpoch`] below the highest epoch stored for `ns`; [`Error::TooLarge`] over a
    /// limit of this module; [`Error::Poisoned`] after any failed write or sync, in which case it
    /// is unknown whether this batch is stored; [`Error::Retired`] when `ns` was dropped or
    /// replaced meanwhile; [`Error::Damaged`] when the tree is.
    async fn commit(&self, ns: &Namespace, epoch: Epoch, ops: Vec<Op>) -> Result<Durable, Error>;

    /// One value; `None` also when the namespace does not exist.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the value does not open.
    async fn get(&self, ns: &Namespace, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Several values of one kind, in the order of `keys`, all of one moment.
    ///
    /// # Errors
    /// As [`KeyStore::get`]; [`Error::TooLarge`] over [`MULTI_GET_MAX`] keys.
    async fn multi_get(
        &self,
        ns: &Namespace,
        kind: Kind,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>, Error>;

    /// Entries of one kind in key order, all of one moment.
    ///
    /// # Errors
    /// As [`KeyStore::get`].
    async fn scan(&self, ns: &Namespace, kind: Kind, range: ScanRange) -> Result<Page, Error>;

    /// Highest epoch known for a namespace: stored with its tree, or left as a tombstone.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the tree is.
    async fn epoch(&self, ns: &Namespace) -> Result<Option<Epoch>, Error>;

    /// Opens every value of the tree and compares the sealed sum.
    ///
    /// # Errors
    /// [`Error::Damaged`] naming what is wrong; [`Error::UnknownNamespace`].
    async fn verify(&self, ns: &Namespace) -> Result<Verified, Error>;

    /// Starts to read a namespace as frames for another node. Commits meanwhile make it fail.
    ///
    /// # Errors
    /// [`Error::UnknownNamespace`]; [`Error::Damaged`].
    async fn export(
        &self,
        ns: &Namespace,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Export>, Error>;

    /// Starts to receive a namespace into a staging tree; an earlier staging of it is discarded.
    ///
    /// # Errors
    /// [`Error::StaleEpoch`] below the highest epoch known for `ns`.
    async fn import(
        &self,
        ns: &Namespace,
        epoch: Epoch,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Import>, Error>;

    /// Makes the finished staging tree the live one, durably and at once; a live tree of that name
    /// goes away.
    ///
    /// # Errors
    /// [`Error::NotStaged`]; [`Error::StaleEpoch`] when the live tree saw a higher epoch meanwhile.
    async fn promote(&self, ns: &Namespace) -> Result<Durable, Error>;

    /// Removes the staging tree of `ns`, finished or not; nothing happens when there is none.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    async fn discard_staging(&self, ns: &Namespace) -> Result<(), Error>;

    /// Finished imports, also those of earlier runs of the process; unfinished ones are discarded
    /// when the store opens.
    ///
    /// # Errors
    /// [`Error::Closed`].
    async fn staged(&self) -> Result<Vec<Staged>, Error>;

    /// Removes a namespace durably; nothing but `remains` is stored when it does not exist.
    ///
    /// # Errors
    /// [`Error::StaleEpoch`] when the tombstone is below the highest epoch known.
    async fn drop_namespace(&self, ns: &Namespace, remains: Remains) -> Result<(), Error>;

    /// Live namespaces in order of their names.
    ///
    /// # Errors
    /// [`Error::Closed`].
    async fn namespaces(&self) -> Result<Vec<Namespace>, Error>;

    /// Tombstones in order of their names, also of namespaces that live again.
    ///
    /// # Errors
    /// [`Error::Closed`].
    async fn tombstones(&self) -> Result<Vec<(Namespace, Epoch)>, Error>;

    /// Wraps every data key with a new master key, all or none. Values are not rewritten.
    ///
    /// # Errors
    /// [`Error::Poisoned`]; [`Error::BlankMasterKey`].
    async fn rotate_master(&self, new: MasterKey) -> Result<(), Error>;

    /// The store's own id: random, made with the store, the same as long as its files live. Another id
    /// in the same place means that the store was lost or replaced. No secret.
    fn id(&self) -> &str;

    /// Numbers for health checks and the console.
    fn stats(&self) -> Stats;

    /// What the disk still allows. The store does not enforce it: deletes and releases must
    /// still be able to commit.
    fn admission(&self) -> Admission;

    /// Waits until the store is poisoned and says why. Never returns otherwise, also not on close.
    async fn poisoned(&self) -> String;

    /// Finishes what is queued, syncs and releases the files. Every later call gives
    /// [`Error::Closed`]; closing twice is harmless.
    ///
    /// # Errors
    /// [`Error::Poisoned`] when the last sync failed.
    async fn close(&self) -> Result<(), Error>;
}
