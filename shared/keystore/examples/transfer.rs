//! How long a session takes from one store to another, without a network, as a table.
//!
//! ```text
//! cargo run -p switchboard-keystore --example transfer -- [rounds] [dir]
//! ```
//! Two sizes: a paired session of average size (1,125 keys, about 300 KB) and one with a full message log (100,000
//! messages, about 50 MB). Both stores are on one disk.

#![expect(
    clippy::disallowed_methods,
    reason = "a measuring program reads the clock"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use switchboard_keystore::{
    Config, EngineKind, Epoch, KeyStore, Kind, MasterKey, Namespace, Op, Remains, TransferKey, open,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Keys of one batch while a store is filled.
const BATCH: u64 = 5_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let rounds: usize = args.next().map_or(Ok(10), |text| text.parse())?;
    let scratch = tempfile::tempdir()?;
    let dir = args
        .next()
        .map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    println!("engine     keys  value B  frames     KB   median ms   worst ms   promote ms");
    for (engine, name) in [
        (EngineKind::Memory, "memory"),
        (EngineKind::Sled, "sled"),
        (EngineKind::Redb, "redb"),
    ] {
        let source = store(engine, dir.join(name).join("source")).await?;
        let target = store(engine, dir.join(name).join("target")).await?;
        for (keys, value, rounds) in [(1_125, 200, rounds), (100_000, 430, rounds.min(2))] {
            row(name, &source, &target, (keys, value, rounds)).await?;
        }
        source.close().await?;
        target.close().await?;
    }
    Ok(())
}

async fn row(
    name: &str,
    source: &Arc<dyn KeyStore>,
    target: &Arc<dyn KeyStore>,
    (keys, value, rounds): (u64, usize, usize),
) -> Result<(), Failure> {
    let ns = Namespace::session(&format!("t/s{keys}"))?;
    for first in (0..keys).step_by(usize::try_from(BATCH)?) {
        let ops = (first..keys.min(first + BATCH)).map(|key| {
            let mut bytes = vec![0; value];
            rand::rng().fill(bytes.as_mut_slice());
            let key = key.to_be_bytes().to_vec();
            Op::Put {
                kind: Kind(1),
                key,
                value: bytes,
            }
        });
        source.commit(&ns, Epoch(1), ops.collect()).await?;
    }
    let (mut copies, mut promotions) = (Vec::new(), Vec::new());
    let mut report = None;
    for _ in 0..rounds {
        let key = TransferKey::new([5; 32]);
        let began = Instant::now();
        let mut export = source.export(&ns, &key).await?;
        let mut import = target.import(&ns, Epoch(2), &key).await?;
        while let Some(frame) = export.next().await? {
            import.write(&frame).await?;
        }
        report = Some(import.finish().await?);
        copies.push(began.elapsed());
        let began = Instant::now();
        target.promote(&ns).await?;
        promotions.push(began.elapsed());
        target.drop_namespace(&ns, Remains::Nothing).await?;
    }
    copies.sort();
    promotions.sort();
    let ms = |times: &[Duration], at: usize| times.get(at).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    let report = report.ok_or("no round")?;
    println!(
        "{name:<7} {keys:>7} {value:>8} {:>7} {:>6} {:>11.1} {:>10.1} {:>12.1}",
        report.frames,
        report.bytes / 1_000,
        ms(&copies, rounds / 2),
        ms(&copies, rounds - 1),
        ms(&promotions, rounds / 2),
    );
    Ok(())
}

async fn store(engine: EngineKind, dir: PathBuf) -> Result<Arc<dyn KeyStore>, Failure> {
    let mut master = [7; 32];
    rand::rng().fill(&mut master[..]);
    std::fs::create_dir_all(&dir)?;
    Ok(open(Config::new(dir, engine, MasterKey::new(master)))
        .await?
        .store)
}
