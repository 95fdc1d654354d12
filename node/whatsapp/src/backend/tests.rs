//! The library's contract, checked on both engines, before and after reopening.

use std::collections::BTreeSet;
use std::path::Path;

use switchboard_keystore::{Config, EngineKind, MasterKey, open};
use wacore::appstate::hash::HashState;
use wacore::appstate::processor::AppStateMutationMAC;
use wacore::store::Device;
use wacore::store::traits::{
    AppStateSyncKey, AppSyncStore, DeviceInfo, DeviceListRecord, DeviceStore, LidPnMappingEntry,
    MsgSecretEntry, MsgSecretStore, PendingInboundKey, PendingInboundRow, ProtocolStore,
    SignalStore, TcTokenEntry,
};

use super::*;

const ENGINES: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Redb];

struct Bench {
    store: Arc<dyn KeyStore>,
}

impl Bench {
    async fn open(dir: &Path, engine: EngineKind) -> Self {
        let mut config = Config::new(
            dir,
            engine,
            MasterKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap())),
        );
        config.cache_bytes = 8 << 20;
        Self {
            store: open(config).await.unwrap().store,
        }
    }

    fn backend(&self, epoch: u64) -> Backend {
        let namespace = Namespace::session("default/one").unwrap();
        Backend::new(
            Arc::clone(&self.store),
            namespace,
            Epoch(epoch),
            Arc::default(),
            Arc::default(),
        )
    }
}

/// Runs `write` on a fresh store of each engine, then `check` on it, and once more after reopening it.
async fn on_each_engine(write: impl AsyncFn(&Backend), check: impl AsyncFn(&Backend)) {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::open(dir.path(), engine).await;
        let backend = bench.backend(1);
        write(&backend).await;
        check(&backend).await;
        drop(backend);
        bench.store.close().await.unwrap();
        drop(bench);
        let bench = Bench::open(dir.path(), engine).await;
        check(&bench.backend(1)).await;
        bench.store.close().await.unwrap();
    }
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

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

#[tokio::test]
async fn app_state() {
    let state = || {
        let mut state = HashState {
            version: 4,
            ..HashState::default()
        };
        state.hash[127] = 3;
        state.index_value_map.insert("i".to_owned(), vec![1]);
        state
    };
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
            store.set_version("regular", state()).await.unwrap();
            let mac = |index| AppStateMutationMAC {
                index_mac: vec![index; 32],
                value_mac: vec![index],
            };
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
                store.get_sync_key(b"k1").await.unwrap().unwrap().key_data,
                b"k1"
            );
            assert_eq!(
                store.get_latest_sync_key_id().await.unwrap(),
                Some(b"k2".to_vec())
            );
            let read = store.get_version("regular").await.unwrap();
            assert_eq!(
                (read.version, read.hash, read.index_value_map),
                (4, state().hash, state().index_value_map)
            );
            assert_eq!(store.get_version("none").await.unwrap().version, 0);
            assert_eq!(
                store.get_mutation_mac("regular", &[1; 32]).await.unwrap(),
                Some(vec![1])
            );
            let found = store
                .get_mutation_macs("regular", &[[1; 32], [2; 32], [3; 32]])
                .await
                .unwrap();
            assert_eq!(
                found.keys().copied().collect::<BTreeSet<_>>(),
                BTreeSet::from([[1; 32], [3; 32]])
            );
            assert_eq!(
                store.get_mutation_mac("other", &[1; 32]).await.unwrap(),
                None
            );
        },
    )
    .await;
}

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
async fn sent_messages_are_taken_once_and_expire() {
    on_each_engine(
        async |store| {
            for id in ["m1", "m2", "m3"] {
                store
                    .store_sent_message("c", id, id.as_bytes())
                    .await
                    .unwrap();
            }
            assert_eq!(
                store.take_sent_message("c", "m1").await.unwrap(),
                Some(b"m1".to_vec())
            );
            assert_eq!(
                store
                    .delete_expired_sent_messages(crate::clock::now_secs() - 60)
                    .await
                    .unwrap(),
                0
            );
        },
        async |store| assert_eq!(store.take_sent_message("c", "m1").await.unwrap(), None),
    )
    .await;
    on_each_engine(
        async |store| {
            store.store_sent_message("c", "m1", b"p").await.unwrap();
            assert_eq!(
                store.delete_expired_sent_messages(i64::MAX).await.unwrap(),
                1
            );
        },
        async |store| {
            assert_eq!(store.take_sent_message("c", "m1").await.unwrap(), None);
            assert!(!store.any(kinds::SENT_BY_TIME, b"").await.unwrap());
        },
    )
    .await;
}

