//! The door to a session: what outlives its actor's crashes, and the admission of calls.
//!
//! Owns the permits, the status and the way to whatever actor is alive now. Admission comes before the mailbox, which has
//! no bound of its own (design rule R-25).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::ActorRef;
use switchboard_vocab::sessions::{SessionState, SessionStatus};
use switchboard_vocab::{Effect, ErrorCode, OpError, SessionRef};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::actor::{Message, STOPPED_ON_PURPOSE};
use super::context::{not_connected, restarting, time_left};
use super::job::Job;
use crate::cluster::Gate;
use crate::execute::Prepared;
use crate::ports::SessionScope;

/// Grace for an answer that is given at the deadline.
const ANSWER_GRACE: Duration = Duration::from_secs(1);
/// Longest wait for a session that is being started or restarted to take a call.
const ACTOR_WAIT_MAX: Duration = Duration::from_secs(5);

/// Asks the supervisor to start a crashed or parked session at once; `false` = there is no supervisor any more.
pub(crate) type Revive = Arc<dyn Fn(&SessionRef) -> bool + Send + Sync>;

/// The door to one session.
pub(crate) struct Handle {
    pub(crate) scope: SessionScope,
    /// The gate that this life began under.
    pub(crate) gate: Arc<Gate>,
    calls_max: usize,
    permits: Arc<Semaphore>,
    /// Since when no call is under way, as far as anybody looked.
    idle_since: Mutex<Option<Instant>>,
    status: watch::Sender<SessionStatus>,
    /// Whether the status is what the store says; before that it is only a first guess.
    loaded: watch::Sender<bool>,
    actor: watch::Sender<Option<ActorRef<Message>>>,
    revive: Revive,
    /// The session has no life here any more.
    gone: CancellationToken,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn new(
        scope: SessionScope,
        gate: Arc<Gate>,
        calls_max: usize,
        status: SessionStatus,
        revive: Revive,
    ) -> Self {
        Self {
            scope,
            gate,
            calls_max,
            permits: Arc::new(Semaphore::new(calls_max)),
            idle_since: Mutex::default(),
            status: watch::Sender::new(status),
            loaded: watch::Sender::new(false),
            actor: watch::Sender::new(None),
            revive,
            gone: CancellationToken::new(),
        }
    }

    /// Whether a call is under way, or was within `patience`. Asked about once a second, which is how exact it is.
    pub(crate) fn is_busy(&self, patience: Duration) -> bool {
        let idle = self.permits.available_permits() >= self.calls_max;
        let mut since = self
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match (idle, *since) {
            (false, _) => *since = Some(Instant::now()),
            (true, Some(at)) if at.elapsed() >= patience => *since = None,
            (true, _) => {}
        }
        since.is_some()
    }

    /// Nobody answers at this door any more.
    pub(crate) fn close(&self) {
        self.gone.cancel();
    }

    /// The status now.
    fn status(&self) -> SessionStatus {
        self.status.borrow().clone()
    }

    pub(crate) fn loaded_sender(&self) -> watch::Sender<bool> {
        self.loaded.clone()
    }

    pub(crate) fn status_sender(&self) -> watch::Sender<SessionStatus> {
        self.status.clone()
    }

    /// The actor that takes calls from now on.
    pub(crate) fn set_actor(&self, actor: Option<ActorRef<Message>>) {
        self.actor.send_replace(actor);
    }

    /// Takes the actor's calls away and tells it to stop, gently with those under way finished.
    pub(crate) fn stop_actor(&self, gently: bool) {
        let Some(actor) = self.actor.send_replace(None) else {
            return;
        };
        if gently && actor.send_message(Message::Close).is_ok() {
            return;
        }
        actor.stop(Some(STOPPED_ON_PURPOSE.to_owned()));
    }

    /// Runs one call.
    ///
    /// # Errors
    /// As the operation; [`ErrorCode::Busy`] beyond the session's limit; [`ErrorCode::Unavailable`] where the session is
    /// being restarted.
    pub(crate) async fn run(
        &self,
        prepared: Prepared,
        deadline: Instant,
        trace: String,
    ) -> Result<Vec<u8>, OpError> {
        if prepared.status_only {
            // The status is true whether or not an actor is alive, and must not wait behind calls.
            let until = deadline.min(Instant::now() + ACTOR_WAIT_MAX);
            let mut loaded = self.loaded.subscribe();
            let known = timeout_at(until, loaded.wait_for(|loaded| *loaded)).await;
            known.map_err(|_| restarting())?.map_err(|_| restarting())?;
            return switchboard_vocab::codec::encode(&self.status());
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| {
            let text = "too many calls are under way for this session";
            OpError::new(ErrorCode::Busy, text).retry_after(Duration::from_secs(1))
        })?;
        self.called();
        let actor = self.live_actor(prepared.revives, deadline).await?;
        let effect = prepared.effect;
        let (reply, answer) = oneshot::channel();
        let job = Job {
            prepared,
            deadline,
            trace,
            reply,
            permit,
        };
        actor
            .send_message(Message::Run(Box::new(job)))
            .map_err(|_| restarting())?;
        match timeout_at(deadline + ANSWER_GRACE, answer).await {
            Ok(Ok(result)) => result,
            // The session crashed or stopped with the call inside it.
            Ok(Err(_)) => Err(after(effect, restarting())),
            Err(_) => {
                let error = OpError::new(ErrorCode::Timeout, "the session did not answer in time");
                Err(after(effect, error))
            }
        }
    }

    fn called(&self) {
        *self
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The actor, waiting a little where it is being started.
    async fn live_actor(
        &self,
        revives: bool,
        deadline: Instant,
    ) -> Result<ActorRef<Message>, OpError> {
        if let Some(actor) = &*self.actor.borrow() {
            return Ok(actor.clone());
        }
        let status = self.status();
        if status.state == SessionState::Parked && !revives {
            return Err(not_connected(&status));
        }
        if revives && !(self.revive)(&self.scope.session) {
            return Err(restarting());
        }
        let until = deadline.min(Instant::now() + ACTOR_WAIT_MAX);
        let mut actor = self.actor.subscribe();
        let live = tokio::select! {
            live = timeout_at(until, actor.wait_for(Option::is_some)) => live,
            () = self.gone.cancelled() => return Err(restarting()),
        };
        match live {
            Ok(Ok(actor)) => actor.clone().ok_or_else(restarting),
            Ok(Err(_)) | Err(_) => {
                let wait = time_left(&self.status());
                let error = restarting();
                Err(match wait {
                    Some(wait) => error.retry_after(wait),
                    None => error,
                })
            }
        }
    }
}

fn after(effect: Effect, error: OpError) -> OpError {
    if effect == Effect::Read {
        error
    } else {
        error.maybe_executed()
    }
}
