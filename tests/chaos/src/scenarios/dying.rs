//! Processes, machines and routers that die, stand still, or are told to end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::StatusCode;
use tokio::time::sleep;

use super::{CALM, RECOVER_MAX};
use crate::complaint::Kind;
use crate::judge::journal::Allowed;
use crate::judge::witness::Run;
use crate::traffic::customer_sends;
use crate::trial::Trial;
use crate::world::{CALL_MAX, Line, Scene};

/// How often every session is moved.
const MOVE_PASSES: usize = 4;
/// Between the answer to one send and the next, and most sends of one session in one pass. A phone's inbox keeps 64 records, which the
/// traffic reads only between the passes.
const SEND_PAUSE: Duration = Duration::from_millis(20);
const SENDS_MAX: usize = 50;

/// Most questions to a router that has just started.
const FIRST_ANSWERS_MAX: usize = 500;

/// How long a take-over may take where the parent released the lease; the lease of that row is much longer.
const RELEASED_MAX: Duration = Duration::from_secs(6);

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
        Kind::Moved,
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
    t.demand(Kind::Failed, clean, "the node did not end with success");
    t.recover("term.", RELEASED_MAX).await?;
    t.world.node(victim)?.start().await?;
    t.judge("term.", Allowed::default()).await
}

/// One of two routers dies; the other goes on, and so does the first when it is back. On a bad way to NATS it learns late what there
/// is, and says nothing wrong meanwhile.
pub(super) async fn router_dies(t: &mut Trial) -> Result<()> {
    let scene = Arc::clone(&t.world.scene);
    let line = scene.office.lines().into_iter().next();
    let line = line.context("a session")?;
    let answers = t
        .under_traffic("router.", async |world| {
            sleep(CALM).await;
            let nats: Vec<_> = world.nats.hosts().cloned().collect();
            let router = world.routers.first_mut().context("a router")?;
            router.kill().await?;
            sleep(CALM * 3).await;
            router.host().trickle(&nats)?;
            router.start().await?;
            let answers = first_answers(&scene, &router.url(), &line).await;
            router.host().heal()?;
            anyhow::Ok(answers)
        })
        .await?;
    let denied = answers.iter().any(|(status, _)| status.is_client_error());
    t.demand(
        Kind::Denied,
        !denied,
        format!("a router that has just started denies a session: {answers:?}"),
    );
    let early = answers.iter().any(|(status, _)| !status.is_success());
    t.demand(
        Kind::Evidence,
        early,
        format!("the router knew everything at once: {answers:?}"),
    );
    t.recover("router.", RECOVER_MAX).await?;
    t.judge("router.", Allowed::default()).await
}

/// What a router says of a session from its first answer to the first send that it takes.
async fn first_answers(scene: &Scene, router: &str, line: &Line) -> Vec<(StatusCode, String)> {
    let mut answers = Vec::new();
    for number in 0..FIRST_ANSWERS_MAX {
        let text = format!("out router. early {number}");
        if !scene.office.ledger.sending(&text) {
            break;
        }
        let answer = scene.office.send_at(router, CALL_MAX, line, &text).await;
        let status = answer.as_ref().ok().map(|(status, _)| *status);
        scene.office.ledger.answered(&text, status);
        let is_taken = status.is_some_and(|status| status.is_success());
        answers.extend(answer);
        if is_taken {
            break;
        }
        sleep(SEND_PAUSE).await;
    }
    answers
}

/// Sessions are handed from node to node, again and again, while their customers send as fast as answers come: no call fails, nobody
/// is logged in twice.
pub(super) async fn moves(t: &mut Trial) -> Result<()> {
    let nodes: Vec<_> = t
        .world
        .nodes
        .iter()
        .map(|node| node.name().to_owned())
        .collect();
    let scene = Arc::clone(&t.world.scene);
    for pass in 0..MOVE_PASSES {
        let before = t.owners()?;
        let over = AtomicBool::new(false);
        let moving = async {
            let result = move_each(&scene, &before, &nodes).await;
            sleep(CALM * 2).await;
            over.store(true, Ordering::Relaxed);
            result
        };
        let lines = scene.office.lines();
        let senders = lines
            .iter()
            .map(|line| send_until(&scene, line, pass, &over));
        let (moved, _) = tokio::join!(moving, futures::future::join_all(senders));
        moved?;
        t.recover("move.", RECOVER_MAX).await?;
        for (session, run) in t.owners()? {
            let was = before.get(&session).map(|before| before.node.as_str());
            t.demand(
                Kind::Works,
                was != Some(run.node.as_str()),
                format!("{session} is still on {}", run.node),
            );
        }
    }
    let failed = scene.office.ledger.failures();
    t.demand(
        Kind::Failed,
        failed.is_empty(),
        format!("sends failed while sessions moved: {failed:?}"),
    );
    t.judge("move.", Allowed::default()).await
}

async fn move_each(scene: &Scene, owners: &BTreeMap<String, Run>, nodes: &[String]) -> Result<()> {
    sleep(CALM).await;
    for (session, run) in owners {
        let id = session.rsplit('/').next().unwrap_or(session);
        let target = nodes
            .iter()
            .find(|name| **name != run.node)
            .context("another node")?;
        scene.note(format!("move {id} from {} to {target}", run.node));
        let body = serde_json::json!({"node": target});
        scene
            .office
            .admin_post(&format!("sessions/{id}/move"), &body)
            .await?;
    }
    Ok(())
}

async fn send_until(scene: &Scene, line: &Line, pass: usize, over: &AtomicBool) {
    for number in 0..SENDS_MAX {
        if over.load(Ordering::Relaxed) {
            return;
        }
        customer_sends(
            scene,
            line,
            &format!("out move. {} {pass} {number}", line.session),
        )
        .await;
        sleep(SEND_PAUSE).await;
    }
}
