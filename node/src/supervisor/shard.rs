//! One shard: up to a thousand sessions, each supervised on its own.

mod child;
mod crashes;

use std::collections::HashMap;
use std::sync::Arc;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use switchboard_vocab::sessions::{SessionState, SessionStatus};
use switchboard_vocab::{OpError, SessionRef};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Command, Erasure, Halt, NodeMessage, Shared, Wanted, stop_all};
use crate::ports::SessionScope;
use crate::session::actor::{Arguments, Begin, SessionActor};
use crate::session::handle::{Handle, Revive};
use child::{After, Child, Phase, Removal, remove_data};

/// What a shard is told.
#[derive(Debug)]
pub(super) enum ShardMessage {
    Command(Command),
    /// The wait after a crash is over; older generations are void.
    RestartDue(SessionRef, u64),
    /// The removal of a session's data has ended.
    Erased(SessionRef, Result<(), OpError>),
}

pub(super) struct ShardArguments {
    pub(super) shared: Shared,
    pub(super) node: ActorRef<NodeMessage>,
}

pub(super) struct Shard;

pub(super) struct ShardState {
    shared: Shared,
    node: ActorRef<NodeMessage>,
    children: HashMap<SessionRef, Child>,
    by_actor: HashMap<ActorId, SessionRef>,
    /// Timers and removals; they end with the shard.
    tasks: JoinSet<()>,
}

impl Actor for Shard {
    type Msg = ShardMessage;
    type State = ShardState;
    type Arguments = ShardArguments;

