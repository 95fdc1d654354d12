//! Durable batches per second, by engine and by batches in flight, as a table.
//!
//! ```text
//! cargo run --release -p switchboard-keystore --example throughput -- [seconds] [sessions] [dir]
//! ```
//! A batch is what one message costs: 3 to 10 keys of a random session, values of 100 to 400 bytes,
//! mostly overwriting. It counts once its commit has returned, so after its fdatasync. The target is
//! 2,000 batches per second at 64 in flight (a node of 5,000 sessions needs 500 to 1,000).

#![expect(
    clippy::disallowed_methods,
    reason = "a measuring program reads the clock"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use switchboard_keystore::{
    Config, EngineKind, Epoch, KeyStore, Kind, MasterKey, Namespace, Op, open,
};
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Keys of a session before the run.
const KEYS: u64 = 200;
/// Batches in flight, one row each.
const IN_FLIGHT: [u64; 3] = [1, 64, 512];

struct Row {
    engine: &'static str,
    in_flight: u64,
    batches: usize,
    groups: u64,
    seconds: f64,
    latencies: Vec<Duration>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let seconds: u64 = args.next().map_or(Ok(5), |text| text.parse())?;
    let sessions: u64 = args.next().map_or(Ok(500), |text| text.parse())?;
    let scratch = tempfile::tempdir()?;
    let dir = args
        .next()
        .map_or_else(|| scratch.path().to_owned(), PathBuf::from);

    println!(
        "{sessions} sessions of {KEYS} keys, {seconds} s per row, in {}",
        dir.display()
    );
    println!("engine  in flight  batches/s  group   p50 ms   p99 ms  p99.9 ms");
    for (engine, name) in [(EngineKind::Sled, "sled"), (EngineKind::Redb, "redb")] {
        let place = dir.join(name);
        let mut key = [7; 32];
        key[0] = 1;
        let store = open(Config::new(place, engine, MasterKey::new(key)))
            .await?
            .store;
        fill(&store, sessions).await?;
        for in_flight in IN_FLIGHT {
            let row = measure(&store, name, sessions, in_flight, seconds).await?;
            print(&row);
        }
        let stats = store.stats();
        println!("{name}: {} MB of files", stats.store_bytes >> 20);
        store.close().await?;
    }
    Ok(())
}

fn session(number: u64) -> Result<Namespace, Failure> {
    Ok(Namespace::session(&format!("bench/s{number}"))?)
}

fn put(key: u64, rng: &mut StdRng) -> Op {
    let mut value = vec![0; rng.random_range(100..=400)];
    rng.fill_bytes(&mut value);
    Op::Put {
        kind: Kind(1),
        key: format!("signal-session-{key:08}").into_bytes(),
        value,
    }
}

async fn fill(store: &Arc<dyn KeyStore>, sessions: u64) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    for worker in 0..64 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut rng = StdRng::seed_from_u64(worker);
            for number in (worker..sessions).step_by(64) {
                let ops = (0..KEYS).map(|key| put(key, &mut rng)).collect();
                store.commit(&session(number)?, Epoch(1), ops).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn measure(
    store: &Arc<dyn KeyStore>,
    engine: &'static str,
    sessions: u64,
    in_flight: u64,
    seconds: u64,
) -> Result<Row, Failure> {
    let groups = store.stats().groups;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for worker in 0..in_flight {
        let (store, stop) = (Arc::clone(store), Arc::clone(&stop));
        tasks.spawn(async move {
            let mut rng = StdRng::seed_from_u64(1_000 + worker);
            let mut latencies = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let ops = (0..rng.random_range(3..=10))
                    .map(|_| match rng.random_range(0..100) {
                        0..13 => {
                            let key = format!("signal-session-{:08}", rng.random_range(0..KEYS));
                            Op::Delete {
                                kind: Kind(1),
                                key: key.into_bytes(),
                            }
                        }
                        _ => put(rng.random_range(0..KEYS * 9 / 8), &mut rng),
                    })
                    .collect();
                let ns = session(rng.random_range(0..sessions))?;
                let sent = Instant::now();
                store.commit(&ns, Epoch(1), ops).await?;
                latencies.push(sent.elapsed());
            }
            Ok::<_, Failure>(latencies)
        });
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    latencies.sort_unstable();
    Ok(Row {
        engine,
        in_flight,
        batches: latencies.len(),
        groups: store.stats().groups - groups,
        seconds: start.elapsed().as_secs_f64(),
        latencies,
    })
}

fn print(row: &Row) {
    let at = |per_mille: usize| {
        let index = row.latencies.len() * per_mille / 1_000;
        row.latencies
            .get(index)
            .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    };
    println!(
        "{:<7} {:>9} {:>10.0} {:>6.1} {:>8.2} {:>8.2} {:>9.2}",
        row.engine,
        row.in_flight,
        row.batches as f64 / row.seconds,
        row.batches as f64 / row.groups.max(1) as f64,
        at(500),
        at(990),
        at(999),
    );
}
