//! Cases of [`crate::Kv::watch`].

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};

use super::kv::key;
use super::{Fixture, bytes};
use crate::{Entry, Key, KeyPrefix, Revision, WatchEvent, WatchStream};

impl Fixture {
    async fn watch(&self, prefix: &KeyPrefix) -> WatchStream {
        self.peer.kv.watch(&self.owners(), prefix).await.unwrap()
    }

    async fn watch_all(&self) -> WatchStream {
        self.watch(&KeyPrefix::all()).await
    }
}

fn put(key: Key, value: &str, revision: Revision) -> WatchEvent {
    WatchEvent::Put {
        key,
        entry: entry(value, revision),
    }
}

async fn next(changes: &mut WatchStream) -> WatchEvent {
    changes.next().await.expect("the watch has ended").unwrap()
}

pub(super) async fn an_empty_bucket_is_current_at_once(f: Fixture) {
    let mut changes = f.watch_all().await;
    assert_eq!(next(&mut changes).await, WatchEvent::Current);
    let revision = f.create(&key("a"), "one").await.unwrap();
    assert_eq!(next(&mut changes).await, put(key("a"), "one", revision));
}

/// Applies everything up to `Current`.
async fn listing(changes: &mut WatchStream) -> BTreeMap<Key, Entry> {
    let (mut state, mut seen) = (BTreeMap::new(), 0);
    loop {
        let (key, revision, entry) = match next(changes).await {
            WatchEvent::Put { key, entry } => (key, entry.revision, Some(entry)),
            WatchEvent::Delete { key, revision } => (key, revision, None),
            WatchEvent::Current => return state,
        };
        assert!(revision > seen, "{revision} after {seen}");
        seen = revision;
        match entry {
            Some(entry) => drop(state.insert(key, entry)),
            None => drop(state.remove(&key).expect("deletes what was listed only")),
        }
    }
}

fn entry(value: &str, revision: Revision) -> Entry {
    Entry {
        value: bytes(value),
        revision,
    }
}

pub(super) async fn what_exists_comes_before_current(f: Fixture) {
    let a = f.create(&key("a"), "1").await.unwrap();
    let b = f.create(&key("b"), "2").await.unwrap();
    let a = f.update(&key("a"), "3", a).await.unwrap();
    let mut changes = f.watch_all().await;
    let expected = [(key("a"), entry("3", a)), (key("b"), entry("2", b))];
    assert_eq!(listing(&mut changes).await, expected.into());
    assert!(changes.next().now_or_never().is_none());
}

pub(super) async fn changes_follow_in_order(f: Fixture) {
    let mut changes = f.watch_all().await;
    let mut other = f
        .bus
        .kv
        .watch(&f.owners(), &KeyPrefix::all())
        .await
        .unwrap();
    assert_eq!(next(&mut changes).await, WatchEvent::Current);
    assert_eq!(next(&mut other).await, WatchEvent::Current);
    let a = f.create(&key("a"), "1").await.unwrap();
    assert_eq!(next(&mut changes).await, put(key("a"), "1", a));
    let b = f.create(&key("b"), "2").await.unwrap();
    assert_eq!(next(&mut changes).await, put(key("b"), "2", b));
    let gone = f.delete(&key("a"), a).await.unwrap();
    let deleted = WatchEvent::Delete {
        key: key("a"),
        revision: gone,
    };
    assert_eq!(next(&mut changes).await, deleted);
    let a = f.create(&key("a"), "3").await.unwrap();
    assert_eq!(next(&mut changes).await, put(key("a"), "3", a));
    // The second watcher has its own place; it may have missed what was replaced meanwhile.
    while next(&mut other).await != put(key("a"), "3", a) {}
}

pub(super) async fn deleted_keys_are_not_listed(f: Fixture) {
    let a = f.create(&key("a"), "1").await.unwrap();
    let b = f.create(&key("b"), "2").await.unwrap();
    f.delete(&key("a"), a).await.unwrap();
    let mut changes = f.watch_all().await;
    assert_eq!(
        listing(&mut changes).await,
        [(key("b"), entry("2", b))].into()
    );
    let gone = f.delete(&key("b"), b).await.unwrap();
    let deleted = WatchEvent::Delete {
        key: key("b"),
        revision: gone,
    };
    assert_eq!(next(&mut changes).await, deleted);
    // Only deletions are left.
    assert_eq!(listing(&mut f.watch_all().await).await, BTreeMap::new());
}

