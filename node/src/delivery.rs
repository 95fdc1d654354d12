//! Delivery of events to webhooks: for each webhook of each session one worker, one call in flight, in order.
//!
//! Owns calls, retries and how far each webhook has got. Must not know how events come about; the dialects write the payloads.
//! An event stays in the session's outbox until every webhook has passed it, so a restart goes on where it stopped: a
//! receiver may see an event twice and tells by its id.

mod around;
mod post;
mod retry;
mod session;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use switchboard_dialect_kit::{Dialect, MediaLinks};
use switchboard_vocab::webhooks::Test;
use switchboard_vocab::{DialectName, OpError, SessionRef};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::egress::Guard;
use crate::ports::{DeliveryPort, Hints, MediaPort, SessionDelivery, SessionScope};

use self::post::Poster;
use self::retry::RetryPolicy;

/// Most webhook calls under way on a node. Source: design rule R-21.
const CALLS_MAX: usize = 512;
/// Longest one call may take. Source: design rule R-21.
const CALL_WAIT_MAX: Duration = Duration::from_secs(10);

/// What delivery needs to know of the installation.
#[derive(Debug, Clone)]
pub struct DeliveryConfig {
    /// The dialects whose payloads webhooks can ask for.
    pub dialects: Vec<Dialect>,
    /// Makes the media links inside payloads.
    pub links: MediaLinks,
    /// What webhooks may reach.
    pub guard: Guard,
    /// When a failed call is tried again.
    pub retry: RetryPolicy,
}

pub use self::retry::RetryPolicy as Retry;

/// Delivers events of every session of the node.
#[derive(Debug)]
pub struct Delivery {
    shared: Arc<Shared>,
    running: Mutex<HashMap<SessionRef, Running>>,
}

/// What every worker works with.
#[derive(Debug)]
struct Shared {
    dialects: HashMap<DialectName, Dialect>,
    links: MediaLinks,
    media: Arc<dyn MediaPort>,
    poster: Poster,
    retry: RetryPolicy,
    calls: Semaphore,
}

#[derive(Debug)]
struct Running {
    scope: SessionScope,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Delivery {
    /// Delivery with nothing to deliver yet.
    ///
    /// # Errors
    /// When the machine's TLS roots cannot be read.
    pub fn new(config: DeliveryConfig, media: Arc<dyn MediaPort>) -> Result<Self, OpError> {
        let shared = Shared {
            dialects: config
                .dialects
                .into_iter()
                .map(|dialect| (dialect.name, dialect))
                .collect(),
            links: config.links,
            media,
            poster: Poster::new(config.guard, CALL_WAIT_MAX)?,
            retry: config.retry,
            calls: Semaphore::new(CALLS_MAX),
        };
        Ok(Self {
            shared: Arc::new(shared),
            running: Mutex::default(),
        })
    }

    async fn end(running: Running, limit: Duration) {
        running.stop.cancel();
        let abort = running.task.abort_handle();
        if tokio::time::timeout(limit, running.task).await.is_err() {
            // The event stays in the outbox and is delivered again later.
            abort.abort();
        }
    }
}

#[async_trait]
impl DeliveryPort for Delivery {
    async fn session_started(&self, session: SessionDelivery, hints: Hints) -> Result<(), OpError> {
        let scope = session.scope.clone();
        let mut running = self.running.lock().await;
        if let Some(earlier) = running.remove(&scope.session) {
            Self::end(earlier, Duration::ZERO).await;
        }
        session::make_sinks(&session).await?;
        let stop = CancellationToken::new();
        let work = session::deliver(Arc::clone(&self.shared), session, hints, stop.clone());
        let task = crate::task::start(work);
        running.insert(scope.session.clone(), Running { scope, stop, task });
        Ok(())
    }

    async fn session_stopped(&self, scope: &SessionScope, limit: Duration) {
        let mut running = self.running.lock().await;
        let same = running
            .get(&scope.session)
            .is_some_and(|found| found.scope == *scope);
        let found = if same {
            running.remove(&scope.session)
        } else {
            None
        };
        drop(running);
        if let Some(found) = found {
            Self::end(found, limit).await;
        }
    }

    async fn call_once(&self, call: &Test) -> Result<u16, OpError> {
        let _permit = self.shared.calls.acquire().await;
        self.shared.poster.test(call).await
    }
}

#[cfg(test)]
mod tests;
