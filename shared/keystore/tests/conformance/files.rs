//! What opening does with keys, locks, damage and full disks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use switchboard_keystore::{
    Admission, EngineKind, Epoch, Error, OnBroken, OpenError, Watermarks, open,
};

use crate::{KIND, Place, commit, every_engine, get, master, put, session};

every_engine!(
    all: []
    files: [master_keys_are_checked, master_keys_rotate, one_opener_at_a_time, engines_do_not_mix, damage_moves_aside, unfinished_creations_are_removed, fallen_back_stores_are_noticed, disks_are_judged]
);

async fn master_keys_are_checked(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    commit(&store, &ns, 1, vec![put("k", "v")]).await;
    store.close().await.unwrap();
    let mut config = place.config();
    config.master = master(2);
    config.on_broken = OnBroken::MoveAside;
    assert!(matches!(
        open(config).await,
        Err(OpenError::WrongMasterKey { .. })
    ));
    let mut config = place.config();
    config.master = switchboard_keystore::MasterKey::new([5; 32]);
    assert!(matches!(open(config).await, Err(OpenError::BlankMasterKey)));
    let store = place.open().await;
    assert_eq!(
        get(&store, &ns, "k").await.as_deref(),
        Some(b"v".as_slice())
    );
    store.close().await.unwrap();
    let found = on_disk(&place, b"k-visible").await;
    assert!(
        found.0,
        "key names are not sealed, so the search would find a value too"
    );
    assert!(!found.1, "a value reached the disk in clear");
}

/// Whether a key name and a value of a fresh commit can be found in the files.
async fn on_disk(place: &Place, key: &[u8]) -> (bool, bool) {
    let store = place.open().await;
    let value = b"a value that must never reach the disk in clear";
    commit(&store, &session("a"), 1, vec![put(key, value)]).await;
    store.close().await.unwrap();
    let mut found = (false, false);
    let mut dirs = vec![place.path().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let bytes = fs::read(path).unwrap();
            found.0 |= bytes.windows(key.len()).any(|window| window == key);
            found.1 |= bytes.windows(value.len()).any(|window| window == value);
        }
    }
    found
}

async fn master_keys_rotate(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    commit(&store, &ns, 1, vec![put("k", "v")]).await;
    let blank = store
        .rotate_master(switchboard_keystore::MasterKey::new([0; 32]))
        .await;
    assert!(matches!(blank, Err(Error::BlankMasterKey)));
    store.rotate_master(master(2)).await.unwrap();
    commit(&store, &session("b"), 1, vec![put("k", "w")]).await;
    store.close().await.unwrap();
    assert!(matches!(
        place.try_open().await,
        Err(OpenError::WrongMasterKey { .. })
    ));
    let mut config = place.config();
    config.master = master(2);
    let store = open(config).await.unwrap().store;
    assert_eq!(
        get(&store, &ns, "k").await.as_deref(),
        Some(b"v".as_slice())
    );
    assert_eq!(
        get(&store, &session("b"), "k").await.as_deref(),
        Some(b"w".as_slice())
    );
    store.close().await.unwrap();
}

async fn one_opener_at_a_time(place: Place) {
    let store = place.open().await;
    assert!(matches!(
        place.try_open().await,
        Err(OpenError::Busy { .. })
    ));
    store.close().await.unwrap();
    place.open().await.close().await.unwrap();
}

async fn engines_do_not_mix(place: Place) {
    place.open().await.close().await.unwrap();
    let mut config = place.config();
    config.engine = match place.kind {
        EngineKind::Sled => EngineKind::Redb,
        EngineKind::Redb | EngineKind::Memory => EngineKind::Sled,
    };
    assert!(matches!(
        open(config).await,
        Err(OpenError::OtherEngine { .. })
    ));
}

fn main_file(place: &Place) -> PathBuf {
    match place.kind {
        EngineKind::Sled => place.path().join("sled/conf"),
        EngineKind::Redb | EngineKind::Memory => place.path().join("redb/store.redb"),
    }
}

