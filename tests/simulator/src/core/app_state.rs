//! App-state collections: encrypted patches under optimistic versions. The server cannot read them; it
//! keeps the newest, folds older ones into a snapshot by their opaque indexes, and counts.
//!
//! Source: protocol notes, section 7, and `syncd` in WhatsApp Web: a snapshot is the set of records that all
//! patches up to its version leave, under the snapshot MAC that the last of them carries.

mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use buffa::Message as _;
use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use waproto::whatsapp as wa;

use self::snapshot::Snapshot;
use crate::phone::{SyncNews, SyncPatch};

/// The collections that exist. Source: protocol notes, section 7.
pub const COLLECTIONS: [&str; 5] = [
    "critical_block",
    "critical_unblock_low",
    "regular_low",
    "regular",
    "regular_high",
];
/// Most patches kept for a collection; then the older half becomes part of the snapshot.
pub const PATCHES_MAX: usize = 256;
/// Largest patch, in bytes.
pub const PATCH_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of patches and records in a collection.
pub const COLLECTION_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most mutations in a patch.
pub const MUTATIONS_MAX: usize = 5000;
/// Most patches in one answer.
const PAGE: usize = 100;
/// Bytes of an index MAC.
const INDEX_MAC_LEN: usize = 32;
/// Fewest bytes of a value: initialisation vector and MAC.
const VALUE_LEN_MIN: usize = 48;

/// Why a patch was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// It was made for another version.
    #[error("app-state patch: made for another version")]
    Conflict,
    /// It is not a patch, incomplete or too large, or keeps its mutations elsewhere.
    #[error("app-state patch: unreadable, incomplete or too large")]
    Unreadable,
    /// There is no such collection.
    #[error("app-state patch: unknown collection")]
    Unknown,
    /// The collection has as many bytes as it may.
    #[error("app-state patch: collection is full")]
    Full,
}

/// What a client gets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The version after the last of these patches.
    pub version: u64,
    /// An encoded reference to the snapshot before the patches.
    pub snapshot: Option<Vec<u8>>,
    /// Encoded patches, oldest first.
    pub patches: Vec<Vec<u8>>,
    /// Whether there are more.
    pub more: bool,
}

/// A file for the media host.
#[derive(Debug, PartialEq, Eq)]
pub struct Blob {
    /// The hash that names it.
    pub sha256: [u8; 32],
    /// The content, encrypted.
    pub bytes: Bytes,
}

#[derive(Debug, Default)]
struct Collection {
    base: Snapshot,
    patches: VecDeque<SyncPatch>,
    bytes: usize,
    /// The newest version that the phone was told of.
    told: u64,
}

impl Collection {
    fn version(&self) -> u64 {
        self.base.version + self.patches.len() as u64
    }

    fn after(&self, version: u64) -> impl Iterator<Item = &SyncPatch> {
        let skip = version.saturating_sub(self.base.version);
        self.patches
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
    }

    fn fold(&mut self) {
        while self.patches.len() > PATCHES_MAX / 2 {
            if let Some(patch) = self.patches.pop_front() {
                self.bytes = self.bytes.saturating_sub(patch.bytes.len());
                self.base.take(&patch.bytes);
            }
        }
    }
}

/// The collections of one account. Version `n` is what the first `n` patches make.
#[derive(Debug, Default)]
pub struct AppState {
    collections: BTreeMap<&'static str, Collection>,
    /// Whether the phone has to be told of something.
    pub(crate) unread: bool,
}

impl AppState {
    /// Takes a patch that device `by` made for `version` and returns the new version.
    ///
    /// # Errors
    /// When the version is not the current one, or the patch cannot be taken.
    pub fn upload(
        &mut self,
        name: &str,
        version: u64,
        by: u16,
        patch: &[u8],
    ) -> Result<u64, UploadError> {
        let name = known(name).ok_or(UploadError::Unknown)?;
        let collection = self.collections.entry(name).or_default();
        if version != collection.version() {
            return Err(UploadError::Conflict);
        }
        let version = version + 1;
        let encoded = checked(patch, version)?;
        if collection.bytes + collection.base.bytes() + encoded.len() > COLLECTION_BYTES_MAX {
            return Err(UploadError::Full);
        }
        collection.bytes += encoded.len();
        collection
            .patches
            .push_back(SyncPatch { by, bytes: encoded });
        if collection.patches.len() > PATCHES_MAX {
            collection.fold();
        }
        Ok(version)
    }

