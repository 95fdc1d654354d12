//! What sessions ask of the node's edge: the media store and the delivery of events.
//!
//! Owns the two traits and the values that cross them. Sessions know these traits only; the modules behind them
//! know nothing of actors, lifecycles or the journal's rows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_dialect_kit::HistoryPage;
use switchboard_vocab::chats::Chat;
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::events::Envelope;
use switchboard_vocab::events::sessions::HistoryPart;
use switchboard_vocab::media::{List, MediaList, MediaSource, StoredMedia};
use switchboard_vocab::messages::Message;
use switchboard_vocab::sessions::SessionStatus;
use switchboard_vocab::webhooks::{Test, Webhooks};
use switchboard_vocab::{ChatId, DialectName, Epoch, MediaId, OpError, SessionRef, UploadId};
use tokio::sync::{mpsc, watch};

/// Longest name of a sink, in bytes.
pub const SINK_NAME_BYTES_MAX: usize = 200;
/// Most sinks one session can have: its webhooks, the event stream, and room for later kinds.
pub const SINKS_MAX: usize = 64;
/// Begins the names of webhooks' sinks; other kinds of sinks choose another word.
pub const WEBHOOK_SINK_PREFIX: &str = "webhook.";
/// Most events one [`Outbox::read`] returns.
pub const OUTBOX_READ_MAX: usize = 256;
/// Most files of one session that [`MediaPort::stored`] tells.
pub const STORED_MAX: usize = 100_000;
/// Hints (presence, typing) that wait for the delivery side; the next one is dropped.
pub const HINTS_MAX: usize = 64;

/// Which session, which life of its name, and under which ownership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionScope {
    /// The session.
    pub session: SessionRef,
    /// Tells it from an earlier session of the same name; begins every event id.
    pub uuid: Arc<str>,
    /// The ownership under which rows are committed.
    pub epoch: Epoch,
}

/// The file of an outgoing message or of [`switchboard_vocab::media::Store`], before its bytes are at hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted<'a> {
    /// Where the bytes come from.
    pub source: &'a MediaSource,
    /// What it is to be sent as; `None` for a file that is only stored.
    pub kind: Option<MediaKind>,
    /// The media type the caller declared.
    pub mime_type: Option<&'a str>,
    /// The file name the caller gave.
    pub file_name: Option<&'a str>,
}

/// A file at hand, looked at: what it is was read from its bytes, not believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Id (fresh, or the stored file's own), kind, type, size, hash and name.
    pub meta: StoredMedia,
    /// The bytes.
    pub bytes: Bytes,
    /// Width and height in pixels, for pictures and films.
    pub size: Option<(u32, u32)>,
    /// A small JPEG, for pictures that could be read.
    pub thumbnail: Option<Bytes>,
    /// Length in seconds, for sound and films.
    pub seconds: Option<u32>,
    /// Loudness of a voice note, 64 values from 0 to 100.
    pub waveform: Option<Vec<u8>>,
}

/// A file that the journal knows from a message.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownMedia {
    /// As the message described it.
    pub meta: StoredMedia,
    /// What [`Downloader::download`] needs; absent when WhatsApp never told it.
    pub keys: Option<Vec<u8>>,
    /// Number of the newest message that carries it; absent where no message of the log does.
    pub message: Option<u64>,
}

/// Fetches a file from WhatsApp's media host through the session's client.
#[async_trait]
pub trait Downloader: Send + Sync {
    /// Downloads and decrypts a file of at most `size_max` bytes.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::NotFound`] when it is gone or damaged,
    /// [`switchboard_vocab::ErrorCode::NotConnected`] when the session is offline.
    async fn download(&self, keys: &[u8], size_max: u64) -> Result<Bytes, OpError>;
}

/// The node's media store: uploads under way, files of own and others' messages.
#[async_trait]
pub trait MediaPort: Send + Sync + fmt::Debug {
    /// Keeps one piece of an upload. Pieces of one upload may come in any order, and twice.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::TooLarge`], [`switchboard_vocab::ErrorCode::StorageFull`],
    /// [`switchboard_vocab::ErrorCode::InvalidInput`] for a piece outside the upload.
    async fn stage(
        &self,
        scope: &SessionScope,
        upload: &UploadId,
        offset: u64,
        total: u64,
        piece: Bytes,
    ) -> Result<(), OpError>;

