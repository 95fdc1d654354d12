//! The process that is killed, recorded or made to fail: this test binary, started with a role.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use switchboard_keystore::{EngineKind, Error, KeyStore};

use crate::workload::{self, SESSIONS};
use crate::{faults, flips};

const ROLE: &str = "SWITCHBOARD_KEYSTORE_CHILD";
const DIR: &str = "SWITCHBOARD_KEYSTORE_CHILD_DIR";
const ENGINE: &str = "SWITCHBOARD_KEYSTORE_CHILD_ENGINE";
const BATCHES: &str = "SWITCHBOARD_KEYSTORE_CHILD_BATCHES";

/// Batches of each session between two openings.
const STRETCH: u64 = 30;

/// Prints one line in one write, past the capture of the test harness.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// A command that starts this binary in a role. `batches` per session, for the roles that write.
pub(crate) fn command(role: &str, dir: &Path, engine: EngineKind, batches: u64) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "child::child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(DIR, dir)
        .env(
            ENGINE,
            if engine == EngineKind::Sled {
                "sled"
            } else {
                "redb"
            },
        )
        .env(BATCHES, batches.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Not a test of its own: does nothing without a role.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    let dir = PathBuf::from(env::var_os(DIR).unwrap());
    let engine: EngineKind = env::var(ENGINE).unwrap().parse().unwrap();
    let batches: u64 = env::var(BATCHES).unwrap().parse().unwrap();
    // The harness has left the start of a line.
    say("");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "write" => write(&dir, engine, batches).await,
            "faults" => faults::fail(&dir, engine).await,
            "flips" => flips::judge(&dir, engine, batches).await,
            other => panic!("no role {other}"),
        }
    });
}

/// Writes batches of all sessions at once, each in order, and prints what is durable. Closes and
/// opens the store now and then, because sled tidies its log when it opens.
async fn write(dir: &Path, engine: EngineKind, batches: u64) {
    let mut standing = vec![None; SESSIONS as usize];
    for _ in 0..batches / STRETCH {
        say("opening");
        let store = workload::open_store(dir, engine).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for session in 0..SESSIONS {
            let start = standing[session as usize];
            tasks.spawn(write_session(Arc::clone(&store), session, start));
        }
        while let Some(done) = tasks.join_next().await {
            let (session, at) = done.unwrap().unwrap();
            standing[session as usize] = Some(at);
        }
        store.close().await.unwrap();
    }
    say("done");
}

async fn write_session(
    store: Arc<dyn KeyStore>,
    session: u64,
    standing: Option<u64>,
) -> Result<(u64, u64), Error> {
    // A dropped session forgets its number; its turn starts where the parent says.
    let start = match (standing, env::var(format!("{BATCHES}_{session}"))) {
        (Some(at), _) => at,
        (None, Ok(text)) => text.parse().unwrap(),
        (None, Err(_)) => workload::batches(&store, session).await?.unwrap_or(0),
    };
    for number in start..start + STRETCH {
        workload::perform(&store, session, number).await?;
        say(&format!("ack {session} {}", number + 1));
    }
    Ok((session, start + STRETCH))
}

/// Tells a writing child where each session stands.
pub(crate) fn starting_at<'a>(command: &'a mut Command, standing: &[u64]) -> &'a mut Command {
    for (session, at) in standing.iter().enumerate() {
        command.env(format!("{BATCHES}_{session}"), at.to_string());
    }
    command
}

/// Reads an acknowledgement.
pub(crate) fn acknowledged(line: &str) -> Option<(usize, u64)> {
    let (session, batches) = line.strip_prefix("ack ")?.split_once(' ')?;
    Some((session.parse().ok()?, batches.trim_end().parse().ok()?))
}
