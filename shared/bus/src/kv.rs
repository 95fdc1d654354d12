//! Small records with compare-and-set: who is alive, who owns what.
//!
//! Owns the trait and the errors. Must not know what a record says.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{BoxError, Bucket, Key, KeyPrefix};

/// What `expected` never is: no change has this number.
pub(crate) const NO_REVISION: Revision = 0;

/// The number of a change. Strictly increasing within a bucket, over all its keys; never 0.
pub type Revision = u64;

/// Records in buckets. A bucket exists from its first use on. No record ever expires by itself.
#[async_trait]
pub trait Kv: Send + Sync + fmt::Debug {
    /// Writes `key` if it does not exist (never written, or deleted).
    ///
    /// # Errors
    /// `WrongRevision` when the key exists; see [`KvError`] for the rest.
    async fn create(&self, bucket: &Bucket, key: &Key, value: Bytes) -> Result<Revision, KvError>;

    /// Writes `key` if its last change was `expected` (a deletion is a change too; 0 never matches).
    ///
    /// # Errors
    /// `WrongRevision` when it was another one. `Timeout` may have been applied: read the record once
    /// and compare before deciding.
    async fn update(
        &self,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        expected: Revision,
    ) -> Result<Revision, KvError>;

    /// Reads `key`; `None` when it does not exist. One's own acknowledged write is seen, but around a
    /// change of the server's leader the answer may be stale: decide by the result of a
    /// compare-and-set, never by a read.
    ///
    /// # Errors
    /// See [`KvError`].
    async fn get(&self, bucket: &Bucket, key: &Key) -> Result<Option<Entry>, KvError>;

    /// Deletes `key` if its last change was `expected`; the deletion is a change with a revision.
    ///
    /// # Errors
    /// `WrongRevision` when it was another one, or when the key was never written.
    async fn delete(
        &self,
        bucket: &Bucket,
        key: &Key,
        expected: Revision,
    ) -> Result<Revision, KvError>;

    /// Watches the keys below `prefix`: first what exists, then `Current` exactly once, then every further change,
    /// all in revision order. Whoever applies the events has, at `Current`, every change that was acknowledged before
    /// the watch began. (A server that is behind may list an older value, or a deleted key, and correct it
    /// before `Current`; a key that changes meanwhile may come after `Current` only.) A slow watcher may
    /// miss intermediate values of a key, never its last one.
    ///
    /// The stream survives reconnects. It ends after an `Err`: the watcher must then watch anew and
    /// drop what it knows (`RolledBack` means the store went back in time).
    ///
    /// # Errors
    /// See [`KvError`].
    async fn watch(&self, bucket: &Bucket, prefix: &KeyPrefix) -> Result<WatchStream, KvError>;
}

/// A record as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The bytes last written.
    pub value: Bytes,
    /// The change that wrote them: the handle for `update` and `delete`.
    pub revision: Revision,
}

/// The stream of [`Kv::watch`].
pub type WatchStream = BoxStream<'static, Result<WatchEvent, KvError>>;

/// One item of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// The key has this value.
    Put {
        /// The key.
        key: Key,
        /// Value and revision.
        entry: Entry,
    },
    /// The key is gone.
    Delete {
        /// The key.
        key: Key,
        /// The revision of the deletion.
        revision: Revision,
    },
    /// Everything that existed when the watch began has been delivered.
    Current,
}

impl WatchEvent {
    /// The change's revision; 0 for `Current`.
    pub(crate) fn revision(&self) -> Revision {
        match self {
            Self::Put { entry, .. } => entry.revision,
            Self::Delete { revision, .. } => *revision,
            Self::Current => NO_REVISION,
        }
    }
}

/// Why a call of [`Kv`] did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The compare-and-set lost. Nothing was written.
    #[error("{op} {bucket}/{key}: wrong revision, the current one is {current:?}")]
    WrongRevision {
        /// `create`, `update` or `delete`.
        op: &'static str,
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: Key,
        /// The key's last change as far as the store said so; `None` when it has none or did not say.
        current: Option<Revision>,
    },
    /// No answer in time. A write may have been applied.
    #[error("{op} in {bucket}: no answer within {deadline:?}")]
    Timeout {
        /// The operation.
        op: &'static str,
        /// The bucket.
        bucket: Bucket,
        /// The limit that passed.
        deadline: Duration,
    },
    /// The value is over the limit. Nothing was written.
    #[error("{op} {bucket}/{key}: value of {size} bytes is over the limit of {max} bytes")]
    TooLarge {
        /// `create` or `update`.
        op: &'static str,
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: Key,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// There is no connection, or no leader behind it. Nothing was written.
    #[error("{op} in {bucket}: the bus is disconnected")]
    Disconnected {
        /// The operation.
        op: &'static str,
        /// The bucket.
        bucket: Bucket,
    },
    /// The store's last change is older than one already seen: it was restored or lost data.
    #[error("watch of {bucket}: the store went back from revision {seen} to {found}")]
    RolledBack {
        /// The bucket.
        bucket: Bucket,
        /// The highest revision this watch has seen.
        seen: Revision,
        /// The store's last revision now.
        found: Revision,
    },
    /// Anything else of the layer below. A write may have been applied.
    #[error("{op} in {bucket} failed")]
    Failed {
        /// The operation.
        op: &'static str,
        /// The bucket.
        bucket: Bucket,
        /// What the layer below said.
        #[source]
        source: BoxError,
    },
}

impl KvError {
    /// True where nothing was written for certain.
    #[must_use]
    pub fn certainly_not_executed(&self) -> bool {
        match self {
            Self::WrongRevision { .. }
            | Self::TooLarge { .. }
            | Self::Disconnected { .. }
            | Self::RolledBack { .. } => true,
            Self::Timeout { .. } | Self::Failed { .. } => false,
        }
    }
}
