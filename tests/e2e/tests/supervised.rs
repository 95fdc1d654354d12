//! `switchboard node --supervised`: what a parent does for its node, and that neither outlives its duty.

use anyhow::{Context, Result, ensure};
use switchboard_bus::test_server::TestServer;
use switchboard_e2e::{World, id_on};
use switchboard_harness::drivers::connected;
use switchboard_harness::processes::{Program, command, signal};
use switchboard_harness::stack::Extra;
use switchboard_harness::wait;

const OWN: &str = "15550117001";
const PEER: &str = "15550117002";
/// Leases that no test waits for: who takes a session before then was told.
const LONG_LEASE: &str = "60s";
/// How a process ends whose configuration cannot be. Source: `EX_CONFIG` of sysexits.h.
const EXIT_CONFIGURATION: i32 = 78;

async fn world(seed: u64, durability: &str) -> Result<World> {
    let setting = |key: &str, value: &str| (format!("SWITCHBOARD_{key}"), value.to_owned());
    let extra = Extra {
        everywhere: vec![
            setting("CLUSTER__LEASE", LONG_LEASE),
            setting("STORE__DURABILITY", durability),
        ],
        node_words: vec!["--supervised".to_owned()],
        ..Extra::default()
    };
    World::start_on(TestServer::start().await?, seed, "unused", extra).await
}

fn child_of(world: &World, node: &str) -> Result<u32> {
    let found = world.stack.nodes.iter().find(|(name, _)| name == node);
    let (_, parent) = found.context("no such node")?;
    let children = parent.children()?;
    children.first().copied().context("it has no child")
}

/// Waits until no process has that id. One that has ended and nobody has asked about counts as gone.
async fn gone(pid: u32) -> Result<()> {
    wait::until("the end of the child", async || {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Err(_) => Ok(()),
            // The state stands behind the name, which stands in brackets. Source: proc(5).
            Ok(stat) if stat.rsplit(") ").next().is_some_and(|s| s.starts_with('Z')) => Ok(()),
            Ok(stat) => Err(stat),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_is_released_at_once_and_started_again() -> Result<()> {
    let world = world(41, "replicated").await?;
    let id = id_on("node-1", "released")?;
    let result = async {
        let own = world.paired("whapi", &id, OWN).await?;
        let child = child_of(&world, "node-1")?;
        signal(child, "KILL").await?;
        world.stack.node_is("node-1", "left").await?;
        // The other node has it long before the lease could have run out.
        wait::until("the session on node-2", async || {
            let session = world.stack.session(&id).await;
            let session = session.map_err(|e| format!("{e:#}"))?;
            if session.get("owner").is_some_and(|owner| owner == "node-2") {
                Ok(())
            } else {
                Err(session.to_string())
            }
        })
        .await?;
        connected(own.as_ref()).await?;
        world.simulator.add_phone(PEER).await?;
        own.send_text(PEER, "still here").await?;
        let arrived = world
            .simulator
            .inbox_has(PEER, "the text after the death", |m| {
                m.get("text").is_some_and(|text| text == "still here")
            });
        arrived.await?;
        world.stack.node_is("node-1", "up").await?;
        let again = child_of(&world, "node-1")?;
        ensure!(again != child, "the same process cannot be back");
        Ok(())
    };
    world.explain(result.await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_ends_with_its_parent() -> Result<()> {
    let mut world = world(42, "local").await?;
    let child = child_of(&world, "node-1")?;
    world.stack.kill_node("node-1").await?;
    let result = gone(child).await;
    world.explain(result)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_is_told_to_stop_lets_its_child_leave() -> Result<()> {
    let mut world = world(43, "local").await?;
    let child = child_of(&world, "node-2")?;
    let parent = world.stack.nodes.get_mut(1).context("no second node")?;
    let clean = parent.1.terminate().await;
    let result = async {
        ensure!(clean?, "it did not end with success");
        gone(child).await?;
        world.stack.node_is("node-2", "left").await
    };
    let result = result.await;
    world.explain(result)
}

#[tokio::test]
async fn a_configuration_that_cannot_be_is_not_tried_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut node = command("switchboard", folder.path())?;
    node.args(["node", "--supervised", "--nats-url", "nats://127.0.0.1:1"]);
    node.env("SWITCHBOARD_CLUSTER__LEASE", "1s");
    let status = node.status().await?;
    ensure!(status.code() == Some(EXIT_CONFIGURATION), "{status}");
    Ok(())
}

#[tokio::test]
async fn a_child_without_its_parent_does_not_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut node = command("switchboard", folder.path())?;
    node.args(["node", "--nats-url", "nats://127.0.0.1:1"]);
    // A token whose parent is somebody else.
    node.env("SWITCHBOARD_SUPERVISOR", format!("{}.00ff", u32::MAX >> 1));
    let mut node = Program::launch("node", node, "running node ")?;
    let clean = node.ended(wait::PATIENCE).await?;
    ensure!(!clean, "it ran:\n{}", node.output());
    ensure!(node.output().contains("parent"), "{}", node.output());
    Ok(())
}
