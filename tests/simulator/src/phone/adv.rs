//! Linked devices: the signatures by which a phone vouches for its companions.
//!
//! What the clients do with the key index list, read in whatsapp-rust 0.7.0: a user with companions is skipped when
//! the list is absent or empty. If its bytes decode and have a raw id and a timestamp, each companion is dropped
//! whose `key-index` attribute is neither in the valid indexes nor above the current index, and a raw id other than
//! the last seen one resets all sessions with the account. The signature is not checked by that client. Here it is
//! made all the same, so that a client which checks it has something to check.

use buffa::Message as _;
use wacore_libsignal::protocol::PublicKey;
use waproto::whatsapp as wa;

use super::keys::hmac_sha256;
use super::{PairError, Phone};

/// Linked devices of one account. Source: WhatsApp's limit.
pub const LINKED_DEVICES_MAX: usize = 4;

/// Separates what an account key signs about a device. Source: WhatsApp Web, signature prefixes.
const ACCOUNT_PREFIX: [u8; 2] = [6, 0];
/// Separates what a device key signs about itself. Source: as above.
const DEVICE_PREFIX: [u8; 2] = [6, 1];
/// Separates what an account key signs about its key indexes. Source: as above.
const KEY_INDEX_LIST_PREFIX: [u8; 2] = [6, 2];

/// A key index list older than this is signed anew. Source: ours; clients keep one for 35 days.
const KEY_INDEX_LIST_AGE_SECS_MAX: u64 = 7 * 24 * 3600;

/// What the companion gets in `<pair-success>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairSuccess {
    /// Content of `<device-identity>`.
    pub device_identity: Vec<u8>,
    /// The device's key index, for the `key-index` attribute in device lists.
    pub key_index: u32,
}

/// One linked device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedDevice {
    /// The device number in its address.
    pub device: u16,
    /// Its key index.
    pub key_index: u32,
    /// Its public identity key.
    pub identity: [u8; 32],
}

/// Content of `<key-index-list>` in device lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyIndexList {
    /// Unix seconds, the `ts` attribute.
    pub timestamp: u64,
    /// The signed list.
    pub bytes: Vec<u8>,
}

/// A device that is linked or about to be.
#[derive(Debug)]
pub(super) struct Linked {
    about: LinkedDevice,
    details: Box<[u8]>,
    account_signature: [u8; 64],
    finished: bool,
}

impl Linked {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.details.len()
    }
}

impl Phone {
    /// Signs a companion's identity after the user scanned its QR code or typed its pairing code.
    ///
    /// A device of that number that was linked before is replaced. The device counts as linked after
    /// [`Self::finish_device`].
    ///
    /// # Errors
    /// For device 0 and when there are [`LINKED_DEVICES_MAX`] devices.
    pub fn link_device(
        &mut self,
        device: u16,
        companion_identity: &[u8; 32],
        adv_secret: &[u8; 32],
        now: u64,
    ) -> Result<PairSuccess, PairError> {
        if device == 0 {
            return Err(PairError::DeviceZero);
        }
        let kept = self
            .linked
            .iter()
            .filter(|linked| linked.about.device != device)
            .count();
        if kept >= LINKED_DEVICES_MAX {
            return Err(PairError::TooManyDevices(kept));
        }
        PublicKey::from_djb_public_key_bytes(companion_identity).map_err(PairError::Key)?;
        self.linked.retain(|linked| linked.about.device != device);
        self.delete_session(super::DeviceAddress::new(self.number(), device));
        self.key_index += 1;
        let key_index = self.key_index;
        let details = wa::ADVDeviceIdentity {
            raw_id: Some(self.raw_id()),
            timestamp: Some(now),
            key_index: Some(key_index),
            ..Default::default()
        }
        .encode_to_vec();
        let account_signature =
            self.sign(&[&ACCOUNT_PREFIX, details.as_slice(), companion_identity])?;
        let signed = wa::ADVSignedDeviceIdentity {
            details: Some(details.clone()),
            account_signature_key: Some(self.identity().to_vec()),
            account_signature: Some(account_signature.to_vec()),
            ..Default::default()
        }
        .encode_to_vec();
        let container = wa::ADVSignedDeviceIdentityHMAC {
            hmac: Some(hmac_sha256(adv_secret, &[&signed]).to_vec()),
            details: Some(signed),
            ..Default::default()
        };
        self.linked.push(Linked {
            about: LinkedDevice {
                device,
                key_index,
                identity: *companion_identity,
            },
            details: details.into(),
            account_signature,
            finished: false,
        });
        self.key_index_list = None;
        Ok(PairSuccess {
            device_identity: container.encode_to_vec(),
            key_index,
        })
    }

