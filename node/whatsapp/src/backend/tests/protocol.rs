//! Mappings, lists, tokens, the device row, and who may write at all.

use super::*;

fn mapping(lid: &str, phone: &str) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: lid.to_owned(),
        phone_number: phone.to_owned(),
        created_at: 1,
        updated_at: 2,
        learning_source: "usync".to_owned(),
    }
}

#[tokio::test]
async fn numbers_and_lids() {
    on_each_engine(
        async |store| {
            store.put_lid_mapping(&mapping("l1", "p1")).await.unwrap();
            store
                .put_lid_mappings(&[mapping("l2", "p2"), mapping("l3", "p3")])
                .await
                .unwrap();
            // The number moves on to another LID, and a LID to another number.
            store.put_lid_mapping(&mapping("l4", "p2")).await.unwrap();
            store.put_lid_mapping(&mapping("l1", "p9")).await.unwrap();
        },
        async |store| {
            let lid_of = async |phone| {
                store
                    .get_pn_mapping(phone)
                    .await
                    .unwrap()
                    .map(|entry| entry.lid)
            };
            assert_eq!(lid_of("p2").await.as_deref(), Some("l4"));
            assert_eq!(lid_of("p9").await.as_deref(), Some("l1"));
            assert_eq!(lid_of("p1").await, None);
            assert_eq!(
                store
                    .get_lid_mapping("l2")
                    .await
                    .unwrap()
                    .unwrap()
                    .phone_number,
                "p2"
            );
            assert_eq!(store.get_all_lid_mappings().await.unwrap().len(), 4);
        },
    )
    .await;
}

#[tokio::test]
async fn devices_groups_and_base_keys() {
    let list = |user: &str| DeviceListRecord {
        user: user.to_owned(),
        devices: vec![
            DeviceInfo::new(0, None),
            DeviceInfo::new(3, Some(7)).with_hosting(true),
        ],
        timestamp: 5,
        phash: None,
        raw_id: Some(8),
    };
    on_each_engine(
        async |store| {
            store
                .update_device_lists(vec![list("u1"), list("u2")])
                .await
                .unwrap();
            store
                .update_device_list(DeviceListRecord {
                    phash: Some("2:x".to_owned()),
                    ..list("u1")
                })
                .await
                .unwrap();
            store.delete_devices("u2").await.unwrap();
            store.delete_devices("never").await.unwrap();
            store.put_group_metadata("g1", b"blob").await.unwrap();
            store.put_group_metadata("g2", b"blob").await.unwrap();
            store.delete_group_metadata("g2").await.unwrap();
            store.save_base_key("a", "m1", b"k").await.unwrap();
            store.save_base_key("a", "m2", b"k").await.unwrap();
            store.delete_base_key("a", "m2").await.unwrap();
        },
        async |store| {
            let read = store.get_devices("u1").await.unwrap().unwrap();
            assert_eq!(
                (read.phash.as_deref(), read.raw_id, read.devices.len()),
                (Some("2:x"), Some(8), 2)
            );
            assert_eq!(
                (read.devices[1].key_index, read.devices[1].is_hosted),
                (Some(7), true)
            );
            assert!(store.get_devices("u2").await.unwrap().is_none());
            assert_eq!(
                store.get_group_metadata("g1").await.unwrap(),
                Some(b"blob".to_vec())
            );
            assert_eq!(store.get_group_metadata("g2").await.unwrap(), None);
            assert!(store.has_same_base_key("a", "m1", b"k").await.unwrap());
            assert!(!store.has_same_base_key("a", "m1", b"other").await.unwrap());
            assert!(!store.has_same_base_key("a", "m2", b"k").await.unwrap());
        },
    )
    .await;
}

