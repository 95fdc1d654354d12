//! The durable journal of a session: message log, outbox of events, and what else must survive a restart.
//!
//! Owns the rows of the session's namespace from 0x80 to 0xAF. One writer, so `number` of messages and `sequence` of events
//! have no gaps; what belongs together is one durable commit. Must not know actors, dialects or who reads the outbox.

mod chats;
mod checked;
mod effects;
mod intake;
mod layout;
mod learn;
mod listing;
mod log;
mod messages;
mod order;
mod outbox;
mod people;
mod progress;
mod reading;
mod recent;
mod rows;
mod trim;
mod txn;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard_keystore::{Epoch, KeyStore, Kind, Namespace};
use switchboard_vocab::content::Body;
use switchboard_vocab::events::Event;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::messages::Message;
use switchboard_vocab::settings::Settings;
use switchboard_vocab::{MediaId, MessageId, OpError, Timestamp, UserId};
use switchboard_whatsapp::{Dispatched, Receipt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::lifecycle::Saved;
use super::{kinds, media_of, stored_media};
use crate::ports::{KnownMedia, SessionScope, WebhookBook};

use recent::Tail;
pub(crate) use rows::{CheckedRow, Fate, Head, MediaRow, StoredMessage};
use txn::Memory;
use writer::{Change, Reply, Request};

/// Requests that wait for the writer. Above the number of jobs a session can have, so that only a store that
/// stands still fills it.
const QUEUE_MAX: usize = 256;

/// How much a session keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Messages in the log; the oldest go first.
    pub(crate) messages_max: u64,
    /// Bytes of these messages.
    pub(crate) bytes_max: u64,
    /// How old they get.
    pub(crate) age_max: Option<Duration>,
    /// Events that wait for a sink; the oldest go first (design rule R-22: receiving never stops for them).
    pub(crate) events_max: u64,
    /// Bytes of these events.
    pub(crate) events_bytes_max: u64,
    /// Whether a search index follows the log.
    pub(crate) search: bool,
}

/// Why the journal could not do something.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    /// The key store failed.
    #[error("journal: {0}")]
    Store(#[from] switchboard_keystore::Error),
    /// A row is not what it should be.
    #[error("journal: {what} cannot be read: {why}")]
    Row {
        /// Which row.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A value cannot be written.
    #[error("journal: {what} cannot be written: {why}")]
    Encode {
        /// Which value.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The request makes no sense.
    #[error("journal: {0}")]
    Invalid(String),
    /// The session has stopped, or the journal failed before.
    #[error("journal: closed")]
    Closed,
    /// The writer does not keep up.
    #[error("journal: {QUEUE_MAX} requests are waiting")]
    Full,
}

impl Error {
    fn row(what: &'static str) -> Self {
        Self::Row {
            what,
            why: "it is too short".to_owned(),
        }
    }

    fn schema(what: &'static str, schema: u8) -> Self {
        Self::Row {
            what,
            why: format!("schema {schema} is not known to this release"),
        }
    }

    fn decode(what: &'static str, cause: &serde_json::Error) -> Self {
        Self::Row {
            what,
            why: cause.to_string(),
        }
    }

    fn encode(what: &'static str, cause: &serde_json::Error) -> Self {
        Self::Encode {
            what,
            why: cause.to_string(),
        }
    }
}

impl From<Error> for OpError {
    fn from(error: Error) -> Self {
        use switchboard_vocab::ErrorCode;
        match &error {
            Error::Invalid(text) => Self::invalid(text.clone()),
            Error::Closed | Error::Full => {
                Self::new(ErrorCode::Unavailable, "the session is being restarted")
                    .retry_after(Duration::from_secs(1))
                    .with_internal(error.to_string())
            }
            Error::Store(_) | Error::Row { .. } | Error::Encode { .. } => {
                Self::internal(error.to_string())
            }
        }
    }
}

/// What a send finds when it records its message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Claim {
    /// It is recorded now: go on and send it.
    New(Message),
    /// The id was sent before; this is what became of it.
    Known(Message, Fate),
}

/// What goes of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emptying {
    /// Its messages.
    Messages,
    /// Its messages without a star.
    ButStarred,
    /// Its messages and the conversation itself.
    Whole,
}

/// An own message that is about to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) message: Message,
    /// Its file.
    pub(crate) media: Option<StoredMedia>,
    /// Who gets it, for stories.
    pub(crate) audience: Option<Vec<UserId>>,
}

/// What a session's namespace holds when the session comes to life.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) saved: Saved,
    pub(crate) webhooks: WebhookBook,
    pub(crate) settings: Settings,
}

