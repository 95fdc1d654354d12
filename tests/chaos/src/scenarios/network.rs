//! Cut and lossy networks, nats-servers that are away, and clocks that differ.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;
use tokio::time::sleep;

use super::{CALM, RECOVER_MAX};
use crate::complaint::Kind;
use crate::judge::journal::Allowed;
use crate::trial::Trial;

/// How long nats-server is away where nobody may notice.
const BLINK: Duration = Duration::from_secs(1);
/// Packets that a lossy host loses each way, in percent.
const LOSSES: [u8; 2] = [5, 20];
/// How long a host stays lossy.
const LOSSY_FOR: Duration = Duration::from_secs(4);
/// The host part of the node with other clocks.
const FAR_ADDRESS: u8 = 60;
/// How much further its clocks are.
const AHEAD_SECS: u32 = 86_400;

/// A node does not reach NATS, but WhatsApp: it must end its sessions before others begin them, so nobody ever sees two logins.
pub(super) async fn cut_from_nats(t: &mut Trial) -> Result<()> {
    let (victim, lease) = (t.busiest()?, t.world.plan.lease);
    t.under_traffic("cut.", async |world| {
        sleep(CALM).await;
        let hosts: Vec<_> = world.nats.hosts().cloned().collect();
        world.node(victim)?.host().cut_from(&hosts)?;
        sleep(lease * 3).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("cut.", RECOVER_MAX).await?;
    t.under_traffic("cut.", async |world| {
        world.node(victim)?.heal()?;
        sleep(lease).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("cut.", RECOVER_MAX).await?;
    t.judge("cut.", Allowed::default()).await
}

/// A machine reaches nothing and nobody, and comes back.
pub(super) async fn cut_off(t: &mut Trial) -> Result<()> {
    let (victim, lease) = (t.busiest()?, t.world.plan.lease);
    t.under_traffic("off.", async |world| {
        sleep(CALM).await;
        world.node(victim)?.host().cut()?;
        sleep(lease * 2).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("off.", RECOVER_MAX).await?;
    t.under_traffic("off.", async |world| {
        world.node(victim)?.heal()?;
        sleep(lease).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("off.", RECOVER_MAX).await?;
    t.judge("off.", Allowed { left_behind: 1 }).await
}

/// Hosts lose packets, at last one every answer of NATS: slower, never wrong.
pub(super) async fn packet_loss(t: &mut Trial) -> Result<()> {
    for percent in LOSSES {
        t.under_traffic("loss.", async |world| {
            for node in &world.nodes {
                node.host().lossy(percent)?;
            }
            sleep(LOSSY_FOR).await;
            world.nodes.iter().try_for_each(|node| node.host().heal())
        })
        .await?;
    }
    t.recover("loss.", RECOVER_MAX).await?;
    // One node's heartbeats arrive, or some of them, and no answer does: it must not take them for renewed leases.
    let (victim, lease) = (t.busiest()?, t.world.plan.lease);
    t.under_traffic("loss.", async |world| {
        let nats: Vec<_> = world.nats.hosts().cloned().collect();
        world.node(victim)?.host().deaf_to(&nats)?;
        sleep(lease * 3).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("loss.", RECOVER_MAX).await?;
    t.under_traffic("loss.", async |world| {
        world.node(victim)?.heal()?;
        sleep(lease).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("loss.", RECOVER_MAX).await?;
    // A lease that was lost for lost packets leaves sockets whose end was lost too.
    let nodes = u64::try_from(t.world.nodes.len())?;
    t.judge("loss.", Allowed { left_behind: nodes }).await
}

/// nats-server dies and is back within the lease: no session is interrupted.
pub(super) async fn nats_restart(t: &mut Trial) -> Result<()> {
    let (epochs, connects) = (t.epochs()?, t.connects().await?);
    t.under_traffic("nats.", async |world| {
        sleep(CALM).await;
        world.nats.kill(0).await?;
        sleep(BLINK).await;
        world.nats.restart(0).await?;
        sleep(BLINK * 2).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("nats.", RECOVER_MAX).await?;
    let after = t.epochs()?;
    t.demand(
        Kind::Moved,
        epochs == after,
        format!("sessions moved: epochs {epochs:?} became {after:?}"),
    );
    let again = t.connects().await?.saturating_sub(connects);
    t.demand(
        Kind::Moved,
        again == 0,
        format!("sessions were interrupted: {again} connected again"),
    );
    t.judge("nats.", Allowed::default()).await
}

/// nats-server is away for three leases: every node ends its sessions, and takes them again afterwards.
pub(super) async fn nats_outage(t: &mut Trial) -> Result<()> {
    t.under_traffic("outage.", async |world| {
        sleep(CALM).await;
        world.nats.kill(0).await
    })
    .await?;
    wait_out(t, "outage.").await?;
    t.world.nats.restart(0).await?;
    t.recover("outage.", RECOVER_MAX).await?;
    t.judge("outage.", Allowed::default()).await
}

/// The same with a server that stands still: connections stay open and nothing comes.
pub(super) async fn nats_stands_still(t: &mut Trial) -> Result<()> {
    t.under_traffic("still.", async |world| {
        sleep(CALM).await;
        world.nats.signal(0, Signal::STOP)
    })
    .await?;
    wait_out(t, "still.").await?;
    t.world.nats.signal(0, Signal::CONT)?;
    t.recover("still.", RECOVER_MAX).await?;
    t.judge("still.", Allowed::default()).await
}

/// Three leases without NATS; in the last one nobody may run anything.
async fn wait_out(t: &mut Trial, name: &str) -> Result<()> {
    let lease = t.world.plan.lease;
    let gone = crate::clock::boottime_ns();
    t.under_traffic(name, async |_| {
        sleep(lease * 3).await;
        anyhow::Ok(())
    })
    .await?;
    let last_moment = gone + i64::try_from(lease.as_nanos())?;
    for (session, run) in t.owners()? {
        let late = run.last_ns.saturating_sub(last_moment);
        t.demand(
            Kind::RanOn,
            late <= 0,
            format!(
                "{session} was run by {} {} ms after every lease had ended",
                run.node,
                late / 1_000_000
            ),
        );
    }
    Ok(())
}

/// The servers that lead the buckets of nodes and owners die, each once: an election is shorter than the lease, so nothing moves.
pub(super) async fn nats_leader_dies(t: &mut Trial) -> Result<()> {
    let epochs = t.epochs()?;
    for bucket in ["nodes", "owners"] {
        let leader = match t.world.nats.leader_of(bucket).await {
            Ok(leader) => leader,
            Err(why) => {
                t.world
                    .note(format!("{why}: the leader of the metadata instead"));
                t.world.nats.leader().await.map_err(anyhow::Error::msg)?
            }
        };
        t.world.note(format!("kill nats-{}", leader + 1));
        t.under_traffic("leader.", async |world| {
            sleep(CALM).await;
            world.nats.kill(leader).await?;
            sleep(world.plan.lease).await;
            world.nats.restart(leader).await
        })
        .await?;
        t.recover("leader.", RECOVER_MAX).await?;
    }
    let after = t.epochs()?;
    t.demand(
        Kind::Moved,
        epochs == after,
        format!("sessions moved for an election: epochs {epochs:?} became {after:?}"),
    );
    t.judge("leader.", Allowed::default()).await
}

/// A node joins whose clocks began a day earlier, takes its share, and dies: durations count, moments do not.
pub(super) async fn other_clocks(t: &mut Trial) -> Result<()> {
    let (before, lease) = (t.epochs()?, t.world.plan.lease);
    let mut host = t.world.host("far", FAR_ADDRESS)?;
    host.set_clock_ahead(AHEAD_SECS)?;
    let at = t.world.nodes.len();
    t.world.add_node_on("node-far", host)?.start().await?;
    // Too soon for balance.
    t.under_traffic("clock.", async |_| {
        sleep(lease).await;
        anyhow::Ok(())
    })
    .await?;
    let after = t.epochs()?;
    t.demand(
        Kind::Moved,
        before == after,
        format!("sessions moved for a clock: epochs {before:?} became {after:?}"),
    );
    // Nothing obliges anyone to give it sessions soon, so the others hand over theirs.
    let mut trial_nodes: Vec<_> = t
        .world
        .nodes
        .iter()
        .map(|node| node.name().to_owned())
        .collect();
    trial_nodes.truncate(at);
    let scene = std::sync::Arc::clone(&t.world.scene);
    t.under_traffic("clock.", async |_| {
        for node in trial_nodes.iter().skip(1) {
            scene
                .office
                .admin_post(
                    &format!("nodes/{node}/drain?wait=20"),
                    &serde_json::json!({}),
                )
                .await?;
        }
        anyhow::Ok(())
    })
    .await?;
    t.recover("clock.", RECOVER_MAX).await?;
    let taken = t.sessions_of(at)?.len();
    t.demand(
        Kind::Evidence,
        taken > 0,
        "the node with other clocks got no session",
    );
    t.under_traffic("clock.", async |world| {
        world.node(at)?.kill_processes().await
    })
    .await?;
    t.recover("clock.", RECOVER_MAX).await?;
    t.judge("clock.", Allowed::default()).await
}
