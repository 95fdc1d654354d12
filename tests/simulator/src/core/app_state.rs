//! App-state collections: opaque patches under optimistic versions. The server cannot read them;
//! it only counts and keeps them.

use std::collections::BTreeMap;

use buffa::Message as _;
use waproto::whatsapp as wa;

/// The collections that exist. Source: protocol notes, section 7.
const COLLECTIONS: [&str; 5] = [
    "critical_block",
    "critical_unblock_low",
    "regular_low",
    "regular",
    "regular_high",
];
/// Most patches kept for a collection. There are no snapshots, so nothing can be forgotten.
pub const PATCHES_MAX: usize = 10_000;
/// Largest patch, in bytes.
pub const PATCH_BYTES_MAX: usize = 1024 * 1024;
/// Most patches in one answer.
const PAGE: usize = 100;

/// Why a patch was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// It was made for another version.
    #[error("app-state patch: made for another version")]
    Conflict,
    /// It is not a patch, or too large.
    #[error("app-state patch: unreadable or too large")]
    Unreadable,
    /// There is no such collection.
    #[error("app-state patch: unknown collection")]
    Unknown,
    /// The collection has as many patches as it may.
    #[error("app-state patch: collection is full")]
    Full,
}

/// What a client gets.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The version after the last of these patches.
    pub version: u64,
    /// Encoded patches, oldest first.
    pub patches: Vec<Vec<u8>>,
    /// Whether there are more.
    pub more: bool,
}

/// The collections of one account. Version `n` is what the first `n` patches make.
#[derive(Debug, Default)]
pub struct AppState {
    collections: BTreeMap<&'static str, Vec<Box<[u8]>>>,
}

impl AppState {
    /// Takes a patch made for `version` and returns the new version.
    ///
    /// # Errors
    /// When the version is not the current one, or the patch cannot be taken.
    pub fn upload(&mut self, name: &str, version: u64, patch: &[u8]) -> Result<u64, UploadError> {
        let name = known(name).ok_or(UploadError::Unknown)?;
        let patches = self.collections.entry(name).or_default();
        if version != patches.len() as u64 {
            return Err(UploadError::Conflict);
        }
        if patches.len() >= PATCHES_MAX {
            return Err(UploadError::Full);
        }
        if patch.len() > PATCH_BYTES_MAX {
            return Err(UploadError::Unreadable);
        }
        let mut decoded =
            wa::SyncdPatch::decode_from_slice(patch).map_err(|_| UploadError::Unreadable)?;
        // The client leaves the version out; whoever fetches needs it.
        let version = version + 1;
        decoded.version = buffa::MessageField::some(wa::SyncdVersion {
            version: Some(version),
        });
        patches.push(decoded.encode_to_vec().into());
        Ok(version)
    }

    /// What came after `version`. `None` for an unknown collection.
    #[must_use]
    pub fn fetch(&self, name: &str, version: u64) -> Option<Fetched> {
        let name = known(name)?;
        let patches = self
            .collections
            .get(name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let from = usize::try_from(version)
            .unwrap_or(usize::MAX)
            .min(patches.len());
        let to = (from + PAGE).min(patches.len());
        let page = patches.get(from..to).unwrap_or_default();
        Some(Fetched {
            version: to as u64,
            patches: page.iter().map(|p| p.to_vec()).collect(),
            more: to < patches.len(),
        })
    }
}

fn known(name: &str) -> Option<&'static str> {
    COLLECTIONS.into_iter().find(|c| *c == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_optimistic_and_pages_complete() {
        let mut state = AppState::default();
        let patch = wa::SyncdPatch::default().encode_to_vec();
        assert_eq!(
            state.upload("nonsense", 0, &patch),
            Err(UploadError::Unknown)
        );
        for n in 0..150 {
            assert_eq!(state.upload("regular", n, &patch), Ok(n + 1));
        }
        assert_eq!(
            state.upload("regular", 149, &patch),
            Err(UploadError::Conflict)
        );
        let first = state.fetch("regular", 0).unwrap();
        assert_eq!(
            (first.patches.len(), first.version, first.more),
            (100, 100, true)
        );
        let second = state.fetch("regular", first.version).unwrap();
        assert_eq!(
            (second.patches.len(), second.version, second.more),
            (50, 150, false)
        );
        let decoded = wa::SyncdPatch::decode_from_slice(&second.patches[0]).unwrap();
        assert_eq!(decoded.version.into_option().unwrap().version, Some(101));
        assert_eq!(state.fetch("critical_block", 0).unwrap().version, 0);
    }
}