#[tokio::test]
async fn trusted_contact_tokens() {
    on_each_engine(
        async |store| {
            store
                .touch_tc_token_sender_timestamp("a", 50)
                .await
                .unwrap();
            store
                .store_received_tc_token("a", b"new", 40)
                .await
                .unwrap();
            store
                .store_received_tc_token("a", b"stale", 30)
                .await
                .unwrap();
            store
                .touch_tc_token_sender_timestamp("a", 20)
                .await
                .unwrap();
            let entry = TcTokenEntry {
                token: b"x".to_vec(),
                token_timestamp: 5,
                sender_timestamp: None,
            };
            store.put_tc_token("old", &entry).await.unwrap();
            store.put_tc_token("gone", &entry).await.unwrap();
            store.delete_tc_token("gone").await.unwrap();
            assert_eq!(store.delete_expired_tc_tokens(10, 10).await.unwrap(), 1);
        },
        async |store| {
            let entry = store.get_tc_token("a").await.unwrap().unwrap();
            assert_eq!(
                (entry.token.as_slice(), entry.token_timestamp),
                (&b"new"[..], 40)
            );
            assert_eq!(entry.sender_timestamp, Some(50));
            assert_eq!(store.get_all_tc_token_jids().await.unwrap(), ["a"]);
        },
    )
    .await;
}

#[tokio::test]
async fn the_device_row_and_its_end() {
    let device = Device::new();
    let (expected, registration) = (device.noise_key.public_key, device.registration_id);
    on_each_engine(
        async |store| {
            assert!(!store.exists().await.unwrap());
            store.create().await.unwrap();
            assert!(store.exists().await.unwrap());
            let mut device = device.clone();
            device.pn = Some("15550001:3@s.whatsapp.net".parse().unwrap());
            store.save(&device).await.unwrap();
            store.keep_platform("android").await.unwrap();
        },
        async |store| {
            let read = store.load().await.unwrap().unwrap();
            assert_eq!(
                (read.noise_key.public_key, read.registration_id),
                (expected, registration)
            );
            assert_eq!(read.pn.unwrap().device, 3);
            assert_eq!(store.platform().await.unwrap().as_deref(), Some("android"));
        },
    )
    .await;
    on_each_engine(
        async |store| {
            store.save(&device).await.unwrap();
            store.put_session("a", b"s").await.unwrap();
            store.keep_platform("android").await.unwrap();
            store.erase().await.unwrap();
        },
        async |store| {
            assert!(store.load().await.unwrap().is_none());
            for kind in kinds::FIRST..=kinds::LAST {
                assert!(
                    !store.any(Kind(kind), b"").await.unwrap(),
                    "kind {kind:#x} is left"
                );
            }
        },
    )
    .await;
}

#[tokio::test]
async fn collections_are_behind_until_the_version_that_was_told_stands() {
    use wacore::appstate::patch_decode::WAPatchName::{Regular, RegularLow};
    let at = |version| HashState {
        version,
        ..HashState::default()
    };
    on_each_engine(
        async |store| {
            store.set_version("regular", at(3)).await.unwrap();
            store.note_told(Regular, 5);
            store.note_told(RegularLow, 1);
            assert_eq!(
                store.behind().await.unwrap(),
                [(RegularLow, 1), (Regular, 5)]
            );
            store.set_version("regular_low", at(2)).await.unwrap();
        },
        async |store| assert_eq!(store.behind().await.unwrap(), [(Regular, 5)]),
    )
    .await;
}

#[tokio::test]
async fn an_earlier_owner_cannot_write() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::open(dir.path(), engine).await;
        let (old, new) = (bench.backend(1), bench.backend(2));
        old.put_session("a", b"1").await.unwrap();
        new.put_session("a", b"2").await.unwrap();
        assert!(old.put_session("a", b"3").await.is_err());
        assert!(
            old.superseded.load(Ordering::Acquire),
            "the gate must learn of it"
        );
        assert_eq!(old.failures(), 1);
        assert_eq!(new.get_session("a").await.unwrap(), Some(bytes("2")));
        new.close();
        assert!(new.put_session("a", b"4").await.is_err());
    }
}

#[tokio::test]
async fn nothing_is_written_behind_a_settled_session() {
    let dir = tempfile::tempdir().unwrap();
    let store = Bench::open(dir.path(), EngineKind::Redb).await.backend(1);
    let settled = Arc::clone(&store.writes).write_owned().await;
    let mut late = Box::pin(store.put_session("a", b"late"));
    assert!(futures::poll!(&mut late).is_pending());
    store.close();
    drop(settled);
    assert!(late.await.is_err());
    assert_eq!(store.get_session("a").await.unwrap(), None);
}