async fn damage_moves_aside(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    commit(&store, &ns, 1, vec![put("k", "v")]).await;
    store.close().await.unwrap();
    let whole = fs::read(main_file(&place)).unwrap();
    fs::write(main_file(&place), b"not what it was").unwrap();
    let refused = place.try_open().await;
    assert!(
        matches!(refused, Err(OpenError::Broken { .. })),
        "{refused:?}"
    );

    let mut config = place.config();
    config.on_broken = OnBroken::MoveAside;
    let opened = open(config).await.unwrap();
    let aside = opened.moved_aside.unwrap();
    assert_eq!(opened.aside, std::slice::from_ref(&aside.path));
    assert!(opened.created && !aside.cause.is_empty());
    assert_eq!(opened.store.namespaces().await.unwrap(), []);
    commit(&opened.store, &ns, 1, vec![put("k", "new")]).await;
    opened.store.close().await.unwrap();

    // Nothing is lost: whoever mends the files has the old store back.
    let live = main_file(&place).parent().unwrap().to_owned();
    fs::remove_dir_all(&live).unwrap();
    fs::rename(&aside.path, &live).unwrap();
    fs::write(main_file(&place), whole).unwrap();
    let store = place.open().await;
    assert_eq!(
        get(&store, &ns, "k").await.as_deref(),
        Some(b"v".as_slice())
    );
    store.close().await.unwrap();
}

async fn unfinished_creations_are_removed(place: Place) {
    let name = if place.kind == EngineKind::Sled {
        "sled.new"
    } else {
        "redb.new"
    };
    fs::create_dir_all(place.path().join(name)).unwrap();
    fs::write(place.path().join(name).join("conf"), b"").unwrap();
    let opened = place.try_open().await.unwrap();
    assert!(opened.created && opened.moved_aside.is_none());
    assert!(!place.path().join(name).exists());
    opened.store.close().await.unwrap();
    let again = place.try_open().await.unwrap();
    assert!(!again.created);
    again.store.close().await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// An older copy of the engine's files is whole and authentic, and must still not serve.
async fn fallen_back_stores_are_noticed(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    commit(&store, &ns, 1, vec![put("k", "1")]).await;
    store.close().await.unwrap();
    let live = main_file(&place).parent().unwrap().to_owned();
    let old = place.path().join("old");
    copy(&live, &old);
    let store = place.open().await;
    commit(&store, &ns, 1, vec![put("k", "2")]).await;
    store.close().await.unwrap();
    fs::remove_dir_all(&live).unwrap();
    copy(&old, &live);
    let refused = place.try_open().await;
    assert!(
        matches!(refused, Err(OpenError::Broken { .. })),
        "{refused:?}"
    );
    // Without a witness nobody can know; one that is damaged proves nothing.
    let mut witness = live.clone().into_os_string();
    witness.push(".witness");
    fs::write(
        witness,
        b"not a witness, but as long as a real one is, or even a little longer",
    )
    .unwrap();
    let store = place.open().await;
    assert_eq!(
        get(&store, &ns, "k").await.as_deref(),
        Some(b"1".as_slice())
    );
    store.close().await.unwrap();
}

async fn disks_are_judged(place: Place) {
    for (watermarks, expected) in [
        ((0, 0, 0), Admission::Ok),
        ((100, 0, 0), Admission::NoNewSessions),
        ((100, 100, 0), Admission::NoSends),
        ((0, 0, u64::MAX), Admission::NoSends),
    ] {
        let mut config = place.config();
        config.watermarks = Watermarks {
            new_sessions_percent: watermarks.0,
            sends_percent: watermarks.1,
            sends_bytes: watermarks.2,
        };
        let store = open(config).await.unwrap().store;
        // The store only judges: what must be written still can be.
        commit(&store, &session("a"), 1, vec![put("k", "v")]).await;
        let stats = store.stats();
        assert_eq!((store.admission(), stats.admission), (expected, expected));
        assert!(stats.disk.is_some() && stats.store_bytes > 0);
        store.close().await.unwrap();
    }
}

fn snapshots(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.path().join("sled")).unwrap();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("snap.")
        })
        .collect();
    found.sort();
    found
}

