//! The account's app state as its phone keeps it: it reads what companions write, verifies every MAC, and writes
//! changes of its own under the account's key.
//!
//! The phone keeps the newest record of each index and derives what its user sees from them, see [`State`].
//! A companion's mistake is reported and, as far as that is possible, tolerated: the hash follows what was written,
//! so that the next correct patch fits again.
//!
//! Source: `syncd` of WhatsApp Web, as implemented by wacore-appstate 0.7.0, which does the arithmetic.

mod act;
mod reading;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;

use buffa::Message as _;
use rand::{CryptoRng, Rng, RngExt as _};
use wa::sync_action_value::{SyncActionMessage, SyncActionMessageRange};
use wa::syncd_mutation::SyncdOperation;
use wacore::appstate::AppStateError;
use wacore::appstate::decode::decode_record;
use wacore::appstate::encode::encode_record;
use wacore::appstate::hash::{HashState, generate_patch_mac};
use wacore::appstate::keys::{ExpandedAppStateKeys, expand_app_state_keys};
use waproto::whatsapp as wa;

pub use self::act::{Act, MessageRef, Named};
pub use self::reading::AppStateRead;
pub use self::view::{Chat, Contact, Label, Settings, State, Told};
use super::Phone;

type Mac = [u8; 32];

/// A patch and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncPatch {
    /// The number of the device within the account.
    pub by: u16,
    /// The encoded patch, with its version.
    pub bytes: Box<[u8]>,
}

/// What a phone has not read yet of one collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncNews {
    /// An encoded snapshot, if patches that the phone has not read are gone.
    pub snapshot: Option<Vec<u8>>,
    /// What came after it, oldest first.
    pub patches: Vec<SyncPatch>,
}

/// What is wrong with a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppStateFault {
    /// It cannot be decoded.
    #[error("app state: unreadable patch")]
    Unreadable,
    /// It is under a key that the phone did not hand out.
    #[error("app state: unknown key")]
    UnknownKey,
    /// The MAC over an encrypted value is wrong.
    #[error("app state: wrong value mac")]
    ValueMac,
    /// The MAC over an index is wrong.
    #[error("app state: wrong index mac")]
    IndexMac,
    /// A value decrypts to nonsense.
    #[error("app state: unreadable value")]
    Value,
    /// The MAC over the patch is wrong.
    #[error("app state: wrong patch mac")]
    PatchMac,
    /// The MAC over the sum of all values is wrong: the writer counted differently.
    #[error("app state: wrong snapshot mac")]
    SnapshotMac,
    /// It removes what is not there.
    #[error("app state: removal of an absent record")]
    Absent,
    /// It writes the same index twice.
    #[error("app state: an index twice in a patch")]
    Twice,
}

impl AppStateFault {
    /// The fault in the words of the journal.
    #[must_use]
    pub const fn event(self) -> &'static str {
        match self {
            Self::Unreadable => "app state: unreadable patch",
            Self::UnknownKey => "app state: unknown key",
            Self::ValueMac => "app state: wrong value mac",
            Self::IndexMac => "app state: wrong index mac",
            Self::Value => "app state: unreadable value",
            Self::PatchMac => "app state: wrong patch mac",
            Self::SnapshotMac => "app state: wrong snapshot mac",
            Self::Absent => "app state: removal of an absent record",
            Self::Twice => "app state: an index twice in a patch",
        }
    }
}

/// A change that a phone is about to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Drafted {
    /// The collection it belongs to.
    pub collection: &'static str,
    /// Whether it takes the record away instead of setting it.
    pub remove: bool,
    /// What the record is about: an action and its arguments.
    pub index: Vec<String>,
    /// What it says.
    pub value: wa::SyncActionValue,
    /// The version of the action's schema.
    pub schema: i32,
}

/// The newest record of an index.
#[derive(Debug)]
struct Entry {
    value_mac: Mac,
    /// JSON; empty when it could not be read.
    index: Box<[u8]>,
    value: Box<[u8]>,
}

