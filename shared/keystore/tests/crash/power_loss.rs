//! Power loss: a recorded run, cut at random points, every cut a disk that must open with nothing
//! acknowledged lost and nothing torn.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use switchboard_keystore::EngineKind;

use crate::child;
use crate::disk::{Disk, Record, parse};
use crate::workload::{self, SESSIONS};
use crate::{scaled, seed};

/// Batches of each session in the recorded run.
const BATCHES: u64 = 120;

/// Compiles the recorder.
pub(crate) fn recorder(dir: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power_loss/record.c");
    let library = dir.join("record.so");
    let status = Command::new("cc")
        .args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("the power-loss test needs a C compiler named cc");
    assert!(status.success(), "record.c does not compile");
    library
}

/// Runs a writing child under the recorder.
fn record(engine: EngineKind, root: &Path, scratch: &Path) -> Vec<Record> {
    let log = scratch.join("record");
    let done = child::command("write", &root.join("store"), engine, BATCHES)
        .env("LD_PRELOAD", recorder(scratch))
        .env("RECORD_ROOT", root)
        .env("RECORD_LOG", &log)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
    let records = parse(&fs::read(log).unwrap());
    for op in [b'C', b'M', b'R', b'W', b'S', b'D', b'A'] {
        assert!(
            records.iter().any(|record| record.op == op),
            "the recorder saw no {}",
            op as char
        );
    }
    records
}

fn power_loss(engine: EngineKind) {
    let (seed, scratch) = (seed(), tempfile::tempdir().unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let root = scratch.path().join("root");
    fs::create_dir(&root).unwrap();
    let root = root.canonicalize().unwrap();
    let records = record(engine, &root, scratch.path());
    let mut points: Vec<usize> = (0..scaled("CRASH_POINTS", 40))
        .map(|_| rng.random_range(0..=records.len()))
        .collect();
    points.sort_unstable();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut disk, mut acknowledged) = (Disk::default(), vec![0; SESSIONS as usize]);
    let (mut at, mut confirmed) = (0, 0);
    for (number, &point) in points.iter().enumerate() {
        while at < point {
            let record = &records[at];
            disk.apply(record);
            if record.op == b'A' {
                for line in String::from_utf8_lossy(&record.payload).lines() {
                    if let Some((session, batches)) = child::acknowledged(line) {
                        acknowledged[session] = batches;
                    }
                }
            }
            at += 1;
        }
        let image = scratch.path().join(format!("image-{number}"));
        fs::create_dir(&image).unwrap();
        disk.cut(&root, &image, &mut rng);
        let checked = runtime.block_on(async {
            let opened = workload::open_store(&image.join("store"), engine).await;
            let store = opened.map_err(|error| error.to_string())?;
            let checked = workload::check(&store, &acknowledged).await;
            store.close().await.unwrap();
            checked
        });
        if let Err(what) = checked {
            panic!(
                "seed {seed}, {engine:?} cut at {point} of {}: {what}",
                records.len()
            );
        }
        confirmed += acknowledged.iter().sum::<u64>();
        fs::remove_dir_all(image).unwrap();
    }
    assert!(
        confirmed > 0,
        "seed {seed}: no cut came after an acknowledgement"
    );
    child::say(&format!(
        "power loss on {engine:?}: {} cuts, {confirmed} acknowledged batches, none lost",
        points.len()
    ));
}

#[test]
fn sled_survives_power_loss() {
    power_loss(EngineKind::Sled);
}

#[test]
fn redb_survives_power_loss() {
    power_loss(EngineKind::Redb);
}
