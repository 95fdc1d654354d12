//! A namespace on its way between two stores.
//!
//! Owns the two ends as traits and the report that both sides compare before ownership changes
//! (planned move: the target answers with hash and count, then the source releases). The frames
//! themselves are in [`crate::frames`]. Must not know the network.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;
use crate::store::Epoch;

/// No frame is longer than this many bytes; small enough for one NATS message (1 MiB by default).
pub const FRAME_BYTES_MAX: usize = 384 << 10;

/// What travelled. Equal on both sides when everything arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TransferReport {
    /// Entries, parts of large values counted singly.
    pub entries: u64,
    /// Bytes of keys and sealed values.
    pub bytes: u64,
    /// Frames, header and trailer included.
    pub frames: u32,
    /// SHA-256 over every frame but the trailer.
    pub hash: [u8; 32],
    /// Epoch stored with the tree at the source.
    pub source_epoch: Epoch,
}

impl fmt::Debug for TransferReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "TransferReport({} entries, {} B, {} frames, epoch {}, hash ",
            self.entries, self.bytes, self.frames, self.source_epoch.0
        )?;
        for byte in self.hash.iter().take(8) {
            write!(out, "{byte:02x}")?;
        }
        out.write_str("..)")
    }
}

/// The sending end, made by [`crate::KeyStore::export`]. Holds no lock: dropping it is harmless.
#[async_trait]
pub trait Export: Send + fmt::Debug {
    /// The next frame; `None` after the last.
    ///
    /// # Errors
    /// [`Error::ChangedDuringExport`] when a commit came between; [`Error::Retired`] when the tree
    /// went away; [`Error::Damaged`].
    async fn next(&mut self) -> Result<Option<Bytes>, Error>;

    /// What was sent, once [`Export::next`] has given `None`.
    fn report(&self) -> Option<TransferReport>;
}

/// The receiving end, made by [`crate::KeyStore::import`]. Dropping it leaves an unfinished staging
/// tree, which the next import of the namespace, [`crate::KeyStore::discard_staging`] or the next
/// opening of the store removes.
#[async_trait]
pub trait Import: Send + fmt::Debug {
    /// Checks one frame and stores it durably in the staging tree. Frames come in order; after an
    /// error the import is over.
    ///
    /// # Errors
    /// [`Error::BadImport`] for a frame that is out of order, damaged, for another namespace or
    /// sealed with another transfer key.
    async fn write(&mut self, frame: &[u8]) -> Result<(), Error>;

    /// Marks the staging tree as complete, durably, so that it can be promoted.
    ///
    /// # Errors
    /// [`Error::BadImport`] when the trailer has not come.
    async fn finish(self: Box<Self>) -> Result<TransferReport, Error>;
}
