//! The public keys of one device as a store of raw bytes: 35 bytes for each one-time key, no
//! objects. Ten thousand devices with 812 keys each take 280 MB this way.

use std::collections::HashSet;

use sha1::{Digest, Sha1};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::xml;

/// Bytes of a key's number on the wire.
const ID_LEN: usize = 3;
/// Bytes of a stored one-time key: number and public key.
const RECORD_LEN: usize = ID_LEN + 32;
/// Most one-time keys kept for a device. A client uploads 812; more than twice that is a fault of
/// the client and is refused.
pub const ONE_TIME_KEYS_MAX: usize = 2048;

/// A signed prekey as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedKey {
    /// Number, 3 bytes big-endian.
    pub id: [u8; ID_LEN],
    /// Curve25519 public key without type byte.
    pub public: [u8; 32],
    /// XEdDSA signature by the identity key.
    pub signature: [u8; 64],
}

impl SignedKey {
    /// Reads `<skey>`.
    #[must_use]
    pub fn read(node: &Node) -> Option<Self> {
        Some(Self {
            id: xml::child_array(node, "id")?,
            public: xml::child_array(node, "value")?,
            signature: xml::child_array(node, "signature")?,
        })
    }

    fn node(&self) -> Node {
        NodeBuilder::new("skey")
            .children([
                leaf("id", &self.id),
                leaf("value", &self.public),
                leaf("signature", &self.signature),
            ])
            .build()
    }
}

/// A one-time prekey as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneTimeKey {
    /// Number, 3 bytes big-endian.
    pub id: [u8; ID_LEN],
    /// Curve25519 public key without type byte.
    pub public: [u8; 32],
}

/// Everything others need to open a session with a device.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Signal registration id.
    pub registration: [u8; 4],
    /// Identity public key.
    pub identity: [u8; 32],
    /// The signed prekey.
    pub signed: SignedKey,
    /// A one-time key, handed out once; absent when the device has run out.
    pub one_time: Option<OneTimeKey>,
}

/// The keys of one device.
#[derive(Debug, Default)]
pub struct KeyStore {
    registration: [u8; 4],
    identity: [u8; 32],
    signed: Option<Box<SignedKey>>,
    one_time: Vec<u8>,
    /// Bytes of `one_time` that were handed out.
    used: usize,
}

/// Why an upload was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// A required child is absent or has the wrong length.
    #[error("prekey upload: field missing or of wrong length")]
    Field,
    /// More keys than a device may have.
    #[error("prekey upload: more than {ONE_TIME_KEYS_MAX} keys")]
    TooMany,
}

impl KeyStore {
    /// A store with a signed prekey and the given one-time keys.
    #[must_use]
    pub fn with_keys(
        registration: [u8; 4],
        identity: [u8; 32],
        signed: SignedKey,
        one_time: impl IntoIterator<Item = OneTimeKey>,
    ) -> Self {
        let mut bytes = Vec::new();
        for key in one_time.into_iter().take(ONE_TIME_KEYS_MAX) {
            bytes.extend_from_slice(&key.id);
            bytes.extend_from_slice(&key.public);
        }
        bytes.shrink_to_fit();
        Self {
            registration,
            identity,
            signed: Some(Box::new(signed)),
            one_time: bytes,
            used: 0,
        }
    }

    /// Takes an upload (`<registration/><type/><identity/><list/><skey/>`).
    ///
    /// # Errors
    /// When a field is missing or malformed, or when there would be too many keys. Nothing is
    /// stored then.
    pub fn upload(&mut self, iq: &Node) -> Result<(), UploadError> {
        let registration = xml::child_array(iq, "registration").ok_or(UploadError::Field)?;
        let identity = xml::child_array(iq, "identity").ok_or(UploadError::Field)?;
        let signed = iq
            .get_optional_child("skey")
            .and_then(SignedKey::read)
            .ok_or(UploadError::Field)?;
        let list = iq
            .get_optional_child("list")
            .map(xml::children)
            .unwrap_or_default();
        if self.available() + list.len() > ONE_TIME_KEYS_MAX {
            return Err(UploadError::TooMany);
        }
        let mut fresh = Vec::with_capacity(self.unused().len() + list.len() * RECORD_LEN);
        fresh.extend_from_slice(self.unused());
        let mut known: HashSet<[u8; ID_LEN]> = fresh
            .chunks_exact(RECORD_LEN)
            .filter_map(|r| r.first_chunk().copied())
            .collect();
        for key in list {
            let id: [u8; ID_LEN] = xml::child_array(key, "id").ok_or(UploadError::Field)?;
            let public: [u8; 32] = xml::child_array(key, "value").ok_or(UploadError::Field)?;
            // An upload repeated after a lost answer does not double its keys.
            if known.insert(id) {
                fresh.extend_from_slice(&id);
                fresh.extend_from_slice(&public);
            }
        }
        if self.identity != identity {
            // Keys of a former identity are worthless.
            fresh.drain(..self.unused().len());
        }
        self.registration = registration;
        self.identity = identity;
        self.signed = Some(Box::new(signed));
        self.one_time = fresh;
        self.used = 0;
        Ok(())
    }

    /// Replaces the signed prekey.
    pub fn rotate(&mut self, signed: SignedKey) {
        self.signed = Some(Box::new(signed));
    }

    /// Forgets all keys, as after a loss on the server's side.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Number of one-time keys left.
    #[must_use]
    pub fn available(&self) -> usize {
        self.unused().len() / RECORD_LEN
    }

