//! Sealing of what leaves the node: XChaCha20-Poly1305 under a key that every node of the cluster derives.
//!
//! Owns keys and primitives. Must not know what is sealed.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use rand::Rng;
use sha2::Sha256;
use switchboard_keystore::TransferKey;
use zeroize::Zeroizing;

use crate::api::ReplicaKey;

/// Bytes of the nonce in front of a sealed text. Source: XChaCha20 (192 bits, safe at random).
const NONCE_BYTES: usize = 24;
const MESSAGES_INFO: &[u8] = b"switchboard replica messages v1";
const TRANSFER_INFO: &[u8] = b"switchboard replica snapshots v1";

/// A sealed text that does not open: damaged, moved, or sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed text does not open")]
pub(crate) struct BadSeal;

/// Seals and opens.
#[derive(Clone)]
pub(crate) struct Sealer {
    messages: Zeroizing<[u8; 32]>,
    /// Wraps the data keys of trees in snapshots.
    pub(crate) transfer: TransferKey,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealer(..)")
    }
}

impl Sealer {
    pub(crate) fn new(key: &ReplicaKey) -> Self {
        Self {
            messages: derive(key, MESSAGES_INFO),
            transfer: TransferKey::new(*derive(key, TRANSFER_INFO)),
        }
    }

    /// `head || nonce || ciphertext || tag`; the head travels in clear and is bound to the text, as is `place`.
    pub(crate) fn seal(&self, place: &str, head: &[u8], plain: &[u8]) -> Result<Vec<u8>, BadSeal> {
        let nonce: [u8; NONCE_BYTES] = random();
        let aad = aad(place, head);
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        let text = XChaCha20Poly1305::new(&Key::from(*self.messages))
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_error| BadSeal)?;
        Ok([head, &nonce, &text].concat())
    }

    /// Opens `nonce || ciphertext || tag`.
    pub(crate) fn open(&self, place: &str, head: &[u8], sealed: &[u8]) -> Result<Vec<u8>, BadSeal> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(BadSeal)?;
        let aad = aad(place, head);
        XChaCha20Poly1305::new(&Key::from(*self.messages))
            .decrypt(&XNonce::from(*nonce), Payload { msg, aad: &aad })
            .map_err(|_error| BadSeal)
    }
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// The place has its length in front, so no two inputs collide.
fn aad(place: &str, head: &[u8]) -> Vec<u8> {
    let length = u64::try_from(place.len()).unwrap_or(u64::MAX);
    [&length.to_be_bytes(), place.as_bytes(), head].concat()
}

fn derive(key: &ReplicaKey, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    // 32 bytes is one hash block; only more than 255 blocks can fail.
    let result = Hkdf::<Sha256>::new(None, key.0.as_ref()).expand(info, out.as_mut());
    debug_assert!(result.is_ok());
    out
}
