//! Supervision: one node supervisor, shards of at most a thousand sessions, one actor per session (design rule R-24).
//!
//! Owns which sessions have an actor and when a crashed one is started again. Each session has a restart budget of its
//! own; the crash of one touches no other. Must not know what a session does, nor why this node runs it.

mod shard;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::{Epoch, ErrorCode, OpError, SessionRef};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::cluster::Gate;
use crate::index::Index;
use crate::session::actor::STOPPED_ON_PURPOSE;
use crate::session::context::Surroundings;

use shard::{Shard, ShardArguments, ShardMessage};

/// Sessions of one shard. Source: design rule R-24.
const SHARD_SESSIONS_MAX: usize = 1_000;
/// Longest wait for the sessions of a node to stop, whatever the caller allows.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(120);

/// Longest wait for sessions that were cut to end.
const CUT_MAX: Duration = Duration::from_secs(2);

/// A session that is to run here.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) record: Arc<SessionRecord>,
    pub(crate) epoch: Epoch,
    /// The gate of the node's life that it is to run under.
    pub(crate) gate: Arc<Gate>,
    /// No life of it has begun yet since its data was made live.
    fresh: bool,
    /// Counts what a shard was asked for, so that its farewell to an earlier wish is not taken for one to a later.
    serial: u64,
}

impl Wanted {
    pub(crate) const fn new(record: Arc<SessionRecord>, epoch: Epoch, gate: Arc<Gate>) -> Self {
        Self {
            record,
            epoch,
            gate,
            fresh: true,
            serial: 0,
        }
    }
}

/// What supervisors are told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Run this session; nothing happens when it runs.
    Run(Wanted),
    /// Stop this session and keep its data.
    Halt(Halt),
    /// Stop this session and remove its data.
    Erase(Erasure),
    /// Start this session again although it crashed too often.
    Revive(SessionRef),
}

/// The stop of one session.
#[derive(Debug)]
pub(crate) struct Halt {
    pub(crate) session: SessionRef,
    /// At once: sockets are dropped and nothing is flushed. Otherwise calls under way finish.
    pub(crate) abort: bool,
    /// Dropped once the session has no actor any more.
    pub(crate) done: oneshot::Sender<()>,
}

/// The removal of one session's data.
#[derive(Debug)]
pub(crate) struct Erasure {
    pub(crate) session: SessionRef,
    /// Which life of the name is meant.
    pub(crate) uuid: String,
    /// Whether the session no longer exists; otherwise it starts again, empty.
    pub(crate) forget: bool,
    pub(crate) done: oneshot::Sender<Result<(), OpError>>,
}

impl Command {
    fn session(&self) -> &SessionRef {
        match self {
            Self::Run(wanted) => &wanted.record.session,
            Self::Halt(halt) => &halt.session,
            Self::Revive(session) => session,
            Self::Erase(erasure) => &erasure.session,
        }
    }
}

/// What the node supervisor is told.
#[derive(Debug)]
pub(crate) enum NodeMessage {
    /// For the shard of the session.
    Command(Command),
    /// A shard has let go of this session; the serial of the last wish it had seen.
    Gone(SessionRef, u64),
}

/// A handle on the supervision of a node.
#[derive(Clone)]
pub(crate) struct Supervisor {
    actor: ActorRef<NodeMessage>,
    cut: CancellationToken,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Starts supervision with no session.
    ///
    /// # Errors
    /// When the actor cannot be started.
    pub(crate) async fn start(
        surroundings: Surroundings,
        index: Arc<Index>,
    ) -> Result<Self, ractor::SpawnErr> {
        let cut = surroundings.cut.clone();
        let shared = Shared {
            surroundings,
            index,
        };
        let (actor, _) = Actor::spawn(None, NodeSupervisor, shared).await?;
        Ok(Self { actor, cut })
    }

    /// Tells the shard of a session something; lost when the node is stopping.
    pub(crate) fn tell(&self, command: Command) {
        if self
            .actor
            .send_message(NodeMessage::Command(command))
            .is_err()
        {
            tracing::debug!("a command for a session came after the node had stopped");
        }
    }

    /// Removes a session's data; returns when it is gone.
    ///
    /// # Errors
    /// When the store or the media store fails; [`ErrorCode::Unavailable`] when the node is stopping.
    pub(crate) async fn erase(
        &self,
        session: SessionRef,
        uuid: String,
        forget: bool,
    ) -> Result<(), OpError> {
        let (done, erased) = oneshot::channel();
        self.tell(Command::Erase(Erasure {
            session,
            uuid,
            forget,
            done,
        }));
        erased.await.unwrap_or_else(|_| {
            Err(OpError::new(ErrorCode::Unavailable, "the node is stopping").maybe_executed())
        })
    }

    /// Stops a session; returns when nothing of it runs or writes any more.
    pub(crate) async fn halt(&self, index: &Index, session: &SessionRef, abort: bool) {
        loop {
            let (done, gone) = oneshot::channel();
            self.tell(Command::Halt(Halt {
                session: session.clone(),
                abort,
                done,
            }));
            // Never sent, only dropped: by whoever is through with it.
            let _ = gone.await;
            // A shard that failed meanwhile has started its sessions anew.
            if index.get(session).is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let tenancy = index.tenancy(session);
        drop(tenancy.lock().await);
    }

    /// Stops every session, at most `limit`; what has not stopped by then is cut.
    pub(crate) async fn stop(&self, limit: Duration) -> bool {
        let reason = Some(STOPPED_ON_PURPOSE.to_owned());
        let stopped = self
            .actor
            .stop_and_wait(reason, Some(limit.min(STOP_MAX)))
            .await;
        if stopped.is_err() {
            self.cut.cancel();
            if self.actor.wait(Some(CUT_MAX)).await.is_err() {
                self.actor.kill();
            }
        }
        stopped.is_ok()
    }

    /// Returns when supervision has ended, for whatever reason.
    pub(crate) async fn ended(&self) {
        // Without a limit the only result is that it has ended.
        let _ = self.actor.wait(None).await;
    }
}

/// What every shard works with.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) surroundings: Surroundings,
    pub(crate) index: Arc<Index>,
}