    /// Whether a bundle can be made at all.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.signed.is_some()
    }

    /// The identity key on record.
    #[must_use]
    pub fn identity(&self) -> Option<[u8; 32]> {
        self.signed.is_some().then_some(self.identity)
    }

    /// Hands out a bundle and uses up a one-time key.
    pub fn take_bundle(&mut self) -> Option<Bundle> {
        let signed = self.signed.as_deref()?.clone();
        let one_time = self.unused().first_chunk::<RECORD_LEN>().map(|record| {
            let mut key = OneTimeKey {
                id: [0; ID_LEN],
                public: [0; 32],
            };
            let (id, public) = record.split_at(ID_LEN);
            key.id.copy_from_slice(id);
            key.public.copy_from_slice(public);
            key
        });
        if one_time.is_some() {
            self.used += RECORD_LEN;
        }
        Some(Bundle {
            registration: self.registration,
            identity: self.identity,
            signed,
            one_time,
        })
    }

    /// The `<digest>` of what is on record, or nothing if there is nothing.
    ///
    /// Source: protocol notes, section 4, row 3: SHA-1 over identity, signed prekey, its signature
    /// and the one-time public keys in list order.
    #[must_use]
    pub fn digest(&self) -> Option<Node> {
        let signed = self.signed.as_deref()?;
        let mut hash = Sha1::new();
        hash.update(self.identity);
        hash.update(signed.public);
        hash.update(signed.signature);
        let mut ids = Vec::with_capacity(self.available());
        for record in self.unused().chunks_exact(RECORD_LEN) {
            let (id, public) = record.split_at(ID_LEN);
            ids.push(leaf("id", id));
            hash.update(public);
        }
        let children = [
            leaf("registration", &self.registration),
            leaf("type", &[KEY_TYPE]),
            leaf("identity", &self.identity),
            signed.node(),
            NodeBuilder::new("list").children(ids).build(),
            leaf("hash", &hash.finalize()),
        ];
        Some(NodeBuilder::new("digest").children(children).build())
    }

    fn unused(&self) -> &[u8] {
        self.one_time.get(self.used..).unwrap_or_default()
    }
}

/// The type byte of Curve25519 keys.
const KEY_TYPE: u8 = 5;

impl Bundle {
    /// The children of `<user>` in a prekey answer.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes = vec![
            leaf("registration", &self.registration),
            leaf("type", &[KEY_TYPE]),
            leaf("identity", &self.identity),
            self.signed.node(),
        ];
        if let Some(key) = &self.one_time {
            nodes.push(
                NodeBuilder::new("key")
                    .children([leaf("id", &key.id), leaf("value", &key.public)])
                    .build(),
            );
        }
        nodes
    }
}

fn leaf(tag: &'static str, bytes: &[u8]) -> Node {
    NodeBuilder::new(tag).bytes(bytes.to_vec()).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(ids: std::ops::Range<u8>) -> Node {
        let key = |n: u8| {
            NodeBuilder::new("key").children([leaf("id", &[0, 0, n]), leaf("value", &[n; 32])])
        };
        NodeBuilder::new("iq")
            .children([
                leaf("registration", &[1, 2, 3, 4]),
                leaf("type", &[5]),
                leaf("identity", &[9; 32]),
                NodeBuilder::new("list")
                    .children(ids.map(|n| key(n).build()))
                    .build(),
                NodeBuilder::new("skey")
                    .children([
                        leaf("id", &[0, 0, 1]),
                        leaf("value", &[7; 32]),
                        leaf("signature", &[8; 64]),
                    ])
                    .build(),
            ])
            .build()
    }

    #[test]
    fn each_one_time_key_is_handed_out_once_and_then_none() {
        let mut store = KeyStore::default();
        assert!(store.take_bundle().is_none());
        store.upload(&upload(1..3)).unwrap();
        let ids = [(); 3].map(|()| store.take_bundle().unwrap().one_time.map(|k| k.id));
        assert_eq!(ids, [Some([0, 0, 1]), Some([0, 0, 2]), None]);
    }

    #[test]
    fn a_repeated_upload_does_not_double_keys_and_a_new_one_appends() {
        let mut store = KeyStore::default();
        store.upload(&upload(1..4)).unwrap();
        store.upload(&upload(1..4)).unwrap();
        assert_eq!(store.available(), 3);
        store.take_bundle().unwrap();
        store.upload(&upload(4..6)).unwrap();
        assert_eq!(store.available(), 4);
        assert_eq!(store.take_bundle().unwrap().one_time.unwrap().id, [0, 0, 2]);
    }

    #[test]
    fn digest_is_over_what_is_left() {
        let mut store = KeyStore::default();
        assert!(store.digest().is_none());
        store.upload(&upload(1..3)).unwrap();
        let expected = |publics: &[u8]| {
            let mut hash = Sha1::new();
            hash.update([9; 32]);
            hash.update([7; 32]);
            hash.update([8; 64]);
            for p in publics {
                hash.update([*p; 32]);
            }
            hash.finalize().to_vec()
        };
        let hash = |s: &KeyStore| {
            xml::child_bytes(&s.digest().unwrap(), "hash")
                .unwrap()
                .to_vec()
        };
        assert_eq!(hash(&store), expected(&[1, 2]));
        store.take_bundle();
        assert_eq!(hash(&store), expected(&[2]));
    }
}
