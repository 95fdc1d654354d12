//! The same on real nats-servers: a log that goes away, comes back, or comes back older; and three of them.

use std::path::Path;
use std::time::Duration;

use switchboard_bus::nats::{self, NatsConfig};
use switchboard_bus::test_server::{TestCluster, TestServer};
use switchboard_bus::{Bus, Limits};
use switchboard_keystore::{Epoch, Error, KeyStore, Remains};
use switchboard_replica::{Config, How, ReplicaError};

use crate::guards::take;
use crate::world::{Node, config, nodes, ns};

pub(crate) async fn connect(servers: Vec<String>) -> Bus {
    let limits = Limits {
        operation_deadline: Duration::from_secs(3),
        ..Limits::default()
    };
    nats::connect(NatsConfig {
        limits,
        ..NatsConfig::new(servers, "replica")
    })
    .await
    .unwrap()
}

fn patient() -> Config {
    Config {
        patience: Duration::from_secs(20),
        message_bytes_max: Config::MESSAGE_BYTES_MAX,
        ..config()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

async fn write_all(node: &Node, epoch: u64, numbers: std::ops::Range<u32>) {
    for n in numbers {
        node.write(&ns("s"), epoch, n).await.unwrap();
    }
}

/// Takes over as soon as the bus is back.
async fn take_soon(node: &Node, epoch: u64) -> How {
    for _ in 0..100 {
        match node.store.take_over(&ns("s"), Epoch(epoch)).await {
            Ok(taken) => return taken.how,
            Err(error) if error.passes() => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the bus never came back")
}

async fn a_life(bus: &Bus) {
    let nodes = nodes(bus, 2, &patient()).await;
    let ns = ns("life");
    assert_eq!(take(&nodes[0], &ns, 1).await, How::Fresh);
    for n in 0..40 {
        nodes[0].write(&ns, 1, n).await.unwrap();
    }
    nodes[0].write_big(&ns, 1, 40, 1_500_000).await.unwrap();
    assert_eq!(take(&nodes[1], &ns, 2).await, How::Restored);
    assert_eq!(nodes[1].read(&ns).await, (0..41).collect::<Vec<_>>());
    let stale = nodes[0].write(&ns, 1, 99).await.unwrap_err();
    // The record of a snapshot that was under way may have met the new owner first; then it is this tenure that is over.
    assert!(
        matches!(
            stale,
            Error::StaleEpoch {
                stored: Epoch(2),
                ..
            } | Error::Unreplicated { .. }
        ),
        "{stale:?}"
    );
    let writes = (100..300).map(|n| nodes[1].write(&ns, 2, n));
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    take(&nodes[0], &ns, 3).await;
    assert_eq!(nodes[0].read(&ns).await.len(), 241);
    nodes[0]
        .store
        .drop_namespace(&ns, Remains::Nothing)
        .await
        .unwrap();
    assert_eq!(
        take(&nodes[1], &ns, 3).await,
        How::Seeded,
        "its tree is the last copy"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_server() {
    let server = TestServer::start().await.unwrap();
    a_life(&connect(vec![server.url()]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_three_servers() {
    let cluster = TestCluster::start(3).await.unwrap();
    a_life(&connect(cluster.urls()).await).await;
}

/// A commit that waits for the server is acknowledged when that is back, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_loses_nothing() {
    let mut server = TestServer::start().await.unwrap();
    let nodes = nodes(&connect(vec![server.url()]).await, 2, &patient()).await;
    take(&nodes[0], &ns("s"), 1).await;
    write_all(&nodes[0], 1, 0..3).await;
    server.stop().unwrap();
    let session = ns("s");
    let waiting = nodes[0].write(&session, 1, 3);
    let restart = server.restart();
    let (written, restarted) = tokio::join!(waiting, restart);
    restarted.unwrap();
    written.unwrap();
    assert_eq!(take_soon(&nodes[1], 2).await, How::Restored);
    assert_eq!(nodes[1].read(&ns("s")).await, [0, 1, 2, 3]);
}

/// the server comes back with an older folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_rolled_back_is_written_anew_or_refused() {
    let mut server = TestServer::start().await.unwrap();
    let nodes = nodes(&connect(vec![server.url()]).await, 3, &patient()).await;
    let (session, dir) = (ns("s"), server.store_dir());
    // One node had it for a while and keeps a tombstone only, of a time that the old folder does not know.
    take(&nodes[0], &session, 1).await;
    write_all(&nodes[0], 1, 0..3).await;
    server.stop().unwrap();
    let old = tempfile::tempdir().unwrap();
    copy(&dir, old.path());
    server.restart().await.unwrap();
    take_soon(&nodes[1], 2).await;
    write_all(&nodes[1], 2, 3..5).await;
    let tombstone = Remains::Tombstone(Epoch(2));
    take_soon(&nodes[0], 3).await;
    nodes[1]
        .store
        .drop_namespace(&session, tombstone)
        .await
        .unwrap();
    write_all(&nodes[0], 3, 5..8).await;
    server.stop().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    copy(old.path(), &dir);
    server.restart().await.unwrap();
    let refused = loop {
        match nodes[1].store.take_over(&session, Epoch(4)).await {
            Err(error) if error.passes() => tokio::task::yield_now().await,
            Err(error) => break error,
            Ok(taken) => panic!("it runs on old data: {taken:?}"),
        }
    };
    assert!(matches!(refused, ReplicaError::Behind { .. }), "{refused}");
    assert!(
        nodes[0].write(&session, 3, 99).await.is_err(),
        "its log is not where it left it"
    );
    assert_eq!(take_soon(&nodes[0], 5).await, How::Seeded);
    assert_eq!(take_soon(&nodes[2], 6).await, How::Restored);
    assert_eq!(nodes[2].read(&session).await, (0..8).collect::<Vec<_>>());
}
