//! One call on its way through a session: what it runs, how long anyone waits, and where the answer goes.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use switchboard_vocab::{Effect, ErrorCode, OpError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::context::{Session, SessionCx, restarting};
use crate::execute::Prepared;

/// Longest life of a call whose caller has given up: it goes on so that the journal learns what became of it.
const UNATTENDED_MAX: Duration = Duration::from_secs(120);

/// A call that was admitted.
pub(crate) struct Job {
    pub(crate) prepared: Prepared,
    pub(crate) deadline: Instant,
    pub(crate) trace: String,
    pub(crate) reply: oneshot::Sender<Result<Vec<u8>, OpError>>,
    /// Held until the call has ended, waited for or not.
    pub(crate) permit: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("operation", &self.prepared.name)
            .finish_non_exhaustive()
    }
}

impl Job {
    /// Answers that the message was taken back before it left.
    pub(crate) fn take_back(self) {
        let text = "the message was taken back before it left";
        // A caller that is gone misses nothing.
        let _ = self.reply.send(Err(OpError::new(ErrorCode::Refused, text)));
    }

    /// Answers that nothing was done: the session is being stopped.
    pub(crate) fn refuse(self) {
        // A caller that is gone misses nothing.
        let _ = self.reply.send(Err(restarting()));
    }
}

/// Runs the job; a panic is its own and nobody else's.
pub(crate) async fn run(job: Job, session: Arc<Session>) {
    let Job {
        prepared,
        deadline,
        trace,
        reply,
        permit,
    } = job;
    let (name, effect) = (prepared.name, prepared.effect);
    if Instant::now() >= deadline {
        let text = "the call waited behind others until its deadline";
        // A caller that is gone misses nothing.
        let _ = reply.send(Err(OpError::new(ErrorCode::Timeout, text)));
        return;
    }
    let scope = session.scope.clone();
    let work = (prepared.run)(SessionCx { session, deadline });
    let work = AssertUnwindSafe(work).catch_unwind().map(|result| {
        result.unwrap_or_else(|panic| {
            let text = panic_text(&*panic);
            tracing::error!(session = %scope.session, operation = name, trace, text, "an operation panicked");
            let error = OpError::internal(format!("{name} panicked: {text}"));
            Err(if effect == Effect::Read { error } else { error.maybe_executed() })
        })
    });
    tokio::pin!(work);
    tokio::select! {
        result = &mut work => {
            let _ = reply.send(result);
        }
        () = sleep_until(deadline) => {
            let error = OpError::new(ErrorCode::Timeout, "the call did not finish in time");
            let read = effect == Effect::Read;
            let _ = reply.send(Err(if read { error } else { error.maybe_executed() }));
            if !read && timeout(UNATTENDED_MAX, work).await.is_err() {
                tracing::error!(session = %scope.session, operation = name, trace, "an operation was given up");
            }
        }
    }
    drop(permit);
}

/// The words of a panic, where it had any.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no text".to_owned())
}
