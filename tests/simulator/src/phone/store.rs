//! The Signal library's stores, in memory and small.
//!
//! Records are kept as the bytes they serialise to. The library's counter leases are waived on each load: they
//! guard against a crash between use and storage, which a store inside the same call cannot have, and without the
//! waiver each load would skip 64 counters.

use std::collections::{HashMap, VecDeque};

use async_trait::async_trait;
use wacore_libsignal::protocol::error::Result;
use wacore_libsignal::protocol::{
    Direction, GenericSignedPreKey, IdentityChange, IdentityKey, IdentityKeyPair, IdentityKeyStore,
    KeyPair, PreKeyId, PreKeyRecord, PreKeyStore, ProtocolAddress, SenderKeyName, SenderKeyRecord,
    SenderKeyStore, SessionRecord, SessionStore, SignalProtocolError, SignedPreKeyId,
    SignedPreKeyRecord, SignedPreKeyStore, Timestamp,
};

use super::DeviceAddress;
use super::keys::{PREKEY_ID_MAX, PREKEYS_OUTSTANDING_MAX, Root, SIGNED_PREKEY_ID};

/// Sessions of one phone. Beyond it the one unused for longest goes; that device then gets a retry receipt.
pub const SESSIONS_MAX: usize = 4096;

/// Sender keys of other devices in groups, of one phone. Beyond it the one unused for longest goes.
pub const SENDER_KEYS_MAX: usize = 4096;

/// Bytes a map entry costs besides its key and value, roughly.
const ENTRY_OVERHEAD: usize = 16;

/// A serialised record and when it was last stored, by a counter.
#[derive(Debug)]
struct Slot {
    bytes: Box<[u8]>,
    used: u64,
}

/// A bounded map of serialised records.
#[derive(Debug)]
struct Slots<K> {
    map: HashMap<K, Slot>,
    clock: u64,
}

impl<K> Default for Slots<K> {
    fn default() -> Self {
        Self {
            map: HashMap::new(),
            clock: 0,
        }
    }
}

impl<K: Eq + std::hash::Hash + Clone> Slots<K> {
    fn put(&mut self, key: K, bytes: Vec<u8>, max: usize) {
        self.clock += 1;
        if self.map.len() >= max && !self.map.contains_key(&key) {
            let oldest = self
                .map
                .iter()
                .min_by_key(|(_, slot)| slot.used)
                .map(|(k, _)| k.clone());
            if let Some(oldest) = oldest {
                self.map.remove(&oldest);
            }
        }
        self.map.insert(
            key,
            Slot {
                bytes: bytes.into_boxed_slice(),
                used: self.clock,
            },
        );
    }

    fn heap_bytes(&self, key_bytes: impl Fn(&K) -> usize) -> usize {
        let entry = size_of::<(K, Slot)>() + ENTRY_OVERHEAD;
        self.map
            .iter()
            .map(|(key, slot)| entry + slot.bytes.len() + key_bytes(key))
            .sum()
    }
}

/// Pairwise sessions by device.
#[derive(Debug, Default)]
pub(super) struct Sessions(Slots<DeviceAddress>);

impl Sessions {
    pub(super) fn contains(&self, device: DeviceAddress) -> bool {
        self.0.map.contains_key(&device)
    }

    pub(super) fn remove(&mut self, device: DeviceAddress) -> bool {
        self.0.map.remove(&device).is_some()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes(|_| 0)
    }
}

fn device_of(address: &ProtocolAddress) -> Result<DeviceAddress> {
    DeviceAddress::from_protocol(address)
        .ok_or_else(|| SignalProtocolError::InvalidArgument("address of no device".to_owned()))
}

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        let Some(slot) = self.0.map.get(&device_of(address)?) else {
            return Ok(None);
        };
        let mut record = SessionRecord::deserialize(&slot.bytes)?;
        record.waive_counter_lease();
        Ok(Some(record))
    }

    async fn has_session(&self, address: &ProtocolAddress) -> Result<bool> {
        Ok(self.contains(device_of(address)?))
    }

    async fn store_session(
        &mut self,
        address: &ProtocolAddress,
        record: SessionRecord,
    ) -> Result<()> {
        self.0
            .put(device_of(address)?, record.serialize()?, SESSIONS_MAX);
        Ok(())
    }
}

