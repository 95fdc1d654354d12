//! Sealing of everything that reaches the disk (R-7): XChaCha20-Poly1305 with a key per namespace.
//!
//! ```text
//! master key --HKDF(store id)--> catalog key: seals the catalog's records, which hold the data keys
//! data key (random, one per namespace): seals every value of its tree
//! transfer key --HKDF(export id, namespace, epoch)--> wraps the data key while a tree travels
//! ```
//! Associated data is the namespace, a header (schema version, form) and the full key, so a value
//! put elsewhere on the disk, or read under another schema, does not open. Key *names* are not
//! secret: they stay readable, because engines sort by them.
//!
//! Owns keys and primitives. Must not know trees, batches or engines.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use rand::Rng;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of every key here.
pub const KEY_BYTES: usize = 32;
/// Bytes of the nonce in front of a sealed text. Source: XChaCha20 (192 bits, safe at random).
pub(crate) const NONCE_BYTES: usize = 24;
/// Bytes of the tag at the end of a sealed text. Source: RFC 8439, Poly1305.
pub(crate) const TAG_BYTES: usize = 16;
/// Bytes of a store id and of an export id.
pub(crate) const ID_BYTES: usize = 16;

const CATALOG_INFO: &[u8] = b"switchboard keystore catalog v1";
const TRANSFER_INFO: &[u8] = b"switchboard keystore transfer v1";

/// Opens a store. Wiped from memory when dropped.
pub struct MasterKey(Secret);

/// Shared by the nodes of a cluster, so that a tree can travel between stores with different
/// master keys. Wiped from memory when dropped.
#[derive(Clone)]
pub struct TransferKey(Secret);

type Secret = Zeroizing<[u8; KEY_BYTES]>;

impl MasterKey {
    /// Takes 32 random bytes; how they were made and kept is the caller's business.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Key for the records of the catalog of the store `id`.
    pub(crate) fn catalog_key(&self, id: &[u8; ID_BYTES]) -> DataKey {
        DataKey(derive(&self.0, id, &[CATALOG_INFO]))
    }

    /// Whether every byte is the same, as in a key nobody filled in.
    pub(crate) fn is_blank(&self) -> bool {
        self.0.iter().all(|byte| Some(byte) == self.0.first())
    }
}

impl TransferKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Key that wraps the data key of one export.
    pub(crate) fn wrapping_key(&self, id: &[u8; ID_BYTES], ns: &str, epoch: u64) -> DataKey {
        DataKey(derive(
            &self.0,
            id,
            &[TRANSFER_INFO, &epoch.to_be_bytes(), ns.as_bytes()],
        ))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("MasterKey(..)")
    }
}

impl fmt::Debug for TransferKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TransferKey(..)")
    }
}

/// Seals and opens. Wiped from memory when dropped.
#[derive(Clone)]
pub(crate) struct DataKey(Secret);

impl fmt::Debug for DataKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DataKey(..)")
    }
}

/// A sealed text that does not open: damaged, moved, or sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed text does not open")]
pub(crate) struct BadSeal;

impl DataKey {
    pub(crate) fn random() -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::rng().fill_bytes(bytes.as_mut());
        Self(bytes)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, BadSeal> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            return Err(BadSeal);
        }
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// `header || nonce || ciphertext || tag`. The header travels in clear; it must be part of
    /// `aad` by the caller's doing.
    pub(crate) fn seal(&self, header: &[u8], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, BadSeal> {
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let cipher = XChaCha20Poly1305::new(&Key::from(*self.0));
        let text = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
            .map_err(|_error| BadSeal)?;
        let mut out = Vec::with_capacity(header.len() + NONCE_BYTES + text.len());
        out.extend_from_slice(header);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&text);
        Ok(out)
    }

    /// Opens `nonce || ciphertext || tag`.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, BadSeal> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(BadSeal)?;
        let cipher = XChaCha20Poly1305::new(&Key::from(*self.0));
        cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: text, aad })
            .map_err(|_error| BadSeal)
    }
}

/// Random id of a store or an export.
pub(crate) fn random_id() -> [u8; ID_BYTES] {
    let mut id = [0; ID_BYTES];
    rand::rng().fill_bytes(&mut id);
    id
}

fn derive(secret: &Secret, salt: &[u8], info: &[&[u8]]) -> Secret {
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    // 32 bytes is one hash block; only more than 255 blocks can fail.
    let result =
        Hkdf::<Sha256>::new(Some(salt), secret.as_ref()).expand_multi_info(info, out.as_mut());
    debug_assert!(result.is_ok());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_only_where_it_belongs() {
        let key = DataKey::random();
        let sealed = key.seal(b"hd", b"here", b"text").unwrap();
        assert_eq!(&sealed[..2], b"hd");
        assert_eq!(sealed.len(), 2 + NONCE_BYTES + 4 + TAG_BYTES);
        assert_eq!(key.open(b"here", &sealed[2..]), Ok(b"text".to_vec()));
        assert_eq!(key.open(b"there", &sealed[2..]), Err(BadSeal));
        assert_eq!(DataKey::random().open(b"here", &sealed[2..]), Err(BadSeal));
        for bit in 0..(sealed.len() - 2) * 8 {
            let mut damaged = sealed[2..].to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(b"here", &damaged), Err(BadSeal), "bit {bit}");
        }
        for length in 0..sealed.len() - 2 {
            assert_eq!(
                key.open(b"here", &sealed[2..2 + length]),
                Err(BadSeal),
                "cut to {length}"
            );
        }
    }

    #[test]
    fn derived_keys_depend_on_every_input() {
        let (master, transfer) = (MasterKey::new([1; 32]), TransferKey::new([1; 32]));
        let all = [
            master.catalog_key(&[0; 16]),
            master.catalog_key(&[1; 16]),
            MasterKey::new([2; 32]).catalog_key(&[0; 16]),
            transfer.wrapping_key(&[0; 16], "a", 1),
            transfer.wrapping_key(&[1; 16], "a", 1),
            transfer.wrapping_key(&[0; 16], "b", 1),
            transfer.wrapping_key(&[0; 16], "a", 2),
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(one.bytes(), other.bytes());
            }
        }
    }

    #[test]
    fn keys_are_never_printed() {
        let printed = format!(
            "{:?}{:?}{:?}",
            MasterKey::new([7; 32]),
            TransferKey::new([7; 32]),
            DataKey::random()
        );
        assert_eq!(printed, "MasterKey(..)TransferKey(..)DataKey(..)");
        assert!(MasterKey::new([7; 32]).is_blank());
    }
}
