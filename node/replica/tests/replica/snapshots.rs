//! Snapshots: they replace the tail, they do not stop anybody, and a crash at any point of one costs nothing.

use std::sync::atomic::Ordering;

use switchboard_bus::{Bus, Names};
use switchboard_keystore::{Epoch, KeyStore};
use switchboard_replica::How;

use crate::guards::take;
use crate::world::{Node, config, embedded, nodes, ns};

async fn records(bus: &Bus, copies: bool) -> usize {
    let names = Names::new("c").unwrap();
    let (stream, subject) = if copies {
        (names.snapshots_stream(), names.snapshots("t", "s").unwrap())
    } else {
        (names.wal_stream(), names.wal("t", "s").unwrap())
    };
    bus.log
        .read(&stream, &subject, 0, 1_000)
        .await
        .unwrap()
        .len()
}

/// Waits until the log is short: snapshots are written behind the commits.
async fn until_short(bus: &Bus, below: usize) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while records(bus, false).await >= below {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the log was never cut"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_long_tail_is_replaced() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    for n in 0..100 {
        nodes[0].write(&ns, 1, n).await.unwrap();
    }
    until_short(&bus, 60).await;
    assert!(records(&bus, true).await >= 1);
    assert_eq!(take(&nodes[1], &ns, 2).await, How::Restored);
    assert_eq!(nodes[1].read(&ns).await, (0..100).collect::<Vec<_>>());
    // The former owner's tree is older than what is left of the log's records, or not; both ways it comes to the same.
    take(&nodes[0], &ns, 3).await;
    assert_eq!(nodes[0].read(&ns).await, (0..100).collect::<Vec<_>>());
}

/// What is small against the tree is not worth copying the tree.
#[tokio::test]
async fn a_small_tail_of_a_large_tree_stays() {
    let (bus, ns) = (embedded().await, ns("s"));
    let node = Node::new(&bus, config()).await;
    take(&node, &ns, 1).await;
    for n in 0..12 {
        node.write_big(&ns, 1, n, 30_000).await.unwrap();
    }
    until_short(&bus, 16).await;
    // Another one may still be under way; then it must rest, although the tail is long enough all the time.
    let (mut rested, mut before) = (0, records(&bus, false).await);
    for n in 100..600 {
        node.write(&ns, 1, n).await.unwrap();
        let now = records(&bus, false).await;
        rested = if now > before { rested + 1 } else { 0 };
        before = now;
        if rested == 50 {
            return;
        }
    }
    panic!("a large tree is copied for a small tail");
}

/// The snapshot's writer dies after any number of changes of the log or the disk.
#[tokio::test]
async fn a_crash_in_a_snapshot_costs_nothing() {
    for disk in [false, true] {
        for applied in [false, true] {
            for left in 0..14 {
                let (bus, ns) = (embedded().await, ns("s"));
                let mut nodes = nodes(&bus, 2, &config()).await;
                take(&nodes[0], &ns, 1).await;
                let mut acknowledged = Vec::new();
                for n in 0..6 {
                    nodes[0].write(&ns, 1, n).await.unwrap();
                    acknowledged.push(n);
                }
                let fuse = if disk {
                    &nodes[0].disk_fuse
                } else {
                    &nodes[0].log_fuse
                };
                fuse.set(left, applied);
                for n in 6..20 {
                    match nodes[0].write(&ns, 1, n).await {
                        Ok(()) => acknowledged.push(n),
                        Err(_) => break,
                    }
                    tokio::task::yield_now().await;
                }
                nodes[0].crash().await;
                for (node, epoch) in [(1, 2), (0, 3)] {
                    take(&nodes[node], &ns, epoch).await;
                    let there = nodes[node].read(&ns).await;
                    let case = format!("{left} {applied} {disk}: {there:?}");
                    assert!(acknowledged.iter().all(|n| there.contains(n)), "{case}");
                    assert!(there.len() <= acknowledged.len() + 1, "{case}");
                }
            }
        }
    }
}

/// A session that never rests is copied all the same: at the last try its commits wait.
#[tokio::test]
async fn a_busy_session_is_copied_too() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    nodes[0].slow.store(true, Ordering::SeqCst);
    let mut n = 0;
    while records(&bus, true).await == 0 {
        nodes[0].write(&ns, 1, n).await.unwrap();
        n += 1;
        assert!(n < 300, "no copy succeeds between two commits");
    }
    take(&nodes[1], &ns, 2).await;
    assert_eq!(nodes[1].read(&ns).await, (0..n).collect::<Vec<_>>());
}

#[tokio::test]
async fn big_batches_travel_in_parts() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    for n in 0..3 {
        nodes[0].write_big(&ns, 1, n, 65_000).await.unwrap();
    }
    nodes[0].write(&ns, 1, 3).await.unwrap();
    // The next one is torn: its last part never arrives.
    nodes[0].log_fuse.set(3, false);
    assert!(nodes[0].write_big(&ns, 1, 4, 65_000).await.is_err());
    assert_eq!(take(&nodes[1], &ns, 2).await, How::Restored);
    assert_eq!(nodes[1].read(&ns).await, [0, 1, 2, 3]);
    nodes[1].write_big(&ns, 2, 5, 65_000).await.unwrap();
    nodes[0].log_fuse.mend();
    assert_eq!(take(&nodes[0], &ns, 3).await, How::Tail);
    assert_eq!(nodes[0].read(&ns).await, [0, 1, 2, 3, 5]);
    assert_eq!(nodes[0].store.epoch(&ns).await.unwrap(), Some(Epoch(3)));
}
