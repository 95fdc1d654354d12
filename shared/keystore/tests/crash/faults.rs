//! A sync or a write that fails: the store is poisoned for good, and nothing acknowledged is lost.

use std::path::Path;

use switchboard_keystore::{EngineKind, Error};

use crate::child::{self, say};
use crate::power_loss::recorder;
use crate::workload::{self, SESSIONS};

const FAULT: &str = "SWITCHBOARD_KEYSTORE_CHILD_FAULT";
/// Batches of session 0 before the fault.
const BEFORE: u64 = 5;

/// The child: writes, arms the fault of the recorder, and tries to go on.
pub(crate) async fn fail(dir: &Path, engine: EngineKind) {
    let store = workload::open_store(dir, engine).await.unwrap();
    for number in 0..BEFORE {
        workload::perform(&store, 0, number).await.unwrap();
    }
    say(&std::env::var(FAULT).unwrap());
    let first = workload::perform(&store, 0, BEFORE).await;
    assert!(matches!(first, Err(Error::Poisoned(_))), "{first:?}");
    assert!(!first.unwrap_err().certainly_not_stored());
    assert!(store.stats().poisoned.is_some());
    assert!(!store.poisoned().await.is_empty());
    // Never retried, on no tree.
    for session in 0..SESSIONS {
        let again = workload::perform(&store, session, BEFORE).await;
        assert!(matches!(again, Err(Error::Poisoned(_))), "{again:?}");
    }
    say("as expected");
    // What sled does when it goes down on such a disk is not ours to test.
    std::process::exit(0);
}

fn check(engine: EngineKind, fault: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let done = child::command("faults", &root.join("store"), engine, 0)
        .env("LD_PRELOAD", recorder(scratch.path()))
        .env("RECORD_ROOT", &root)
        .env("RECORD_LOG", scratch.path().join("record"))
        .env(FAULT, fault)
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(
        said.contains("as expected"),
        "{engine:?}, {fault}: {said}{complaint}"
    );
    let mut acknowledged = vec![0; SESSIONS as usize];
    acknowledged[0] = BEFORE;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = workload::open_store(&root.join("store"), engine)
            .await
            .unwrap();
        workload::check(&store, &acknowledged).await.unwrap();
        store.close().await.unwrap();
    });
}

#[test]
fn a_failed_sync_poisons_sled() {
    check(EngineKind::Sled, "arm sync");
}

#[test]
fn a_failed_sync_poisons_redb() {
    check(EngineKind::Redb, "arm sync");
}

#[test]
fn a_full_disk_poisons_sled() {
    check(EngineKind::Sled, "arm write");
}

#[test]
fn a_full_disk_poisons_redb() {
    check(EngineKind::Redb, "arm write");
}
