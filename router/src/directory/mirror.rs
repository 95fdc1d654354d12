//! Records of one kind in memory, findable by id and by the hash of their secret.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use switchboard_bus::Revision;

use super::Record;
use crate::secret::SecretHash;

/// The mirror. Changes come from the watch, in order, and from this router's own writes, which run ahead of it.
#[derive(Debug)]
pub(super) struct Mirror<R: Record> {
    held: BTreeMap<R::Id, Held<R>>,
    by_secret: HashMap<SecretHash, R::Id>,
    /// Own deletions that the watch has not told yet.
    gone: HashMap<R::Id, Revision>,
    /// How far the watch has told.
    seen: Revision,
}

#[derive(Debug)]
struct Held<R> {
    record: Arc<R>,
    revision: Revision,
}

impl<R: Record> Default for Mirror<R> {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            by_secret: HashMap::new(),
            gone: HashMap::new(),
            seen: 0,
        }
    }
}

impl<R: Record> Mirror<R> {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn get(&self, id: &R::Id) -> Option<Arc<R>> {
        self.held.get(id).map(|held| Arc::clone(&held.record))
    }

    /// The record whose secret has this hash.
    pub(super) fn holder(&self, hash: &SecretHash) -> Option<Arc<R>> {
        self.get(self.by_secret.get(hash)?)
    }

    /// The records after `after`, in order.
    pub(super) fn after(&self, after: Option<&R::Id>) -> impl Iterator<Item = Arc<R>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.held.range((from, Bound::Unbounded));
        range.map(|(_, held)| Arc::clone(&held.record))
    }

    /// The watch told that a record has this value.
    pub(super) fn put_seen(&mut self, record: R, revision: Revision) {
        self.see(revision);
        if self
            .gone
            .get(record.id())
            .is_some_and(|gone| *gone > revision)
        {
            return;
        }
        self.put(record, revision);
    }

    /// The watch told that a record is gone.
    pub(super) fn delete_seen(&mut self, id: &R::Id, revision: Revision) {
        self.see(revision);
        self.delete(id, revision);
    }

    /// This router wrote a record. What the watch has told already is newer.
    pub(super) fn put_local(&mut self, record: R, revision: Revision) {
        if revision > self.seen {
            self.gone.remove(record.id());
            self.put(record, revision);
        }
    }

    /// This router deleted a record.
    pub(super) fn delete_local(&mut self, id: &R::Id, revision: Revision) {
        if revision > self.seen {
            self.gone.insert(id.clone(), revision);
            self.delete(id, revision);
        }
    }

    fn see(&mut self, revision: Revision) {
        self.seen = self.seen.max(revision);
        let seen = self.seen;
        self.gone.retain(|_, gone| *gone > seen);
    }

    fn put(&mut self, record: R, revision: Revision) {
        if self
            .held
            .get(record.id())
            .is_some_and(|held| held.revision > revision)
        {
            return;
        }
        let id = record.id().clone();
        let secret = record.secret();
        let held = Held {
            record: Arc::new(record),
            revision,
        };
        if let Some(before) = self.held.insert(id.clone(), held) {
            self.forget_secret(&before.record);
        }
        if let Some(secret) = secret {
            self.by_secret.insert(secret, id);
        }
    }

    fn delete(&mut self, id: &R::Id, revision: Revision) {
        if self
            .held
            .get(id)
            .is_some_and(|held| held.revision > revision)
        {
            return;
        }
        if let Some(before) = self.held.remove(id) {
            self.forget_secret(&before.record);
        }
    }

    fn forget_secret(&mut self, record: &R) {
        if let Some(secret) = record.secret()
            && self.by_secret.get(&secret) == Some(record.id())
        {
            self.by_secret.remove(&secret);
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_vocab::Timestamp;
    use switchboard_vocab::directory::TenantRecord;

    use super::*;
    use crate::secret;

    fn tenant(id: &str, key: &str) -> TenantRecord {
        TenantRecord {
            version: 1,
            id: id.parse().unwrap(),
            key_sha256: hex::encode(secret::hash(key)),
            created_at: Timestamp::from_secs(1),
        }
    }

    fn opens(mirror: &Mirror<TenantRecord>, key: &str) -> bool {
        mirror.holder(&secret::hash(key)).is_some()
    }

    #[test]
    fn an_old_key_stops_working_and_does_not_come_back() {
        let mut mirror = Mirror::default();
        mirror.put_seen(tenant("a", "one"), 1);
        mirror.put_local(tenant("a", "two"), 5);
        assert!(opens(&mirror, "two") && !opens(&mirror, "one"));
        mirror.put_seen(tenant("a", "one"), 3);
        assert!(opens(&mirror, "two") && !opens(&mirror, "one"));
        mirror.put_seen(tenant("a", "two"), 5);
        assert!(opens(&mirror, "two"));
    }

    #[test]
    fn a_record_deleted_here_is_not_resurrected_by_an_older_change() {
        let mut mirror = Mirror::default();
        mirror.put_seen(tenant("a", "one"), 1);
        mirror.delete_local(&"a".parse().unwrap(), 4);
        mirror.put_seen(tenant("a", "two"), 2);
        assert!(!opens(&mirror, "one") && !opens(&mirror, "two"));
        mirror.delete_seen(&"a".parse().unwrap(), 4);
        mirror.put_seen(tenant("a", "three"), 6);
        assert!(opens(&mirror, "three"));
    }

    #[test]
    fn a_write_that_the_watch_has_overtaken_changes_nothing() {
        let mut mirror = Mirror::default();
        mirror.delete_seen(&"a".parse().unwrap(), 8);
        mirror.put_local(tenant("a", "one"), 7);
        assert_eq!(mirror.len(), 0);
        mirror.put_seen(tenant("a", "two"), 9);
        mirror.delete_local(&"a".parse().unwrap(), 8);
        assert!(opens(&mirror, "two"));
    }
}
