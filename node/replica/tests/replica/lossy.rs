//! Lossy restores: from a damaged log, from an old folder, and what a crash in the middle of one leaves.

use futures::future::BoxFuture;
use switchboard_bus::Names;
use switchboard_keystore::{
    Config as StoreConfig, EngineKind, Epoch, KeyStore, Namespace, Op, Remains, open,
};
use switchboard_replica::{BoxError, How, LossySource, ReplicaError, open_folder};

use crate::guards::take;
use crate::world::{KIND, Node, config, embedded, master, nodes, ns};

/// Plays the removal of ratchets: number 0 must never be seen again.
fn strip<'a>(
    store: &'a dyn KeyStore,
    ns: &'a Namespace,
    epoch: Epoch,
) -> BoxFuture<'a, Result<(), BoxError>> {
    Box::pin(async move {
        let key = 0_u32.to_be_bytes().to_vec();
        store
            .commit(ns, epoch, vec![Op::Delete { kind: KIND, key }])
            .await?;
        Ok(())
    })
}

fn refuse<'a>(
    _: &'a dyn KeyStore,
    _: &'a Namespace,
    _: Epoch,
) -> BoxFuture<'a, Result<(), BoxError>> {
    Box::pin(async { Err("the test refuses".into()) })
}

/// Adds what is no record to a session's log.
async fn damage(bus: &switchboard_bus::Bus) {
    let names = Names::new("c").unwrap();
    let wal = names.wal("t", "s").unwrap();
    bus.log
        .append(&names.wal_stream(), &wal, "foreign", "damage".into(), None)
        .await
        .unwrap();
}

async fn lossy(node: &Node, epoch: u64, source: &LossySource) -> Result<How, ReplicaError> {
    let taken = node
        .store
        .take_over_lossy(&ns("s"), Epoch(epoch), source, &strip)
        .await;
    taken.map(|taken| taken.how)
}

#[tokio::test]
async fn the_beginning_of_a_damaged_log_is_restored() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 3, &config()).await;
    take(&nodes[0], &ns, 1).await;
    for n in 0..5 {
        nodes[0].write(&ns, 1, n).await.unwrap();
    }
    damage(&bus).await;
    for node in &nodes {
        let error = node.store.take_over(&ns, Epoch(2)).await.unwrap_err();
        assert!(matches!(error, ReplicaError::Damaged { .. }), "{error}");
    }
    assert_eq!(
        lossy(&nodes[1], 2, &LossySource::Log).await.unwrap(),
        How::Lossy
    );
    assert_eq!(nodes[1].read(&ns).await, [1, 2, 3, 4]);
    nodes[1].write(&ns, 2, 9).await.unwrap();
    for (node, epoch) in [(2, 3), (0, 4)] {
        assert_eq!(take(&nodes[node], &ns, epoch).await, How::Restored);
        assert_eq!(nodes[node].read(&ns).await, [1, 2, 3, 4, 9]);
    }
}

/// A node that knew more takes the session once the loss was ordered, not before.
#[tokio::test]
async fn an_ordered_loss_is_accepted_by_who_knew_more() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    nodes[0].write(&ns, 1, 1).await.unwrap();
    let names = Names::new("c").unwrap();
    let wal = names.wal("t", "s").unwrap();
    nodes[0]
        .store
        .drop_namespace(&ns, Remains::Tombstone(Epoch(5)))
        .await
        .unwrap();
    let error = nodes[0].store.take_over(&ns, Epoch(6)).await.unwrap_err();
    assert!(matches!(error, ReplicaError::Behind { .. }), "{error}");
    assert!(
        bus.log
            .last(&names.wal_stream(), &wal)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        lossy(&nodes[0], 7, &LossySource::Log).await.unwrap(),
        How::Lossy
    );
    nodes[0].write(&ns, 7, 2).await.unwrap();
    assert_eq!(take(&nodes[1], &ns, 8).await, How::Restored);
    assert_eq!(take(&nodes[0], &ns, 9).await, How::Current);
    assert_eq!(nodes[0].read(&ns).await, [1, 2]);
}

#[tokio::test]
async fn nothing_to_restore_is_said_and_touches_nothing() {
    let (bus, ns) = (embedded().await, ns("s"));
    let node = Node::new(&bus, config()).await;
    let error = lossy(&node, 1, &LossySource::Log).await.unwrap_err();
    assert!(matches!(error, ReplicaError::Nothing { .. }), "{error}");
    assert_eq!(take(&node, &ns, 1).await, How::Fresh);
}

