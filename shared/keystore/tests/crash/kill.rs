//! Process kill: `kill -9` at a random moment, again and again on the same store.

use std::io::{BufRead, BufReader};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use switchboard_keystore::EngineKind;

use crate::child;
use crate::workload::{self, SESSIONS};
use crate::{scaled, seed};

/// Lines after which a round is killed at the latest.
const LINES_MAX: u32 = 400;

fn kill_loop(engine: EngineKind) {
    let (seed, dir) = (seed(), tempfile::tempdir().unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut standing = vec![0; SESSIONS as usize];
    let mut checked = 0;
    for round in 0..scaled("KILLS", 20) {
        // Every fourth round dies while it opens the store or soon after.
        let lines = if round % 4 == 3 {
            rng.random_range(2..6)
        } else {
            rng.random_range(2..LINES_MAX)
        };
        let mut command = child::command("write", dir.path(), engine, u64::from(LINES_MAX));
        let mut victim = child::starting_at(&mut command, &standing).spawn().unwrap();
        let mut out = BufReader::new(victim.stdout.take().unwrap());
        let (mut acknowledged, mut line) = (standing.clone(), String::new());
        let mut seen = 0;
        while out.read_line(&mut line).unwrap() > 0 {
            if let Some((session, batches)) = child::acknowledged(&line) {
                acknowledged[session] = batches;
                checked += 1;
            }
            seen += 1;
            if seen == lines {
                victim.kill().unwrap();
            }
            line.clear();
        }
        assert!(
            !victim.wait().unwrap().success(),
            "round {round} ended before it was killed"
        );
        let found = runtime.block_on(async {
            let store = workload::open_store(dir.path(), engine)
                .await
                .unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
            let found = workload::check(&store, &acknowledged).await;
            store.close().await.unwrap();
            found
        });
        standing = found.unwrap_or_else(|what| panic!("seed {seed}, round {round}: {what}"));
    }
    assert!(
        checked > 0,
        "seed {seed}: no batch was acknowledged before a kill"
    );
    child::say(&format!(
        "kill loop on {engine:?}: {checked} acknowledged batches, none lost"
    ));
}

#[test]
fn sled_survives_kills() {
    kill_loop(EngineKind::Sled);
}

#[test]
fn redb_survives_kills() {
    kill_loop(EngineKind::Redb);
}
