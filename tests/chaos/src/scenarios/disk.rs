//! Full, lost and unreadable disks.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result};
use switchboard_harness::wait;
use tokio::time::sleep;

use super::{CALM, RECOVER_MAX};
use crate::complaint::Kind;
use crate::judge::journal::Allowed;
use crate::trial::Trial;
use crate::world::Line;

/// Size of the disk that fills up. Sends are refused below 1 GB of free room (design rule R-8), so it is a little more than that.
pub(super) const DISK_MB: u32 = 1_100;
/// The product's own watermarks: those of the laboratory are next to nothing.
pub(super) const WATERMARKS: [(&str, &str); 3] = [
    ("SWITCHBOARD_STORE__NEW_SESSIONS_FREE_PERCENT", "10"),
    ("SWITCHBOARD_STORE__SENDS_FREE_PERCENT", "5"),
    ("SWITCHBOARD_STORE__SENDS_FREE_BYTES", "1073741824"),
];
/// What is written at a time.
const CHUNK: usize = 4 * 1024 * 1024;
/// What brings a disk of [`DISK_MB`] below the watermark.
const SOME_MB: usize = 160;

/// The disk of a node fills up: sends are refused before the store fails, others do not notice, and all works again when there is
/// room.
pub(super) async fn full(t: &mut Trial) -> Result<()> {
    let victim = t.busiest()?;
    let lines = own_lines(t, victim)?;
    let folder = t.world.node(victim)?.data();
    let filler = folder.join("filler");
    fill(&filler, SOME_MB)?;
    let line = lines.first().context("a session on the full disk")?.clone();
    let scene = std::sync::Arc::clone(&t.world.scene);
    let refused = wait::within(
        RECOVER_MAX,
        "a send to be refused with 507",
        async || match scene.office.send(&line, "full. refused").await {
            Ok((status, _)) if status.as_u16() == 507 => Ok(()),
            other => Err(other),
        },
    );
    let refused = refused.await;
    t.demand(
        Kind::Refused,
        refused.is_ok(),
        format!("a nearly full disk takes sends: {refused:?}"),
    );
    let before = t.world.node(victim)?.worker();
    // And now without any room at all, while phones send.
    fill(&filler, usize::try_from(DISK_MB)?)?;
    t.under_traffic("full.", async |_| {
        sleep(CALM * 5).await;
        anyhow::Ok(())
    })
    .await?;
    let after = t.world.node(victim)?.worker();
    t.demand(
        Kind::Evidence,
        before != after,
        "the process with the full disk has not ended",
    );
    fs::remove_file(&filler)?;
    t.recover("full.", RECOVER_MAX).await?;
    t.judge("full.", Allowed::default()).await
}

/// A disk is lost with its machine. What is in the replicated log runs elsewhere, without a new pairing.
pub(super) async fn lost_replicated(t: &mut Trial) -> Result<()> {
    let victim = t.busiest()?;
    t.under_traffic("lost.", async |world| {
        sleep(CALM).await;
        let node = world.node(victim)?;
        node.kill_machine().await?;
        node.lose_disk()
    })
    .await?;
    t.recover("lost.", RECOVER_MAX).await?;
    t.under_traffic("lost.", async |world| world.node(victim)?.restart().await)
        .await?;
    t.recover("lost.", RECOVER_MAX).await?;
    t.judge("lost.", Allowed { left_behind: 1 }).await
}