/// A half-written snapshot goes; a damaged one is worked round, with the original kept.
#[tokio::test]
async fn sled_snapshots_may_be_damaged() {
    let (place, ns) = (Place::new(EngineKind::Sled), session("a"));
    let mut store = place.open().await;
    commit(&store, &ns, 1, vec![put("k", "v")]).await;
    store = place.reopen(store).await;
    store.close().await.unwrap();
    let unfinished = place.path().join("sled/snap.00000000000F0000.generating");
    fs::write(&unfinished, b"torn").unwrap();
    let store = place.open().await;
    assert!(!unfinished.exists());
    assert_eq!(
        get(&store, &ns, "k").await.as_deref(),
        Some(b"v".as_slice())
    );
    store.close().await.unwrap();

    fs::write(
        snapshots(&place).pop().unwrap(),
        b"torn, and long enough to be looked at",
    )
    .unwrap();
    assert!(matches!(
        place.try_open().await,
        Err(OpenError::Broken { .. })
    ));
    let mut config = place.config();
    config.on_broken = OnBroken::MoveAside;
    let opened = open(config).await.unwrap();
    assert!(!opened.created && opened.moved_aside.is_none());
    assert_eq!(opened.aside, [opened.mended.unwrap().path]);
    assert!(opened.aside[0].join("db").exists());
    assert_eq!(
        get(&opened.store, &ns, "k").await.as_deref(),
        Some(b"v".as_slice())
    );
    opened.store.close().await.unwrap();
    let store = place.open().await;
    assert_eq!(
        get(&store, &ns, "k").await.as_deref(),
        Some(b"v".as_slice())
    );
    store.close().await.unwrap();
}

/// See the next test for why.
#[tokio::test]
async fn sled_keeps_its_snapshot() {
    let (place, ns) = (Place::new(EngineKind::Sled), session("a"));
    let mut store = place.open().await;
    commit(&store, &ns, 1, vec![put("k", "v")]).await;
    store = place.reopen(store).await;
    store.close().await.unwrap();
    let snapshot = snapshots(&place).pop().unwrap();
    let link = place.path().join("the same file");
    fs::hard_link(&snapshot, &link).unwrap();
    place.open().await.close().await.unwrap();
    assert_eq!(
        fs::metadata(&link).unwrap().nlink(),
        2,
        "the snapshot was removed"
    );
}

/// Edits values of a closed redb store behind its back.
fn tamper(
    place: &Place,
    edit: impl Fn(Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Option<Vec<u8>>)>,
) {
    tamper_with(place, |key| key[8..].starts_with(&[0x10, KIND.0]), edit);
}

/// Edits entries of a closed redb store behind its back: tree (8 bytes) and raw key, sealed value.
fn tamper_with(
    place: &Place,
    filter: impl Fn(&[u8]) -> bool,
    edit: impl Fn(Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Option<Vec<u8>>)>,
) {
    use ::redb::ReadableTable;
    const DATA: ::redb::TableDefinition<'static, &'static [u8], &'static [u8]> =
        ::redb::TableDefinition::new("data");
    let db = ::redb::Database::open(place.path().join("redb/store.redb")).unwrap();
    let writing = db.begin_write().unwrap();
    {
        let mut table = writing.open_table(DATA).unwrap();
        let all: Vec<_> = table
            .iter()
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|(key, value)| (key.value().to_vec(), value.value().to_vec()))
            .filter(|(key, _)| filter(key))
            .collect();
        for (key, value) in edit(all) {
            match value {
                Some(value) => drop(table.insert(key.as_slice(), value.as_slice()).unwrap()),
                None => drop(table.remove(key.as_slice()).unwrap()),
            }
        }
    }
    writing.commit().unwrap();
}

