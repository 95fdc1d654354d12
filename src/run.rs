//! The roles: what is started, in which order, and how it ends.

mod parts;
mod probe;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use switchboard_bus::in_process;
use switchboard_node::NodeHandle;
use switchboard_node::embedded::BusStorage;
use switchboard_ownership::Rules;
use switchboard_router::{Router, RouterHandle};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{self, Config, ConfigError, Durability, Flags};
use crate::keys::{self, Keys};
use crate::supervise;

pub(crate) use self::parts::names;
use self::parts::{Parts, Place};
use self::probe::Probe;

/// How long calls under way may take to finish when the process is told to stop.
const CALLS_END_MAX: Duration = Duration::from_secs(15);
/// How long sessions may take to close when the process is told to stop, after those that could be handed over were.
pub(crate) const SESSIONS_END_MAX: Duration = Duration::from_secs(30);

/// Router and node in one process on the in-process bus.
pub(crate) fn up(flags: &Flags, rules: Rules) -> Result<()> {
    let mut config = config::load(flags)?;
    if config.store.durability == Some(Durability::Replicated) {
        let problem =
            "replicated needs nats, which up does without: use local, or the roles node and router";
        return Err(ConfigError::of("store.durability", problem).into());
    }
    let keys = keys::configured_or_made(&config)?;
    parts::fix_listen(&mut config)?;
    block_on(async {
        let metrics = parts::metrics()?;
        let opened = parts::store(&config, &keys).await?;
        let storage = BusStorage::new(opened.store.clone()).context("make the bus's rows")?;
        let bus = in_process::open(Arc::new(storage), switchboard_bus::Limits::default()).await;
        let parts = Parts {
            bus: bus.context("open the in-process bus")?,
            metrics,
            store: Some(opened.store),
        };
        // What is lost with the store of `up` is lost with its directory: there is nothing to be modest about.
        let place = Place {
            alone: true,
            replicated: false,
            supervisor: None,
            weight: config.node.weight,
            rules: rules.clone(),
        };
        let node = parts.node(&config, &keys, place).await?;
        let router = start_router(&config, &keys, &parts, rules).await?;
        let failure = tokio::select! {
            told = told_to_stop() => { told?; None }
            why = node.failed() => Some(why),
        };
        stop_router(router).await;
        stop_node(node, SESSIONS_END_MAX).await;
        parts.close().await;
        failure.map_or(Ok(()), |why| bail!("the node failed: {why}"))
    })
}

/// A node of a cluster.
pub(crate) fn node(flags: &Flags, rules: Rules) -> Result<()> {
    let supervisor = supervise::attach()?;
    let config = config::load(flags)?;
    let keys = keys::configured(&config)?;
    block_on(async {
        let metrics = parts::metrics()?;
        let name = config.node_id()?;
        let bus = parts::join(&config, "node", &format!("node {name}")).await?;
        let opened = parts::store(&config, &keys).await?;
        let place = Place {
            alone: false,
            replicated: parts::is_replicated(&config, &bus),
            supervisor,
            weight: parts::weight(&config, opened.was_lost, &rules),
            rules,
        };
        let parts = Parts {
            bus,
            metrics,
            store: Some(opened.store),
        };
        let probe = Probe::start(&config, &parts).await?;
        let node = parts.node(&config, &keys, place).await?;
        println!("running node {name}");
        let failure = tokio::select! {
            told = told_to_stop() => { told?; None }
            why = node.failed() => Some(why),
            why = probe.watch(&node) => Some(why),
        };
        stop_node(node, config.cluster.drain_wait + SESSIONS_END_MAX).await;
        probe.stop().await;
        parts.close().await;
        failure.map_or(Ok(()), |why| bail!("the node failed: {why}"))
    })
}

/// A router of a cluster.
pub(crate) fn router(flags: &Flags, rules: Rules) -> Result<()> {
    let mut config = config::load(flags)?;
    let keys = keys::configured(&config)?;
    parts::fix_listen(&mut config)?;
    block_on(async {
        let metrics = parts::metrics()?;
        let bus = parts::join(&config, "router", "router").await?;
        let parts = Parts {
            bus,
            metrics,
            store: None,
        };
        let router = start_router(&config, &keys, &parts, rules).await?;
        told_to_stop().await?;
        stop_router(router).await;
        Ok(())
    })
}

async fn stop_node(node: NodeHandle, limit: Duration) {
    if !node.shutdown(limit).await {
        tracing::warn!("some sessions did not close in time");
    }
}

async fn start_router(
    config: &Config,
    keys: &Keys,
    parts: &Parts,
    rules: Rules,
) -> Result<RouterHandle> {
    let settings = parts::router_config(config, keys, parts, rules)?;
    let router = Router::start(
        settings,
        parts.bus.clone(),
        switchboard_router::dialects().to_vec(),
    )
    .await;
    let router = router.context("start the router")?;
    println!("listening on http://{}", router.local_addr());
    Ok(router)
}

async fn stop_router(router: RouterHandle) {
    let cut_off = router.shutdown(CALLS_END_MAX).await;
    if cut_off > 0 {
        tracing::warn!(cut_off, "some connections were cut off");
    }
}

/// Ends with SIGTERM or SIGINT.
async fn told_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, "stopping");
    Ok(())
}

fn block_on<F: Future<Output = Result<()>>>(work: F) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