    /// What came after `version`, with a snapshot if `whole` asks for one or the version is too old for
    /// patches alone. `None` for an unknown collection; a new file for the media host comes beside it.
    pub fn fetch(
        &mut self,
        name: &str,
        version: u64,
        whole: bool,
        rng: &mut ChaCha20Rng,
    ) -> Option<(Fetched, Option<Blob>)> {
        let name = known(name)?;
        let Some(collection) = self.collections.get_mut(name) else {
            return Some((Fetched::default(), None));
        };
        let base = collection.base.version;
        let snapshot = base > 0 && (whole || version < base);
        let (reference, blob) = match snapshot.then(|| collection.base.reference(rng)) {
            Some((reference, blob)) => (Some(reference), blob),
            None => (None, None),
        };
        let from = if snapshot || whole { base } else { version };
        let page: Vec<Vec<u8>> = collection
            .after(from)
            .take(PAGE)
            .map(|p| p.bytes.to_vec())
            .collect();
        let reached = from.min(collection.version()) + page.len() as u64;
        Some((
            Fetched {
                version: reached,
                snapshot: reference,
                patches: page,
                more: reached < collection.version(),
            },
            blob,
        ))
    }

    /// What the phone needs to come from `version` to the newest. `None` for an unknown collection.
    #[must_use]
    pub fn news(&self, name: &str, version: u64) -> Option<SyncNews> {
        let Some(collection) = self.collections.get(known(name)?) else {
            return Some(SyncNews::default());
        };
        let missed = version < collection.base.version;
        Some(SyncNews {
            snapshot: missed.then(|| collection.base.encode()),
            patches: collection.after(version).cloned().collect(),
        })
    }

    /// What is new for the phone since it was last asked for. `None` when there is nothing.
    pub(crate) fn for_phone(&mut self, name: &str) -> Option<SyncNews> {
        let told = self.collections.get(name)?.told;
        let news = self
            .news(name, told)
            .filter(|n| *n != SyncNews::default())?;
        let collection = self.collections.get_mut(name)?;
        collection.told = collection.version();
        Some(news)
    }

    /// The newest version of a collection, 0 before its first patch.
    #[must_use]
    pub fn version(&self, name: &str) -> u64 {
        self.collections.get(name).map_or(0, Collection::version)
    }
}

/// The name of a collection, if it exists.
#[must_use]
pub fn known(name: &str) -> Option<&'static str> {
    COLLECTIONS.into_iter().find(|c| *c == name)
}

/// Checks the form of a patch and writes its version into it: clients leave that out, and whoever
/// fetches needs it.
fn checked(patch: &[u8], version: u64) -> Result<Box<[u8]>, UploadError> {
    if patch.len() > PATCH_BYTES_MAX {
        return Err(UploadError::Unreadable);
    }
    let mut decoded =
        wa::SyncdPatch::decode_from_slice(patch).map_err(|_| UploadError::Unreadable)?;
    let complete = decoded.snapshot_mac.is_some()
        && decoded.patch_mac.is_some()
        && decoded.key_id.is_set()
        && decoded.external_mutations.is_unset()
        && decoded.mutations.len() <= MUTATIONS_MAX
        && decoded.mutations.iter().all(|m| {
            let record = m.record.as_option();
            let index = record.and_then(|r| r.index.as_option()?.blob.as_deref());
            let value = record.and_then(|r| r.value.as_option()?.blob.as_deref());
            index.is_some_and(|i| i.len() == INDEX_MAC_LEN)
                && value.is_some_and(|v| v.len() >= VALUE_LEN_MIN)
        });
    if !complete {
        return Err(UploadError::Unreadable);
    }
    decoded.version = buffa::MessageField::some(wa::SyncdVersion {
        version: Some(version),
    });
    Ok(decoded.encode_to_vec().into())
}