#[tokio::test]
async fn missing_moved_and_older_entries_are_damage() {
    let (place, ns) = (Place::new(EngineKind::Redb), session("a"));
    let store = place.open().await;
    commit(&store, &ns, 1, vec![put("a", "1"), put("b", "1")]).await;
    commit(&store, &session("healthy"), 1, vec![]).await;
    store.close().await.unwrap();
    let file = place.path().join("redb/store.redb");
    let older = std::cell::RefCell::new(Vec::new());
    tamper(&place, |all| {
        older.replace(all);
        Vec::new()
    });
    let store = place.open().await;
    commit(&store, &ns, 1, vec![put("a", "2")]).await;
    store.close().await.unwrap();
    let whole = fs::read(&file).unwrap();

    type Edit<'a> = &'a dyn Fn(Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Option<Vec<u8>>)>;
    let missing: Edit<'_> = &|all| vec![(all[1].0.clone(), None)];
    let swapped: Edit<'_> = &|all| {
        vec![
            (all[0].0.clone(), Some(all[1].1.clone())),
            (all[1].0.clone(), Some(all[0].1.clone())),
        ]
    };
    let rolled_back: Edit<'_> = &|_| {
        let older = older.borrow();
        vec![(older[0].0.clone(), Some(older[0].1.clone()))]
    };
    let flipped: Edit<'_> = &|all| {
        let mut value = all[0].1.clone();
        value[10] ^= 1;
        vec![(all[0].0.clone(), Some(value))]
    };
    for (name, edit, seen_at_once) in [
        ("missing", missing, true),
        ("rolled back", rolled_back, true),
        ("swapped", swapped, false),
        ("flipped", flipped, false),
    ] {
        // The file goes back in time on purpose, so its witness must not tell.
        fs::remove_file(place.path().join("redb.witness")).unwrap();
        fs::write(&file, &whole).unwrap();
        tamper(&place, edit);
        let store = place.open().await;
        let read = store.get(&ns, KIND, b"a").await;
        assert!(
            matches!(read, Err(Error::Damaged { .. })),
            "{name}: {read:?}"
        );
        assert!(
            matches!(store.verify(&ns).await, Err(Error::Damaged { .. })),
            "{name}"
        );
        let commit = store.commit(&ns, Epoch(1), vec![]).await;
        assert_eq!(commit.is_err(), seen_at_once, "{name}");
        // Only this namespace suffers.
        store
            .commit(&session("healthy"), Epoch(1), vec![put("k", "v")])
            .await
            .unwrap();
        store.close().await.unwrap();
    }
}

/// A damaged tree can still be dropped, or nobody could restore the session.
#[tokio::test]
async fn damaged_trees_can_be_dropped() {
    let (place, ns) = (Place::new(EngineKind::Redb), session("a"));
    let store = place.open().await;
    commit(&store, &ns, 1, vec![put("a", "1")]).await;
    store.close().await.unwrap();
    tamper(&place, |all| vec![(all[0].0.clone(), None)]);
    let store = place.open().await;
    assert!(matches!(store.epoch(&ns).await, Err(Error::Damaged { .. })));
    store
        .drop_namespace(&ns, switchboard_keystore::Remains::Tombstone(Epoch(1)))
        .await
        .unwrap();
    commit(&store, &ns, 2, vec![put("a", "2")]).await;
    assert_eq!(
        get(&store, &ns, "a").await.as_deref(),
        Some(b"2".as_slice())
    );
    store.close().await.unwrap();
}

/// A session whose tree is gone must not look like one that was never paired.
#[tokio::test]
async fn emptied_trees_are_damage() {
    let (place, ns) = (Place::new(EngineKind::Redb), session("a"));
    let store = place.open().await;
    commit(&store, &ns, 1, vec![put("a", "1")]).await;
    store.close().await.unwrap();
    let not_the_catalog = |key: &[u8]| key[..8] != [0; 8];
    tamper_with(&place, not_the_catalog, |all| {
        all.into_iter().map(|(key, _)| (key, None)).collect()
    });
    let store = place.open().await;
    assert!(matches!(
        store.get(&ns, KIND, b"a").await,
        Err(Error::Damaged { .. })
    ));
    store.close().await.unwrap();
}

/// sled zeroes the dead segments of its log when it opens, and from then on finds the log only by
/// the snapshot written just before. A store whose snapshot was deleted before every opening was
/// empty here after a few turns, closed cleanly each time.
#[tokio::test]
async fn sled_survives_segments_that_hold_nothing_any_more() {
    let (place, ns) = (Place::new(EngineKind::Sled), session("a"));
    let mut store = place.open().await;
    for turn in 0..20_u8 {
        // About a quarter of a segment (512 KiB) per turn, and little that stays.
        for batch in 0..40_u8 {
            let ops = (0..10_u8).map(|key| put([key], vec![batch; 250])).collect();
            commit(&store, &ns, 1, ops).await;
        }
        commit(&store, &ns, 1, vec![put("turn", [turn])]).await;
        // The first opening frees, the second must cope.
        store = place.reopen(store).await;
        store = place.reopen(store).await;
        assert_eq!(
            get(&store, &ns, "turn").await,
            Some(vec![turn]),
            "turn {turn}"
        );
    }
    store.close().await.unwrap();
}
