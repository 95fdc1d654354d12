//! Files that belong to no message: snapshots of app state and pieces of history. Sealed like media, under keys of
//! their own.
//!
//! Source: WhatsApp Web, as implemented by whatsapp-rust 0.7.0.

use rand::{CryptoRng, Rng, RngExt as _};
use sha2::{Digest as _, Sha256};

use super::media::MediaKeys;

/// What is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobKind {
    /// A snapshot of an app-state collection.
    AppState,
    /// A piece of history, type `md-msg-hist`.
    History,
}

impl BlobKind {
    /// Separates the keys of the kinds.
    const fn key_info(self) -> &'static [u8] {
        match self {
            Self::AppState => b"WhatsApp App State Keys",
            Self::History => b"WhatsApp History Keys",
        }
    }
}

/// A file ready to be stored, and what a reference to it says.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedBlob {
    /// What the media host stores.
    pub bytes: Vec<u8>,
    /// The secret for the receivers.
    pub media_key: [u8; 32],
    /// SHA-256 of the plain file.
    pub file_sha256: [u8; 32],
    /// SHA-256 of `bytes`; names the file on the media host.
    pub file_enc_sha256: [u8; 32],
    /// Bytes of the plain file.
    pub file_length: u64,
}

impl std::fmt::Debug for SealedBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedBlob")
            .field("file_length", &self.file_length)
            .finish_non_exhaustive()
    }
}

/// Encrypts a file under a new media key.
pub fn seal_blob<R: Rng + CryptoRng>(kind: BlobKind, plain: &[u8], rng: &mut R) -> SealedBlob {
    let media_key: [u8; 32] = rng.random();
    let bytes = MediaKeys::new(kind.key_info(), &media_key).seal(plain);
    SealedBlob {
        media_key,
        file_sha256: Sha256::digest(plain).into(),
        file_enc_sha256: Sha256::digest(&bytes).into(),
        file_length: u64::try_from(plain.len()).unwrap_or(u64::MAX),
        bytes,
    }
}