    /// Checks what the companion returned in `<pair-device-sign>` and counts the device as linked.
    ///
    /// `answer` is the content of its `<device-identity>`, the bytes that prekey answers about it carry from now on.
    ///
    /// # Errors
    /// When the device is not being linked, or the answer is not what the phone signed plus a valid signature.
    pub fn finish_device(&mut self, device: u16, answer: &[u8]) -> Result<(), PairError> {
        let own_identity = self.identity();
        let linked = self
            .linked
            .iter_mut()
            .find(|linked| linked.about.device == device)
            .ok_or(PairError::UnknownDevice(device))?;
        let signed = waproto::codec::adv_signed_device_identity_decode(answer)
            .map_err(|source| PairError::Decode { device, source })?;
        let changed = |field| PairError::Changed { device, field };
        if signed.details.as_deref() != Some(&*linked.details) {
            return Err(changed("details"));
        }
        if signed.account_signature.as_deref() != Some(&linked.account_signature) {
            return Err(changed("account signature"));
        }
        // Some clients leave the key out: whoever reads this knows it as the phone's identity.
        match signed.account_signature_key.as_deref() {
            None | Some([]) => {}
            Some(key) if key == own_identity => {}
            Some(_) => return Err(changed("account signature key")),
        }
        let identity =
            PublicKey::from_djb_public_key_bytes(&linked.about.identity).map_err(PairError::Key)?;
        let signature = signed.device_signature.unwrap_or_default();
        let parts: [&[u8]; 4] = [
            &DEVICE_PREFIX,
            &linked.details,
            &linked.about.identity,
            &own_identity,
        ];
        if !identity.verify_signature(&parts.concat(), &signature) {
            return Err(PairError::DeviceSignature(device));
        }
        linked.finished = true;
        self.key_index_list = None;
        Ok(())
    }

    /// Ends a link, whether the user or the companion asked for it. Returns whether there was one.
    pub fn unlink_device(&mut self, device: u16) -> bool {
        let before = self.linked.len();
        self.linked.retain(|linked| linked.about.device != device);
        self.key_index_list = None;
        self.delete_session(super::DeviceAddress::new(self.number(), device));
        self.linked.len() < before
    }

    /// The linked devices, in the order they were linked.
    pub fn linked_devices(&self) -> impl Iterator<Item = LinkedDevice> {
        self.linked
            .iter()
            .filter(|linked| linked.finished)
            .map(|linked| linked.about)
    }

    /// The signed list of valid key indexes for device lists and device notifications.
    ///
    /// # Errors
    /// When signing fails.
    pub fn key_index_list(&mut self, now: u64) -> Result<KeyIndexList, PairError> {
        if let Some(list) = &self.key_index_list
            && now.saturating_sub(list.timestamp) <= KEY_INDEX_LIST_AGE_SECS_MAX
        {
            return Ok(list.clone());
        }
        let details = wa::ADVKeyIndexList {
            raw_id: Some(self.raw_id()),
            timestamp: Some(now),
            current_index: Some(self.key_index),
            valid_indexes: self.valid_indexes(),
            ..Default::default()
        }
        .encode_to_vec();
        let signature = self.sign(&[&KEY_INDEX_LIST_PREFIX, details.as_slice()])?;
        let bytes = wa::ADVSignedKeyIndexList {
            details: Some(details),
            account_signature: Some(signature.to_vec()),
            account_signature_key: Some(self.identity().to_vec()),
        }
        .encode_to_vec();
        let list = KeyIndexList {
            timestamp: now,
            bytes,
        };
        self.key_index_list = Some(list.clone());
        Ok(list)
    }

    /// Key index 0 is the phone's.
    pub(super) fn valid_indexes(&self) -> Vec<u32> {
        let companions = self.linked_devices().map(|linked| linked.key_index);
        std::iter::once(0).chain(companions).collect()
    }

    pub(super) const fn current_index(&self) -> u32 {
        self.key_index
    }

    /// Names this identity of the account in everything signed: another one tells clients of a reinstallation.
    pub(super) fn raw_id(&self) -> u32 {
        self.root.word("raw id")
    }

    /// Signs with the account's identity key. Each signature gets its own randomness, derived from the seed.
    fn sign(&mut self, parts: &[&[u8]]) -> Result<[u8; 64], PairError> {
        self.signatures = self.signatures.wrapping_add(1);
        let mut rng = self.root.rng("signature", self.signatures);
        let identity = &self.keys.pairs(&self.root).identity;
        identity
            .private_key()
            .calculate_signature_for_multipart_message(parts, &mut rng)
            .map_err(PairError::Key)
    }
}