    /// Brings the bytes of a file to hand: fetches a URL behind the egress guard, takes a staged upload (which is then
    /// used up), reads a stored file. Looks at the bytes and refuses what `kind` cannot be sent as. Stores nothing.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::MediaUnreachable`], [`switchboard_vocab::ErrorCode::UnsupportedMedia`],
    /// [`switchboard_vocab::ErrorCode::TooLarge`], [`switchboard_vocab::ErrorCode::NotFound`].
    async fn resolve(&self, scope: &SessionScope, wanted: Wanted<'_>) -> Result<Resolved, OpError>;

    /// The beginning of a page that a link leads to, at most `bytes_max` bytes, fetched behind the egress guard.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::MediaUnreachable`]; [`switchboard_vocab::ErrorCode::UnsupportedMedia`] when it is no
    /// HTML page.
    async fn page(&self, link: &str, bytes_max: usize) -> Result<Bytes, OpError>;

    /// Stores a file. The same id again replaces it.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::StorageFull`], [`switchboard_vocab::ErrorCode::Internal`];
    /// [`switchboard_vocab::ErrorCode::Unavailable`] when a store outside the node cannot be reached, here and in every other call.
    async fn put(
        &self,
        scope: &SessionScope,
        meta: &StoredMedia,
        bytes: Bytes,
    ) -> Result<(), OpError>;

    /// Makes sure that a file can be [`MediaPort::read`]: it is stored already, or is downloaded with the keys in `known`.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::NotFound`] when neither is possible; as [`Downloader::download`].
    async fn open(
        &self,
        scope: &SessionScope,
        media: &MediaId,
        known: Option<KnownMedia>,
        downloader: &dyn Downloader,
    ) -> Result<StoredMedia, OpError>;

    /// A piece of a stored file, at most [`switchboard_vocab::envelope::CHUNK_LEN_MAX`] bytes; empty behind its end.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::NotFound`] when the file is not stored.
    async fn read(
        &self,
        scope: &SessionScope,
        media: &MediaId,
        offset: u64,
        len: u32,
    ) -> Result<Bytes, OpError>;

    /// Lists stored files.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when the disk fails or a description is damaged.
    async fn list(&self, scope: &SessionScope, wanted: &List) -> Result<MediaList, OpError>;

    /// Removes a stored file; whether there was one.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when the disk fails.
    async fn remove(&self, scope: &SessionScope, media: &MediaId) -> Result<bool, OpError>;

    /// A square JPEG for a profile, made of a picture. Stores nothing.
    ///
    /// # Errors
    /// As [`MediaPort::resolve`].
    async fn portrait(&self, scope: &SessionScope, source: &MediaSource) -> Result<Bytes, OpError>;

    /// The ids of the session's stored files, those stored last first, at most [`STORED_MAX`].
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when the disk fails.
    async fn stored(&self, session: &SessionRef) -> Result<Vec<MediaId>, OpError>;

    /// What is known of a stored file; `None` when it is not stored.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when the disk fails or the description is damaged.
    async fn describe(
        &self,
        session: &SessionRef,
        media: &MediaId,
    ) -> Result<Option<StoredMedia>, OpError>;

    /// A piece of a stored file for the copy on another node; as [`MediaPort::read`], but outside any ownership.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::NotFound`] when the file is not stored.
    async fn copy_out(
        &self,
        session: &SessionRef,
        media: &MediaId,
        offset: u64,
        len: u32,
    ) -> Result<Bytes, OpError>;

    /// Keeps a piece of a file that another node copies here. Pieces may come in any order, and twice; with the last one
    /// the file is stored, and from then on every piece of it is answered with true and changes nothing.
    ///
    /// # Errors
    /// As [`MediaPort::stage`].
    async fn copy_in(
        &self,
        session: &SessionRef,
        meta: &StoredMedia,
        offset: u64,
        piece: Bytes,
    ) -> Result<bool, OpError>;

    /// Forgets what this node itself keeps of the session, of any uuid: its files and its uploads. Files that all nodes share stay,
    /// so this is the call where the session goes on elsewhere.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when files could not be removed.
    async fn release(&self, session: &SessionRef) -> Result<(), OpError>;

    /// As [`MediaPort::release`], and removes the files that all nodes share of this life of the session: it was deleted.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`], [`switchboard_vocab::ErrorCode::Unavailable`] when files could not be removed.
    async fn erase(&self, session: &SessionRef, uuid: &str) -> Result<(), OpError>;
}

/// The durable events of one session, and how far each sink has got.
///
/// A sink is whoever must see every event: one webhook, or the event stream. Rows that every sink has passed are
/// removed; a session without sinks keeps none, and where all sinks are webhooks an event of a class that none of them gets
/// is not recorded.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The sequence of the last event; wakes with each new one.
    fn last(&self) -> watch::Receiver<u64>;

    /// Events with a sequence above `after`, in order, at most `limit` (cut to [`OUTBOX_READ_MAX`]). Where the first one
    /// is not `after + 1`, those between were dropped because the outbox was full.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when the store fails; [`switchboard_vocab::ErrorCode::Unavailable`] when
    /// the session has stopped.
    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Envelope>, OpError>;

