//! What the parts of one running session share, and what an operation may use.
//!
//! Owns no decisions: the actor decides, this hands things to its jobs and its connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ractor::ActorRef;
use switchboard_dialect_kit::HistoryPage;
use switchboard_keystore::{Admission, KeyStore};
use switchboard_ownership::{Rule, Rules};
use switchboard_vocab::chats::Chat;
use switchboard_vocab::events::sessions::HistoryPart;
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::sessions::{Identity, SessionState, SessionStatus};
use switchboard_vocab::settings::Settings;
use switchboard_vocab::{ChatId, ErrorCode, EventId, MediaId, NodeId, OpError, messages};
use switchboard_whatsapp::Account;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::account::{AccountSlot, remote};
use super::actor::Message;
use super::journal::Journal;
use super::lifecycle::Input;
use super::past;
use super::presence::{Known, Showing};
use super::refetch::Refetch;
use crate::cluster::{DataSource, Gate};
use crate::limiter::Limiter;
use crate::placement::Ownership;
use crate::ports::{Files, HINT_SEQUENCE_MIN, Ports, SessionScope, WebhookBook};
use crate::search::Search;

/// Longest wait of a call for a connection that is being made. Source: design-notes 3.5, how long a move keeps callers.
const ARRIVAL_MAX: Duration = Duration::from_secs(2);

/// What every session of a node works with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) node: NodeId,
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) connect: Arc<dyn super::account::Connect>,
    pub(crate) data: Arc<dyn DataSource>,
    pub(crate) ownership: Arc<dyn Ownership>,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) ports: Ports,
    pub(crate) limits: Arc<crate::config::Limits>,
    /// The safety rules in force.
    pub(crate) rules: Arc<Rules>,
    /// The node's search index.
    pub(crate) search: Option<Arc<Search>>,
    /// Sessions that may be loaded from the store at once.
    pub(crate) loading: Arc<tokio::sync::Semaphore>,
    /// Cut when the node's time to stop is over: sessions that are still closing end at once.
    pub(crate) cut: CancellationToken,
}

impl Surroundings {
    /// Whether a session that crashed this often is given up until somebody starts it.
    pub(crate) fn parks(&self, crashes: u32) -> bool {
        self.rules.has(Rule::CrashBudget) && crashes > self.limits.restarts.crashes_max
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// One running session, shared by its actor, its connection and its jobs.
pub(crate) struct Session {
    pub(crate) scope: SessionScope,
    pub(crate) journal: Arc<Journal>,
    pub(crate) account: AccountSlot,
    pub(crate) ports: Ports,
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) ownership: Arc<dyn Ownership>,
    /// The gate of the node's life under which this one began.
    pub(crate) gate: Arc<Gate>,
    /// Cut when this life must end at once: sockets are dropped, nothing is flushed.
    pub(crate) cut: CancellationToken,
    pub(crate) rules: Arc<Rules>,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) status: watch::Receiver<SessionStatus>,
    pub(crate) webhooks: watch::Sender<Arc<WebhookBook>>,
    /// The node's search index.
    pub(crate) search: Option<Arc<Search>>,
    /// What the customer chose.
    pub(crate) settings: watch::Sender<Settings>,
    /// What was last told of people's presence.
    pub(crate) presence: Known,
    /// What the account shows in conversations.
    pub(crate) showing: Showing,
    pub(crate) hints: mpsc::Sender<Envelope>,
    pub(crate) hint_sequence: AtomicU64,
    pub(crate) actor: ActorRef<Message>,
}

/// Waits until a life must end at once: it was cut, or its gate was shut.
pub(crate) async fn cut_off(cut: &CancellationToken, gate: &Gate) {
    tokio::select! {
        () = cut.cancelled() => {}
        () = gate.shut().cancelled() => {}
    }
}

impl Session {
    /// Waits until this life must end at once.
    pub(crate) async fn cut_off(&self) {
        cut_off(&self.cut, &self.gate).await;
    }

