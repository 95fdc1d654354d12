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

async fn over_nats(servers: Vec<String>, replicas: usize) -> Bus {
    let config = NatsConfig {
        limits: conformance::limits(),
        replicas: Some(replicas),
        ..NatsConfig::new(servers, "conformance")
    };
    nats::connect(config).await.unwrap()
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
        Fixture::new(over_nats(urls.clone(), 1).await, over_nats(urls, 1).await)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers() {
    let cluster = TestCluster::start(3).await.unwrap();
    conformance::run(|| async {
        let [first, second, _] = cluster.urls().try_into().unwrap();
        Fixture::new(
            over_nats(vec![first], 3).await,
            over_nats(vec![second], 3).await,
        )
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
    let bus = over_nats(vec![server.url()], 1).await;
    let before = conformance::before_restart(&bus).await;
    drop(bus);
    server.restart().await.unwrap();
    conformance::after_restart(&over_nats(vec![server.url()], 1).await, before).await;
}

#[tokio::test]
async fn three_servers_after_the_loss_of_one() {
    let mut cluster = TestCluster::start(3).await.unwrap();
    let bus = over_nats(cluster.urls(), 3).await;
    let before = conformance::before_restart(&bus).await;
    drop(bus);
    let [first, second, third] = cluster.servers_mut() else {
        panic!("three servers")
    };
    first.stop().unwrap();
    let rest = vec![second.url(), third.url()];
    conformance::after_restart(&over_nats(rest, 3).await, before).await;
}
