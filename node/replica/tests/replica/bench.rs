//! What it costs. Run with `--ignored --nocapture`; nothing is asserted on time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use hdrhistogram::Histogram;
use switchboard_bus::Bus;
use switchboard_bus::test_server::TestServer;
use switchboard_keystore::{
    Config as StoreConfig, EngineKind, Epoch, KeyStore, Namespace, Op, open,
};
use switchboard_replica::{Config, ReplicatedStore};

use crate::nats::connect;
use crate::world::{KIND, config, embedded, key, master, ns};

fn rows(from: u32, count: u32, bytes: usize) -> Vec<Op> {
    let put = |n: u32| Op::Put {
        kind: KIND,
        key: n.to_be_bytes().to_vec(),
        value: vec![n as u8; bytes],
    };
    (from..from + count).map(put).collect()
}

async fn disk(dir: &tempfile::TempDir) -> Arc<dyn KeyStore> {
    open(StoreConfig::new(dir.path(), EngineKind::Sled, master()))
        .await
        .unwrap()
        .store
}

async fn replicated(bus: &Bus, disk: Arc<dyn KeyStore>) -> Arc<ReplicatedStore> {
    let names = switchboard_bus::Names::new("c").unwrap();
    let config = Config {
        patience: Duration::from_secs(20),
        message_bytes_max: Config::MESSAGE_BYTES_MAX,
        tail_records_min: Config::TAIL_RECORDS_MIN,
        ..config()
    };
    ReplicatedStore::open(disk, bus.log.clone(), names, key(), config)
        .await
        .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn commits(name: &str, store: &dyn KeyStore, sessions: &[Namespace], in_flight: usize) {
    let mut took = Histogram::<u64>::new(3).unwrap();
    let started = Instant::now();
    let total = 400 * in_flight.min(10);
    let work = futures::stream::iter(0..total).map(|n| {
        let session = &sessions[n % sessions.len()];
        async move {
            let at = Instant::now();
            let ops = rows(n as u32 % 500, 5, 250);
            store.commit(session, Epoch(1), ops).await.unwrap();
            at.elapsed()
        }
    });
    let mut work = work.buffer_unordered(in_flight);
    while let Some(one) = work.next().await {
        took.record(one.as_micros() as u64).unwrap();
    }
    let rate = total as f64 / started.elapsed().as_secs_f64();
    let (p50, p99) = (took.value_at_quantile(0.5), took.value_at_quantile(0.99));
    println!("{name}, {in_flight} in flight: {rate:.0}/s, p50 {p50} us, p99 {p99} us");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark"]
async fn commit_latency() {
    let server = TestServer::start().await.unwrap();
    let buses = [
        ("in-process log", embedded().await),
        ("nats log", connect(vec![server.url()]).await),
    ];
    let sessions: Vec<Namespace> = (0..64).map(|n| ns(&format!("s{n}"))).collect();
    for in_flight in [1, 64] {
        let dir = tempfile::tempdir().unwrap();
        commits("local", disk(&dir).await.as_ref(), &sessions, in_flight).await;
    }
    for (name, bus) in buses {
        let dir = tempfile::tempdir().unwrap();
        let store = replicated(&bus, disk(&dir).await).await;
        for session in &sessions {
            store.take_over(session, Epoch(1)).await.unwrap();
        }
        for in_flight in [1, 64] {
            commits(name, store.as_ref(), &sessions, in_flight).await;
        }
        commits(
            &format!("{name}, one session"),
            store.as_ref(),
            &sessions[..1],
            64,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn restore_time() {
    let server = TestServer::start().await.unwrap();
    let bus = connect(vec![server.url()]).await;
    for (name, count, batches) in [("30 rows", 30, 3), ("1,000 rows, 300 KB", 1_000, 300)] {
        let sessions: Vec<Namespace> = (0..100).map(|n| ns(&format!("{count}-{n}"))).collect();
        let dir = tempfile::tempdir().unwrap();
        let store = replicated(&bus, disk(&dir).await).await;
        let write = |session: &Namespace| {
            let (store, session) = (store.clone(), session.clone());
            async move {
                store.take_over(&session, Epoch(1)).await.unwrap();
                for batch in 0..batches {
                    let each = count / batches;
                    let ops = rows(batch * each, each + 1, 270);
                    store.commit(&session, Epoch(1), ops).await.unwrap();
                }
            }
        };
        futures::stream::iter(&sessions)
            .map(write)
            .buffer_unordered(20)
            .collect::<Vec<()>>()
            .await;
        for parallel in [1, 100] {
            let dir = tempfile::tempdir().unwrap();
            let other = replicated(&bus, disk(&dir).await).await;
            let epoch = Epoch(if parallel == 1 { 2 } else { 3 });
            let started = Instant::now();
            let mut took = Histogram::<u64>::new(3).unwrap();
            let mut work = futures::stream::iter(sessions.iter().take(parallel.max(10)))
                .map(|session| {
                    let other = other.clone();
                    async move {
                        let at = Instant::now();
                        other.take_over(session, epoch).await.unwrap();
                        at.elapsed()
                    }
                })
                .buffer_unordered(parallel);
            while let Some(one) = work.next().await {
                took.record(one.as_micros() as u64).unwrap();
            }
            let (p50, p99) = (took.value_at_quantile(0.5), took.value_at_quantile(0.99));
            let all = started.elapsed();
            println!(
                "restore of {name}, {parallel} at once: p50 {p50} us, p99 {p99} us, all in {all:?}"
            );
        }
    }
}
