//! Cases of [`crate::Kv`] but its watch.

use std::collections::HashSet;

use bytes::Bytes;
use futures::future::join_all;

use super::{Fixture, bytes, limits};
use crate::{Bucket, Entry, Key, KvError, Revision};

impl Fixture {
    pub(super) fn owners(&self) -> Bucket {
        self.names.owners()
    }

    pub(super) async fn create(&self, key: &Key, value: &str) -> Result<Revision, KvError> {
        self.bus.kv.create(&self.owners(), key, bytes(value)).await
    }

    pub(super) async fn update(
        &self,
        key: &Key,
        value: &str,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.peer
            .kv
            .update(&self.owners(), key, bytes(value), expected)
            .await
    }

    pub(super) async fn delete(&self, key: &Key, expected: Revision) -> Result<Revision, KvError> {
        self.bus.kv.delete(&self.owners(), key, expected).await
    }

    async fn get(&self, key: &Key) -> Option<Entry> {
        self.peer.kv.get(&self.owners(), key).await.unwrap()
    }
}

pub(super) fn key(session: &str) -> Key {
    Key::owner("t", session).unwrap()
}

fn assert_lost(outcome: Result<Revision, KvError>, expected: Option<Revision>) {
    let error = outcome.unwrap_err();
    assert!(error.certainly_not_executed());
    let KvError::WrongRevision { current, .. } = error else {
        panic!("{error:?}")
    };
    // An implementation may not know the current one; if it says one, it is the right one.
    assert!(
        current.is_none() || current == expected,
        "{current:?} instead of {expected:?}"
    );
}

pub(super) async fn what_was_written_is_read(f: Fixture) {
    assert_eq!(f.get(&key("a")).await, None);
    let revision = f.create(&key("a"), "one").await.unwrap();
    assert_eq!(
        f.get(&key("a")).await,
        Some(Entry {
            value: bytes("one"),
            revision
        })
    );
    let revision = f.update(&key("a"), "two", revision).await.unwrap();
    assert_eq!(
        f.get(&key("a")).await,
        Some(Entry {
            value: bytes("two"),
            revision
        })
    );
    assert_eq!(f.get(&key("b")).await, None);
}

pub(super) async fn create_refuses_an_existing_key(f: Fixture) {
    let revision = f.create(&key("a"), "one").await.unwrap();
    assert_lost(f.create(&key("a"), "two").await, Some(revision));
    assert_eq!(f.get(&key("a")).await.unwrap().value, "one");
}

pub(super) async fn update_demands_the_last_revision(f: Fixture) {
    let first = f.create(&key("a"), "one").await.unwrap();
    let second = f.update(&key("a"), "two", first).await.unwrap();
    assert_lost(f.update(&key("a"), "three", first).await, Some(second));
    assert_lost(f.update(&key("a"), "three", second + 1).await, Some(second));
    assert_eq!(
        f.get(&key("a")).await,
        Some(Entry {
            value: bytes("two"),
            revision: second
        })
    );
}

pub(super) async fn update_never_creates(f: Fixture) {
    assert_lost(f.update(&key("a"), "one", 0).await, None);
    assert_lost(f.update(&key("a"), "one", 1).await, None);
    assert_lost(f.delete(&key("a"), 0).await, None);
    assert_eq!(f.get(&key("a")).await, None);
}

pub(super) async fn delete_demands_the_last_revision(f: Fixture) {
    let first = f.create(&key("a"), "one").await.unwrap();
    let second = f.update(&key("a"), "two", first).await.unwrap();
    assert_lost(f.delete(&key("a"), first).await, Some(second));
    assert!(f.get(&key("a")).await.is_some());
    f.delete(&key("a"), second).await.unwrap();
    assert_eq!(f.get(&key("a")).await, None);
}

