//! What is taken once, and what expires.

use super::*;

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

#[tokio::test]
async fn a_message_is_there_once_its_ratchet_is() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::open(dir.path(), engine).await;
        let store = bench.backend(1);
        store.put_identity("s@x", [1; 32]).await.unwrap();
        let before = bench.store.stats().batches;
        let message = b"m".as_slice();
        store
            .store_pending_inbound("c", "s", "m1", message)
            .await
            .unwrap();
        store
            .store_pending_inbound("c", "s", "m2", message)
            .await
            .unwrap();
        store.delete_pending_inbound("c", "s", "m2").await.unwrap();
        store.store_sent_message("c", "m3", message).await.unwrap();
        store
            .put_msg_secrets(vec![secret("m4", 1, 0, 1)])
            .await
            .unwrap();
        assert_eq!(
            bench.store.stats().batches,
            before,
            "nothing is worth a commit yet"
        );
        // What no commit took along is gone with the process, and the ratchet stands where it stood.
        let other = bench.backend(1);
        assert_eq!(
            other.get_pending_inbound("c", "s", "m1").await.unwrap(),
            None
        );
        store.put_session("s@x", b"on").await.unwrap();
        assert_eq!(
            bench.store.stats().batches,
            before + 1,
            "one commit for all"
        );
        let found = other.get_pending_inbound("c", "s", "m1").await.unwrap();
        assert_eq!(found.as_deref(), Some(message));
        assert_eq!(
            other.get_pending_inbound("c", "s", "m2").await.unwrap(),
            None
        );
        assert!(
            other
                .get_msg_secret("c", "s", "m4")
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(
            other.take_sent_message("c", "m3").await.unwrap().as_deref(),
            Some(message)
        );
        // What was written goes with a later commit.
        store.delete_pending_inbound("c", "s", "m1").await.unwrap();
        assert_eq!(
            store.get_pending_inbound("c", "s", "m1").await.unwrap(),
            None
        );
        store.put_session("s@x", b"again").await.unwrap();
        assert_eq!(
            other.get_pending_inbound("c", "s", "m1").await.unwrap(),
            None
        );
        bench.store.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_finds_no_ride_is_written_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), EngineKind::Sled).await;
    let (store, other) = (bench.backend(1), bench.backend(1));
    store.store_sent_message("c", "m", b"p").await.unwrap();
    let written = async {
        while other
            .get(kinds::SENT_MESSAGE, &keys::tuple(&[b"c", b"m"]))
            .await
            .unwrap()
            .is_none()
        {
            tokio::task::yield_now().await;
        }
    };
    let waited = Duration::from_secs(30);
    tokio::time::timeout(waited, async {
        tokio::select! {
            () = store.write_late_riders() => panic!("it ended"),
            () = written => {}
        }
    })
    .await
    .unwrap();
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
