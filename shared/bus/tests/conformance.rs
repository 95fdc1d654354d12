//! The conformance suite on every implementation: embedded, one nats-server, a cluster of three.
//!
//! nats-server is found by `switchboard_bus::test_server::find`; without it these tests fail and say so.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use switchboard_bus::conformance::{self, Fixture};
use switchboard_bus::in_process::{self, MemoryStorage};
use switchboard_bus::nats::{self, NatsConfig};
use switchboard_bus::test_server::{TestCluster, TestServer};
use switchboard_bus::{Bus, Limits};

fn config(servers: Vec<String>) -> NatsConfig {
    NatsConfig {
        limits: conformance::limits(),
        ..NatsConfig::new(servers, "conformance")
    }
}

async fn over_nats(servers: Vec<String>) -> Bus {
    nats::connect(config(servers)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded() {
    conformance::run(|| async {
        let bus = in_process::open_in_memory(conformance::limits())
            .await
            .unwrap();
        Fixture::new(bus.clone(), bus)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server() {
    let server = TestServer::start().await.unwrap();
    conformance::run(|| async {
        let urls = vec![server.url()];
        Fixture::new(over_nats(urls.clone()).await, over_nats(urls).await)
    })
    .await;
}

/// Three copies where the release can be trusted with them, else one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers() {
    let cluster = TestCluster::start(3).await.unwrap();
    conformance::run(|| async {
        let [first, second, third]: [String; 3] = cluster.urls().try_into().unwrap();
        let bus = over_nats(vec![first.clone(), second.clone(), third.clone()]).await;
        Fixture::new(bus, over_nats(vec![third, second, first]).await)
    })
    .await;
}

#[tokio::test]
async fn embedded_after_a_restart() {
    let storage = Arc::new(MemoryStorage::default());
    let open = || in_process::open(storage.clone(), Limits::default());
    let bus = open().await.unwrap();
    let before = conformance::before_restart(&bus).await;
    drop(bus);
    conformance::after_restart(&open().await.unwrap(), before).await;
}

#[tokio::test]
async fn one_server_after_a_restart() {
    let mut server = TestServer::start().await.unwrap();
    let bus = over_nats(vec![server.url()]).await;
    let before = conformance::before_restart(&bus).await;
    drop(bus);
    server.restart().await.unwrap();
    conformance::after_restart(&over_nats(vec![server.url()]).await, before).await;
}

#[tokio::test]
async fn three_servers_after_the_loss_of_one() {
    let mut cluster = TestCluster::start(3).await.unwrap();
    let three_copies = |servers| NatsConfig {
        replicas: Some(3),
        ..config(servers)
    };
    let bus = match nats::connect(three_copies(cluster.urls())).await {
        // On such a release the promise is that copies are refused.
        Err(nats::Error::Copies { version, .. }) => {
            return assert!(version.starts_with("2.9.") || version.starts_with("2.10."));
        }
        outcome => outcome.unwrap(),
    };
    let before = conformance::before_restart(&bus).await;
    drop(bus);
    let (first, rest) = cluster.servers_mut().split_first_mut().unwrap();
    first.stop().unwrap();
    let rest = rest.iter().map(|server| server.url()).collect();
    let bus = nats::connect(three_copies(rest)).await.unwrap();
    conformance::after_restart(&bus, before).await;
}