    /// The sinks and the last sequence each has passed.
    ///
    /// # Errors
    /// As [`Outbox::read`].
    async fn sinks(&self) -> Result<BTreeMap<String, u64>, OpError>;

    /// Remembers that `sink` has passed every event up to `sequence`, durably. A new sink is made by its first call;
    /// a sequence lower than the remembered one changes nothing.
    ///
    /// # Errors
    /// As [`Outbox::read`]; [`switchboard_vocab::ErrorCode::InvalidInput`] for a name over [`SINK_NAME_BYTES_MAX`], one
    /// sink over [`SINKS_MAX`], or a sequence that does not exist yet.
    async fn pass(&self, sink: &str, sequence: u64) -> Result<(), OpError>;

    /// Forgets a sink; one that does not exist is no error.
    ///
    /// # Errors
    /// As [`Outbox::read`].
    async fn forget(&self, sink: &str) -> Result<(), OpError>;
}

/// What payloads carry besides the event: files of messages, and messages as they travelled.
#[async_trait]
pub trait Files: Send + Sync {
    /// As [`switchboard_vocab::media::Open`]: afterwards [`MediaPort::read`] has the bytes.
    ///
    /// # Errors
    /// As [`MediaPort::open`].
    async fn open(&self, media: &MediaId) -> Result<StoredMedia, OpError>;

    /// The protobuf of a message of the log as canonical JSON text; `None` when it is not at hand (any more).
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when the store fails.
    async fn raw(&self, number: u64) -> Result<Option<String>, OpError> {
        let _ = number;
        Ok(None)
    }

    /// A message of the log by its number, as it is now; `None` when the log does not have it (any more).
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when the store fails.
    async fn message(&self, number: u64) -> Result<Option<Message>, OpError> {
        let _ = number;
        Ok(None)
    }

    /// A conversation as it is now; `None` when the store does not know it (any more).
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when the store fails.
    async fn chat(&self, chat: &ChatId) -> Result<Option<Chat>, OpError> {
        let _ = chat;
        Ok(None)
    }

    /// A page of what a part of the history brought, from `place` on (0 = its beginning), and the place of the next page.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when the store fails.
    async fn history(
        &self,
        part: &HistoryPart,
        place: u64,
    ) -> Result<(HistoryPage, Option<u64>), OpError> {
        let _ = (part, place);
        Ok((HistoryPage::default(), None))
    }
}

/// The webhooks of one session, by dialect.
pub type WebhookBook = BTreeMap<DialectName, Webhooks>;

/// Everything the delivery of one session's events works with.
#[derive(Clone)]
pub struct SessionDelivery {
    /// Whose events.
    pub scope: SessionScope,
    /// Its durable events.
    pub outbox: Arc<dyn Outbox>,
    /// Its webhooks; wakes when they change.
    pub webhooks: watch::Receiver<Arc<WebhookBook>>,
    /// Its status, with its identity once paired.
    pub status: watch::Receiver<SessionStatus>,
    /// Opens files for payloads that carry bytes.
    pub files: Arc<dyn Files>,
}

impl fmt::Debug for SessionDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionDelivery")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The lowest sequence of a hint's envelope: above every durable event's, and exact in a JSON number.
pub const HINT_SEQUENCE_MIN: u64 = 1 << 52;

/// Presence and typing, already in an envelope; never stored. Its sequence is at least [`HINT_SEQUENCE_MIN`]: unique
/// within the session, outside the gap-free numbers of durable events.
pub type Hints = mpsc::Receiver<Envelope>;

/// Delivers events to webhooks and to the event stream.
#[async_trait]
pub trait DeliveryPort: Send + Sync + fmt::Debug {
    /// A session runs on this node now: sinks are made here, so that no event passes them by. Returns soon; delivery goes
    /// on by itself until [`DeliveryPort::session_stopped`].
    ///
    /// # Errors
    /// When a sink could not be made; the session is then started again later.
    async fn session_started(&self, session: SessionDelivery, hints: Hints) -> Result<(), OpError>;

    /// The session no longer runs here: ends its delivery, waiting at most `limit` for a call under way. Harmless for a
    /// session that was never started. Afterwards its [`Outbox`] answers nothing any more.
    async fn session_stopped(&self, scope: &SessionScope, limit: Duration);

    /// Makes one call to a receiver, behind the egress guard, and tells its status. Nothing is tried again.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::InvalidInput`] for an address that may not be reached;
    /// [`switchboard_vocab::ErrorCode::Rejected`] when the receiver could not be reached or did not answer.
    async fn call_once(&self, call: &Test) -> Result<u16, OpError>;
}

/// The node's edge.
#[derive(Debug, Clone)]
pub struct Ports {
    /// The media store.
    pub media: Arc<dyn MediaPort>,
    /// The delivery of events.
    pub delivery: Arc<dyn DeliveryPort>,
}