#[test]
fn a_call_too_large_for_one_batch_is_several() {
    let put = |size: usize| Op::Put {
        kind: kinds::SESSION,
        key: vec![1],
        value: vec![0; size],
    };
    assert_eq!(batches(Vec::new()).len(), 0);
    assert_eq!(batches(vec![put(1), put(2)]).len(), 1);
    assert_eq!(
        batches((0..=BATCH_OPS_MAX).map(|_| put(0)).collect()).len(),
        2
    );
    assert_eq!(batches(vec![put(BATCH_BYTES_WANTED), put(1)]).len(), 2);
}

#[tokio::test]
async fn an_old_copy_keeps_the_login_and_loses_what_counts() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), EngineKind::Sled).await;
    let store = bench.backend(1);
    store.create().await.unwrap();
    let mut device = store.load().await.unwrap().unwrap();
    device.next_pre_key_id = 800;
    device.first_unupload_pre_key_id = 790;
    device.server_has_prekeys = true;
    store.save(&device).await.unwrap();
    store.put_identity("a@x", [1; 32]).await.unwrap();
    store.put_session("a@x", b"s").await.unwrap();
    store.put_sender_key("g:a", b"k").await.unwrap();
    store
        .set_sender_key_status("g", &[("d", true)])
        .await
        .unwrap();
    store.store_signed_prekey(1, b"signed").await.unwrap();
    store.store_prekey(812, b"key", true).await.unwrap();
    store.save_base_key("a@x", "m", b"b").await.unwrap();
    store.put_group_metadata("g", b"m").await.unwrap();
    store.put_sent("c", "m", b"sent").await.unwrap();
    let key = AppStateSyncKey {
        key_data: vec![4],
        fingerprint: vec![5],
        timestamp: 6,
    };
    store.set_sync_key(b"k", key).await.unwrap();
    let before = bench.store.stats().batches;
    let stripped = strip_for_lossy_restore(&*bench.store, &store.namespace, Epoch(2))
        .await
        .unwrap();
    assert_eq!(bench.store.stats().batches - before, 1, "at once or not");
    assert!(stripped.next_prekey > 813 && !stripped.is_paired);
    assert_eq!((stripped.sessions, stripped.sender_keys), (1, 1));
    let store = bench.backend(2);
    let kept = store.load().await.unwrap().unwrap();
    assert_eq!(kept.registration_id, device.registration_id);
    assert_eq!(kept.next_pre_key_id, stripped.next_prekey);
    assert_eq!(kept.first_unupload_pre_key_id, stripped.next_prekey);
    assert!(!kept.server_has_prekeys);
    assert!(store.load_identity("a@x").await.unwrap().is_some());
    assert!(store.load_signed_prekey(1).await.unwrap().is_some());
    assert!(store.get_sync_key(b"k").await.unwrap().is_some());
    assert!(store.take_sent("c", "m").await.unwrap().is_some());
    assert!(!store.has_session("a@x").await.unwrap());
    assert_eq!(store.get_sender_key("g:a").await.unwrap(), None);
    assert!(store.get_sender_key_devices("g").await.unwrap().is_empty());
    assert_eq!(store.get_max_prekey_id().await.unwrap(), 0);
    assert!(!store.has_same_base_key("a@x", "m", b"b").await.unwrap());
    assert_eq!(store.get_group_metadata("g").await.unwrap(), None);
    bench.store.close().await.unwrap();
}

#[tokio::test]
async fn prekey_numbers_begin_anew_at_their_end() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), EngineKind::Sled).await;
    let store = bench.backend(1);
    store.create().await.unwrap();
    let mut device = store.load().await.unwrap().unwrap();
    device.next_pre_key_id = 16_777_215;
    store.save(&device).await.unwrap();
    let stripped = strip_for_lossy_restore(&*bench.store, &store.namespace, Epoch(1))
        .await
        .unwrap();
    assert_eq!(stripped.next_prekey, 1);
    bench.store.close().await.unwrap();
}
