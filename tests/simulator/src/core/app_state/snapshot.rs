//! What many patches leave, without being able to read one: the newest record of each index.

use std::collections::BTreeMap;

use buffa::{Message as _, MessageField};
use rand_chacha::ChaCha20Rng;
use wa::syncd_mutation::SyncdOperation;
use waproto::whatsapp as wa;

use super::Blob;
use crate::core::media_path;
use crate::phone::{BlobKind, seal_blob};

/// The records up to a version.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) version: u64,
    records: BTreeMap<Box<[u8]>, Box<[u8]>>,
    mac: Vec<u8>,
    key_id: Vec<u8>,
    bytes: usize,
    /// The reference that was made for this version, if one was.
    made: Option<Vec<u8>>,
}

impl Snapshot {
    /// Bytes of all records.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the next patch. It was checked when it came.
    pub(super) fn take(&mut self, patch: &[u8]) {
        let Ok(patch) = wa::SyncdPatch::decode_from_slice(patch) else {
            return;
        };
        self.version += 1;
        self.made = None;
        self.mac = patch.snapshot_mac.unwrap_or_default();
        self.key_id = patch
            .key_id
            .into_option()
            .and_then(|k| k.id)
            .unwrap_or_default();
        let (gone, set): (Vec<_>, Vec<_>) = patch.mutations.into_iter().partition(is_removal);
        for record in gone.into_iter().filter_map(|m| m.record.into_option()) {
            self.forget(&index_of(&record));
        }
        for record in set.into_iter().filter_map(|m| m.record.into_option()) {
            let index = index_of(&record);
            self.forget(&index);
            let bytes: Box<[u8]> = record.encode_to_vec().into();
            self.bytes += index.len() + bytes.len();
            self.records.insert(index, bytes);
        }
    }

    fn forget(&mut self, index: &[u8]) {
        if let Some(old) = self.records.remove(index) {
            self.bytes = self.bytes.saturating_sub(index.len() + old.len());
        }
    }

    /// The snapshot as clients read it.
    pub(super) fn encode(&self) -> Vec<u8> {
        let records = self
            .records
            .values()
            .filter_map(|r| wa::SyncdRecord::decode_from_slice(r).ok());
        wa::SyncdSnapshot {
            version: MessageField::some(wa::SyncdVersion {
                version: Some(self.version),
            }),
            records: records.collect(),
            mac: Some(self.mac.clone()),
            key_id: MessageField::some(wa::KeyId {
                id: Some(self.key_id.clone()),
            }),
        }
        .encode_to_vec()
    }

    /// An encoded reference to the snapshot, and the file itself if it has to be stored first.
    pub(super) fn reference(&mut self, rng: &mut ChaCha20Rng) -> (Vec<u8>, Option<Blob>) {
        if let Some(made) = &self.made {
            return (made.clone(), None);
        }
        let sealed = seal_blob(BlobKind::AppState, &self.encode(), rng);
        let reference = wa::ExternalBlobReference {
            media_key: Some(sealed.media_key.to_vec()),
            direct_path: Some(media_path(&sealed.file_enc_sha256)),
            handle: None,
            file_size_bytes: Some(sealed.file_length),
            file_sha256: Some(sealed.file_sha256.to_vec()),
            file_enc_sha256: Some(sealed.file_enc_sha256.to_vec()),
        }
        .encode_to_vec();
        self.made = Some(reference.clone());
        let blob = Blob {
            sha256: sealed.file_enc_sha256,
            bytes: sealed.bytes.into(),
        };
        (reference, Some(blob))
    }
}

fn is_removal(mutation: &wa::SyncdMutation) -> bool {
    mutation
        .operation
        .is_some_and(|op| op == SyncdOperation::REMOVE)
}

fn index_of(record: &wa::SyncdRecord) -> Box<[u8]> {
    let index = record.index.as_option().and_then(|i| i.blob.as_deref());
    index.unwrap_or_default().into()
}
