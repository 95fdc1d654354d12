//! NATS with three servers: keys are in the replicated log without being asked, and a machine that is lost for good is not missed.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use switchboard_bus::test_server::{TestCluster, find};
use switchboard_e2e::{NODES, id_on};
use switchboard_harness::drivers::{self, connected};
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::{Extra, Stack};
use switchboard_harness::wait;
use tokio::process::Command;

const OWN: &str = "15550120001";
const PEER: &str = "15550120002";
const SERVERS: usize = 3;
/// The first release, major and minor, whose copies can be relied on. Source: decision 0007.
const COPIES_SINCE: (u32, u32) = (2, 11);

/// Major and minor of the nats-server that tests use.
async fn release() -> Result<(u32, u32)> {
    let answer = Command::new(find()?).arg("--version").output().await?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let numbers = text.rsplit('v').next().unwrap_or_default();
    let mut parts = numbers.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => anyhow::bail!("no release in {text:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_machine_is_not_missed() -> Result<()> {
    let is_safe = release().await? >= COPIES_SINCE;
    let nats = TestCluster::start(SERVERS).await?;
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(folder.path(), 61).await?;
    let urls = nats.urls().join(",");
    let extra = Extra {
        node_words: vec!["--supervised".to_owned()],
        ..Extra::default()
    };
    let mut stack = Stack::cluster_with(&simulator, &urls, &NODES, None, extra).await?;
    let result = scenario(&simulator, &mut stack, is_safe).await;
    result.with_context(|| format!("the processes said:\n{}", stack.output()))
}

async fn scenario(simulator: &Simulator, stack: &mut Stack, is_safe: bool) -> Result<()> {
    simulator.add_phone(PEER).await?;
    let id = id_on("node-1", "kept")?;
    let own = drivers::create("whapi", stack, &id).await?;
    drivers::pair(own.as_ref(), simulator, OWN).await?;
    let session = stack.session(&id).await?;
    ensure!(
        session.get("replicated") == Some(&json!(is_safe)),
        "three servers of a release that can: {is_safe}; the session: {session}"
    );
    if !is_safe {
        return Ok(());
    }
    // Parent and child at once: nobody is left to say so, and the lease runs out.
    stack.kill_node("node-1").await?;
    wait::until("the session on node-2", async || {
        let session = stack.session(&id).await;
        let session = session.map_err(|e| format!("{e:#}"))?;
        if session.get("owner").and_then(Value::as_str) == Some("node-2") {
            Ok(())
        } else {
            Err(session.to_string())
        }
    })
    .await?;
    connected(own.as_ref()).await?;
    own.send_text(PEER, "not missed").await?;
    let arrived = simulator.inbox_has(PEER, "a text after the loss", |m| {
        m.get("text").and_then(Value::as_str) == Some("not missed")
    });
    arrived.await.map(drop)
}