#[tokio::test]
async fn two_takers_share_no_message() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let store = Bench::open(dir.path(), engine).await.backend(1);
        store.store_sent_message("c", "m", b"p").await.unwrap();
        let (one, two) = tokio::join!(
            store.take_sent_message("c", "m"),
            store.take_sent_message("c", "m")
        );
        assert_eq!(
            [one.unwrap(), two.unwrap()].into_iter().flatten().count(),
            1
        );
    }
}

#[tokio::test]
async fn pending_messages_outlive_a_restart() {
    let row = |id: &'static str| PendingInboundRow {
        chat: "c",
        sender: "s",
        id,
        message: id.as_bytes(),
    };
    let key = |id: &'static str| PendingInboundKey {
        chat: "c",
        sender: "s",
        id,
    };
    on_each_engine(
        async |store| {
            store
                .store_pending_inbound_batch(&[row("m1"), row("m2"), row("m3")])
                .await
                .unwrap();
            store
                .store_pending_inbound("c2", "s", "m1", b"other")
                .await
                .unwrap();
            store
                .delete_pending_inbound_batch(&[key("m2"), key("never")])
                .await
                .unwrap();
            store.delete_pending_inbound("c", "s", "m3").await.unwrap();
            assert_eq!(store.delete_expired_pending_inbound(0).await.unwrap(), 0);
        },
        async |store| {
            assert_eq!(
                store.get_pending_inbound("c", "s", "m1").await.unwrap(),
                Some(b"m1".to_vec())
            );
            assert_eq!(
                store.get_pending_inbound("c2", "s", "m1").await.unwrap(),
                Some(b"other".to_vec())
            );
            for id in ["m2", "m3"] {
                assert_eq!(store.get_pending_inbound("c", "s", id).await.unwrap(), None);
            }
        },
    )
    .await;
    let dir = tempfile::tempdir().unwrap();
    let store = Bench::open(dir.path(), EngineKind::Redb).await.backend(1);
    store
        .store_pending_inbound_batch(&[row("m1"), row("m2")])
        .await
        .unwrap();
    assert_eq!(
        store
            .delete_expired_pending_inbound(i64::MAX)
            .await
            .unwrap(),
        2
    );
}

fn secret(id: &str, byte: u8, expires_at: i64, message_ts: i64) -> MsgSecretEntry {
    MsgSecretEntry {
        chat: "c".into(),
        sender: "s".into(),
        msg_id: id.into(),
        secret: [byte; 32],
        expires_at,
        message_ts,
    }
}

#[tokio::test]
async fn secrets_never_expire_earlier_than_promised() {
    on_each_engine(
        async |store| {
            let first = vec![
                secret("m1", 1, 100, 9),
                secret("m2", 2, 100, 0),
                secret("m3", 3, 0, 0),
            ];
            assert_eq!(store.put_msg_secrets(first).await.unwrap(), 3);
            // Once longer, once shorter, once in the same batch, once for ever.
            let again = vec![
                secret("m1", 4, 200, 0),
                secret("m1", 5, 150, 3),
                secret("m2", 6, 50, 7),
            ];
            store.put_msg_secrets(again).await.unwrap();
            store
                .put_msg_secret("c", "s", "m4", &[8; 32])
                .await
                .unwrap();
            assert_eq!(store.delete_expired_msg_secrets(100).await.unwrap(), 1);
        },
        async |store| {
            let read = async |id| store.get_msg_secret_with_ts("c", "s", id).await.unwrap();
            assert_eq!(read("m1").await, Some((vec![5; 32], 9)));
            assert_eq!(read("m2").await, None);
            assert_eq!(read("m3").await, Some((vec![3; 32], 0)));
            assert_eq!(
                store.get_msg_secret("c", "s", "m4").await.unwrap(),
                Some(vec![8; 32])
            );
        },
    )
    .await;
}

#[tokio::test]
async fn a_sweep_is_bounded_and_goes_on_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Bench::open(dir.path(), EngineKind::Redb).await.backend(1);
    let count = EXPIRED_ROWS_MAX + 500;
    let rows = (0..count)
        .map(|n| secret(&format!("m{n}"), 1, 10, 0))
        .collect();
    store.put_msg_secrets(rows).await.unwrap();
    let removed = store.delete_expired_msg_secrets(10).await.unwrap();
    assert_eq!(removed as usize, EXPIRED_ROWS_MAX);
    assert_eq!(store.delete_expired_msg_secrets(10).await.unwrap(), 500);
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
