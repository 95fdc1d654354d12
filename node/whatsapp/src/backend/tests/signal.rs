//! Keys, sessions and app state.

use super::*;

#[tokio::test]
async fn sessions_and_identities() {
    on_each_engine(
        async |store| {
            store
                .put_identity("15550001@c.us.0", [9; 32])
                .await
                .unwrap();
            store
                .put_identities_batch(&[("a@x".into(), [1; 32]), ("b@x".into(), [2; 32])])
                .await
                .unwrap();
            store.delete_identity("b@x").await.unwrap();
            store.put_session("15550001:2@x", b"old").await.unwrap();
            store
                .put_sessions_batch(&[
                    ("15550001:2@x".into(), bytes("new")),
                    ("77@lid".into(), bytes("s")),
                ])
                .await
                .unwrap();
            store.put_session("gone@x", b"s").await.unwrap();
            store.delete_session("gone@x").await.unwrap();
        },
        async |store| {
            assert_eq!(store.load_identity("a@x").await.unwrap(), Some([1; 32]));
            assert_eq!(store.load_identity("b@x").await.unwrap(), None);
            assert_eq!(
                store.get_session("15550001:2@x").await.unwrap(),
                Some(bytes("new"))
            );
            assert!(store.has_session("77@lid").await.unwrap());
            assert!(!store.has_session("gone@x").await.unwrap());
            assert!(store.has_signal_state_for_user("15550001").await.unwrap());
            assert!(store.has_signal_state_for_user("a").await.unwrap());
            assert!(!store.has_signal_state_for_user("1555000").await.unwrap());
        },
    )
    .await;
}

#[tokio::test]
async fn prekeys_stay_away_once_used() {
    on_each_engine(
        async |store| {
            let keys: Vec<(u32, Bytes)> = (1..=300).map(|id| (id, bytes("key"))).collect();
            store.store_prekeys_batch(&keys, false).await.unwrap();
            store.store_prekey(301, b"last", true).await.unwrap();
            store.remove_prekey(2).await.unwrap();
            store.mark_prekeys_uploaded(&[1, 2, 3]).await.unwrap();
            store.store_signed_prekey(1, b"one").await.unwrap();
            store.store_signed_prekey(2, b"two").await.unwrap();
            store.remove_signed_prekey(1).await.unwrap();
        },
        async |store| {
            assert_eq!(store.load_prekey(1).await.unwrap(), Some(bytes("key")));
            assert_eq!(store.load_prekey(2).await.unwrap(), None);
            assert_eq!(store.load_prekey(301).await.unwrap(), Some(bytes("last")));
            assert_eq!(store.get_max_prekey_id().await.unwrap(), 301);
            let found = store.load_prekeys_batch(&[3, 2, 1, 999]).await.unwrap();
            assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3, 1]);
            assert_eq!(
                store.load_all_signed_prekeys().await.unwrap(),
                [(2, b"two".to_vec())]
            );
            assert_eq!(store.load_signed_prekey(1).await.unwrap(), None);
        },
    )
    .await;
}