    /// Hands a hint to delivery; dropped when delivery is behind.
    pub(crate) fn hint(&self, event: Event) {
        let at = crate::clock::now();
        let wanted = HINT_SEQUENCE_MIN + at.as_millis();
        let before =
            self.hint_sequence
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                    Some(wanted.max(last + 1))
                });
        let sequence = before.map_or(wanted, |last| wanted.max(last + 1));
        let envelope = Envelope {
            id: EventId::new(&self.scope.uuid, self.scope.epoch, sequence),
            session: self.scope.session.clone(),
            epoch: self.scope.epoch,
            sequence,
            at,
            event,
        };
        if self.hints.try_send(envelope).is_err() {
            metrics::counter!("switchboard_hints_dropped_total").increment(1);
        }
    }

    /// Opens a file of the session for reading.
    pub(crate) async fn open_media(&self, media: &MediaId) -> Result<StoredMedia, OpError> {
        let known = self.journal.media(media).await?;
        let downloader = Refetch {
            session: self,
            message: known.as_ref().and_then(|known| known.message),
        };
        self.ports
            .media
            .open(&self.scope, media, known, &downloader)
            .await
    }
}

#[async_trait]
impl Files for Session {
    async fn open(&self, media: &MediaId) -> Result<StoredMedia, OpError> {
        self.open_media(media).await
    }

    async fn raw(&self, number: u64) -> Result<Option<String>, OpError> {
        let proto = self.journal.proto(number).await?;
        Ok(proto.and_then(|proto| switchboard_whatsapp::proto_text(&proto)))
    }

    async fn message(&self, number: u64) -> Result<Option<messages::Message>, OpError> {
        Ok(self.journal.numbered(&[number]).await?.pop())
    }

    async fn chat(&self, chat: &ChatId) -> Result<Option<Chat>, OpError> {
        Ok(self.journal.chat(chat).await?)
    }

    async fn history(
        &self,
        part: &HistoryPart,
        place: u64,
    ) -> Result<(HistoryPage, Option<u64>), OpError> {
        Ok(past::page(&self.journal, part, place).await?)
    }
}

/// What an executing operation may use.
#[derive(Clone)]
pub(crate) struct SessionCx {
    pub(crate) session: Arc<Session>,
    /// When the caller stops waiting.
    pub(crate) deadline: Instant,
}

impl fmt::Debug for SessionCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCx")
            .field("scope", &self.session.scope)
            .finish_non_exhaustive()
    }
}

impl SessionCx {
    pub(crate) fn journal(&self) -> &Journal {
        &self.session.journal
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.session.ports
    }

    pub(crate) fn scope(&self) -> &SessionScope {
        &self.session.scope
    }

    pub(crate) fn status(&self) -> SessionStatus {
        self.session.status.borrow().clone()
    }

    pub(crate) fn webhooks(&self) -> Arc<WebhookBook> {
        Arc::clone(&self.session.webhooks.borrow())
    }

    /// Makes a new book durable and shows it to delivery.
    pub(crate) async fn set_webhooks(&self, book: WebhookBook) -> Result<(), OpError> {
        self.journal().set_webhooks(book.clone()).await?;
        self.session.webhooks.send_replace(Arc::new(book));
        Ok(())
    }

    /// Tells the lifecycle something; returns once it has decided and what it remembers is durable.
    pub(crate) async fn tell(&self, input: Input) -> Result<(), OpError> {
        let (done, decided) = oneshot::channel();
        self.session
            .actor
            .send_message(Message::Input(input, Some(done)))
            .map_err(|_| restarting())?;
        decided.await.map_err(|_| restarting())?;
        Ok(self.journal().flush().await?)
    }

