//! A key-value store with revisions, as it is when it works; faults are the world's.

use std::collections::BTreeMap;

use switchboard_ownership::{Bucket, Record, RecordKey, Revision};

pub(crate) const fn bucket_of(key: &RecordKey) -> Bucket {
    match key {
        RecordKey::Node(_) => Bucket::Nodes,
        RecordKey::Owner(_) => Bucket::Owners,
    }
}

const fn at(bucket: Bucket) -> usize {
    match bucket {
        Bucket::Nodes => 0,
        Bucket::Owners => 1,
    }
}

/// Everything that is stored. A clone is a backup.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kv {
    last: [Revision; 2],
    entries: BTreeMap<RecordKey, (Option<Record>, Revision)>,
}

impl Kv {
    pub(crate) fn get(&self, key: &RecordKey) -> Option<(&Record, Revision)> {
        let (record, revision) = self.entries.get(key)?;
        Some((record.as_ref()?, *revision))
    }

    /// A compare-and-set; zero creates. `Err`: another revision is there.
    pub(crate) fn write(
        &mut self,
        key: &RecordKey,
        record: Option<Record>,
        expected: Revision,
    ) -> Result<Revision, ()> {
        let there = match self.entries.get(key) {
            Some((None, _)) if expected == 0 => 0,
            Some((_, revision)) => *revision,
            None => 0,
        };
        if there != expected || (expected == 0 && record.is_none()) {
            return Err(());
        }
        let last = &mut self.last[at(bucket_of(key))];
        *last += 1;
        let revision = *last;
        self.entries.insert(key.clone(), (record, revision));
        Ok(revision)
    }

    /// What exists, in the order of revisions.
    pub(crate) fn list(&self, bucket: Bucket) -> Vec<(RecordKey, Record, Revision)> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .filter(|(key, _)| bucket_of(key) == bucket)
            .filter_map(|(key, (record, revision))| Some((key.clone(), record.clone()?, *revision)))
            .collect();
        all.sort_by_key(|(_, _, revision)| *revision);
        all
    }
}
