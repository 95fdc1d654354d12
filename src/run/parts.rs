//! The parts of a role, made from its configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use switchboard_bus::nats::{self, NatsConfig};
use switchboard_bus::{Bus, Names};
use switchboard_dialect_kit::{Env, MediaLinks};
use switchboard_keystore::{Config as StoreConfig, EngineKind, KeyStore, MasterKey};
use switchboard_node::config::ClusterConfig;
use switchboard_node::delivery::{Delivery, DeliveryConfig, Retry};
use switchboard_node::egress::Guard;
use switchboard_node::media::{MediaConfig, MediaStore};
use switchboard_node::ports::Ports;
use switchboard_node::{Node, NodeConfig, NodeHandle};
use switchboard_ownership::{MoveLimits, Rule, Rules};
use switchboard_router::{AdminKey, Limits, RouterConfig};
use switchboard_whatsapp::{Config as WhatsappConfig, Connector, Endpoint};

use crate::config::{Config, ConfigError, Durability, StoreEngine};
use crate::keys::Keys;

/// Longest wait for a socket to WhatsApp and its handshake.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(20);
/// One-time prekeys kept on WhatsApp's server. Source: WhatsApp Web keeps 812.
const PRE_KEYS: usize = 812;
/// Chats of a session that keep a receiving worker at once. Source: the measured cost of about 10 KB each.
const CHAT_LANES_MAX: u64 = 64;
/// Copies on NATS from which on keys go to the replicated log by themselves: three servers outlive the loss of one.
const REPLICATED_COPIES: usize = 3;
/// Balance begins one in so many of the hand-overs that a drain may begin: nobody waits for it.
const BALANCE_PART: u32 = 2;
/// How many calms a session that came here by a move stays before it moves for balance again.
const HOLD_SETTLES: u32 = 10;
/// How long balance passes over a busy session in favour of idle ones.
const BUSY_PATIENCE: Duration = Duration::from_secs(30);
/// This release, for version calls.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// What router and node are built on.
#[derive(Debug)]
pub(super) struct Parts {
    /// Joins routers and nodes.
    pub(super) bus: Bus,
    /// Renders the metrics of this process.
    pub(super) metrics: PrometheusHandle,
    /// The node's store; a router has none.
    pub(super) store: Option<Arc<dyn KeyStore>>,
}

impl Parts {
    /// Starts the node.
    pub(super) async fn node(
        &self,
        config: &Config,
        keys: &Keys,
        place: Place,
    ) -> Result<NodeHandle> {
        let store = self.store.clone().context("a node needs a store")?;
        let guard = Guard::new(config.egress.allow.clone());
        let media = MediaConfig {
            file_bytes_max: config.limits.media_bytes,
            guard: guard.clone(),
            bucket: config.media.bucket()?,
            age_max: Some(config.limits.media_kept).filter(|age| !age.is_zero()),
            session_bytes_max: Some(config.limits.media_session_bytes).filter(|max| *max > 0),
        };
        let media = MediaStore::open(&config.data_dir.join("media"), media).map_err(spoken)?;
        let media = Arc::new(media);
        if let Err(error) = media.check().await {
            let cause = error.internal.unwrap_or(error.public);
            tracing::error!(
                cause,
                "the media bucket does not answer: files cannot be kept or read until it does"
            );
        }
        media.keep_swept();
        let delivery = DeliveryConfig {
            dialects: switchboard_router::dialects().to_vec(),
            links: links(config, keys),
            guard,
            retry: Retry::default(),
        };
        let delivery = Delivery::new(delivery, media.clone()).map_err(spoken)?;
        let connector = Connector::new(whatsapp(config)?).context("prepare the client")?;
        let limits = switchboard_node::config::Limits {
            connects_per_second_max: config.whatsapp.connects_per_second,
            messages_per_session_max: config.limits.messages_kept,
            message_bytes_per_session_max: config.limits.messages_bytes,
            message_age_max: Some(config.limits.messages_kept_for).filter(|age| !age.is_zero()),
            ..Default::default()
        };
        let node = NodeConfig {
            id: config.node_id()?,
            names: names(config, &place.rules)?,
            limits,
            cluster: cluster(config, keys, place),
            search: Some(config.data_dir.join("search")),
        };
        let ports = Ports {
            media,
            delivery: Arc::new(delivery),
        };
        Node::start(node, self.bus.clone(), store, Arc::new(connector), ports)
            .await
            .context("start the node")
    }

