//! One session as its shard sees it: what it is doing, what follows, and how its data goes away.

use std::sync::Arc;
use std::time::Duration;

use ractor::ActorId;
use switchboard_keystore::Remains;
use switchboard_vocab::OpError;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::super::{Shared, Wanted};
use crate::config::RestartPolicy;
use crate::session::handle::Handle;
use crate::session::journal;
use crate::session::lifecycle::{JITTER_FULL, backoff};

/// Longest wait for a session that was stopped to let go of its rows, before they are removed.
const LET_GO_MAX: Duration = Duration::from_secs(30);

pub(super) struct Child {
    pub(super) wanted: Wanted,
    pub(super) handle: Arc<Handle>,
    pub(super) phase: Phase,
    /// Ends this life at once.
    pub(super) cut: CancellationToken,
    pub(super) crashes: u32,
    pub(super) started_at: Instant,
    pub(super) generation: u64,
}

pub(super) enum Phase {
    /// An actor exists.
    Live(ActorId),
    /// Its actor was told to stop; this follows.
    Stopping(ActorId, After),
    /// Crashed; a timer runs.
    Waiting,
    /// Crashed too often, even without a connection.
    Parked,
    /// Its data is being removed.
    Erasing(Removal),
}

pub(super) enum After {
    /// Nothing; whoever waits for the end is told.
    Gone(Vec<oneshot::Sender<()>>),
    Erase(Removal),
    Run(Wanted),
}

/// A removal of data that was asked for.
pub(super) struct Removal {
    pub(super) forget: bool,
    /// Everybody who asked for it.
    pub(super) done: Vec<oneshot::Sender<Result<(), OpError>>>,
    /// What runs afterwards, when it was asked for meanwhile.
    pub(super) next: Option<Wanted>,
    /// Everybody who waits for the session to have no life any more.
    pub(super) stopped: Vec<oneshot::Sender<()>>,
}

impl Removal {
    /// A removal that is under way is not taken back; another wish for it, or for what follows, joins it.
    pub(super) fn joined_by(mut self, after: After) -> Self {
        match after {
            After::Gone(waiting) => self.stopped.extend(waiting),
            After::Run(wanted) => self.next = Some(wanted),
            After::Erase(other) => {
                self.forget |= other.forget;
                self.done.extend(other.done);
                self.next = self.next.or(other.next);
            }
        }
        self
    }
}

/// The wait before the restart after this many crashes.
pub(super) fn restart_delay(policy: &RestartPolicy, crashes: u32) -> Duration {
    backoff(policy.first, crashes, rand::random_range(0..=JITTER_FULL)).min(policy.longest)
}

/// Removes everything the node holds of a session, once its last life has let go of it.
pub(super) async fn remove_data(shared: &Shared, handle: &Handle) -> Result<(), OpError> {
    let tenancy = shared.index.tenancy(&handle.scope.session);
    let _alone = timeout(LET_GO_MAX, tenancy.lock())
        .await
        .map_err(|_| OpError::internal("the session did not let go of its rows"))?;
    let surroundings = &shared.surroundings;
    let namespace = journal::namespace(&handle.scope)?;
    // Nothing, so that a replicated log goes too; the next life's first commit brings the epoch back.
    let dropped = surroundings
        .store
        .drop_namespace(&namespace, Remains::Nothing)
        .await;
    dropped.map_err(|e| OpError::internal(format!("drop {namespace}: {e}")))?;
    let scope = &handle.scope;
    let media = &surroundings.ports.media;
    media.erase(&scope.session, &scope.uuid).await
}
