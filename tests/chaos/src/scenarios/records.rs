//! What stands on NATS is older, newer or somebody else's than it should be.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use switchboard_bus::nats::{self, NatsConfig};
use switchboard_bus::{Bucket, Bus, Key, Names, Revision};
use switchboard_harness::wait;
use tokio::time::sleep;

use super::{CALM, RECOVER_MAX};
use crate::complaint::Kind;
use crate::judge::journal::Allowed;
use crate::trial::Trial;

/// The cluster of every world. Source: `cluster.id`'s default.
const CLUSTER: &str = "switchboard";
/// A record version that no release has.
const UNKNOWN_VERSION: u64 = 99;
/// The tenant of every session.
const TENANT: &str = "default";
/// Host parts of the second process of a name, and of another cluster's router.
const TWIN_ADDRESS: u8 = 61;
const OTHER_ROUTER_ADDRESS: u8 = 62;
/// How long a start that must be refused may take.
const REFUSED_MAX: Duration = Duration::from_secs(30);

/// NATS's data go back to an older copy (T-3): sessions were moved meanwhile, so the old records name owners that released them.
pub(super) async fn roll_back(t: &mut Trial) -> Result<()> {
    t.world.nats.kill(0).await?;
    t.world.nats.save_data()?;
    t.world.nats.restart(0).await?;
    t.recover("back.", RECOVER_MAX).await?;
    move_all(t, "back.").await?;
    t.under_traffic("back.", async |world| {
        sleep(CALM).await;
        world.nats.kill(0).await?;
        world.nats.roll_back_data()?;
        world.nats.restart(0).await
    })
    .await?;
    let lease = t.world.plan.lease;
    // Nobody claims for a lease and a margin; then it must go on.
    t.under_traffic("back.", async |_| {
        sleep(lease * 2).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover("back.", RECOVER_MAX).await?;
    t.judge("back.", Allowed::default()).await
}

/// Hands every session to another node.
async fn move_all(t: &mut Trial, name: &str) -> Result<()> {
    let owners = t.owners()?;
    let names: Vec<_> = t
        .world
        .nodes
        .iter()
        .map(|node| node.name().to_owned())
        .collect();
    let scene = Arc::clone(&t.world.scene);
    t.under_traffic(name, async |_| {
        for (session, run) in &owners {
            let id = session.rsplit('/').next().unwrap_or(session);
            let target = names
                .iter()
                .find(|name| **name != run.node)
                .context("another node")?;
            scene
                .office
                .admin_post(&format!("sessions/{id}/move"), &json!({"node": target}))
                .await?;
        }
        sleep(CALM * 5).await;
        anyhow::Ok(())
    })
    .await?;
    t.recover(name, RECOVER_MAX).await.map(drop)
}

/// A record of a release that does not exist yet: what it speaks of is not run and not changed; everything else goes on.
pub(super) async fn unknown_version(t: &mut Trial) -> Result<()> {
    let bus = nats::connect(NatsConfig::new(vec![t.world.nats.url()], "chaos")).await?;
    let owners = Names::new(CLUSTER)?.owners();
    let line = t
        .world
        .scene
        .office
        .lines()
        .into_iter()
        .next()
        .context("a session")?;
    let key = Key::owner(TENANT, &line.session)?;
    let scene = Arc::clone(&t.world.scene);
    // The owner may write at the same moment.
    let written = wait::within(RECOVER_MAX, "a newer record to be written", async || {
        rewrite(&bus, &owners, &key, |record| {
            record["version"] = json!(UNKNOWN_VERSION);
            record["novelty"] = json!("of a later release");
        })
        .await
        .map_err(|e| format!("{e:#}"))
    })
    .await?;
    let lease = t.world.plan.lease;
    sleep(lease * 2).await;
    let recent = crate::clock::boottime_ns() - i64::try_from(lease.as_nanos())? / 2;
    for (session, run) in t.owners()? {
        let its = session.ends_with(&format!("/{}", line.session));
        let runs = run.last_ns >= recent;
        t.demand(
            Kind::RanOn,
            its != runs,
            format!("{session}: run by {} lately: {runs}", run.node),
        );
    }
    let now = bus
        .kv
        .get(&owners, &key)
        .await?
        .context("the record is gone")?;
    t.demand(
        Kind::RanOn,
        now.revision == written,
        "a node has changed the record of a later release",
    );
    let refused = scene
        .office
        .send_within(REFUSED_MAX, &line, "version. refused")
        .await;
    let refused_well = refused
        .as_ref()
        .is_ok_and(|(status, _)| status.is_server_error());
    t.demand(
        Kind::Failed,
        refused_well,
        format!("a send to it was answered {refused:?}"),
    );
    // And back, as after the upgrade was undone.
    rewrite(&bus, &owners, &key, |record| {
        record["version"] = json!(1);
        if let Some(fields) = record.as_object_mut() {
            fields.remove("novelty");
        }
    })
    .await?;
    t.recover("version.", RECOVER_MAX).await?;
    t.judge("version.", Allowed::default()).await
}

/// Changes a record as it is now.
async fn rewrite(
    bus: &Bus,
    bucket: &Bucket,
    key: &Key,
    change: impl Fn(&mut Value),
) -> Result<Revision> {
    let entry = bus
        .kv
        .get(bucket, key)
        .await?
        .context("there is no record")?;
    let mut record: Value = serde_json::from_slice(&entry.value)?;
    change(&mut record);
    let value = serde_json::to_vec(&record)?;
    Ok(bus
        .kv
        .update(bucket, key, value.into(), entry.revision)
        .await?)
}

/// A second process of a living node's name is refused, with words, and the first does not notice.
pub(super) async fn duplicate_node(t: &mut Trial) -> Result<()> {
    let before = t.epochs()?;
    let name = t.world.node(0)?.name().to_owned();
    let host = t.world.host("twin", TWIN_ADDRESS)?;
    let twin = t.world.add_node_on(&name, host)?;
    twin.launch()?;
    let ended = twin.ended(REFUSED_MAX).await;
    match ended {
        Ok((success, said)) => {
            t.demand(
                Kind::Refused,
                !success,
                "the second process of one name ended as if all were well",
            );
            t.demand(
                Kind::Refused,
                said.contains(&name),
                format!("the refusal does not name the node: {said}"),
            );
        }
        Err(error) => t.demand(
            Kind::Refused,
            false,
            format!("the second process of one name runs: {error:#}"),
        ),
    }
    t.recover("twin.", RECOVER_MAX).await?;
    let after = t.epochs()?;
    t.demand(
        Kind::Moved,
        before == after,
        format!("sessions moved: epochs {before:?} became {after:?}"),
    );
    t.judge("twin.", Allowed::default()).await
}

/// Another cluster on the same NATS, with a node of the same name: neither sees the other.
pub(super) async fn two_clusters(t: &mut Trial) -> Result<()> {
    let before = t.epochs()?;
    let name = t.world.node(0)?.name().to_owned();
    let host = t.world.host("other", TWIN_ADDRESS)?;
    let other = t.world.add_node_on(&name, host)?;
    other.set("SWITCHBOARD_CLUSTER__ID", "other");
    let started = other.start().await;
    t.demand(
        Kind::Mixed,
        started.is_ok(),
        format!(
            "a node of another cluster does not start: {:#}",
            started.err().unwrap_or_else(|| anyhow::anyhow!("no error"))
        ),
    );
    let host = t.world.host("other-router", OTHER_ROUTER_ADDRESS)?;
    let mut router = t.world.router_on(
        host,
        vec![("SWITCHBOARD_CLUSTER__ID".to_owned(), "other".to_owned())],
    );
    router.start().await?;
    let url = router.url();
    let seen = wait::within(RECOVER_MAX, "the other cluster to be ready", async || {
        t.world
            .scene
            .office
            .admin_get_at(&url, "cluster")
            .await
            .map_err(|e| format!("{e:#}"))
    })
    .await?;
    let sessions = t
        .world
        .scene
        .office
        .admin_get_at(&url, "sessions?limit=10")
        .await?;
    let count = sessions["sessions"].as_array().map_or(0, Vec::len);
    t.demand(
        Kind::Mixed,
        count == 0,
        format!("the other cluster lists {count} sessions of the first: {sessions}"),
    );
    let nodes = seen["nodes"].as_array().map_or(0, Vec::len);
    t.demand(
        Kind::Mixed,
        nodes == 1,
        format!("the other cluster sees {nodes} nodes: {seen}"),
    );
    t.recover("two.", RECOVER_MAX).await?;
    let after = t.epochs()?;
    t.demand(
        Kind::Moved,
        before == after,
        format!("sessions moved: epochs {before:?} became {after:?}"),
    );
    t.judge("two.", Allowed::default()).await
}

/// A node whose name breaks subject rules, and one with another master key, are refused with words that say what to do.
pub(super) async fn bad_nodes(t: &mut Trial) -> Result<()> {
    let host = t.world.host("bad", TWIN_ADDRESS)?;
    let bad = [
        (
            "node.with*stars",
            "node-4",
            "SWITCHBOARD_NODE__WEIGHT",
            "1",
            "node",
        ),
        (
            "node-5",
            "node-5",
            "SWITCHBOARD_MASTER_KEY",
            "ffffffffffffffffffffffffffffffff0123456789abcdef0123456789abcdef",
            "master_key",
        ),
    ];
    for (name, folder, key, value, word) in bad {
        let node = t.world.add_node_on(name, host.clone())?;
        node.set(key, value);
        node.set(
            "SWITCHBOARD_DATA_DIR",
            &host.folder().join(folder).display().to_string(),
        );
        node.launch()?;
        match node.ended(REFUSED_MAX).await {
            Ok((success, said)) => {
                t.demand(
                    Kind::Refused,
                    !success,
                    format!("{name} ended as if all were well"),
                );
                let last = said.lines().last().unwrap_or_default().to_owned();
                t.demand(
                    Kind::Refused,
                    said.contains(word),
                    format!("the refusal of {name} does not name {word}: {last}"),
                );
            }
            Err(error) => t.demand(Kind::Refused, false, format!("{name} runs: {error:#}")),
        }
        t.world.nodes.pop();
    }
    t.recover("bad.", RECOVER_MAX).await?;
    t.judge("bad.", Allowed::default()).await
}