/// A handle on the journal of one session. Cheap to clone through [`Arc`]; ends with [`Journal::close`].
pub(crate) struct Journal {
    scope: SessionScope,
    store: Arc<dyn KeyStore>,
    namespace: Namespace,
    requests: mpsc::Sender<Request>,
    last_sequence: watch::Receiver<u64>,
    memory: Arc<Mutex<Memory>>,
    tail: Arc<Mutex<Tail>>,
    stop: CancellationToken,
    dead: CancellationToken,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The namespace of a session.
pub(crate) fn namespace(scope: &SessionScope) -> Result<Namespace, Error> {
    Namespace::session(&scope.session.to_string()).map_err(|e| Error::Invalid(e.to_string()))
}

/// The uuid of the session whose rows the namespace holds, if any.
pub(crate) async fn uuid_in(
    store: &dyn KeyStore,
    namespace: &Namespace,
) -> Result<Option<String>, Error> {
    let row = store.get(namespace, kinds::HEAD, &[]).await?;
    Ok(row
        .map(|row| rows::decode::<Head>("head", &row))
        .transpose()?
        .map(|head| head.uuid))
}

impl Journal {
    /// Opens the journal and claims it for `scope.epoch`. `guard` is held until the writer has ended: whoever must not
    /// write at the same time waits for it.
    ///
    /// # Errors
    /// When the store fails or the rows are damaged; [`Error::Invalid`] when they belong to another uuid.
    pub(crate) async fn open(
        scope: SessionScope,
        store: Arc<dyn KeyStore>,
        limits: Limits,
        guard: impl Send + 'static,
    ) -> Result<(Arc<Self>, Restored), Error> {
        let namespace = namespace(&scope)?;
        let head = match store.get(&namespace, kinds::HEAD, &[]).await? {
            Some(row) => rows::decode("head", &row)?,
            None => Head::empty(&scope.uuid),
        };
        if head.uuid != *scope.uuid {
            let text = format!(
                "the rows of {} are those of an earlier session",
                scope.session
            );
            return Err(Error::Invalid(text));
        }
        let restored = Restored {
            saved: load(&*store, &namespace, kinds::SAVED, "saved state").await?,
            webhooks: load(&*store, &namespace, kinds::WEBHOOKS, "webhooks").await?,
            settings: load(&*store, &namespace, kinds::SETTINGS, "settings").await?,
        };
        let sinks = outbox::load_sinks(&*store, &namespace).await?;
        let layout = head.layout;
        let memory = Memory {
            head,
            sinks,
            webhooks: Arc::new(restored.webhooks.clone()),
            me: restored.saved.identity.clone(),
            history: BTreeMap::new(),
            checked_until: Vec::new(),
            oldest_event: None,
        };
        let (last_sender, last_sequence) = watch::channel(memory.head.last_sequence);
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Mutex::new(memory.clone()));
        let tail = Arc::default();
        let journal = Self {
            scope: scope.clone(),
            store: Arc::clone(&store),
            namespace: namespace.clone(),
            requests,
            last_sequence,
            memory: Arc::clone(&shared),
            tail: Arc::clone(&tail),
            stop: CancellationToken::new(),
            dead: CancellationToken::new(),
        };
        let writer = writer::Writer {
            epoch: Epoch(scope.epoch.0),
            scope,
            store,
            namespace,
            limits,
            memory,
            shared,
            tail,
            last_sequence: last_sender,
            stop: journal.stop.clone(),
            next_trim: tokio::time::Instant::now(),
            recent: recent::Recent::default(),
            forget_at: tokio::time::Instant::now(),
        };
        let dead = journal.dead.clone().drop_guard();
        drop(crate::task::start(async move {
            writer.run(queue).await;
            drop(guard);
            drop(dead);
        }));
        // The first commit fences every earlier owner and writes the head of a new session.
        journal.call(Change::Open).await?;
        journal.migrate(layout).await?;
        Ok((Arc::new(journal), restored))
    }

    /// The session whose journal this is, as every life of its name is told apart.
    pub(crate) fn uuid(&self) -> Arc<str> {
        Arc::clone(&self.scope.uuid)
    }

    /// Ends the writer without waiting; what is queued is dropped.
    pub(crate) fn cancel(&self) {
        self.stop.cancel();
    }

    /// Writes what is queued, then ends the writer and waits for it.
    pub(crate) async fn close(&self) {
        // An error means that the writer has ended before, which is what is wanted.
        let _ = self.flush().await;
        self.stop.cancel();
        self.dead.cancelled().await;
    }

    /// Returns once the writer has ended, for whatever reason.
    pub(crate) fn ended(&self) -> tokio_util::sync::WaitForCancellationFutureOwned {
        self.dead.clone().cancelled_owned()
    }