#[derive(Debug)]
struct Collection {
    version: u64,
    hash: [u8; 128],
    entries: BTreeMap<Mac, Entry>,
}

impl Default for Collection {
    fn default() -> Self {
        Self {
            version: 0,
            hash: [0; 128],
            entries: BTreeMap::new(),
        }
    }
}

/// All collections that have anything in them.
#[derive(Debug, Default)]
pub(super) struct AppState {
    collections: BTreeMap<&'static str, Collection>,
}

impl AppState {
    pub(super) fn heap_bytes(&self) -> usize {
        let entries = self.collections.values().flat_map(|c| c.entries.values());
        let entries: usize = entries
            .map(|e| size_of::<Entry>() + size_of::<Mac>() + e.index.len() + e.value.len())
            .sum();
        entries + self.collections.len() * size_of::<Collection>()
    }
}

impl Collection {
    fn hash_state(&self) -> HashState {
        HashState {
            version: self.version,
            hash: self.hash,
            ..HashState::default()
        }
    }

    /// Adds up a patch. Returns the sum and whether it removed what is not there.
    fn sum(&self, mutations: &[wa::SyncdMutation], version: u64) -> (HashState, bool) {
        let mut state = self.hash_state();
        state.version = version;
        let (found, _) = state.update_hash(mutations, |index, _| {
            let mac = Mac::try_from(index).ok();
            let entry = mac.and_then(|mac| self.entries.get(&mac));
            Ok(entry.map(|entry| entry.value_mac.to_vec()))
        });
        (state, found.has_missing_remove)
    }

    fn read_snapshot(
        &mut self,
        name: &str,
        keys: &Keys,
        bytes: &[u8],
    ) -> Result<Vec<AppStateFault>, AppStateFault> {
        let snapshot =
            wa::SyncdSnapshot::decode_from_slice(bytes).map_err(|_| AppStateFault::Unreadable)?;
        let version = snapshot
            .version
            .as_option()
            .and_then(|v| v.version)
            .unwrap_or(0);
        if version <= self.version {
            return Ok(Vec::new());
        }
        let mut faults = Vec::new();
        let mut state = HashState {
            version,
            ..HashState::default()
        };
        state.update_hash_from_records(&snapshot.records);
        let mac = state.generate_snapshot_mac(name, &keys.expanded.snapshot_mac);
        if snapshot.mac.as_deref() != Some(&*mac) {
            faults.push(AppStateFault::SnapshotMac);
        }
        self.entries.clear();
        for record in &snapshot.records {
            faults.extend(self.store(SyncdOperation::SET, record, keys));
        }
        self.version = version;
        self.hash = state.hash;
        Ok(faults)
    }

    /// Reads the next patch; one that was read before has no effect.
    fn read_patch(
        &mut self,
        name: &str,
        keys: &Keys,
        bytes: &[u8],
    ) -> Result<Vec<AppStateFault>, AppStateFault> {
        let patch =
            wa::SyncdPatch::decode_from_slice(bytes).map_err(|_| AppStateFault::Unreadable)?;
        let version = patch
            .version
            .as_option()
            .and_then(|v| v.version)
            .unwrap_or(0);
        if version != self.version + 1 {
            return Ok(Vec::new());
        }
        let mut faults = Vec::new();
        let (state, absent) = self.sum(&patch.mutations, version);
        if absent {
            faults.push(AppStateFault::Absent);
        }
        if writes_twice(&patch.mutations) {
            faults.push(AppStateFault::Twice);
        }
        if patch.key_id.as_option().and_then(|k| k.id.as_deref()) == Some(&keys.id) {
            let sum = state.generate_snapshot_mac(name, &keys.expanded.snapshot_mac);
            if patch.snapshot_mac.as_deref() != Some(&*sum) {
                faults.push(AppStateFault::SnapshotMac);
            }
            let mac = generate_patch_mac(&patch, name, &keys.expanded.patch_mac, version);
            if patch.patch_mac.as_deref() != Some(&*mac) {
                faults.push(AppStateFault::PatchMac);
            }
        } else {
            faults.push(AppStateFault::UnknownKey);
        }
        // Within a patch, setting an index wins over removing it.
        let (removed, set): (Vec<_>, Vec<_>) = patch
            .mutations
            .iter()
            .partition(|m| operation(m) == SyncdOperation::REMOVE);
        for mutation in removed.into_iter().chain(set) {
            if let Some(record) = mutation.record.as_option() {
                faults.extend(self.store(operation(mutation), record, keys));
            }
        }
        self.version = version;
        self.hash = state.hash;
        Ok(faults)
    }