    /// Waits until the status is as wanted; the status as it is then, or when the wait or the caller's patience ends.
    pub(crate) async fn wait_until(
        &self,
        wait: Duration,
        wanted: impl FnMut(&SessionStatus) -> bool,
    ) -> SessionStatus {
        let mut status = self.session.status.clone();
        let until = (Instant::now() + wait).min(self.patience());
        let found = timeout_at(until, status.wait_for(wanted)).await;
        match found {
            Ok(Ok(status)) => status.clone(),
            Ok(Err(_)) | Err(_) => self.status(),
        }
    }

    /// A little before the deadline, so that the answer still arrives.
    pub(crate) fn patience(&self) -> Instant {
        const ANSWER_TRAVEL: Duration = Duration::from_millis(250);
        self.deadline
            .checked_sub(ANSWER_TRAVEL)
            .unwrap_or(self.deadline)
    }

    /// The client of a session that can talk to WhatsApp now, and who it is. One that is just connecting is waited for: it
    /// may have come from another node a moment ago, and its customer is not to notice.
    pub(crate) async fn connected(&self) -> Result<(Arc<dyn Account>, Identity), OpError> {
        let is_coming = |state| matches!(state, SessionState::Starting | SessionState::Connecting);
        let arrived = |status: &SessionStatus| !is_coming(status.state);
        let status = self.wait_until(ARRIVAL_MAX, arrived).await;
        let Some(identity) = status.identity.clone() else {
            let text = "the session is not linked to an account: pair it";
            return Err(OpError::new(ErrorCode::NotPaired, text));
        };
        match status.state {
            SessionState::Connected | SessionState::Syncing => {}
            SessionState::Stopped
            | SessionState::Starting
            | SessionState::Pairing
            | SessionState::Connecting
            | SessionState::Waiting
            | SessionState::LoggedOut
            | SessionState::Banned
            | SessionState::Replaced
            | SessionState::Parked => return Err(not_connected(&status)),
        }
        Ok((self.account().await?, identity))
    }

    /// The client, connected or not.
    pub(crate) async fn account(&self) -> Result<Arc<dyn Account>, OpError> {
        Ok(self
            .session
            .account
            .open()
            .await
            .map_err(|e| remote(&e))?
            .account)
    }

    /// Refuses to link another account while the disk has no room for its keys and messages (design rule R-8).
    pub(crate) fn check_room(&self) -> Result<(), OpError> {
        let full = self.session.store.admission() >= Admission::NoNewSessions;
        if full && self.session.rules.has(Rule::DiskWatermark) && !self.status().is_paired() {
            let text = "the node's disk is too full to link another account";
            return Err(OpError::new(ErrorCode::StorageFull, text));
        }
        Ok(())
    }

    /// Refuses what leaves for other people while the disk is too full (design rule R-8).
    pub(crate) fn check_disk(&self) -> Result<(), OpError> {
        let full = self.session.store.admission() == Admission::NoSends;
        if full && self.session.rules.has(Rule::DiskWatermark) {
            let text = "the node's disk is too full to accept messages";
            return Err(OpError::new(ErrorCode::StorageFull, text));
        }
        Ok(())
    }
}

/// Says in which state the session is and when it tries again.
pub(crate) fn not_connected(status: &SessionStatus) -> OpError {
    let state = format!("{:?}", status.state).to_lowercase();
    let text = match &status.reason {
        Some(reason) => format!("the session is not connected to whatsapp: {state}, {reason}"),
        None => format!("the session is not connected to whatsapp: {state}"),
    };
    let error = OpError::new(ErrorCode::NotConnected, text);
    match time_left(status) {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// How long until the session tries again by itself.
pub(crate) fn time_left(status: &SessionStatus) -> Option<Duration> {
    let now = crate::clock::now().as_millis();
    status
        .next_try_at
        .map(|at| Duration::from_millis(at.as_millis().saturating_sub(now)))
}

/// The session's actor is away for a moment.
pub(crate) fn restarting() -> OpError {
    OpError::new(ErrorCode::Unavailable, "the session is being restarted")
        .retry_after(Duration::from_secs(1))
}