    /// Everything that was asked for before is durable when this returns.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        self.call(Change::Flush).await.map(drop)
    }

    /// Records an event without waiting for it.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Closed`].
    pub(crate) fn post_event(&self, at: Timestamp, event: Event) -> Result<(), Error> {
        self.post(Change::Happened {
            at,
            event: Box::new(event),
        })
    }

    /// Keeps what survives a restart, without waiting for it.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Closed`].
    pub(crate) fn post_saved(&self, saved: Saved) -> Result<(), Error> {
        self.post(Change::Saved(Box::new(saved)))
    }

    /// Replaces the webhooks.
    pub(crate) async fn set_webhooks(&self, book: WebhookBook) -> Result<(), Error> {
        self.call(Change::Webhooks(book)).await.map(drop)
    }

    /// Records an own message that is about to be sent.
    pub(crate) async fn claim(&self, claimed: Claimed) -> Result<Claim, Error> {
        let Reply::Claim(claim) = self.call(Change::Claim(Box::new(claimed))).await? else {
            return Err(Error::Closed);
        };
        Ok(*claim)
    }

    /// Records that an own message left, and tells it.
    pub(crate) async fn dispatched(&self, dispatched: Dispatched) -> Result<Message, Error> {
        let change = Change::Dispatched(Box::new(dispatched));
        let Reply::Message(message) = self.call(change).await? else {
            return Err(Error::Closed);
        };
        Ok(*message)
    }

    /// Records that an own message did not leave, or may not have.
    pub(crate) async fn not_sent(&self, id: MessageId, error: OpError) -> Result<(), Error> {
        let at = crate::clock::now();
        self.call(Change::NotSent {
            id,
            error: Box::new(error),
            at,
        })
        .await
        .map(drop)
    }

    /// Records WhatsApp's own answer for a message.
    pub(crate) async fn acked(&self, acked: Acked) -> Result<(), Error> {
        self.call(Change::Acked(acked)).await.map(drop)
    }

    /// Records how far own messages came.
    pub(crate) async fn receipt(&self, receipt: Receipt) -> Result<(), Error> {
        self.call(Change::Receipt(receipt)).await.map(drop)
    }

    /// What is needed to download a file.
    pub(crate) async fn media(&self, id: &MediaId) -> Result<Option<KnownMedia>, Error> {
        let key = id.as_str().as_bytes();
        let Some(row) = self.store.get(&self.namespace, kinds::MEDIA, key).await? else {
            return Ok(None);
        };
        let row: MediaRow = rows::decode("media", &row)?;
        let keys = row.keys.map(hex::decode).transpose();
        let keys = keys.map_err(|e| Error::Row {
            what: "media",
            why: e.to_string(),
        })?;
        Ok(Some(KnownMedia {
            meta: row.meta,
            keys,
            message: Some(row.number),
        }))
    }

    async fn call(&self, change: Change) -> Result<Reply, Error> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            change,
            reply: Some(reply),
        };
        self.requests
            .send(request)
            .await
            .map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    fn post(&self, change: Change) -> Result<(), Error> {
        self.requests
            .try_send(Request {
                change,
                reply: None,
            })
            .map_err(|e| match e {
                mpsc::error::TrySendError::Full(_) => Error::Full,
                mpsc::error::TrySendError::Closed(_) => Error::Closed,
            })
    }

    /// Where the log and the outbox stand.
    fn head(&self) -> Head {
        self.memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .head
            .clone()
    }
}

/// WhatsApp's own answer for a message.
#[derive(Debug, Clone)]
pub(crate) struct Acked {
    pub(crate) id: MessageId,
    pub(crate) chat: switchboard_vocab::ChatId,
    pub(crate) error: Option<u16>,
    pub(crate) at: Timestamp,
}

/// Whether one person wrote both. The second address may be known in one of them only.
fn same_writer(a: &Message, b: &Message) -> bool {
    let names = |m: &Message| [Some(m.sender.clone()), m.sender_alt.clone()];
    let shared = names(a)
        .into_iter()
        .flatten()
        .any(|name| names(b).contains(&Some(name)));
    a.from_me == b.from_me && (a.from_me || shared)
}

/// The file of a message.
fn stored_media_of(body: &Body) -> Option<StoredMedia> {
    media_of(body).map(stored_media)
}

async fn load<T: serde::de::DeserializeOwned + Default>(
    store: &dyn KeyStore,
    namespace: &Namespace,
    kind: Kind,
    what: &'static str,
) -> Result<T, Error> {
    let row = store.get(namespace, kind, &[]).await?;
    row.map_or_else(|| Ok(T::default()), |row| rows::decode(what, &row))
}

#[cfg(test)]
mod tests;