#[tokio::test]
async fn prekeys_are_kept_by_the_page() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::open(dir.path(), engine).await;
        let store = bench.backend(1);
        assert_eq!(store.get_max_prekey_id().await.unwrap(), 0);
        let keys: Vec<(u32, Bytes)> = (1..=812).map(|id| (id, bytes("key"))).collect();
        store.store_prekeys_batch(&keys, false).await.unwrap();
        assert_eq!(rows(&store, kinds::PREKEYS).await, 13);
        let before = bench.store.stats().batches;
        let ids: Vec<u32> = (1..=812).collect();
        store.mark_prekeys_uploaded(&ids).await.unwrap();
        assert_eq!(bench.store.stats().batches - before, 1, "in one commit");
        assert_eq!(marks(&store, 812).await, 812);
        store.mark_prekeys_uploaded(&ids).await.unwrap();
        store.remove_prekey(900).await.unwrap();
        assert_eq!(
            bench.store.stats().batches - before,
            1,
            "and not for nothing"
        );
        for id in 768..=812 {
            store.remove_prekey(id).await.unwrap();
        }
        assert_eq!(rows(&store, kinds::PREKEYS).await, 12, "no page is empty");
        assert_eq!(rows(&store, kinds::PREKEY_MARKS).await, 12);
        store.store_prekey(5, b"another", false).await.unwrap();
        store.store_prekey(768, b"another", true).await.unwrap();
        assert_eq!(marks(&store, 812).await, 767);
        store.remove_prekey(768).await.unwrap();
        assert_eq!(store.get_max_prekey_id().await.unwrap(), 767);
        store
            .commit(vec![Op::Put {
                kind: kinds::PREKEYS,
                key: 13_u32.to_be_bytes().to_vec(),
                value: vec![9, 0, 0, 0],
            }])
            .await
            .unwrap();
        let refused = store.load_prekey(13 << 6).await.unwrap_err().to_string();
        assert!(refused.contains("schema 9 is not known"), "{refused}");
        assert!(store.get_max_prekey_id().await.is_err());
        assert!(store.remove_prekey(13 << 6).await.is_err());
        assert!(store.store_prekey(13 << 6, b"key", false).await.is_err());
        bench.store.close().await.unwrap();
    }
}

/// How many keys are marked as offered to the server.
async fn marks(store: &Backend, last: u32) -> u32 {
    let mut count = 0;
    for page in 0..=last >> 6 {
        let row = store
            .get(kinds::PREKEY_MARKS, &page.to_be_bytes())
            .await
            .unwrap();
        count += row.map_or(0, |row| {
            u64::from_be_bytes(row.try_into().unwrap()).count_ones()
        });
    }
    count
}

/// Rows of a kind.
async fn rows(store: &Backend, kind: Kind) -> usize {
    let mut count = 0;
    let mut visit = |_, _| {
        count += 1;
        Ok(true)
    };
    store.walk(kind, b"", &mut visit).await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_page_do_not_undo_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), EngineKind::Sled).await;
    let store = bench.backend(1);
    let keys: Vec<(u32, Bytes)> = (1..=32).map(|id| (id, bytes("key"))).collect();
    store.store_prekeys_batch(&keys, false).await.unwrap();
    let ids: Vec<u32> = (1..=63).collect();
    let removed = futures::future::join_all((1..=32).step_by(2).map(|id| store.remove_prekey(id)));
    let stored =
        futures::future::join_all((33..=63).map(|id| store.store_prekey(id, b"new", false)));
    let marked =
        futures::future::join_all(ids.chunks(8).map(|ids| store.mark_prekeys_uploaded(ids)));
    let (removed, stored, marked) = tokio::join!(removed, stored, marked);
    for done in removed.into_iter().chain(stored).chain(marked) {
        done.unwrap();
    }
    let found = store.load_prekeys_batch(&ids).await.unwrap();
    let found: Vec<u32> = found.into_iter().map(|(id, _)| id).collect();
    let expected: Vec<u32> = (2..=32).step_by(2).chain(33..=63).collect();
    assert_eq!(found, expected);
    bench.store.close().await.unwrap();
}