/// Before the last step nothing of a lossy restore is believed, wherever it ends; it can be ordered again.
#[tokio::test]
async fn an_unfinished_restore_is_not_believed() {
    for applied in [false, true] {
        for disk in [false, true] {
            for left in 0..9 {
                let (bus, ns) = (embedded().await, ns("s"));
                let mut nodes = nodes(&bus, 2, &config()).await;
                take(&nodes[0], &ns, 1).await;
                for n in 0..5 {
                    nodes[0].write(&ns, 1, n).await.unwrap();
                }
                nodes[0]
                    .store
                    .drop_namespace(&ns, Remains::Tombstone(Epoch(3)))
                    .await
                    .unwrap();
                let fuse = if disk {
                    &nodes[0].disk_fuse
                } else {
                    &nodes[0].log_fuse
                };
                fuse.set(left, applied);
                let ordered = lossy(&nodes[0], 4, &LossySource::Log).await;
                nodes[0].crash().await;
                let case = format!("{left} {applied} {disk} {ordered:?}");
                match nodes[0].store.take_over(&ns, Epoch(5)).await {
                    // The last step was made: stripped, and for everybody.
                    Ok(_) => {
                        assert_eq!(nodes[0].read(&ns).await, [1, 2, 3, 4], "{case}");
                        take(&nodes[1], &ns, 6).await;
                        assert_eq!(nodes[1].read(&ns).await, [1, 2, 3, 4], "{case}");
                    }
                    Err(ReplicaError::Behind { .. }) => {
                        assert!(ordered.is_err(), "{case}");
                        lossy(&nodes[0], 6, &LossySource::Log).await.unwrap();
                        assert_eq!(nodes[0].read(&ns).await, [1, 2, 3, 4], "{case}");
                    }
                    Err(error) => panic!("{case}: {error}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_stripped_is_not_run() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    nodes[0].write(&ns, 1, 0).await.unwrap();
    let source = LossySource::Log;
    let error = nodes[1]
        .store
        .take_over_lossy(&ns, Epoch(2), &source, &refuse)
        .await
        .unwrap_err();
    assert!(matches!(error, ReplicaError::Strip { .. }), "{error}");
    assert!(nodes[1].write(&ns, 2, 1).await.is_err());
    assert_eq!(take(&nodes[1], &ns, 3).await, How::Restored);
    assert_eq!(nodes[1].read(&ns).await, [0], "the log was never touched");
}

#[tokio::test]
async fn an_old_folder_is_restored_and_not_changed() {
    for engine in [EngineKind::Sled, EngineKind::Redb] {
        let (bus, ns) = (embedded().await, ns("s"));
        let (folder, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = open(StoreConfig::new(folder.path(), engine, master()))
            .await
            .unwrap()
            .store;
        let put = |n: u32| Op::Put {
            kind: KIND,
            key: n.to_be_bytes().to_vec(),
            value: vec![1],
        };
        let old = vec![put(0), put(1), put(2)];
        store.commit(&ns, Epoch(1), old).await.unwrap();
        store.close().await.unwrap();
        drop(store);
        let before = listing(folder.path());
        let old = open_folder(folder.path(), scratch.path(), master())
            .await
            .unwrap();
        let nodes = nodes(&bus, 2, &config()).await;
        let source = LossySource::Folder(old.store.clone());
        assert_eq!(lossy(&nodes[0], 8, &source).await.unwrap(), How::Lossy);
        let other = crate::world::ns("x");
        let missing = nodes[0]
            .store
            .take_over_lossy(&other, Epoch(1), &source, &strip);
        assert!(matches!(missing.await, Err(ReplicaError::Nothing { .. })));
        drop(source);
        old.close().await.unwrap();
        assert_eq!(listing(folder.path()), before);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
        assert_eq!(nodes[0].read(&ns).await, [1, 2]);
        assert_eq!(take(&nodes[1], &ns, 9).await, How::Restored);
        assert_eq!(nodes[1].read(&ns).await, [1, 2]);
        assert!(
            open_folder(scratch.path(), scratch.path(), master())
                .await
                .is_err()
        );
    }
}

/// Every file with its content's length and last change.
fn listing(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            found.extend(listing(&entry.path()));
        }
        found.push((entry.path(), meta.len(), meta.modified().unwrap()));
    }
    found.sort();
    found
}