pub(super) async fn a_deleted_key_can_be_created_again(f: Fixture) {
    let first = f.create(&key("a"), "one").await.unwrap();
    let gone = f.delete(&key("a"), first).await.unwrap();
    let again = f.create(&key("a"), "two").await.unwrap();
    assert!(again > gone, "{again} after {gone}");
    assert_lost(f.create(&key("a"), "three").await, Some(again));
    assert_eq!(
        f.get(&key("a")).await,
        Some(Entry {
            value: bytes("two"),
            revision: again
        })
    );
}

pub(super) async fn a_deletion_is_a_change(f: Fixture) {
    let first = f.create(&key("a"), "one").await.unwrap();
    let gone = f.delete(&key("a"), first).await.unwrap();
    assert!(gone > first);
    assert_lost(f.update(&key("a"), "two", first).await, Some(gone));
    f.update(&key("a"), "two", gone).await.unwrap();
    assert_eq!(f.get(&key("a")).await.unwrap().value, "two");
}

pub(super) async fn revisions_rise_over_all_keys(f: Fixture) {
    let mut last = 0;
    for n in 0..20 {
        let revision = f.create(&key(&n.to_string()), "x").await.unwrap();
        assert!(revision > last, "{revision} after {last}");
        last = revision;
    }
}

pub(super) async fn one_of_many_creates_wins(f: Fixture) {
    let outcomes = join_all((0..16).map(|n| {
        let (f, n) = (&f, n.to_string());
        async move { f.create(&key("a"), &n).await.map(|revision| (n, revision)) }
    }))
    .await;
    let won: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
    let [(value, revision)] = won.as_slice() else {
        panic!("{won:?}")
    };
    let entry = Entry {
        value: bytes(value),
        revision: *revision,
    };
    assert_eq!(f.get(&key("a")).await, Some(entry));
}

pub(super) async fn one_of_many_updates_wins(f: Fixture) {
    let mut expected = f.create(&key("a"), "start").await.unwrap();
    for _ in 0..10 {
        let contested = key("a");
        let outcomes = join_all((0..8).map(|_| f.update(&contested, "next", expected))).await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "{won:?}");
        for outcome in lost {
            assert!(
                matches!(outcome, Err(KvError::WrongRevision { .. })),
                "{outcome:?}"
            );
        }
        let revisions: HashSet<Revision> = won.into_iter().map(Result::unwrap).collect();
        expected = *revisions.iter().next().unwrap();
    }
}

pub(super) async fn an_empty_value_is_a_value(f: Fixture) {
    let revision = f.create(&key("a"), "").await.unwrap();
    assert_eq!(
        f.get(&key("a")).await,
        Some(Entry {
            value: Bytes::new(),
            revision
        })
    );
    assert_lost(f.create(&key("a"), "x").await, Some(revision));
}

pub(super) async fn any_bytes_are_a_value(f: Fixture) {
    let value: Bytes = (0..=255).collect::<Vec<u8>>().into();
    f.bus
        .kv
        .create(&f.owners(), &key("a"), value.clone())
        .await
        .unwrap();
    assert_eq!(f.get(&key("a")).await.unwrap().value, value);
}

pub(super) async fn a_too_large_value_is_refused(f: Fixture) {
    let max = limits().value_bytes_max;
    let error = f.create(&key("a"), &"x".repeat(max + 1)).await.unwrap_err();
    assert!(matches!(error, KvError::TooLarge { .. }), "{error:?}");
    let revision = f.create(&key("a"), &"x".repeat(max)).await.unwrap();
    let error = f
        .update(&key("a"), &"x".repeat(max + 1), revision)
        .await
        .unwrap_err();
    assert!(matches!(error, KvError::TooLarge { .. }), "{error:?}");
}

pub(super) async fn clusters_do_not_mix(f: Fixture) {
    let other = f.other_cluster();
    f.create(&key("a"), "ours").await.unwrap();
    assert_eq!(other.get(&key("a")).await, None);
    other.create(&key("a"), "theirs").await.unwrap();
    assert_eq!(f.get(&key("a")).await.unwrap().value, "ours");
}
