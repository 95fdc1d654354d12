//! What waits for the log, and in which order it gets there.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use switchboard_bus::{EventLog, Names};
use switchboard_keystore::{Epoch, KeyStore};
use switchboard_replica::Config;

use crate::guards::take;
use crate::world::{KIND, config, embedded, nodes, ns};

/// Commits of one session keep their order, however many are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_under_way_keep_their_order_and_share_records() {
    let (bus, ns) = (embedded().await, ns("s"));
    let nodes = nodes(&bus, 2, &config()).await;
    take(&nodes[0], &ns, 1).await;
    let mut writes = Vec::new();
    for n in 0..500 {
        let mut write = Box::pin(nodes[0].write(&ns, 1, n));
        // The order is that of the calls, so each has to be made before the next.
        match futures::poll!(&mut write) {
            Poll::Ready(written) => written.unwrap(),
            Poll::Pending => writes.push(write),
        }
    }
    assert!(writes.len() > 100, "none is under way");
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    take(&nodes[1], &ns, 2).await;
    assert_eq!(nodes[1].read(&ns).await, (0..500).collect::<Vec<_>>());
    let last = nodes[1]
        .store
        .get(&ns, KIND, b"last")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(last[0], 499_u32 as u8);
    let names = Names::new("c").unwrap();
    let wal = names.wal("t", "s").unwrap();
    let count = |log: Arc<dyn EventLog>| async move {
        log.read(&names.wal_stream(), &wal, 0, 1_000)
            .await
            .unwrap()
            .len()
    };
    assert!(
        count(bus.log.clone()).await < 100,
        "500 commits are not 500 records"
    );
}

/// What waited behind a batch that was given up is given up too, also where the same owner goes on at the same epoch: it may be
/// right only after that batch.
#[tokio::test]
async fn nothing_is_written_after_what_it_followed_was_given_up() {
    let (bus, ns) = (embedded().await, ns("s"));
    let patient = Config {
        patience: Duration::from_secs(60),
        ..config()
    };
    let nodes = nodes(&bus, 1, &patient).await;
    let node = &nodes[0];
    take(node, &ns, 1).await;
    node.write(&ns, 1, 0).await.unwrap();
    node.log_fuse.set(0, false);
    let mut first = Box::pin(node.write(&ns, 1, 1));
    assert!(futures::poll!(&mut first).is_pending());
    // The first is on its way, alone, before the second waits.
    while node.log_fuse.is_whole() {
        tokio::task::yield_now().await;
    }
    let mut second = Box::pin(node.write(&ns, 1, 2));
    assert!(futures::poll!(&mut second).is_pending());
    let mut again = Box::pin(node.store.take_over(&ns, Epoch(1)));
    assert!(futures::poll!(&mut again).is_pending());
    node.log_fuse.mend();
    let (first, second, again) = tokio::join!(first, second, again);
    again.unwrap();
    assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
    assert_eq!(node.read(&ns).await, [0]);
    node.write(&ns, 1, 3).await.unwrap();
    assert_eq!(node.read(&ns).await, [0, 3]);
}