pub(super) async fn only_the_prefix_is_watched(f: Fixture) {
    let ours = Key::owner("tenant", "a").unwrap();
    let theirs = Key::owner("tenant2", "a").unwrap();
    f.create(&theirs, "x").await.unwrap();
    let first = f.create(&ours, "1").await.unwrap();
    let mut changes = f.watch(&KeyPrefix::owners_of("tenant").unwrap()).await;
    assert_eq!(
        listing(&mut changes).await,
        [(ours.clone(), entry("1", first))].into()
    );
    f.create(&Key::owner("tenant3", "a").unwrap(), "x")
        .await
        .unwrap();
    let second = f.update(&ours, "2", first).await.unwrap();
    assert_eq!(next(&mut changes).await, put(ours, "2", second));
}

pub(super) async fn a_prefix_without_keys_is_current_at_once(f: Fixture) {
    f.create(&key("a"), "x").await.unwrap();
    let mut changes = f.watch(&KeyPrefix::owners_of("nobody").unwrap()).await;
    assert_eq!(next(&mut changes).await, WatchEvent::Current);
}

pub(super) async fn an_idle_watcher_gets_the_last_value(f: Fixture) {
    let mut changes = f.watch_all().await;
    assert_eq!(next(&mut changes).await, WatchEvent::Current);
    let mut revision = f.create(&key("a"), "0").await.unwrap();
    for n in 1..2000 {
        revision = f.update(&key("a"), &n.to_string(), revision).await.unwrap();
    }
    let mut seen = 0;
    loop {
        let WatchEvent::Put { entry, .. } = next(&mut changes).await else {
            panic!()
        };
        assert!(entry.revision > seen, "{} after {seen}", entry.revision);
        seen = entry.revision;
        if seen == revision {
            return assert_eq!(entry.value, "1999");
        }
    }
}

/// Writers run while the watcher lists; when all is quiet the watcher's map is the bucket.
pub(super) async fn a_listing_under_writes_ends_in_the_final_state(f: Fixture) {
    for n in 0..200 {
        f.create(&key(&n.to_string()), "start").await.unwrap();
    }
    let writing = async {
        for n in (0..200).step_by(3) {
            let key = key(&n.to_string());
            let entry = f.peer.kv.get(&f.owners(), &key).await.unwrap().unwrap();
            let revision = f.update(&key, "changed", entry.revision).await.unwrap();
            if n % 2 == 0 {
                f.delete(&key, revision).await.unwrap();
            }
        }
        f.create(&key("last"), "last").await.unwrap()
    };
    let watching = async {
        let (mut state, mut current) = (BTreeMap::<Key, Bytes>::new(), 0);
        let mut changes = f.watch_all().await;
        loop {
            match next(&mut changes).await {
                WatchEvent::Put {
                    key: changed,
                    entry,
                } => {
                    let last = changed == key("last");
                    state.insert(changed, entry.value);
                    if last && current == 1 {
                        return state;
                    }
                }
                WatchEvent::Delete { key, .. } => drop(state.remove(&key)),
                WatchEvent::Current => {
                    current += 1;
                    assert_eq!(current, 1);
                    if state.contains_key(&key("last")) {
                        return state;
                    }
                }
            }
        }
    };
    let (_, state) = tokio::join!(writing, watching);
    let expected = (0..200).filter(|n| n % 3 != 0 || n % 2 != 0).map(|n| {
        (
            key(&n.to_string()),
            bytes(if n % 3 == 0 { "changed" } else { "start" }),
        )
    });
    let expected: BTreeMap<Key, Bytes> = expected.chain([(key("last"), bytes("last"))]).collect();
    assert_eq!(state, expected);
}

pub(super) async fn any_text_is_a_key(f: Fixture) {
    let mut changes = f.watch_all().await;
    assert_eq!(next(&mut changes).await, WatchEvent::Current);
    for text in [
        "", ".", "a.b", "*", ">", "a b", "=2E", "ключ", "\0", "$KV", "_-",
    ] {
        let key = Key::owner(text, text).unwrap();
        let revision = f.create(&key, text).await.unwrap();
        assert_eq!(next(&mut changes).await, put(key.clone(), text, revision));
        assert_eq!(key.tokens(), [text, text]);
    }
}
