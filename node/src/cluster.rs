//! This node's part in the cluster: the driver of the ownership machine, the gates of its lives, and the witness.
//!
//! Owns everything between the machine's decisions and the rest of the node: clock, bus, tasks, lease. Must not decide who
//! owns what ([`switchboard_ownership`] does), nor know what a session does.
//!
//! With `witness` set in [`crate::config::ClusterConfig`], the node writes down which sessions may act, moment by moment; see
//! the module of that name for the lines.

mod chores;
mod data;
mod driver;
mod follow;
mod gate;
mod lives;
mod memory;
mod numbers;
mod orders;
mod records;
mod replicated;
mod standing;
mod watchdog;
mod witness;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use switchboard_bus::{Bus, RpcError};
use switchboard_keystore::{KeyStore, Namespace};
use switchboard_ownership::{Bucket, Command, Config, Held, Input, Machine};
use switchboard_vocab::cluster::{Incarnation, StoreId};
use switchboard_vocab::{Epoch, SessionRef};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::LeaseClock;
use crate::config::NodeConfig;
use crate::directory::Records;
use crate::execute::Registry;
use crate::index::Index;
use crate::ports::Ports;
use crate::supervisor::Supervisor;
use crate::transfer::Transfer;

pub(crate) use data::{DataSource, LocalData};
pub(crate) use driver::{EVENTS_MAX, Event, Outcome};
pub(crate) use gate::{Gate, GatedStore};
pub use memory::Error as ClusterError;
pub(crate) use replicated::{ReplicatedData, log_key};
pub(crate) use standing::Standing;

use driver::{Driver, Parts};
use lives::Lives;
use memory::Memory;
use watchdog::Watchdog;
use witness::Witness;

/// Longest wait for the driver to end.
const END_MAX: Duration = Duration::from_secs(2);
/// Sessions that arrived from other nodes and that the driver was not told of yet.
const STAGED_MAX: usize = 64;
/// Sessions whose rows are looked at at once when a node starts: each one's tree is checked.
const HELD_AT_ONCE: usize = 8;