/// A disk is lost that had the only copy: its sessions are run by nobody, parked with a reason that says what helps; others go on.
pub(super) async fn lost_local(t: &mut Trial) -> Result<()> {
    let victim = t.busiest()?;
    let lines = own_lines(t, victim)?;
    let lease = t.world.plan.lease;
    t.world.node(victim)?.kill_processes().await?;
    t.world.node(victim)?.lose_disk()?;
    sleep(lease * 2).await;
    let orphans: Vec<_> = lines.iter().map(|line| line.session.clone()).collect();
    nobody_runs(t, &orphans, "while its node is away")?;
    t.world.node(victim)?.restart().await?;
    for id in &orphans {
        let scene = std::sync::Arc::clone(&t.world.scene);
        let parked = wait::within(RECOVER_MAX, &format!("{id} to be parked"), async || {
            let answer = scene.office.admin_get(&format!("sessions/{id}")).await;
            let text = answer.map_or_else(|e| format!("{e:#}"), |a| a.to_string());
            if text.contains("parked") {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
        t.demand(Kind::Refused, parked.is_ok(), format!("{parked:?}"));
    }
    nobody_runs(t, &orphans, "after its node came back without its disk")?;
    Ok(())
}

/// A store that does not open is moved aside, never deleted, and its node takes no sessions; they run elsewhere.
pub(super) async fn store_refuses(t: &mut Trial) -> Result<()> {
    let victim = t.busiest()?;
    t.under_traffic("store.", async |world| {
        sleep(CALM).await;
        world.node(victim)?.kill_processes().await
    })
    .await?;
    let store = t.world.node(victim)?.data().join("store");
    let spoiled = spoil(&store).context("spoil a store")?;
    t.demand(Kind::Evidence, spoiled > 0, "there was nothing to spoil");
    t.world.node(victim)?.restart().await?;
    t.recover("store.", RECOVER_MAX).await?;
    let settled = t.world.plan.lease * 3;
    t.under_traffic("store.", async |_| {
        sleep(settled).await;
        anyhow::Ok(())
    })
    .await?;
    let name = t.world.node(victim)?.name().to_owned();
    let cluster = t.world.scene.office.admin_get("cluster").await?;
    let nodes = cluster["nodes"].as_array().into_iter().flatten();
    let own = nodes.filter(|node| node["id"] == name.as_str() || node["node"] == name.as_str());
    let weights: Vec<_> = own.map(|node| node["weight"].clone()).collect();
    t.demand(
        Kind::RanOn,
        weights == [0],
        format!("{name} takes sessions although its store was lost: weight {weights:?}"),
    );
    let taken = t.sessions_of(victim)?;
    t.demand(
        Kind::RanOn,
        taken.is_empty(),
        format!("the node whose store was lost runs {taken:?}"),
    );
    let folder = t.world.node(victim)?.data();
    let kept = fs::read_dir(&folder)?
        .filter(|e| e.as_ref().is_ok_and(|e| e.file_name() != "store"))
        .count();
    t.demand(
        Kind::Refused,
        kept > 0,
        format!(
            "nothing was kept beside the new store in {}",
            folder.display()
        ),
    );
    t.judge("store.", Allowed::default()).await
}

/// The lines whose sessions that node runs.
fn own_lines(t: &mut Trial, node: usize) -> Result<Vec<Line>> {
    let own = t.sessions_of(node)?;
    let lines = t.world.scene.office.lines();
    Ok(lines
        .into_iter()
        .filter(|line| {
            own.iter()
                .any(|s| s.ends_with(&format!("/{}", line.session)))
        })
        .collect())
}

fn nobody_runs(t: &mut Trial, sessions: &[String], when: &str) -> Result<()> {
    let now = crate::clock::boottime_ns();
    let recent = now - i64::try_from(t.world.plan.lease.as_nanos())? / 2;
    for (session, run) in t.owners()? {
        let lost = sessions
            .iter()
            .any(|id| session.ends_with(&format!("/{id}")));
        t.demand(
            Kind::RanOn,
            !lost || run.last_ns < recent,
            format!("{session} is run by {} {when}", run.node),
        );
    }
    Ok(())
}

/// Adds up to so many megabytes to a file; a full disk ends it.
fn fill(path: &std::path::Path, megabytes: usize) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    let chunk = vec![0x5a; CHUNK];
    for _ in 0..megabytes * 1024 * 1024 / CHUNK {
        if file.write_all(&chunk).is_err() {
            break;
        }
    }
    Ok(())
}

/// Overwrites every file of a folder with something else; how many there were.
fn spoil(folder: &std::path::Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            count += spoil(&entry.path())?;
        } else {
            let length = entry.metadata()?.len().min(u64::try_from(CHUNK)?);
            fs::write(entry.path(), vec![0xa5; usize::try_from(length)?])?;
            count += 1;
        }
    }
    Ok(count)
}
