//! Latency and throughput of one request and reply, for both implementations.
//!
//! `cargo run --release -p switchboard-bus --example hop` prints a line per implementation and number of requests
//! in flight. It starts its own nats-server on loopback.
#![expect(clippy::print_stdout, reason = "the table is the program's output")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use hdrhistogram::Histogram;
use switchboard_bus::nats::{self, NatsConfig};
use switchboard_bus::test_server::TestServer;
use switchboard_bus::{Bus, Limits, Names, Subject, in_process};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Sizes of the measured exchange. Source: a text message and its receipt in the vocabulary's encoding.
const REQUEST_BYTES: usize = 180;
const REPLY_BYTES: usize = 300;
const REQUESTS: usize = 20_000;
const IN_FLIGHT: [usize; 3] = [1, 16, 64];
const DEADLINE: Duration = Duration::from_secs(10);

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    println!(
        "{:<12} {:>9} {:>12} {:>9} {:>9}",
        "bus", "in flight", "requests/s", "p50 µs", "p99 µs"
    );
    let embedded = in_process::open_in_memory(Limits::default()).await?;
    measure("in-process", &embedded, &embedded).await?;
    let server = TestServer::start().await?;
    let connect = |name: &str| nats::connect(NatsConfig::new(vec![server.url()], name));
    measure("nats", &connect("router").await?, &connect("node").await?).await
}

async fn measure(name: &str, router: &Bus, node: &Bus) -> Outcome<()> {
    let subject = Names::new("hop")?.node_rpc("node")?;
    let mut requests = node.rpc.serve(&subject).await?;
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let reply = Bytes::from(vec![0; REPLY_BYTES]);
        while let Some(request) = requests.next().await {
            if request.replier.reply(reply.clone()).await.is_err() {
                return;
            }
        }
    });
    for in_flight in IN_FLIGHT {
        let start = Instant::now();
        let times = ask(router, &subject, in_flight).await?;
        let rate = f64::from(u32::try_from(times.len())?) / start.elapsed().as_secs_f64();
        println!(
            "{name:<12} {in_flight:>9} {rate:>12.0} {:>9} {:>9}",
            times.value_at_quantile(0.5),
            times.value_at_quantile(0.99),
        );
    }
    Ok(())
}

/// Keeps `in_flight` requests under way until all are answered.
async fn ask(router: &Bus, subject: &Subject, in_flight: usize) -> Outcome<Histogram<u64>> {
    let left = Arc::new(AtomicUsize::new(REQUESTS));
    let mut askers = JoinSet::new();
    for _ in 0..in_flight {
        let (rpc, subject, left) = (Arc::clone(&router.rpc), subject.clone(), Arc::clone(&left));
        askers.spawn(async move {
            let mut times = Histogram::<u64>::new(3)?;
            let payload = Bytes::from(vec![0; REQUEST_BYTES]);
            let take = |left: usize| left.checked_sub(1);
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
            {
                let start = Instant::now();
                rpc.request(&subject, payload.clone(), DEADLINE).await?;
                times.record(u64::try_from(start.elapsed().as_micros())?)?;
            }
            Outcome::Ok(times)
        });
    }
    let mut all = Histogram::new(3)?;
    while let Some(times) = askers.join_next().await {
        all.add(times??)?;
    }
    Ok(all)
}