    /// Closes the store, last of all.
    pub(super) async fn close(self) {
        if let Some(store) = self.store
            && let Err(error) = store.close().await
        {
            tracing::error!(%error, "close the store");
        }
    }
}

/// What of a node's place in its cluster is not configuration.
#[derive(Debug)]
pub(super) struct Place {
    /// The bus is this process's own.
    pub(super) alone: bool,
    /// Keys go to the replicated log too.
    pub(super) replicated: bool,
    /// The token of the parent.
    pub(super) supervisor: Option<String>,
    /// The share of the sessions, for this run.
    pub(super) weight: u32,
    /// The rules in force.
    pub(super) rules: Rules,
}

/// The node's place in the cluster.
fn cluster(config: &Config, keys: &Keys, place: Place) -> ClusterConfig {
    let settle = config.settle();
    ClusterConfig {
        lease: config.cluster.lease,
        weight: place.weight,
        replicated: place.replicated,
        log_bytes_max: config.store.log_bytes,
        snapshots_bytes_max: config.store.snapshot_bytes,
        alone: place.alone,
        supervisor: place.supervisor,
        release: RELEASE.to_owned(),
        moves: MoveLimits {
            concurrent_max: usize::try_from(config.cluster.moves_at_once).unwrap_or(1),
            per_second_max: (config.cluster.moves_per_second / BALANCE_PART).max(1),
            drain_per_second_max: config.cluster.moves_per_second,
            settle,
            hold: settle * HOLD_SETTLES,
            busy_patience: BUSY_PATIENCE,
        },
        rules: place.rules,
        key_check: keys.key_check(),
        transfer_key: keys.transfer(),
        master_key: keys.master,
        scratch: config.data_dir.clone(),
        leave_within: config.cluster.drain_wait,
        witness: config.cluster.witness.clone(),
    }
}

/// Whether keys go to the replicated log: as configured, else where NATS keeps enough copies that the log outlives a server.
pub(super) fn is_replicated(config: &Config, bus: &Bus) -> bool {
    let copies = bus.copies();
    let (replicated, why) = match config.store.durability {
        Some(durability) => (durability == Durability::Replicated, "configured"),
        None => (
            copies >= REPLICATED_COPIES,
            "chosen by the copies that nats keeps",
        ),
    };
    let durability = if replicated { "replicated" } else { "local" };
    tracing::info!(durability, copies, why, "where keys are kept");
    if replicated && copies < REPLICATED_COPIES {
        tracing::warn!(
            copies,
            "the replicated log is on one nats server: it outlives this node's disk, not that server's"
        );
    }
    replicated
}

/// The node's share for this run: none for a node whose store was lost, until somebody has looked at it.
pub(super) fn weight(config: &Config, was_lost: bool, rules: &Rules) -> u32 {
    if !was_lost || !rules.has(Rule::ModestAfterLoss) {
        return config.node.weight;
    }
    tracing::error!(
        "this node takes no sessions in this run (weight 0), because its store was lost; start it again when its disk is well"
    );
    0
}

/// Errors of the node's edge show their inner text here: whoever starts a node is its operator.
fn spoken(error: switchboard_vocab::OpError) -> anyhow::Error {
    anyhow::anyhow!(error.internal.unwrap_or(error.public))
}

/// Installs the recorder of this process's metrics.
pub(super) fn metrics() -> Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .install_recorder()
        .context("install the metrics recorder")
}

/// A store that is open.
pub(super) struct OpenStore {
    /// The store.
    pub(super) store: Arc<dyn KeyStore>,
    /// The one before it did not open and was moved aside; this one began empty.
    pub(super) was_lost: bool,
}