    /// Applies one record. What cannot be read is kept by its MAC alone, as the sum contains it.
    fn store(
        &mut self,
        operation: SyncdOperation,
        record: &wa::SyncdRecord,
        keys: &Keys,
    ) -> Option<AppStateFault> {
        let index_mac = record.index.as_option().and_then(|i| i.blob.as_deref());
        let Some(index_mac) = index_mac.and_then(|mac| Mac::try_from(mac).ok()) else {
            return Some(AppStateFault::Unreadable);
        };
        let blob = record.value.as_option().and_then(|v| v.blob.as_deref());
        let Some(value_mac) = blob.and_then(|blob| blob.last_chunk::<32>()) else {
            return Some(AppStateFault::Unreadable);
        };
        let key_id = record.key_id.as_option().and_then(|k| k.id.as_deref());
        let read = if key_id == Some(&keys.id) {
            decode_record(operation, record, &keys.expanded, &keys.id, true).map_err(|e| fault(&e))
        } else {
            Err(AppStateFault::UnknownKey)
        };
        if operation == SyncdOperation::REMOVE {
            self.entries.remove(&index_mac);
            return read.err();
        }
        let (index, value, fault) = match read {
            Ok((mutation, _)) => (
                serde_json::to_vec(&mutation.index).unwrap_or_default(),
                mutation
                    .action_value
                    .map(|v| v.encode_to_vec())
                    .unwrap_or_default(),
                None,
            ),
            Err(fault) => (Vec::new(), Vec::new(), Some(fault)),
        };
        let entry = Entry {
            value_mac: *value_mac,
            index: index.into(),
            value: value.into(),
        };
        self.entries.insert(index_mac, entry);
        fault
    }
}

/// The account's key with everything derived from it.
struct Keys {
    id: [u8; 6],
    expanded: ExpandedAppStateKeys,
}

fn operation(mutation: &wa::SyncdMutation) -> SyncdOperation {
    let known = mutation.operation.and_then(|op| op.as_known());
    known.unwrap_or(SyncdOperation::SET)
}

fn writes_twice(mutations: &[wa::SyncdMutation]) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    mutations.iter().any(|m| {
        let record = m.record.as_option();
        let index = record.and_then(|r| r.index.as_option()?.blob.as_deref());
        !seen.insert((operation(m) == SyncdOperation::REMOVE, index))
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all that is left to go wrong is in the value"
)]
fn fault(error: &AppStateError) -> AppStateFault {
    match error {
        AppStateError::MismatchingContentMAC => AppStateFault::ValueMac,
        AppStateError::MismatchingIndexMAC | AppStateError::MissingIndexMAC => {
            AppStateFault::IndexMac
        }
        _ => AppStateFault::Value,
    }
}

impl Phone {
    fn sync_keys(&self) -> Keys {
        let key = self.app_state_key();
        Keys {
            id: key.id,
            expanded: expand_app_state_keys(&key.data),
        }
    }

    /// The version of a collection that the phone has read.
    #[must_use]
    pub fn app_state_version(&self, collection: &str) -> u64 {
        let state = self.app_state.as_deref();
        let collection = state.and_then(|s| s.collections.get(collection));
        collection.map_or(0, |c| c.version)
    }

