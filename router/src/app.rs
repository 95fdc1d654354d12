//! What all surfaces of one router share.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use switchboard_bus::{Bus, Health};
use switchboard_dialect_kit::{Dialect, Env};
use switchboard_ownership::Rule;
use switchboard_vocab::{ErrorCode, OpError};
use tokio_util::sync::CancellationToken;

use crate::clock::Deadline;
use crate::cluster::Cluster;
use crate::config::{AdminKey, Limits, RouterConfig};
use crate::directory::Directory;
use crate::docs::Docs;
use crate::follow::Waits;
use crate::forward::{Forward, RETRY_AFTER, Ticket};
use crate::gate::Gate;
use crate::gauges::Gauges;
use crate::owners::Owners;

/// The shared parts of a router.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) limits: Limits,
    pub(crate) env: Arc<Env>,
    pub(crate) admin_key: Option<AdminKey>,
    pub(crate) cors: bool,
    pub(crate) metrics: Option<PrometheusHandle>,
    pub(crate) cluster_id: String,
    pub(crate) directory: Arc<Directory>,
    pub(crate) owners: Arc<Owners>,
    pub(crate) forward: Forward,
    pub(crate) cluster: Cluster,
    pub(crate) gate: Gate,
    pub(crate) gauges: Gauges,
    pub(crate) docs: Docs,
    pub(crate) bus: Bus,
    /// [`Rule::CompleteView`].
    needs_all: bool,
    /// Cancelled when the router begins to stop.
    pub(crate) stopping: CancellationToken,
}

impl App {
    pub(crate) fn new(config: &RouterConfig, bus: Bus, dialects: &[Dialect]) -> Self {
        let limits = config.limits.clone();
        let names = config.names.clone();
        let directory = Directory::new(&bus, names.clone(), limits.sessions, limits.tenants);
        let directory = Arc::new(directory);
        let owners = Arc::new(Owners::new(&bus, names.clone()));
        let forward = Forward {
            rpc: Arc::clone(&bus.rpc),
            names,
            directory: Arc::clone(&directory),
            owners: Arc::clone(&owners),
            waits: Arc::new(Waits::new(&limits, &config.rules)),
        };
        let cluster = Cluster {
            directory: Arc::clone(&directory),
            forward: forward.clone(),
        };
        let env = Arc::new(config.env.clone());
        Self {
            docs: Docs::new(dialects, &env),
            env,
            admin_key: config.admin_key.clone(),
            cors: config.cors,
            metrics: config.metrics.clone(),
            cluster_id: config.names.cluster().to_owned(),
            directory,
            owners,
            forward,
            cluster,
            gate: Gate::new(&limits),
            gauges: Gauges::default(),
            limits,
            bus,
            needs_all: config.rules.has(Rule::CompleteView),
            stopping: CancellationToken::new(),
        }
    }

    /// A ticket for a call that begins now.
    pub(crate) fn ticket(&self, trace: Arc<str>) -> Ticket {
        Ticket {
            trace,
            deadline: Deadline::after(self.limits.request_timeout),
            waits: true,
        }
    }

    /// Whether calls can be answered.
    ///
    /// # Errors
    /// `Unavailable` until directory and owners are known: before that every key would look unknown, and every session unowned.
    pub(crate) fn check_current(&self) -> Result<(), OpError> {
        let is_complete = self.directory.is_current() && self.owners.is_current();
        if is_complete || !self.needs_all {
            return Ok(());
        }
        let words = "the gateway is starting; try again";
        Err(OpError::new(ErrorCode::Unavailable, words).retry_after(RETRY_AFTER))
    }

    /// Whether the bus carries calls.
    pub(crate) fn bus_is_healthy(&self) -> bool {
        match self.bus.health() {
            Health::Connected => true,
            Health::Reconnecting | Health::Closed => false,
        }
    }
}
