//! What is refused, and that the refusal leaves nothing behind.

use std::sync::Arc;

use switchboard_bus::Names;
use switchboard_keystore::{Epoch, Error, KeyStore, Kind, Namespace, Op, Remains, TransferKey};
use switchboard_ownership::{Rule, Rules};
use switchboard_replica::{Config, How, ReplicaError};

use crate::world::{KIND, Node, config, embedded, nodes, ns};

pub(crate) async fn take(node: &Node, ns: &Namespace, epoch: u64) -> How {
    let taken = node.store.take_over(ns, Epoch(epoch)).await.unwrap();
    assert_eq!(taken.epoch, Epoch(epoch));
    taken.how
}

async fn write_all(node: &Node, ns: &Namespace, epoch: u64, numbers: std::ops::Range<u32>) {
    for n in numbers {
        node.write(ns, epoch, n).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_goes_from_node_to_node() {
    let (bus, ns) = (embedded().await, ns("s"));
    let uncut = Config {
        tail_records_min: 1_000,
        ..config()
    };
    let nodes = nodes(&bus, 3, &uncut).await;
    assert_eq!(take(&nodes[0], &ns, 1).await, How::Fresh);
    write_all(&nodes[0], &ns, 1, 0..5).await;
    assert_eq!(take(&nodes[0], &ns, 2).await, How::Current);
    assert_eq!(take(&nodes[1], &ns, 3).await, How::Restored);
    assert_eq!(nodes[1].read(&ns).await, [0, 1, 2, 3, 4]);
    write_all(&nodes[1], &ns, 3, 5..7).await;
    assert_eq!(take(&nodes[0], &ns, 4).await, How::Tail);
    assert_eq!(nodes[0].read(&ns).await, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(take(&nodes[2], &ns, 5).await, How::Restored);
}

/// The zombie: its commit fails, nothing of it is in the log, and its own store has nothing of it either.
#[tokio::test]
async fn a_former_owner_writes_nothing() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    write_all(&nodes[0], &ns, 1, 0..3).await;
    take(&nodes[1], &ns, 2).await;
    let error = nodes[0].write(&ns, 1, 99).await.unwrap_err();
    let stale = matches!(
        error,
        Error::StaleEpoch {
            given: Epoch(1),
            stored: Epoch(2),
            ..
        }
    );
    assert!(stale, "{error:?}");
    assert_eq!(nodes[0].read(&ns).await, [0, 1, 2]);
    assert!(nodes[0].write(&ns, 1, 98).await.is_err());
    write_all(&nodes[1], &ns, 2, 3..5).await;
    take(&nodes[0], &ns, 3).await;
    assert_eq!(nodes[0].read(&ns).await, [0, 1, 2, 3, 4]);
    let superseded = nodes[1].store.take_over(&ns, Epoch(2)).await.unwrap_err();
    assert!(matches!(
        superseded,
        ReplicaError::Superseded {
            newer: Epoch(3),
            ..
        }
    ));
}

/// Without the expected last sequence the former owner's write is acknowledged, and spoils the log.
#[tokio::test]
async fn without_the_fence_a_former_owner_writes() {
    let (bus, ns) = (embedded().await, ns("s"));
    let config = Config {
        rules: Rules::without([Rule::LogFence]),
        ..config()
    };
    let nodes = nodes(&bus, 2, &config).await;
    take(&nodes[0], &ns, 1).await;
    take(&nodes[1], &ns, 2).await;
    nodes[0].write(&ns, 1, 99).await.unwrap();
    let error = nodes[1].store.take_over(&ns, Epoch(3)).await.unwrap_err();
    assert!(matches!(error, ReplicaError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn nothing_is_written_without_taking_over() {
    let (bus, ns) = (embedded().await, ns("s"));
    let node = Node::new(&bus, config()).await;
    assert!(matches!(
        node.write(&ns, 1, 0).await,
        Err(Error::Unreplicated { .. })
    ));
    take(&node, &ns, 2).await;
    assert!(matches!(
        node.write(&ns, 1, 0).await,
        Err(Error::StaleEpoch { .. })
    ));
    assert!(matches!(
        node.write(&ns, 3, 0).await,
        Err(Error::Unreplicated { .. })
    ));
    node.write(&ns, 2, 0).await.unwrap();
    node.store.let_go(&ns);
    assert!(matches!(
        node.write(&ns, 2, 1).await,
        Err(Error::Unreplicated { .. })
    ));
    let own = Op::Delete {
        kind: Kind(0xF0),
        key: b"position".to_vec(),
    };
    take(&node, &ns, 3).await;
    assert!(node.store.commit(&ns, Epoch(3), vec![own]).await.is_err());
    assert_eq!(node.read(&ns).await, [0]);
    // A node's own trees are nobody else's.
    let facts = Namespace::node("facts").unwrap();
    node.store
        .commit(&facts, Epoch(1), Vec::new())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_bus_that_is_away_holds_the_session_and_loses_nothing() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    for (n, applied) in [(0, false), (2, true)] {
        nodes[0].write(&ns, n + 1, n as u32).await.unwrap();
        nodes[0].log_fuse.set(0, applied);
        let error = nodes[0].write(&ns, n + 1, n as u32 + 1).await.unwrap_err();
        assert!(matches!(error, Error::Unreplicated { .. }), "{error:?}");
        assert!(!error.certainly_not_stored());
        nodes[0].log_fuse.mend();
        assert!(
            nodes[0].write(&ns, n + 1, 77).await.is_err(),
            "held until it is taken over again"
        );
        take(&nodes[0], &ns, n + 2).await;
        take(&nodes[0], &ns, n + 3).await;
    }
    // The first of the unheard ones never arrived, the second one did.
    assert_eq!(nodes[0].read(&ns).await, [0, 2, 3]);
    take(&nodes[1], &ns, 9).await;
    assert_eq!(nodes[1].read(&ns).await, [0, 2, 3]);
}

/// A crash between the log and the disk: the batch was acknowledged to nobody, and both sides find the same.
#[tokio::test]
async fn what_only_the_log_has_is_recovered_everywhere() {
    let (bus, ns) = (embedded().await, ns("s"));
    let mut nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    nodes[0].write(&ns, 1, 0).await.unwrap();
    nodes[0].disk_fuse.set(0, false);
    assert!(nodes[0].write(&ns, 1, 1).await.is_err());
    nodes[0].crash().await;
    assert_eq!(nodes[0].read(&ns).await, [0]);
    take(&nodes[1], &ns, 2).await;
    assert_eq!(nodes[1].read(&ns).await, [0, 1]);
    assert_eq!(take(&nodes[0], &ns, 3).await, How::Tail);
    assert_eq!(nodes[0].read(&ns).await, [0, 1]);
}

async fn lose_the_log(bus: &switchboard_bus::Bus, up_to: Option<u64>) {
    let names = Names::new("c").unwrap();
    for (stream, filter) in [
        (names.wal_stream(), names.all_wal()),
        (names.snapshots_stream(), names.all_snapshots()),
    ] {
        bus.log
            .purge(&stream, &filter, up_to.unwrap_or(u64::MAX - 1))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_log_that_lost_what_this_node_knows_is_not_run() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    write_all(&nodes[0], &ns, 1, 0..3).await;
    nodes[0]
        .store
        .drop_namespace(&ns, Remains::Tombstone(Epoch(1)))
        .await
        .unwrap();
    lose_the_log(&bus, None).await;
    let error = nodes[0].store.take_over(&ns, Epoch(2)).await.unwrap_err();
    assert!(matches!(error, ReplicaError::Behind { .. }), "{error}");
    assert!(!error.passes());
    // The refusal wrote nothing: a node that knows nothing still sees no log.
    assert_eq!(take(&nodes[1], &ns, 3).await, How::Fresh);
}

#[tokio::test]
async fn a_lost_log_is_written_anew_by_who_has_the_data() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    write_all(&nodes[0], &ns, 1, 0..3).await;
    lose_the_log(&bus, None).await;
    assert!(nodes[0].write(&ns, 1, 99).await.is_err());
    assert_eq!(take(&nodes[0], &ns, 1).await, How::Seeded);
    write_all(&nodes[0], &ns, 1, 3..4).await;
    assert_eq!(take(&nodes[1], &ns, 2).await, How::Restored);
    assert_eq!(nodes[1].read(&ns).await, [0, 1, 2, 3]);
}

/// Every point at which writing anew can end; the other node then sees all or, before the last step, nothing new.
#[tokio::test]
async fn a_crash_while_the_log_is_written_anew_is_mended() {
    for applied in [false, true] {
        for left in 0..4 {
            for disk in [false, true] {
                let (bus, ns) = (embedded().await, ns("s"));
                let mut nodes = nodes(&bus, 2, &config()).await;
                take(&nodes[0], &ns, 1).await;
                write_all(&nodes[0], &ns, 1, 0..3).await;
                lose_the_log(&bus, None).await;
                let fuse = if disk {
                    &nodes[0].disk_fuse
                } else {
                    &nodes[0].log_fuse
                };
                fuse.set(left, applied);
                drop(nodes[0].store.take_over(&ns, Epoch(2)).await);
                nodes[0].crash().await;
                take(&nodes[0], &ns, 3).await;
                assert_eq!(
                    nodes[0].read(&ns).await,
                    [0, 1, 2],
                    "{left} {applied} {disk}"
                );
                take(&nodes[1], &ns, 4).await;
                assert_eq!(
                    nodes[1].read(&ns).await,
                    [0, 1, 2],
                    "{left} {applied} {disk}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_session_leaves_nothing_and_its_name_may_begin_again() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 5).await;
    write_all(&nodes[0], &ns, 5, 0..20).await;
    nodes[0]
        .store
        .drop_namespace(&ns, Remains::Nothing)
        .await
        .unwrap();
    let names = Names::new("c").unwrap();
    let wal = names.wal("t", "s").unwrap();
    assert_eq!(bus.log.last(&names.wal_stream(), &wal).await.unwrap(), None);
    assert_eq!(take(&nodes[1], &ns, 1).await, How::Fresh);
    write_all(&nodes[1], &ns, 1, 7..9).await;
    // Late news of the former life do not touch the new one.
    nodes[0]
        .store
        .drop_namespace(&ns, Remains::Nothing)
        .await
        .unwrap();
    assert!(nodes[0].store.forget(&ns, Epoch(0)).await.is_err());
    assert_eq!(take(&nodes[0], &ns, 2).await, How::Restored);
    assert_eq!(nodes[0].read(&ns).await, [7, 8]);
    nodes[0].store.forget(&ns, Epoch(2)).await.unwrap();
    assert_eq!(bus.log.last(&names.wal_stream(), &wal).await.unwrap(), None);
}

/// A node that slept through the end of one life and the beginning of the next still has the old tree.
#[tokio::test]
async fn an_old_lifes_tree_does_not_take_the_new_ones_log_with_it() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 3, &config()).await;
    take(&nodes[0], &ns, 5).await;
    write_all(&nodes[0], &ns, 5, 0..3).await;
    nodes[1].store.forget(&ns, Epoch(5)).await.unwrap();
    take(&nodes[1], &ns, 1).await;
    write_all(&nodes[1], &ns, 1, 7..9).await;
    nodes[0]
        .store
        .drop_namespace(&ns, Remains::Nothing)
        .await
        .unwrap();
    take(&nodes[2], &ns, 2).await;
    assert_eq!(nodes[2].read(&ns).await, [7, 8]);
}

/// A planned move: the tree travels by itself, and is the log's state when it arrives.
#[tokio::test]
async fn a_moved_tree_is_current() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    write_all(&nodes[0], &ns, 1, 0..20).await;
    let transfer = TransferKey::new([3; 32]);
    let (from, to) = (&nodes[0].store, &nodes[1].store);
    let mut export = from.export(&ns, &transfer).await.unwrap();
    let mut import = to.import(&ns, Epoch(2), &transfer).await.unwrap();
    while let Some(frame) = export.next().await.unwrap() {
        import.write(&frame).await.unwrap();
    }
    import.finish().await.unwrap();
    to.promote(&ns).await.unwrap();
    assert_eq!(take(&nodes[1], &ns, 2).await, How::Current);
    from.drop_namespace(&ns, Remains::Tombstone(Epoch(1)))
        .await
        .unwrap();
    write_all(&nodes[1], &ns, 2, 20..22).await;
    assert_eq!(take(&nodes[0], &ns, 3).await, How::Restored);
    assert_eq!(nodes[0].read(&ns).await, (0..22).collect::<Vec<_>>());
}

/// A tree from before sessions were replicated is the truth where its owner record says so.
#[tokio::test]
async fn a_tree_that_was_never_replicated_is_adopted() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    let put = Op::Put {
        kind: KIND,
        key: 7_u32.to_be_bytes().to_vec(),
        value: vec![1],
    };
    nodes[0]
        .disk
        .commit(&ns, Epoch(4), vec![put])
        .await
        .unwrap();
    let taken = nodes[0].store.adopt(&ns, Epoch(5)).await.unwrap();
    assert_eq!(taken.how, How::Seeded);
    assert_eq!(take(&nodes[1], &ns, 6).await, How::Restored);
    assert_eq!(nodes[1].read(&ns).await, [7]);
}

/// At the epoch that it had, too, and wherever that ends.
#[tokio::test]
async fn a_crash_while_a_tree_is_adopted_is_mended() {
    for applied in [false, true] {
        for left in 0..3 {
            let (bus, ns) = (embedded().await, ns("s"));
            let mut nodes = nodes(&bus, 2, &config()).await;
            let (key, value) = (7_u32.to_be_bytes().to_vec(), vec![1]);
            let put = Op::Put {
                kind: KIND,
                key,
                value,
            };
            nodes[0]
                .disk
                .commit(&ns, Epoch(5), vec![put])
                .await
                .unwrap();
            nodes[0].disk_fuse.set(left, applied);
            drop(nodes[0].store.adopt(&ns, Epoch(5)).await);
            nodes[0].crash().await;
            take(&nodes[0], &ns, 6).await;
            take(&nodes[1], &ns, 7).await;
            assert_eq!(nodes[1].read(&ns).await, [7], "{left} {applied}");
        }
    }
}

#[tokio::test]
async fn a_full_log_refuses_and_goes_on_once_there_is_room() {
    let (bus, ns) = (embedded().await, ns("s"));
    let small = Config {
        log_bytes_max: 100_000,
        ..config()
    };
    let nodes = nodes(&bus, 2, &small).await;
    take(&nodes[0], &ns, 1).await;
    let mut written = 0;
    while nodes[0].write_big(&ns, 1, written, 20_000).await.is_ok() {
        written += 1;
        assert!(written < 100, "it never fills");
    }
    let full = nodes[1].store.take_over(&ns, Epoch(2)).await;
    // There may be room for the small record that begins an epoch.
    assert!(
        full.is_ok() || matches!(full, Err(ReplicaError::Full { .. })),
        "{full:?}"
    );
    let larger = Node::new(&bus, config()).await;
    take(&larger, &ns, 3).await;
    assert_eq!(larger.read(&ns).await, (0..written).collect::<Vec<_>>());
    larger.write_big(&ns, 3, written, 20_000).await.unwrap();
}

/// Of many nodes that take over at once each with an epoch of its own, the highest can write, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_take_over_the_newest_wins() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes: Vec<Arc<Node>> = nodes(&bus, 4, &config())
        .await
        .into_iter()
        .map(Arc::new)
        .collect();
    take(&nodes[0], &ns, 1).await;
    write_all(&nodes[0], &ns, 1, 0..3).await;
    let takes = nodes.iter().zip(2..).map(|(node, epoch)| {
        let ns = ns.clone();
        async move { node.store.take_over(&ns, Epoch(epoch)).await }
    });
    drop(futures::future::join_all(takes).await);
    let writes = nodes
        .iter()
        .zip(2..)
        .map(|(node, epoch)| node.write(&ns, epoch, epoch as u32 + 8));
    let written = futures::future::join_all(writes).await;
    let won: Vec<bool> = written.iter().map(Result::is_ok).collect();
    assert_eq!(won, [false, false, false, true], "{written:?}");
    take(&nodes[0], &ns, 9).await;
    assert_eq!(nodes[0].read(&ns).await, [0, 1, 2, 13]);
}