    /// Reads what was written to a collection. What it has read before has no effect. Returns what is wrong, by the
    /// number of the device that wrote it.
    pub fn read_app_state(
        &mut self,
        name: &'static str,
        news: &SyncNews,
    ) -> Vec<(u16, AppStateFault)> {
        let keys = self.sync_keys();
        let state = self.app_state.get_or_insert_default();
        let collection = state.collections.entry(name).or_default();
        let mut faults = Vec::new();
        let mut note = |by: u16, read: Result<Vec<AppStateFault>, AppStateFault>| {
            faults.extend(
                read.unwrap_or_else(|f| vec![f])
                    .into_iter()
                    .map(|f| (by, f)),
            );
        };
        if let Some(snapshot) = &news.snapshot {
            note(0, collection.read_snapshot(name, &keys, snapshot));
        }
        for patch in &news.patches {
            note(patch.by, collection.read_patch(name, &keys, &patch.bytes));
        }
        faults
    }

    /// Writes a patch for the version that the phone has read, which is returned with it. The phone takes its own
    /// changes over when it reads the patch.
    pub fn write_app_state<R: Rng + CryptoRng>(
        &mut self,
        name: &'static str,
        changes: &[Drafted],
        rng: &mut R,
    ) -> (u64, Vec<u8>) {
        let keys = self.sync_keys();
        let state = self.app_state.get_or_insert_default();
        let collection = state.collections.entry(name).or_default();
        let mutations: Vec<wa::SyncdMutation> = changes
            .iter()
            .map(|change| {
                let operation = if change.remove {
                    SyncdOperation::REMOVE
                } else {
                    SyncdOperation::SET
                };
                let index = serde_json::to_vec(&change.index).unwrap_or_default();
                let iv: [u8; 16] = rng.random();
                encode_record(
                    operation,
                    &index,
                    &change.value,
                    &keys.expanded,
                    &keys.id,
                    &iv,
                    change.schema,
                )
                .0
            })
            .collect();
        let base = collection.version;
        let (sum, _) = collection.sum(&mutations, base + 1);
        let mut patch = wa::SyncdPatch {
            mutations,
            snapshot_mac: Some(sum.generate_snapshot_mac(name, &keys.expanded.snapshot_mac)),
            key_id: buffa::MessageField::some(wa::KeyId {
                id: Some(keys.id.to_vec()),
            }),
            ..Default::default()
        };
        let mac = generate_patch_mac(&patch, name, &keys.expanded.patch_mac, base + 1);
        patch.patch_mac = Some(mac);
        (base, patch.encode_to_vec())
    }

    /// The newest message of a chat, as records about whole chats name it.
    #[must_use]
    pub fn message_range(&self, chat: &str) -> Option<SyncActionMessageRange> {
        let last = self.newest_message(chat)?;
        let at = last.message_timestamp.and_then(|at| i64::try_from(at).ok());
        let key = last.key.into_option()?;
        Some(SyncActionMessageRange {
            last_message_timestamp: at,
            last_system_message_timestamp: None,
            messages: vec![SyncActionMessage {
                key: key.into(),
                timestamp: at,
            }],
        })
    }

    /// Whether a record of this index exists.
    #[must_use]
    pub fn has_app_state(&self, collection: &str, index: &[String]) -> bool {
        let Ok(index) = serde_json::to_vec(index) else {
            return false;
        };
        let state = self.app_state.as_deref();
        let collection = state.and_then(|s| s.collections.get(collection));
        collection.is_some_and(|c| c.entries.values().any(|e| *e.index == *index))
    }

    /// Everything the app state says, oldest first. [`State::of`] makes sense of it.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        let state = self.app_state.as_deref();
        let collections = state.into_iter().flat_map(|s| s.collections.values());
        let mut told: Vec<Told> = collections
            .flat_map(|c| c.entries.values())
            .filter_map(|e| {
                let value = wa::SyncActionValue::decode_from_slice(&e.value).ok()?;
                Some(Told {
                    index: serde_json::from_slice(&e.index).ok()?,
                    at_ms: value.timestamp.unwrap_or(0),
                    value,
                })
            })
            .collect();
        told.sort_by_key(|t| t.at_ms);
        told
    }
}
