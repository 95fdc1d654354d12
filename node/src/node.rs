//! A node as a whole: starting its parts in order and stopping them in the opposite one.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_bus::{Bus, RpcError};
use switchboard_keystore::KeyStore;
use switchboard_ownership::Rule;
use switchboard_replica::{ReplicaError, ReplicaKey, ReplicatedStore};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::cluster::{self, Cluster, DataSource, Entrance, Equipment, LocalData, ReplicatedData};
use crate::config::NodeConfig;
use crate::directory::Directory;
use crate::execute::registry;
use crate::index::Index;
use crate::limiter::Limiter;
use crate::placement::Ownership;
use crate::ports::Ports;
use crate::rpc::Server;
use crate::search::Search;
use crate::session::Connect;
use crate::session::context::Surroundings;
use crate::supervisor::Supervisor;

/// Longest wait for the cluster's records, the first full view of the directory and the first lease; the node serves without
/// the last two afterwards.
const START_MAX: Duration = Duration::from_secs(30);
/// Longest wait for calls under way when the node stops.
const CALLS_DRAIN_MAX: Duration = Duration::from_secs(5);
/// Sessions loaded from the store at once.
const LOADING_MAX: usize = 32;

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its subject could not be served.
    #[error("serve the node's subject")]
    Serve(#[source] RpcError),
    /// Its name does not fit into a subject.
    #[error("name the node's subject")]
    Name(#[source] switchboard_bus::subjects::Error),
    /// Supervision could not be started.
    #[error("start supervision")]
    Supervise(#[source] ractor::SpawnErr),
    /// The replicated log cannot be opened.
    #[error("open the replicated log")]
    Log(#[from] ReplicaError),
    /// It cannot take part in the cluster.
    #[error("take part in the cluster")]
    Cluster(#[from] cluster::Error),
    /// It must not take part in the cluster.
    #[error("join the cluster: {0}")]
    Refused(String),
}

/// A node; [`Node::start`] is all there is to it.
#[derive(Debug)]
pub struct Node;

impl Node {
    /// Starts a node: it meets its cluster, watches the directory, joins, and serves its subject. When this returns, every
    /// session that is this node's is being brought back and calls are taken.
    ///
    /// The store stays the caller's: it is closed after [`NodeHandle::shutdown`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start(
        config: NodeConfig,
        bus: Bus,
        store: Arc<dyn KeyStore>,
        connect: Arc<dyn Connect>,
        ports: Ports,
    ) -> Result<NodeHandle, Error> {
        let subject = config.names.node_rpc(config.id.as_str());
        let subject = subject.map_err(Error::Name)?;
        let until = Instant::now() + START_MAX;
        let entrance = Entrance::open(&config, &bus, &store, until).await?;
        let (data, store) = data(&config, &bus, store, &connect, &ports).await?;
        let data = (data, &store);
        let parts = Started::new(entrance, &config, &bus, data, connect, &ports).await?;
        match parts.cluster.joined(until).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("the node has no lease yet; it takes no sessions before"),
            Err(reason) => {
                parts.end().await;
                return Err(Error::Refused(reason));
            }
        }
        let mut is_ready = parts.is_ready.clone();
        if timeout_at(until, is_ready.wait_for(|ready| *ready))
            .await
            .is_err()
        {
            tracing::warn!("the directory has not been seen yet; the node serves without it");
        }
        let requests = match bus.rpc.serve(&subject).await {
            Ok(requests) => requests,
            Err(error) => {
                parts.end().await;
                return Err(Error::Serve(error));
            }
        };
        let server = parts.server(&config, bus, ports);
        let stop_calls = CancellationToken::new();
        let calls = crate::task::start(server.run(requests, stop_calls.clone(), CALLS_DRAIN_MAX));
        Ok(NodeHandle {
            store,
            leave_within: config.cluster.leave_within,
            drains: config.cluster.rules.has(Rule::DrainOnStop),
            parts,
            stop_calls,
            calls,
        })
    }
}

/// What runs below the calls.
struct Started {
    index: Arc<Index>,
    registry: Arc<crate::execute::Registry>,
    ownership: Arc<dyn Ownership>,
    records: Arc<crate::directory::Records>,
    supervisor: Supervisor,
    cluster: Cluster,
    is_ready: watch::Receiver<bool>,
    stop: CancellationToken,
    directory: JoinHandle<()>,
}

impl Started {
    async fn new(
        entrance: Entrance,
        config: &NodeConfig,
        bus: &Bus,
        (data, store): (Arc<dyn DataSource>, &Arc<dyn KeyStore>),
        connect: Arc<dyn Connect>,
        ports: &Ports,
    ) -> Result<Self, Error> {
        let index = Arc::new(Index::default());
        let registry = Arc::new(registry());
        let ownership: Arc<dyn Ownership> = Arc::clone(&entrance.standing) as Arc<dyn Ownership>;
        let surroundings = Surroundings {
            node: config.id.clone(),
            store: Arc::clone(store),
            connect,
            data: Arc::clone(&data),
            ownership: Arc::clone(&ownership),
            limiter: Limiter::new(config.limits.connects_per_second_max),
            ports: ports.clone(),
            limits: Arc::new(config.limits.clone()),
            rules: Arc::new(config.cluster.rules.clone()),
            loading: Arc::new(Semaphore::new(LOADING_MAX)),
            search: search(config).await,
            cut: CancellationToken::new(),
        };
        let started = Supervisor::start(surroundings, Arc::clone(&index)).await;
        let supervisor = started.map_err(Error::Supervise)?;
        let (ready, is_ready) = watch::channel(false);
        let (events, records) = (entrance.events.clone(), Arc::clone(&entrance.records));
        let directory = Directory {
            bus: bus.clone(),
            names: config.names.clone(),
            store: Arc::clone(store),
            records: Arc::clone(&records),
            events,
            ready,
        };
        let equipment = Equipment {
            supervisor: supervisor.clone(),
            index: Arc::clone(&index),
            registry: Arc::clone(&registry),
            store: Arc::clone(store),
            ports: ports.clone(),
            data,
        };
        let cluster = match Cluster::start(entrance, config, bus, equipment).await {
            Ok(cluster) => cluster,
            Err(error) => {
                supervisor.stop(CALLS_DRAIN_MAX).await;
                return Err(error.into());
            }
        };
        let stop = CancellationToken::new();
        Ok(Self {
            index,
            registry,
            ownership,
            records,
            supervisor,
            cluster,
            is_ready,
            directory: crate::task::start(directory.run(stop.clone())),
            stop,
        })
    }

    fn server(&self, config: &NodeConfig, bus: Bus, ports: Ports) -> Server {
        Server {
            bus,
            names: config.names.clone(),
            index: Arc::clone(&self.index),
            registry: Arc::clone(&self.registry),
            ownership: Arc::clone(&self.ownership),
            records: Arc::clone(&self.records),
            supervisor: self.supervisor.clone(),
            ports,
            calls_max: config.limits.calls_max,
        }
    }

    /// Ends what has begun to run nothing yet.
    async fn end(self) {
        self.stop.cancel();
        self.supervisor.stop(CALLS_DRAIN_MAX).await;
        self.cluster.end().await;
    }
}

/// The search index. A node whose index cannot be opened works without one: it is derived from what the node has.
async fn search(config: &NodeConfig) -> Option<Arc<Search>> {
    match Search::open(config.search.as_ref()?).await {
        Ok(search) => Some(search),
        Err(error) => {
            let why = error.internal.unwrap_or(error.public);
            tracing::error!(why, "messages cannot be searched");
            None
        }
    }
}

/// Where sessions' data comes from, and the store that keeps it: the node's own, with the replicated log around it where
/// there is one.
async fn data(
    config: &NodeConfig,
    bus: &Bus,
    store: Arc<dyn KeyStore>,
    connect: &Arc<dyn Connect>,
    ports: &Ports,
) -> Result<(Arc<dyn DataSource>, Arc<dyn KeyStore>), Error> {
    let cluster = &config.cluster;
    let media = Arc::clone(&ports.media);
    if !cluster.replicated {
        let local = LocalData {
            store: Arc::clone(&store),
            media,
        };
        return Ok((Arc::new(local), store));
    }
    let replica = switchboard_replica::Config {
        rules: cluster.rules.clone(),
        log_bytes_max: cluster.log_bytes_max,
        snapshots_bytes_max: cluster.snapshots_bytes_max,
        ..Default::default()
    };
    let (log, names) = (Arc::clone(&bus.log), config.names.clone());
    let key = ReplicaKey::new(cluster::log_key(&cluster.master_key));
    let log = ReplicatedStore::open(store, log, names, key, replica).await?;
    let store: Arc<dyn KeyStore> = Arc::clone(&log) as Arc<dyn KeyStore>;
    let data = ReplicatedData {
        log,
        local: LocalData {
            store: Arc::clone(&store),
            media,
        },
        restores: cluster.rules.has(Rule::RestoreFromLog),
        connect: Arc::clone(connect),
        master: Zeroizing::new(cluster.master_key),
        scratch: cluster.scratch.clone(),
        folders: Mutex::default(),
    };
    Ok((Arc::new(data), store))
}

/// A running node.
pub struct NodeHandle {
    store: Arc<dyn KeyStore>,
    leave_within: Duration,
    /// [`Rule::DrainOnStop`].
    drains: bool,
    parts: Started,
    stop_calls: CancellationToken,
    calls: JoinHandle<()>,
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeHandle")
            .field("sessions", &self.sessions())
            .finish_non_exhaustive()
    }
}

impl NodeHandle {
    /// How many sessions this node runs, whatever state they are in.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.parts.index.len()
    }

    /// Whether the directory has been seen, the node has a lease, and the store takes writes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let is_seen = *self.parts.is_ready.borrow();
        is_seen && self.parts.cluster.has_lease() && self.store.stats().poisoned.is_none()
    }

    /// Returns when the node can do no more work and the process must exit, and says why: the store failed
    /// (design rule R-2), supervision ended, or the node must not take part in its cluster.
    pub async fn failed(&self) -> String {
        tokio::select! {
            reason = self.store.poisoned() => format!("the key store failed: {reason}"),
            () = self.parts.supervisor.ended() => "supervision ended".to_owned(),
            reason = self.parts.cluster.failed() => reason,
        }
    }

    /// Whether it has seen another node that is up.
    #[cfg(test)]
    pub(crate) fn knows(&self, node: &switchboard_vocab::NodeId) -> bool {
        self.parts.cluster.knows(node)
    }

    /// Whether the directory has shown it a session.
    #[cfg(test)]
    pub(crate) fn has_heard_of(&self, session: &switchboard_vocab::SessionRef) -> bool {
        self.parts.records.get(session).is_some()
    }

    /// Ends as the death of the process would.
    #[cfg(test)]
    pub(crate) async fn crash(self) {
        self.calls.abort();
        self.parts.cluster.crash().await;
        self.parts.supervisor.stop(Duration::ZERO).await;
        self.parts.directory.abort();
    }

    /// Hands its sessions to other nodes, closes what nobody takes, and leaves the cluster; calls are answered meanwhile. What is
    /// not done after `limit` is cut; `false` says that something was.
    pub async fn shutdown(self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let left = || until.saturating_duration_since(Instant::now());
        let parts = self.parts;
        // A store that failed gives nothing away any more: hand-overs could only fail, one after the other.
        let handing_over = match self.store.stats().poisoned {
            Some(_) => Duration::ZERO,
            None => self.leave_within.min(limit),
        };
        let has_left = !self.drains || parts.cluster.leave(handing_over, limit).await;
        self.stop_calls.cancel();
        let abort_calls = self.calls.abort_handle();
        let answered = timeout(left(), self.calls).await.is_ok();
        if !answered {
            abort_calls.abort();
        }
        parts.stop.cancel();
        let stopped = parts.supervisor.stop(left()).await;
        parts.cluster.end().await;
        let abort_directory = parts.directory.abort_handle();
        if timeout(left(), parts.directory).await.is_err() {
            abort_directory.abort();
        }
        has_left && answered && stopped
    }
}

#[cfg(test)]
mod tests;