    async fn pre_start(
        &self,
        _: ActorRef<ShardMessage>,
        arguments: ShardArguments,
    ) -> Result<ShardState, ActorProcessingErr> {
        Ok(ShardState {
            shared: arguments.shared,
            node: arguments.node,
            children: HashMap::new(),
            by_actor: HashMap::new(),
            tasks: JoinSet::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<ShardMessage>,
        message: ShardMessage,
        state: &mut ShardState,
    ) -> Result<(), ActorProcessingErr> {
        while state.tasks.try_join_next().is_some() {}
        match message {
            ShardMessage::Command(Command::Run(wanted)) => state.want(&myself, wanted).await,
            ShardMessage::Command(Command::Halt(halt)) => state.halt(&myself, halt).await,
            ShardMessage::Command(Command::Erase(erasure)) => state.erase(&myself, erasure).await,
            ShardMessage::Command(Command::Revive(session)) => {
                state.revive(&myself, &session).await
            }
            ShardMessage::RestartDue(session, generation) => {
                let due = state.children.get(&session).is_some_and(|child| {
                    matches!(child.phase, Phase::Waiting) && child.generation == generation
                });
                if due {
                    state.spawn(&myself, &session).await
                } else {
                    Ok(())
                }
            }
            ShardMessage::Erased(session, result) => state.erased(&myself, session, result).await,
        }
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<ShardMessage>,
        event: SupervisionEvent,
        state: &mut ShardState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => {
                state
                    .ended(&myself, actor.get_id(), &error.to_string())
                    .await
            }
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                let reason = reason.unwrap_or_else(|| "no reason".to_owned());
                state.ended(&myself, actor.get_id(), &reason).await
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }

    async fn post_stop(
        &self,
        myself: ActorRef<ShardMessage>,
        state: &mut ShardState,
    ) -> Result<(), ActorProcessingErr> {
        for child in state.children.values() {
            child.handle.set_actor(None);
            state.shared.index.remove(&child.wanted.record.session);
        }
        stop_all(myself.get_cell().get_children()).await;
        Ok(())
    }
}

impl ShardState {
    /// Makes the session run as wanted, whatever it is doing now.
    async fn want(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        wanted: Wanted,
    ) -> Result<(), ActorProcessingErr> {
        let session = wanted.record.session.clone();
        let Some(child) = self.children.get_mut(&session) else {
            let child = self.child(myself, wanted);
            self.shared.index.insert(Arc::clone(&child.handle));
            self.children.insert(session.clone(), child);
            return self.spawn(myself, &session).await;
        };
        let same =
            child.wanted.record.uuid == wanted.record.uuid && child.wanted.epoch == wanted.epoch;
        match &mut child.phase {
            // The removal comes first.
            Phase::Erasing(removal) | Phase::Stopping(_, After::Erase(removal)) => {
                removal.next = Some(wanted);
            }
            Phase::Stopping(_, after @ (After::Gone(_) | After::Run(_))) => {
                *after = After::Run(wanted);
            }
            Phase::Live(_) | Phase::Waiting | Phase::Parked if same => {
                child.wanted = Wanted {
                    fresh: child.wanted.fresh,
                    ..wanted
                };
            }
            Phase::Live(_) | Phase::Waiting | Phase::Parked => {
                return self.end(myself, &session, After::Run(wanted)).await;
            }
        }
        Ok(())
    }

    fn child(&self, myself: &ActorRef<ShardMessage>, wanted: Wanted) -> Child {
        let scope = SessionScope {
            session: wanted.record.session.clone(),
            uuid: wanted.record.uuid.as_str().into(),
            epoch: wanted.epoch,
        };
        let status = SessionStatus {
            session: scope.session.clone(),
            node: self.shared.surroundings.node.clone(),
            state: SessionState::Stopped,
            since: crate::clock::now(),
            identity: None,
            challenge: None,
            reason: None,
            next_try_at: None,
            failures: 0,
            client_version: None,
        };
        let shard = myself.clone();
        let revive: Revive = Arc::new(move |session| {
            let command = Command::Revive(session.clone());
            shard.send_message(ShardMessage::Command(command)).is_ok()
        });
        let calls_max = self.shared.surroundings.limits.calls_per_session_max;
        let gate = Arc::clone(&wanted.gate);
        Child {
            cut: self.shared.surroundings.cut.child_token(),
            handle: Arc::new(Handle::new(scope, gate, calls_max, status, revive)),
            wanted,
            phase: Phase::Waiting,
            crashes: 0,
            started_at: Instant::now(),
            generation: 0,
        }
    }

    async fn spawn(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        session: &SessionRef,
    ) -> Result<(), ActorProcessingErr> {
        let Some(child) = self.children.get_mut(session) else {
            return Ok(());
        };
        let begin = if self.shared.surroundings.parks(child.crashes) {
            Begin::Parked(format!("crashed {} times", child.crashes))
        } else {
            Begin::AsBefore
        };
        let arguments = Arguments {
            scope: child.handle.scope.clone(),
            surroundings: self.shared.surroundings.clone(),
            status: child.handle.status_sender(),
            loaded: child.handle.loaded_sender(),
            tenancy: self.shared.index.tenancy(session),
            begin,
            again: !std::mem::replace(&mut child.wanted.fresh, false),
            gate: Arc::clone(&child.handle.gate),
            cut: child.cut.clone(),
        };
        let (actor, _) =
            Actor::spawn_linked(None, SessionActor, arguments, myself.get_cell()).await?;
        child.phase = Phase::Live(actor.get_id());
        child.started_at = Instant::now();
        child.generation += 1;
        self.by_actor.insert(actor.get_id(), session.clone());
        child.handle.set_actor(Some(actor));
        Ok(())
    }

    /// Stops the session's actor, if there is one, and goes on with `after`.
    async fn end(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        session: &SessionRef,
        after: After,
    ) -> Result<(), ActorProcessingErr> {
        let Some(child) = self.children.get_mut(session) else {
            return Ok(());
        };
        match std::mem::replace(&mut child.phase, Phase::Waiting) {
            Phase::Live(actor) => {
                let gently = !matches!(after, After::Erase(_));
                child.phase = Phase::Stopping(actor, after);
                child.handle.stop_actor(gently);
                Ok(())
            }
            Phase::Stopping(actor, before) => {
                let after = match (before, after) {
                    (After::Erase(removal), after) => After::Erase(removal.joined_by(after)),
                    (After::Gone(mut waiting), After::Gone(more)) => {
                        waiting.extend(more);
                        After::Gone(waiting)
                    }
                    (After::Gone(_) | After::Run(_), after) => after,
                };
                child.phase = Phase::Stopping(actor, after);
                Ok(())
            }
            Phase::Erasing(removal) => {
                child.phase = Phase::Erasing(removal.joined_by(after));
                Ok(())
            }
            Phase::Waiting | Phase::Parked => {
                child.generation += 1;
                self.go_on(myself, session.clone(), after).await
            }
        }
    }

    /// The session has no actor any more: what was to follow.
    async fn go_on(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        session: SessionRef,
        after: After,
    ) -> Result<(), ActorProcessingErr> {
        match after {
            After::Gone(waiting) => {
                self.gone(&session)?;
                drop(waiting);
                Ok(())
            }
            After::Run(wanted) => {
                let child = self.child(myself, wanted);
                self.shared.index.insert(Arc::clone(&child.handle));
                self.children.insert(session.clone(), child);
                self.spawn(myself, &session).await
            }
            After::Erase(removal) => {
                let Some(child) = self.children.get_mut(&session) else {
                    return Ok(());
                };
                child.phase = Phase::Erasing(removal);
                let (shared, handle) = (self.shared.clone(), Arc::clone(&child.handle));
                let shard = myself.clone();
                self.tasks.spawn(async move {
                    let result = remove_data(&shared, &handle).await;
                    // A shard that has stopped wants to hear nothing more.
                    let _ = shard.send_message(ShardMessage::Erased(session, result));
                });
                Ok(())
            }
        }
    }

    fn gone(&mut self, session: &SessionRef) -> Result<(), ActorProcessingErr> {
        let Some(child) = self.children.remove(session) else {
            return Ok(());
        };
        self.shared.index.remove(session);
        let gone = NodeMessage::Gone(session.clone(), child.wanted.serial);
        self.node
            .send_message(gone)
            .map_err(|e| e.to_string().into())
    }

    /// Stops a session; one that is stopping gently is cut where that was asked for.
    async fn halt(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        halt: Halt,
    ) -> Result<(), ActorProcessingErr> {
        let Halt {
            session,
            abort,
            done,
        } = halt;
        if abort && let Some(child) = self.children.get(&session) {
            child.cut.cancel();
        }
        self.end(myself, &session, After::Gone(vec![done])).await
    }

    async fn erase(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        erasure: Erasure,
    ) -> Result<(), ActorProcessingErr> {
        let Erasure {
            session,
            uuid,
            forget,
            done,
        } = erasure;
        let known = self
            .children
            .get(&session)
            .map(|child| child.wanted.record.uuid == uuid);
        if known != Some(true) {
            // Another session has the name by now; its start has removed what the earlier one left.
            let _ = done.send(Ok(()));
            return Ok(());
        }
        self.end(
            myself,
            &session,
            After::Erase(Removal {
                forget,
                done: vec![done],
                next: None,
                stopped: Vec::new(),
            }),
        )
        .await
    }

    async fn erased(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        session: SessionRef,
        result: Result<(), OpError>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(child) = self.children.get_mut(&session) else {
            return Ok(());
        };
        let phase = std::mem::replace(&mut child.phase, Phase::Waiting);
        let Phase::Erasing(removal) = phase else {
            child.phase = phase;
            return Ok(());
        };
        let Removal {
            forget,
            done,
            next,
            stopped,
        } = removal;
        if let Err(error) = &result {
            let cause = error.internal.as_deref().unwrap_or(&error.public);
            tracing::error!(%session, cause, "the data of a session was not removed");
        }
        for done in done {
            // Whoever asked may have given up.
            let _ = done.send(result.clone());
        }
        match next {
            Some(wanted) => self.go_on(myself, session, After::Run(wanted)).await,
            // To be stopped, or erased for good.
            None if forget || !stopped.is_empty() => {
                self.gone(&session)?;
                drop(stopped);
                Ok(())
            }
            None => {
                let wanted = child.wanted.clone();
                self.go_on(myself, session, After::Run(wanted)).await
            }
        }
    }
}
