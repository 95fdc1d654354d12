//! How a session's life ends without anybody asking, and when the next one begins.

use ractor::{ActorId, ActorProcessingErr, ActorRef};
use switchboard_vocab::SessionRef;
use switchboard_vocab::sessions::SessionState;

use super::child::{Phase, restart_delay};
use super::{ShardMessage, ShardState};

impl ShardState {
    pub(super) async fn revive(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        session: &SessionRef,
    ) -> Result<(), ActorProcessingErr> {
        let Some(child) = self.children.get_mut(session) else {
            return Ok(());
        };
        match child.phase {
            Phase::Waiting => {}
            Phase::Parked => child.crashes = 0,
            Phase::Live(_) | Phase::Stopping(..) | Phase::Erasing(_) => return Ok(()),
        }
        self.spawn(myself, session).await
    }

    /// An actor has ended, asked to or not.
    pub(super) async fn ended(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        actor: ActorId,
        reason: &str,
    ) -> Result<(), ActorProcessingErr> {
        let Some(session) = self.by_actor.remove(&actor) else {
            return Ok(());
        };
        let Some(child) = self.children.get_mut(&session) else {
            return Ok(());
        };
        match std::mem::replace(&mut child.phase, Phase::Waiting) {
            Phase::Stopping(stopped, after) if stopped == actor => {
                self.go_on(myself, session, after).await
            }
            Phase::Live(live) if live == actor => {
                self.crashed(myself, &session, reason);
                Ok(())
            }
            // An actor of an earlier phase: what the session does now is not its matter.
            phase @ (Phase::Live(_)
            | Phase::Stopping(..)
            | Phase::Waiting
            | Phase::Parked
            | Phase::Erasing(_)) => {
                child.phase = phase;
                Ok(())
            }
        }
    }

    fn crashed(&mut self, myself: &ActorRef<ShardMessage>, session: &SessionRef, reason: &str) {
        let policy = &self.shared.surroundings.limits.restarts;
        let Some(child) = self.children.get_mut(session) else {
            return;
        };
        child.handle.set_actor(None);
        let was_parked = self.shared.surroundings.parks(child.crashes);
        if child.started_at.elapsed() >= policy.healthy_after {
            child.crashes = 0;
        }
        child.crashes = child.crashes.saturating_add(1);
        child.generation += 1;
        metrics::counter!("switchboard_session_crashes_total").increment(1);
        tracing::error!(%session, reason, crashes = child.crashes, "a session crashed");
        child.handle.loaded_sender().send_replace(true);
        let now = crate::clock::now();
        if was_parked && self.shared.surroundings.parks(child.crashes) {
            child.phase = Phase::Parked;
            child.handle.status_sender().send_modify(|status| {
                status.state = SessionState::Parked;
                status.since = now;
                status.reason = Some(format!("crashed again while parked: {reason}"));
                status.next_try_at = None;
                status.challenge = None;
            });
            return;
        }
        child.phase = Phase::Waiting;
        let parks = self.shared.surroundings.parks(child.crashes);
        let delay = if parks {
            policy.first
        } else {
            restart_delay(policy, child.crashes)
        };
        child.handle.status_sender().send_modify(|status| {
            status.state = SessionState::Waiting;
            status.since = now;
            status.reason = Some(format!("the session crashed and is restarted: {reason}"));
            status.next_try_at = Some(now.plus(delay));
            status.challenge = None;
            status.failures = status.failures.saturating_add(1);
        });
        let (shard, session, generation) = (myself.clone(), session.clone(), child.generation);
        self.tasks.spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = shard.send_message(ShardMessage::RestartDue(session, generation));
        });
    }
}
