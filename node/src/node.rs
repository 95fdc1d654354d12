//! A node as a whole: starting its parts in order and stopping them in the opposite one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard_bus::{Bus, RpcError};
use switchboard_keystore::KeyStore;
use switchboard_vocab::placement::Members;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::NodeConfig;
use crate::directory::Directory;
use crate::execute::registry;
use crate::index::Index;
use crate::limiter::Limiter;
use crate::placement::{Ownership, StaticOwnership};
use crate::ports::Ports;
use crate::rpc::Server;
use crate::session::Connect;
use crate::session::context::Surroundings;
use crate::supervisor::Supervisor;

/// Longest wait for the first full view of the directory; the node serves without it afterwards.
const DIRECTORY_WAIT_MAX: Duration = Duration::from_secs(30);
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
}

/// A node; [`Node::start`] is all there is to it.
#[derive(Debug)]
pub struct Node;

impl Node {
    /// Starts a node: supervision, the watch of the directory, then its subject. When this returns, every session that
    /// ran before is being brought back and calls are taken.
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
        let members = Members::new(config.members.iter().cloned());
        // Leases and owner records will be another `Ownership`; nothing below knows the difference.
        let ownership: Arc<dyn Ownership> =
            Arc::new(StaticOwnership::new(config.id.clone(), members));
        Self::start_owning(config, bus, store, connect, ports, ownership).await
    }

    async fn start_owning(
        config: NodeConfig,
        bus: Bus,
        store: Arc<dyn KeyStore>,
        connect: Arc<dyn Connect>,
        ports: Ports,
        ownership: Arc<dyn Ownership>,
    ) -> Result<NodeHandle, Error> {
        let subject = config
            .names
            .node_rpc(config.id.as_str())
            .map_err(Error::Name)?;
        let index = Arc::new(Index::default());
        let registry = Arc::new(registry());
        let surroundings = surroundings(&config, &store, connect, &ownership, &ports);
        let started = Supervisor::start(surroundings, Arc::clone(&index)).await;
        let supervisor = started.map_err(Error::Supervise)?;
        let (ready, mut is_ready) = watch::channel(false);
        let directory = Directory {
            bus: bus.clone(),
            names: config.names.clone(),
            ownership: Arc::clone(&ownership),
            supervisor: supervisor.clone(),
            index: Arc::clone(&index),
            registry: Arc::clone(&registry),
            store: Arc::clone(&store),
            ready,
        };
        let stop = CancellationToken::new();
        let directory = crate::task::start(directory.run(stop.clone()));
        if timeout(DIRECTORY_WAIT_MAX, is_ready.wait_for(|ready| *ready))
            .await
            .is_err()
        {
            tracing::warn!("the directory has not been seen yet; the node serves without it");
        }
        let requests = match bus.rpc.serve(&subject).await {
            Ok(requests) => requests,
            Err(error) => {
                stop.cancel();
                supervisor.stop(CALLS_DRAIN_MAX).await;
                return Err(Error::Serve(error));
            }
        };
        let server = Server {
            bus,
            names: config.names,
            index: Arc::clone(&index),
            registry,
            ownership,
            supervisor: supervisor.clone(),
            ports,
            calls_max: config.limits.calls_max,
        };
        let stop_calls = CancellationToken::new();
        let calls = crate::task::start(server.run(requests, stop_calls.clone(), CALLS_DRAIN_MAX));
        Ok(NodeHandle {
            store,
            index,
            supervisor,
            is_ready,
            stop,
            directory,
            stop_calls,
            calls,
        })
    }
}

fn surroundings(
    config: &NodeConfig,
    store: &Arc<dyn KeyStore>,
    connect: Arc<dyn Connect>,
    ownership: &Arc<dyn Ownership>,
    ports: &Ports,
) -> Surroundings {
    Surroundings {
        node: config.id.clone(),
        store: Arc::clone(store),
        connect,
        ownership: Arc::clone(ownership),
        limiter: Limiter::new(config.limits.connects_per_second_max),
        ports: ports.clone(),
        limits: Arc::new(config.limits.clone()),
        loading: Arc::new(Semaphore::new(LOADING_MAX)),
        cut: CancellationToken::new(),
    }
}

/// A running node.
pub struct NodeHandle {
    store: Arc<dyn KeyStore>,
    index: Arc<Index>,
    supervisor: Supervisor,
    is_ready: watch::Receiver<bool>,
    stop: CancellationToken,
    directory: JoinHandle<()>,
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
        self.index.len()
    }

    /// Whether the directory has been seen and the store takes writes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.is_ready.borrow() && self.store.stats().poisoned.is_none()
    }

    /// Returns when the node can do no more work and the process must exit, and says why: the store failed
    /// (design rule R-2), or supervision ended.
    pub async fn failed(&self) -> String {
        tokio::select! {
            reason = self.store.poisoned() => format!("the key store failed: {reason}"),
            () = self.supervisor.ended() => "supervision ended".to_owned(),
        }
    }

    /// Takes no more calls, answers those under way, closes every session cleanly. What is not done after `limit` is
    /// cut; `false` says that something was.
    pub async fn shutdown(self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        self.stop.cancel();
        self.stop_calls.cancel();
        let left = || until.saturating_duration_since(Instant::now());
        let abort_calls = self.calls.abort_handle();
        let answered = timeout(left(), self.calls).await.is_ok();
        if !answered {
            abort_calls.abort();
        }
        let abort_directory = self.directory.abort_handle();
        if timeout(left(), self.directory).await.is_err() {
            abort_directory.abort();
        }
        let stopped = self.supervisor.stop(left()).await;
        answered && stopped
    }
}

#[cfg(test)]
mod tests;
