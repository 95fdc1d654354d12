//! Processes, machines and routers that die, stand still, or are told to end.

use anyhow::{Context, Result};
use tokio::time::sleep;

use super::{CALM, RECOVER_MAX};
use crate::judge::journal::Allowed;
use crate::trial::Trial;

/// How long a take-over may take where the parent released the lease; the lease of that row is much longer.
const RELEASED_MAX: std::time::Duration = std::time::Duration::from_secs(6);

/// Node and parent die together; the kernel closes their sockets.
pub(super) async fn processes_die(t: &mut Trial) -> Result<()> {
    let victim = t.busiest()?;
    t.under_traffic("die.", async |world| {
        sleep(CALM).await;
        world.node(victim)?.kill_processes().await
    })
    .await?;
    t.recover("die.", RECOVER_MAX).await?;
    t.world.node(victim)?.restart().await?;
    t.judge("die.", Allowed::default()).await
}

/// The machine dies: nothing closes its sockets.
pub(super) async fn machine_dies(t: &mut Trial) -> Result<()> {
    let victim = t.busiest()?;
    t.under_traffic("gone.", async |world| {
        sleep(CALM).await;
        world.node(victim)?.kill_machine().await
    })
    .await?;
    t.recover("gone.", RECOVER_MAX).await?;
    t.world.node(victim)?.restart().await?;
    t.judge("gone.", Allowed { left_behind: 1 }).await
}

/// The process dies with its disk, so that it cannot come back; its parent lives and need not wait for the lease.
pub(super) async fn process_dies_before_its_parent(t: &mut Trial) -> Result<()> {
    let victim = t.busiest()?;
    t.under_traffic("parent.", async |world| {
        sleep(CALM).await;
        let node = world.node(victim)?;
        node.break_disk()?;
        node.kill_worker()
    })
    .await?;
    t.recover("parent.", RELEASED_MAX).await?;
    t.judge("parent.", Allowed::default()).await
}

/// A node stands still for longer than its lease and goes on as if nothing had happened.
pub(super) async fn zombie(t: &mut Trial) -> Result<()> {
    let (victim, lease) = (t.busiest()?, t.world.plan.lease);
    t.under_traffic("zombie.", async |world| {
        sleep(CALM).await;
        world.node(victim)?.pause();
        sleep(lease * 2).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("zombie.", RECOVER_MAX).await?;
    t.under_traffic("zombie.", async |world| {
        world.node(victim)?.resume();
        // Time for whatever it had planned to do before it stood still.
        sleep(lease).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("zombie.", RECOVER_MAX).await?;
    t.judge("zombie.", Allowed { left_behind: 1 }).await
}

/// A node stands still for less than its lease: nothing moves.
pub(super) async fn short_pause(t: &mut Trial) -> Result<()> {
    let (victim, lease) = (t.busiest()?, t.world.plan.lease);
    let before = t.epochs()?;
    t.under_traffic("short.", async |world| {
        sleep(CALM).await;
        world.node(victim)?.pause();
        sleep(lease * 2 / 5).await;
        world.node(victim)?.resume();
        sleep(lease).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("short.", RECOVER_MAX).await?;
    let after = t.epochs()?;
    t.demand(
        before == after,
        format!("sessions moved: epochs {before:?} became {after:?}"),
    );
    t.judge("short.", Allowed::default()).await
}

/// SIGTERM: the node hands its sessions over, and nobody waits for a lease.
pub(super) async fn told_to_end(t: &mut Trial) -> Result<()> {
    let victim = t.busiest()?;
    let clean = t
        .under_traffic("term.", async |world| {
            sleep(CALM).await;
            world.node(victim)?.stop().await
        })
        .await?;
    t.demand(clean, "the node did not end with success");
    t.recover("term.", RELEASED_MAX).await?;
    t.world.node(victim)?.start().await?;
    t.judge("term.", Allowed::default()).await
}

/// One of two routers dies; the other goes on, and so does the first when it is back.
pub(super) async fn router_dies(t: &mut Trial) -> Result<()> {
    t.under_traffic("router.", async |world| {
        sleep(CALM).await;
        let router = world.routers.first_mut().context("a router")?;
        router.kill().await?;
        sleep(CALM * 3).await;
        router.start().await
    })
    .await?;
    t.recover("router.", RECOVER_MAX).await?;
    t.judge("router.", Allowed::default()).await
}

/// Sessions are handed from node to node while customers send: no call fails, nobody is logged in twice.
pub(super) async fn moves(t: &mut Trial) -> Result<()> {
    let owners = t.owners()?;
    let names: Vec<_> = t
        .world
        .nodes
        .iter()
        .map(|node| node.name().to_owned())
        .collect();
    let scene = std::sync::Arc::clone(&t.world.scene);
    t.under_traffic("move.", async |_| {
        sleep(CALM).await;
        for (session, run) in &owners {
            let id = session.rsplit('/').next().unwrap_or(session);
            let target = names
                .iter()
                .find(|name| **name != run.node)
                .context("another node")?;
            scene.note(format!("move {id} to {target}"));
            scene
                .office
                .admin_post(
                    &format!("sessions/{id}/move"),
                    &serde_json::json!({"node": target}),
                )
                .await?;
        }
        sleep(CALM * 5).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("move.", RECOVER_MAX).await?;
    let failed = t.world.scene.office.ledger.failures();
    t.demand(
        failed.is_empty(),
        format!("sends failed while sessions moved: {failed:?}"),
    );
    for (session, run) in t.owners()? {
        let was = owners.get(&session).map(|before| before.node.clone());
        t.demand(
            was.as_deref() != Some(run.node.as_str()),
            format!("{session} is still on {}", run.node),
        );
    }
    t.judge("move.", Allowed::default()).await
}
