//! The roles: what is started, in which order, and how it ends.

mod parts;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use switchboard_bus::in_process;
use switchboard_node::embedded::BusStorage;
use switchboard_ownership::Rules;
use switchboard_router::{Router, RouterHandle};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{self, Config, ConfigError, Flags};
use crate::keys::{self, Keys};

use self::parts::Parts;

/// How long calls under way may take to finish when the process is told to stop.
const CALLS_END_MAX: Duration = Duration::from_secs(15);
/// How long sessions may take to close when the process is told to stop.
const SESSIONS_END_MAX: Duration = Duration::from_secs(30);

/// Router and node in one process on the in-process bus.
pub(crate) fn up(flags: &Flags, rules: Rules) -> Result<()> {
    let mut config = config::load(flags)?;
    let keys = keys::configured_or_made(&config)?;
    parts::fix_listen(&mut config)?;
    block_on(async {
        let metrics = parts::metrics()?;
        let store = parts::store(&config, &keys).await?;
        let storage = BusStorage::new(store.clone()).context("make the bus's rows")?;
        let bus = in_process::open(
            std::sync::Arc::new(storage),
            switchboard_bus::Limits::default(),
        )
        .await;
        let parts = Parts {
            bus: bus.context("open the in-process bus")?,
            metrics,
            store: Some(store),
        };
        let node = parts.node(&config, &keys, rules.clone()).await?;
        let router = start_router(&config, &keys, &parts, rules).await?;
        let failure = tokio::select! {
            told = told_to_stop() => { told?; None }
            why = node.failed() => Some(why),
        };
        stop_router(router).await;
        if !node.shutdown(SESSIONS_END_MAX).await {
            tracing::warn!("some sessions did not close in time");
        }
        parts.close().await;
        failure.map_or(Ok(()), |why| bail!("the node failed: {why}"))
    })
}

/// A node of a cluster.
pub(crate) fn node(flags: &Flags, rules: Rules) -> Result<()> {
    let config = config::load(flags)?;
    let keys = keys::configured(&config)?;
    refuse_stranger(&config)?;
    block_on(async {
        let metrics = parts::metrics()?;
        let name = config.node_id()?;
        let bus = parts::join(&config, "node", &format!("node {name}")).await?;
        let store = parts::store(&config, &keys).await?;
        let parts = Parts {
            bus,
            metrics,
            store: Some(store),
        };
        let node = parts.node(&config, &keys, rules).await?;
        println!("running node {name}");
        let failure = tokio::select! {
            told = told_to_stop() => { told?; None }
            why = node.failed() => Some(why),
        };
        if !node.shutdown(SESSIONS_END_MAX).await {
            tracing::warn!("some sessions did not close in time");
        }
        parts.close().await;
        failure.map_or(Ok(()), |why| bail!("the node failed: {why}"))
    })
}

/// A router of a cluster.
pub(crate) fn router(flags: &Flags, rules: Rules) -> Result<()> {
    let mut config = config::load(flags)?;
    let keys = keys::configured(&config)?;
    if config.cluster.nodes.is_empty() {
        return Err(
            ConfigError::of("cluster.nodes", "list the members, as name or name:weight").into(),
        );
    }
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

/// A node that its own member list does not know would never get a session, and nobody would notice.
fn refuse_stranger(config: &Config) -> Result<(), ConfigError> {
    let id = config.node_id()?;
    if config.members()?.iter().any(|member| member.id == id) {
        return Ok(());
    }
    let problem = format!(
        "node.id is {id}, which is not in the list: add it, the same on every node and router"
    );
    Err(ConfigError::of("cluster.nodes", &problem))
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