/// Opens the node's store. One that does not open was moved aside by the store itself, which is said loudly and shown as a metric.
pub(super) async fn store(config: &Config, keys: &Keys) -> Result<OpenStore> {
    let engine = match config.store.engine {
        StoreEngine::Sled => EngineKind::Sled,
        StoreEngine::Redb => EngineKind::Redb,
    };
    let folder = config.data_dir.join("store");
    let settings = StoreConfig {
        watermarks: config.watermarks(),
        ..StoreConfig::new(&folder, engine, MasterKey::new(keys.master))
    };
    let opened = switchboard_keystore::open(settings)
        .await
        .with_context(|| format!("open the store in {}", folder.display()))?;
    let was_lost = opened.moved_aside.is_some();
    metrics::gauge!("switchboard_store_moved_aside").set(if was_lost { 1.0 } else { 0.0 });
    if let Some(aside) = &opened.moved_aside {
        tracing::error!(
            path = %aside.path.display(),
            cause = aside.cause,
            "the store did not open and was moved aside; this node starts empty: restore a backup or pair its sessions again"
        );
    }
    Ok(OpenStore {
        store: opened.store,
        was_lost,
    })
}

/// Connects to NATS. Answers come to the role's own inbox, so that NATS can be told to keep one role from reading the
/// answers to the other; `deploy/nats.conf` does.
pub(super) async fn join(config: &Config, role: &str, name: &str) -> Result<Bus> {
    let mut settings = NatsConfig::new(config.nats_url()?, format!("switchboard {name}"));
    settings.inbox = Some(role.to_owned());
    nats::connect(settings).await.context("connect to nats")
}

/// Port 0 is made a real port before anything prints a link with it.
pub(super) fn fix_listen(config: &mut Config) -> Result<()> {
    if config.listen.port() == 0 {
        let free = std::net::TcpListener::bind(config.listen).context("find a free port")?;
        config.listen = free.local_addr()?;
    }
    Ok(())
}

/// The router's settings.
pub(super) fn router_config(
    config: &Config,
    keys: &Keys,
    parts: &Parts,
    rules: Rules,
) -> Result<RouterConfig> {
    let defaults = Limits::default();
    let limits = Limits {
        body_bytes: config.limits.body_bytes,
        json_bytes: defaults.json_bytes.min(config.limits.body_bytes),
        request_timeout: config.limits.request,
        ..defaults
    };
    Ok(RouterConfig {
        listen: config.listen,
        listeners: Vec::new(),
        names: names(config, &rules)?,
        rules,
        admin_key: Some(AdminKey::new(&keys.admin)),
        env: Env {
            links: links(config, keys),
            wwebjs_webhook_url: config.wwebjs.webhook_url.clone(),
            release: RELEASE,
        },
        metrics: Some(parts.metrics.clone()),
        console: None,
        cors: false,
        limits,
    })
}

/// The names of this cluster on the bus; without [`Rule::ClusterNames`] every cluster has the same.
pub(crate) fn names(config: &Config, rules: &Rules) -> Result<Names, ConfigError> {
    let id = if rules.has(Rule::ClusterNames) {
        config.cluster.id.clone()
    } else {
        Config::default().cluster.id
    };
    Names::new(&id).map_err(|e| ConfigError::of("cluster.id", &e.to_string()))
}

fn links(config: &Config, keys: &Keys) -> MediaLinks {
    let base = config
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", config.listen));
    MediaLinks::new(base, keys.media_links())
}

fn whatsapp(config: &Config) -> Result<WhatsappConfig, ConfigError> {
    let endpoint = match (&config.whatsapp.endpoint, config.server_key_bytes()?) {
        (Some(ws_url), Some(server_key)) => Endpoint::Simulator {
            ws_url: ws_url.clone(),
            server_key,
        },
        _ => Endpoint::Real,
    };
    Ok(WhatsappConfig {
        endpoint,
        connect_timeout: CONNECT_WAIT_MAX,
        pre_key_count: PRE_KEYS,
        chat_lanes_max: CHAT_LANES_MAX,
        device_name: config.whatsapp.device_name.clone(),
        media_address: None,
    })
}