/// Why a node could not take part.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster is not one it can be part of, or cannot be seen.
    #[error(transparent)]
    Cluster(#[from] memory::Error),
    /// What the store holds cannot be listed.
    #[error("list the sessions of the node's store")]
    Held(#[source] switchboard_keystore::Error),
    /// The system gives no thread for the lease's watchdog.
    #[error("start the watchdog of the lease")]
    Watchdog(#[source] std::io::Error),
    /// The witness's file.
    #[error("open the witness")]
    Witness(#[source] std::io::Error),
    /// Its subjects could not be served.
    #[error("serve the subjects of the node")]
    Serve(#[source] RpcError),
    /// Its name does not fit into a subject.
    #[error("name the subjects of the node")]
    Name(#[source] switchboard_bus::subjects::Error),
}

/// A node that knows its cluster and has not joined it yet.
pub(crate) struct Entrance {
    pub(crate) standing: Arc<Standing>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) records: Arc<Records>,
    heard: mpsc::Receiver<Event>,
    /// What the machine is told first.
    first: Vec<Input>,
    clock: LeaseClock,
    memory: Memory,
    lives: Arc<Lives>,
    watchdog: Watchdog,
    witness: Option<Arc<Witness>>,
}

impl Entrance {
    /// Meets the cluster and makes the machine. Nothing is written to it yet but its own record, where it has none.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) async fn open(
        config: &NodeConfig,
        bus: &Bus,
        store: &Arc<dyn KeyStore>,
        until: Instant,
    ) -> Result<Self, Error> {
        let cluster = &config.cluster;
        let mut memory = Memory::open(Arc::clone(store)).await?;
        let record = memory::join(
            bus,
            &config.names,
            &cluster.key_check,
            &cluster.rules,
            until,
        )
        .await?;
        let replaced = memory.meet(&record);
        let lives = Lives::open(Arc::clone(store)).await.map_err(Error::Held)?;
        let held = held(&**store, &lives).await.map_err(Error::Held)?;
        let clock = LeaseClock::new(&cluster.rules);
        let now = clock.now();
        let incarnation = Incarnation(Uuid::new_v4().to_string());
        let machine = Machine::new(machine_config(config, &**store), incarnation, held, now);
        let mut first = Vec::new();
        if replaced {
            tracing::error!("the cluster's records are not those that this node knew");
            first.extend([Bucket::Nodes, Bucket::Owners].map(Input::RolledBack));
        }
        let staged = store.staged().await.map_err(Error::Held)?;
        for copy in staged {
            let name = copy.namespace.session_name();
            if let Some(session) = name.and_then(|name| name.parse::<SessionRef>().ok()) {
                first.push(Input::Staged(session, Epoch(copy.epoch.0)));
            }
        }
        first.push(Input::Tick);
        let witness = match &cluster.witness {
            Some(path) => {
                let witness = Witness::open(path, config.id.clone()).map_err(Error::Witness)?;
                Some(Arc::new(witness))
            }
            None => None,
        };
        let (events, heard) = mpsc::channel(EVENTS_MAX);
        Ok(Self {
            standing: Arc::new(Standing::new(machine)),
            events,
            records: Arc::default(),
            heard,
            first,
            clock,
            memory,
            lives: Arc::new(lives),
            watchdog: Watchdog::start().map_err(Error::Watchdog)?,
            witness,
        })
    }
}

fn machine_config(config: &NodeConfig, store: &dyn KeyStore) -> Config {
    let cluster = &config.cluster;
    Config {
        me: config.id.clone(),
        lease: cluster.lease,
        weight: cluster.weight,
        store: StoreId(store.id().to_owned()),
        boot: crate::clock::boot_id(),
        supervisor: cluster.supervisor.clone(),
        release: cluster.release.clone(),
        replicated: cluster.replicated,
        alone: cluster.alone,
        moves: cluster.moves.clone(),
        rules: cluster.rules.clone(),
    }
}

/// What the store holds: rows, and marks of what was released.
async fn held(
    store: &dyn KeyStore,
    lives: &Lives,
) -> Result<Vec<Held>, switchboard_keystore::Error> {
    use futures::StreamExt;
    let looked = futures::stream::iter(store.namespaces().await?)
        .map(|ns| async move { (store.epoch(&ns).await, ns) })
        .buffer_unordered(HELD_AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let mut held: Vec<Held> = Vec::new();
    for (epoch, ns) in looked {
        let epoch = match epoch {
            Ok(epoch) => epoch.map_or(0, |epoch| epoch.0),
            Err(error @ switchboard_keystore::Error::Damaged { .. }) => {
                // Its start will fail and say so; the others are not held up.
                tracing::error!(namespace = %ns, %error, "a session's rows are damaged");
                0
            }
            Err(error) => return Err(error),
        };
        held.extend(session(&ns).map(|session| Held {
            uuid: lives.of(&session),
            session,
            epoch: Epoch(epoch),
            data: true,
        }));
    }
    for (ns, epoch) in store.tombstones().await? {
        let Some(session) = session(&ns) else {
            continue;
        };
        match held.iter_mut().find(|held| held.session == session) {
            Some(held) => held.epoch = held.epoch.max(Epoch(epoch.0)),
            None => held.push(Held {
                session,
                uuid: None,
                epoch: Epoch(epoch.0),
                data: false,
            }),
        }
    }
    Ok(held)
}

fn session(ns: &Namespace) -> Option<SessionRef> {
    ns.session_name()?.parse().ok()
}

/// What the driver needs of the rest of the node.
pub(crate) struct Equipment {
    pub(crate) supervisor: Supervisor,
    pub(crate) index: Arc<Index>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) ports: Ports,
    pub(crate) data: Arc<dyn DataSource>,
}

/// A node's part in the cluster while it takes part.
pub(crate) struct Cluster {
    standing: Arc<Standing>,
    events: mpsc::Sender<Event>,
    outcome: watch::Receiver<Outcome>,
    stop: CancellationToken,
    driver: JoinHandle<()>,
    /// Watches, servers and the witness.
    helpers: JoinSet<()>,
}

impl Cluster {
    /// Joins and begins to run what belongs to this node.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) async fn start(
        entrance: Entrance,
        config: &NodeConfig,
        bus: &Bus,
        equipment: Equipment,
    ) -> Result<Self, Error> {
        let stop = CancellationToken::new();
        let mut helpers = JoinSet::new();
        let transfer = transfer(&entrance, config, bus, &equipment, &mut helpers, &stop).await?;
        let orders = orders::Orders {
            events: entrance.events.clone(),
            data: Arc::clone(&equipment.data),
        };
        let subject = config.names.node_admin(config.id.as_str());
        let requests = bus.rpc.serve(&subject.map_err(Error::Name)?).await;
        helpers.spawn(orders.run(requests.map_err(Error::Serve)?, stop.clone()));
        if let Some(witness) = &entrance.witness {
            let (witness, index) = (Arc::clone(witness), Arc::clone(&equipment.index));
            helpers.spawn(witness.run(index, stop.clone()));
        }
        let (rolled_back, roll_backs) = watch::channel(0);
        for bucket in [Bucket::Nodes, Bucket::Owners] {
            let follower = follow::Follower {
                bus: bus.clone(),
                names: config.names.clone(),
                key_check: config.cluster.key_check.as_str().into(),
                rules: config.cluster.rules.clone(),
                roll_backs: roll_backs.clone(),
                events: entrance.events.clone(),
            };
            helpers.spawn(follower.run(bucket));
        }
        let (outcome_sender, outcome) = watch::channel(Outcome::Running);
        let parts = Parts {
            me: config.id.clone(),
            clock: entrance.clock,
            rules: config.cluster.rules.clone(),
            standing: Arc::clone(&entrance.standing),
            records: Arc::clone(&entrance.records),
            hands: chores::Hands::new(
                equipment,
                transfer,
                (entrance.lives, entrance.records),
                config.cluster.lease,
            ),
            writer: driver::Writer::new(
                bus.clone(),
                config.names.clone(),
                config.id.clone(),
                config.cluster.lease,
                config.cluster.rules.clone(),
            ),
            memory: entrance.memory,
            watchdog: entrance.watchdog,
            witness: entrance.witness,
            outcome: outcome_sender,
            rolled_back,
        };
        let running = Driver::new(parts).run(entrance.first, entrance.heard, stop.clone());
        Ok(Self {
            standing: entrance.standing,
            events: entrance.events,
            outcome,
            driver: crate::task::start(running),
            stop,
            helpers,
        })
    }

    /// Waits for the first lease, at most until `until`.
    ///
    /// # Errors
    /// Why this node must not take part.
    pub(crate) async fn joined(&self, until: Instant) -> Result<bool, String> {
        use crate::placement::Ownership;
        let mut changes = self.standing.changes();
        let mut outcome = self.outcome.clone();
        let waiting = async {
            loop {
                if let Outcome::Failed(reason) = &*outcome.borrow_and_update() {
                    return Err(reason.clone());
                }
                if self.has_lease() {
                    return Ok(true);
                }
                let changed = tokio::select! {
                    changed = changes.changed() => changed,
                    changed = outcome.changed() => changed,
                };
                if changed.is_err() {
                    return Ok(false);
                }
            }
        };
        timeout_at(until, waiting).await.unwrap_or(Ok(false))
    }

    /// Whether this node has a lease now.
    pub(crate) fn has_lease(&self) -> bool {
        self.standing.gate().is_some_and(|gate| gate.holds())
    }

    /// Returns when the node must end, and says why.
    pub(crate) async fn failed(&self) -> String {
        let mut outcome = self.outcome.clone();
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
        match outcome.wait_for(failed).await.as_deref() {
            Ok(Outcome::Failed(reason)) => reason.clone(),
            Ok(Outcome::Running | Outcome::Left) | Err(_) => {
                "the cluster's driver ended".to_owned()
            }
        }
    }

    /// Hands everything over that others take, stops the rest, and leaves; `false` when that was not done in time.
    pub(crate) async fn leave(&self, within: Duration, limit: Duration) -> bool {
        let mut outcome = self.outcome.clone();
        let leaving = async {
            let (answer, begun) = oneshot::channel();
            let order = Event::Order(Command::Leave { within }, answer);
            self.events.send(order).await.map_err(drop)?;
            if let Err(refused) = begun.await.map_err(drop)? {
                tracing::warn!(why = refused.0, "the node cannot leave in order");
                return Err(());
            }
            let ended = |outcome: &Outcome| *outcome != Outcome::Running;
            let outcome = outcome.wait_for(ended).await.map_err(drop)?;
            if *outcome == Outcome::Left {
                Ok(())
            } else {
                Err(())
            }
        };
        matches!(timeout(limit, leaving).await, Ok(Ok(())))
    }

    /// Whether a node was seen to be up.
    #[cfg(test)]
    pub(crate) fn knows(&self, node: &switchboard_vocab::NodeId) -> bool {
        let peers = self.standing.look(|machine| machine.peers(Duration::ZERO));
        peers.iter().any(|peer| {
            peer.node == *node && peer.state == switchboard_vocab::cluster::NodeState::Up
        })
    }

    /// Ends everything as the death of the process would: the lease is not given back.
    #[cfg(test)]
    pub(crate) async fn crash(mut self) {
        if let Some(gate) = self.standing.gate() {
            gate.close();
        }
        self.driver.abort();
        self.helpers.shutdown().await;
    }

    /// Ends the driver, and with it the lease as far as this process is concerned.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let abort = self.driver.abort_handle();
        if timeout(END_MAX, self.driver).await.is_err() {
            abort.abort();
        }
        self.helpers.shutdown().await;
    }
}

fn has_lease(standing: &Arc<Standing>) -> crate::transfer::MayTake {
    let standing = Arc::clone(standing);
    Box::new(move || standing.gate().is_some_and(|gate| gate.holds()))
}

/// Sessions on their way between nodes: the sending end, and the serving of the other.
async fn transfer(
    entrance: &Entrance,
    config: &NodeConfig,
    bus: &Bus,
    equipment: &Equipment,
    helpers: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<Arc<Transfer>, Error> {
    let transfer = Arc::new(Transfer::new(
        bus.clone(),
        config.names.clone(),
        config.id.clone(),
        Arc::clone(&equipment.store),
        Arc::clone(&equipment.ports.media),
        config.cluster.transfer_key,
        has_lease(&entrance.standing),
    ));
    let subject = config.names.node_peer(config.id.as_str());
    let requests = bus.rpc.serve(&subject.map_err(Error::Name)?).await;
    let requests = requests.map_err(Error::Serve)?;
    let (staged, mut arrivals) = mpsc::channel(STAGED_MAX);
    helpers.spawn(Arc::clone(&transfer).serve(requests, staged, stop.clone()));
    let events = entrance.events.clone();
    helpers.spawn(async move {
        while let Some((session, epoch)) = arrivals.recv().await {
            let arrived = Event::Input(Input::Staged(session, epoch));
            if events.send(arrived).await.is_err() {
                return;
            }
        }
    });
    Ok(transfer)
}