struct NodeSupervisor;

struct NodeState {
    shared: Shared,
    shards: HashMap<ActorId, (ActorRef<ShardMessage>, usize)>,
    placed: HashMap<SessionRef, (ActorId, Wanted)>,
    serial: u64,
}

impl Actor for NodeSupervisor {
    type Msg = NodeMessage;
    type State = NodeState;
    type Arguments = Shared;

    async fn pre_start(
        &self,
        _: ActorRef<NodeMessage>,
        shared: Shared,
    ) -> Result<NodeState, ActorProcessingErr> {
        Ok(NodeState {
            shared,
            shards: HashMap::new(),
            placed: HashMap::new(),
            serial: 0,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<NodeMessage>,
        message: NodeMessage,
        state: &mut NodeState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            NodeMessage::Command(command) => state.forward(&myself, command).await,
            NodeMessage::Gone(session, serial) => {
                state.forget(&session, serial);
                Ok(())
            }
        }
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<NodeMessage>,
        event: SupervisionEvent,
        state: &mut NodeState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(shard, error) => {
                tracing::error!(%error, "a shard supervisor failed and is replaced");
                state.replace_shard(&myself, shard.get_id()).await
            }
            SupervisionEvent::ActorTerminated(shard, _, reason) => {
                tracing::error!(reason, "a shard supervisor ended and is replaced");
                state.replace_shard(&myself, shard.get_id()).await
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }

    async fn post_stop(
        &self,
        _: ActorRef<NodeMessage>,
        state: &mut NodeState,
    ) -> Result<(), ActorProcessingErr> {
        let shards = state.shards.drain().map(|(_, (shard, _))| shard.get_cell());
        stop_all(shards.collect()).await;
        Ok(())
    }
}

/// Stops actors side by side and waits for them.
async fn stop_all(actors: Vec<ActorCell>) {
    let stopped = actors
        .iter()
        .map(|actor| actor.stop_and_wait(Some(STOPPED_ON_PURPOSE.to_owned()), Some(STOP_MAX)));
    // One that had stopped before is as good.
    let _ = join_all(stopped).await;
}

impl NodeState {
    async fn forward(
        &mut self,
        myself: &ActorRef<NodeMessage>,
        mut command: Command,
    ) -> Result<(), ActorProcessingErr> {
        let shard = self.placed.get(command.session()).map(|(shard, _)| *shard);
        let shard = match (shard, &command) {
            (Some(shard), _) => shard,
            (None, Command::Run(_)) => self.shard_with_room(myself).await?,
            (None, Command::Erase(_)) => {
                // Not here any more: what a caller wanted removed is not there.
                if let Command::Erase(erasure) = command {
                    let _ = erasure.done.send(Ok(()));
                }
                return Ok(());
            }
            (None, Command::Halt(_) | Command::Revive(_)) => return Ok(()),
        };
        if let Command::Run(wanted) = &mut command {
            self.serial += 1;
            wanted.serial = self.serial;
            let session = wanted.record.session.clone();
            let placed = self.placed.insert(session, (shard, wanted.clone()));
            if placed.is_none()
                && let Some((_, count)) = self.shards.get_mut(&shard)
            {
                *count += 1;
            }
        }
        if let Some((actor, _)) = self.shards.get(&shard) {
            actor
                .send_message(ShardMessage::Command(command))
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    async fn shard_with_room(
        &mut self,
        myself: &ActorRef<NodeMessage>,
    ) -> Result<ActorId, ActorProcessingErr> {
        let roomy = self
            .shards
            .iter()
            .find(|(_, (_, count))| *count < SHARD_SESSIONS_MAX);
        if let Some((id, _)) = roomy {
            return Ok(*id);
        }
        let arguments = ShardArguments {
            shared: self.shared.clone(),
            node: myself.clone(),
        };
        let (actor, _) = Actor::spawn_linked(None, Shard, arguments, myself.get_cell()).await?;
        let id = actor.get_id();
        self.shards.insert(id, (actor, 0));
        Ok(id)
    }

    fn forget(&mut self, session: &SessionRef, serial: u64) {
        if self
            .placed
            .get(session)
            .is_none_or(|(_, wanted)| wanted.serial != serial)
        {
            return;
        }
        if let Some((shard, _)) = self.placed.remove(session)
            && let Some((_, count)) = self.shards.get_mut(&shard)
        {
            *count = count.saturating_sub(1);
        }
    }

    async fn replace_shard(
        &mut self,
        myself: &ActorRef<NodeMessage>,
        shard: ActorId,
    ) -> Result<(), ActorProcessingErr> {
        self.shards.remove(&shard);
        let (lost, kept) = std::mem::take(&mut self.placed)
            .into_iter()
            .partition::<HashMap<_, _>, _>(|(_, (placed, _))| *placed == shard);
        self.placed = kept;
        for (_, (_, wanted)) in lost {
            self.forward(myself, Command::Run(wanted)).await?;
        }
        Ok(())
    }
}
