//! Damaged media: one bit of a closed store flips. It may refuse, report damage or even show an
//! older state that was once whole; it must never show anything that never was.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use switchboard_keystore::{EngineKind, Error, KeyStore};

use crate::child::{self, say};
use crate::workload::{self, DROPPED, SESSIONS};
use crate::{scaled, seed};

/// Batches of each session in the store that is damaged.
const BATCHES: u64 = 40;
/// A damaged sled may hang; that counts as refusing.
const PATIENCE: Duration = Duration::from_secs(120);

/// The child: opens a damaged store and says what it shows.
pub(crate) async fn judge(dir: &Path, engine: EngineKind, batches: u64) {
    let store = match workload::open_store(dir, engine).await {
        Ok(store) => store,
        Err(error) => return say(&format!("verdict refused: {error}")),
    };
    let mut worst = "harmless";
    for session in (0..SESSIONS).filter(|session| *session != DROPPED) {
        match judge_session(&store, session, batches).await {
            Err(error) => {
                say(&format!("verdict detected: {error}"));
                std::process::exit(0);
            }
            Ok(verdict) if verdict == "WRONG" || worst == "harmless" => worst = verdict,
            Ok(_) => {}
        }
    }
    say(&format!(
        "verdict {worst}: {} orphans",
        store.stats().orphans
    ));
    std::process::exit(0);
}

async fn judge_session(
    store: &std::sync::Arc<dyn KeyStore>,
    session: u64,
    batches: u64,
) -> Result<&'static str, Error> {
    let at = workload::batches(store, session).await?.unwrap_or(0);
    let content = workload::content(store, session).await?;
    if at > batches || content != workload::expected(session, at) {
        return Ok("WRONG");
    }
    Ok(if at == batches { "harmless" } else { "older" })
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// Flips one bit of the used part of a random file, larger files likelier.
fn flip(dir: &Path, rng: &mut ChaCha8Rng) -> String {
    let files: Vec<(PathBuf, Vec<u8>)> = files(dir)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect();
    let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    loop {
        let mut at = rng.random_range(0..total);
        for (path, bytes) in &files {
            if at >= bytes.len() {
                at -= bytes.len();
                continue;
            }
            // Pages of zeros are space that the engine has not used.
            let page = &bytes[at / 4096 * 4096..(at / 4096 * 4096 + 4096).min(bytes.len())];
            if page.iter().all(|byte| *byte == 0) {
                break;
            }
            let (mut bytes, bit) = (bytes.clone(), rng.random_range(0..8));
            bytes[at] ^= 1 << bit;
            fs::write(path, bytes).unwrap();
            return format!("{}, byte {at}, bit {bit}", path.display());
        }
    }
}

/// Runs the judging child with patience.
fn verdict(dir: &Path, engine: EngineKind) -> String {
    let mut victim = child::command("flips", dir, engine, BATCHES)
        .spawn()
        .unwrap();
    let mut out = victim.stdout.take().unwrap();
    let (send, receive) = mpsc::sync_channel(1);
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _partial = out.read_to_end(&mut text);
        let _gone = send.send(String::from_utf8_lossy(&text).into_owned());
    });
    let said = receive.recv_timeout(PATIENCE);
    let _dead = victim.kill();
    victim.wait().unwrap();
    reader.join().unwrap();
    match said {
        Err(_) => "refused: hung".to_owned(),
        Ok(text) => text
            .lines()
            .find_map(|line| line.strip_prefix("verdict "))
            .map_or_else(|| "refused: died".to_owned(), str::to_owned),
    }
}

fn flips(engine: EngineKind) {
    let (seed, scratch) = (seed(), tempfile::tempdir().unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let whole = scratch.path().join("whole");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = workload::open_store(&whole, engine).await.unwrap();
        for number in 0..BATCHES {
            for session in (0..SESSIONS).filter(|session| *session != DROPPED) {
                workload::perform(&store, session, number).await.unwrap();
            }
        }
        store.close().await.unwrap();
    });
    assert!(
        verdict(&whole, engine).starts_with("harmless"),
        "the undamaged store is not whole"
    );
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..scaled("FLIPS", 40) {
        let damaged = scratch.path().join(format!("damaged-{number}"));
        copy(&whole, &damaged);
        let place = flip(&damaged, &mut rng);
        let verdict = verdict(&damaged, engine);
        assert!(
            !verdict.starts_with("WRONG"),
            "seed {seed}, {engine:?}, {place}: {verdict}"
        );
        let kind = verdict.split(':').next().unwrap_or_default().to_owned();
        *counts.entry(kind).or_default() += 1;
        fs::remove_dir_all(damaged).unwrap();
    }
    say(&format!("bit flips on {engine:?}: {counts:?}"));
}

#[test]
fn sled_never_shows_what_never_was() {
    flips(EngineKind::Sled);
}

#[test]
fn redb_never_shows_what_never_was() {
    flips(EngineKind::Redb);
}