#[tokio::test]
async fn sender_keys_and_their_devices() {
    on_each_engine(
        async |store| {
            store
                .put_sender_keys_batch(&[("g:a".into(), bytes("k")), ("g:b".into(), bytes("k"))])
                .await
                .unwrap();
            store.put_sender_key("g:a", b"k2").await.unwrap();
            store.delete_sender_key("g:b").await.unwrap();
            store
                .set_sender_key_status("g1", &[("d1", true), ("d2", true)])
                .await
                .unwrap();
            store
                .set_sender_key_status("g2", &[("d1", true), ("d3", false)])
                .await
                .unwrap();
            store
                .set_sender_key_status("g3", &[("d3", true)])
                .await
                .unwrap();
            store
                .set_sender_key_status("g1", &[("d2", false)])
                .await
                .unwrap();
            store.delete_sender_key_device_rows(&["d1"]).await.unwrap();
            store.clear_sender_key_devices("g3").await.unwrap();
        },
        async |store| {
            assert_eq!(
                store.get_sender_key("g:a").await.unwrap(),
                Some(b"k2".to_vec())
            );
            assert_eq!(store.get_sender_key("g:b").await.unwrap(), None);
            assert_eq!(
                store.get_sender_key_devices("g1").await.unwrap(),
                [("d2".to_owned(), false)]
            );
            assert_eq!(
                store.get_sender_key_devices("g2").await.unwrap(),
                [("d3".to_owned(), false)]
            );
            assert!(store.get_sender_key_devices("g3").await.unwrap().is_empty());
        },
    )
    .await;
}

#[tokio::test]
async fn all_sender_key_devices_go_at_once() {
    on_each_engine(
        async |store| {
            store
                .set_sender_key_status("g1", &[("d1", true)])
                .await
                .unwrap();
            store.clear_all_sender_key_devices().await.unwrap();
            store
                .set_sender_key_status("g2", &[("d2", true)])
                .await
                .unwrap();
        },
        async |store| {
            assert!(store.get_sender_key_devices("g1").await.unwrap().is_empty());
            assert_eq!(store.get_sender_key_devices("g2").await.unwrap().len(), 1);
        },
    )
    .await;
}

fn version() -> HashState {
    let mut state = HashState {
        version: 4,
        ..HashState::default()
    };
    state.hash[127] = 3;
    state.index_value_map.insert("i".to_owned(), vec![1]);
    state
}

#[tokio::test]
async fn app_state_keys_and_versions() {
    on_each_engine(
        async |store| {
            for id in [b"k1", b"k2"] {
                let key = AppStateSyncKey {
                    key_data: id.to_vec(),
                    fingerprint: vec![5],
                    timestamp: 6,
                };
                store.set_sync_key(id, key).await.unwrap();
            }
            store.set_version("regular", version()).await.unwrap();
        },
        async |store| {
            assert_eq!(
                store.get_sync_key(b"k1").await.unwrap().unwrap().key_data,
                b"k1"
            );
            assert_eq!(
                store.get_latest_sync_key_id().await.unwrap(),
                Some(b"k2".to_vec())
            );
            let read = store.get_version("regular").await.unwrap();
            assert_eq!((read.version, read.hash), (4, version().hash));
            assert_eq!(read.index_value_map, version().index_value_map);
            assert_eq!(store.get_version("none").await.unwrap().version, 0);
        },
    )
    .await;
}

#[tokio::test]
async fn app_state_macs() {
    let mac = |index| AppStateMutationMAC {
        index_mac: vec![index; 32],
        value_mac: vec![index],
    };
    on_each_engine(
        async |store| {
            store
                .put_mutation_macs("regular", 4, &[mac(1), mac(2), mac(3)])
                .await
                .unwrap();
            store
                .put_mutation_macs("other", 1, &[mac(1)])
                .await
                .unwrap();
            store
                .delete_mutation_macs("regular", &[vec![2; 32]])
                .await
                .unwrap();
            store.clear_mutation_macs("other").await.unwrap();
        },
        async |store| {
            assert_eq!(
                store.get_mutation_mac("regular", &[1; 32]).await.unwrap(),
                Some(vec![1])
            );
            let wanted = [[1; 32], [2; 32], [3; 32]];
            let found = store.get_mutation_macs("regular", &wanted).await.unwrap();
            let found: BTreeSet<[u8; 32]> = found.into_keys().collect();
            assert_eq!(found, BTreeSet::from([[1; 32], [3; 32]]));
            assert_eq!(
                store.get_mutation_mac("other", &[1; 32]).await.unwrap(),
                None
            );
        },
    )
    .await;
}