/// The own identity. Others' identities are accepted as they come, as WhatsApp does; each session record keeps the
/// one it was built with.
pub(super) struct Identities<'a> {
    pub(super) own: &'a IdentityKeyPair,
    pub(super) registration_id: u32,
}

#[async_trait]
impl IdentityKeyStore for Identities<'_> {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        Ok(self.own.clone())
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.registration_id)
    }

    async fn save_identity(
        &mut self,
        _: &ProtocolAddress,
        _: &IdentityKey,
    ) -> Result<IdentityChange> {
        Ok(IdentityChange::NewOrUnchanged)
    }

    async fn is_trusted_identity(
        &self,
        _: &ProtocolAddress,
        _: &IdentityKey,
        _: Direction,
    ) -> Result<bool> {
        Ok(true)
    }

    async fn get_identity(&self, _: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(None)
    }
}

/// The ids of one-time prekeys that were handed out and not used yet. The keys themselves are derived.
#[derive(Debug)]
pub(super) struct Prekeys {
    root: Root,
    last: u32,
    outstanding: VecDeque<u32>,
}

impl Prekeys {
    pub(super) const fn new(root: Root) -> Self {
        Self {
            root,
            last: 0,
            outstanding: VecDeque::new(),
        }
    }

    pub(super) fn hand_out(&mut self) -> (u32, KeyPair) {
        self.last = self.last % PREKEY_ID_MAX + 1;
        if self.outstanding.len() >= PREKEYS_OUTSTANDING_MAX {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back(self.last);
        (self.last, self.root.prekey(self.last))
    }

    pub(super) fn consume(&mut self, id: u32) {
        self.outstanding.retain(|known| *known != id);
    }
}

#[async_trait]
impl PreKeyStore for Prekeys {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        if self.outstanding.contains(&u32::from(id)) {
            Ok(PreKeyRecord::new(id, &self.root.prekey(id.into())))
        } else {
            Err(SignalProtocolError::InvalidPreKeyId)
        }
    }

    async fn save_pre_key(&mut self, _: PreKeyId, _: &PreKeyRecord) -> Result<()> {
        Err(SignalProtocolError::InvalidArgument(
            "prekeys of a phone are derived".to_owned(),
        ))
    }

    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.consume(id.into());
        Ok(())
    }
}

/// The one signed prekey.
pub(super) struct SignedPrekeys<'a> {
    pub(super) pair: &'a KeyPair,
    pub(super) signature: [u8; 64],
}

#[async_trait]
impl SignedPreKeyStore for SignedPrekeys<'_> {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        if u32::from(id) == SIGNED_PREKEY_ID {
            let never_rotated = Timestamp::from_epoch_millis(0);
            Ok(SignedPreKeyRecord::new(
                id,
                never_rotated,
                self.pair,
                &self.signature,
            ))
        } else {
            Err(SignalProtocolError::InvalidSignedPreKeyId)
        }
    }

    async fn save_signed_pre_key(
        &mut self,
        _: SignedPreKeyId,
        _: &SignedPreKeyRecord,
    ) -> Result<()> {
        Err(SignalProtocolError::InvalidArgument(
            "signed prekey of a phone is derived".to_owned(),
        ))
    }
}

/// Sender keys by group and device.
#[derive(Debug, Default)]
pub(super) struct SenderKeys(Slots<Box<str>>);

impl SenderKeys {
    pub(super) fn contains(&self, name: &SenderKeyName) -> bool {
        self.0.map.contains_key(name.cache_key())
    }

    pub(super) fn remove(&mut self, name: &SenderKeyName) {
        self.0.map.remove(name.cache_key());
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes(|key| key.len())
    }
}

#[async_trait]
impl SenderKeyStore for SenderKeys {
    async fn store_sender_key(
        &mut self,
        name: &SenderKeyName,
        record: SenderKeyRecord,
    ) -> Result<()> {
        self.0.put(
            name.cache_key().into(),
            record.serialize()?,
            SENDER_KEYS_MAX,
        );
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        let Some(slot) = self.0.map.get(name.cache_key()) else {
            return Ok(None);
        };
        let mut record = SenderKeyRecord::deserialize(&slot.bytes)?;
        record.waive_counter_lease()?;
        Ok(Some(record))
    }
}
