//! What the node sees of WhatsApp: one [`Account`] per session, its [`Signal`]s, and the durable [`Intake`].
//!
//! No type of the client library passes this file. Futures are boxed on purpose, so that the crates above do not
//! compile the client's state machines again.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_keystore::KeyStore;
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::events::presence::{ChatStateChange, PresenceChange};
use switchboard_vocab::messages::{Message, Quote};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, Epoch, MessageId, SessionRef, Timestamp, UserId};
use thiserror::Error;

/// Where WhatsApp is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// The real one, over TLS, with every certificate check on.
    #[default]
    Real,
    /// A simulator.
    Simulator {
        /// Its WebSocket address, `ws://host:port/ws/chat`. Media goes to the same host and port.
        ws_url: String,
        /// Its Noise static public key.
        server_key: [u8; 32],
    },
}

/// Settings of every session's client.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where WhatsApp is.
    pub endpoint: Endpoint,
    /// Longest wait for a socket and its handshake.
    pub connect_timeout: Duration,
    /// One-time prekeys kept on the server. Source: WhatsApp Web keeps 812.
    pub pre_key_count: usize,
    /// Chats that keep a receiving worker at once; each costs about 10 KB until the connection ends.
    pub chat_lanes_max: u64,
    /// The name shown in the phone's list of linked devices.
    pub device_name: String,
    /// Where media is served, when the simulator's media host has an address of its own.
    pub media_address: Option<SocketAddr>,
}

/// What a session needs to be opened.
#[derive(Clone)]
pub struct OpenRequest {
    /// Which session.
    pub session: SessionRef,
    /// The ownership under which its keys are committed.
    pub epoch: Epoch,
    /// The node's key store.
    pub store: Arc<dyn KeyStore>,
    /// Takes incoming messages before WhatsApp is told that we have them.
    pub intake: Arc<dyn Intake>,
    /// Takes everything else. Bounded: hints are dropped when it is full, state changes wait.
    pub signals: tokio::sync::mpsc::Sender<Signal>,
    /// Says whether this process may still speak for the session.
    pub fence: Arc<dyn Fence>,
}

impl Debug for OpenRequest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "OpenRequest({} at epoch {})", self.session, self.epoch)
    }
}

/// The lease check at the socket: asked before every connect and every write (design rules ).
pub trait Fence: Send + Sync + Debug {
    /// Whether bytes may leave now.
    fn is_open(&self) -> bool;
}

/// The durable intake: the client library's inbound durability hook.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Makes messages durable. WhatsApp is told that we have them only after `Ok`.
    ///
    /// May be called again with a message it has taken before; it must not send through the account.
    ///
    /// # Errors
    /// When the batch is not durable; the server delivers it again on a later connection.
    async fn take(&self, batch: Vec<Incoming>) -> Result<(), IntakeError>;
}

/// The batch is not durable; the text says why.
#[derive(Debug, Clone, Error)]
#[error("take in messages: {0}")]
pub struct IntakeError(pub String);

/// A message from WhatsApp, before the log numbers it.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The message; its `number` is zero.
    pub message: Message,
    /// What is needed to download its file: an opaque value for [`Account::download`].
    pub media_keys: Option<Vec<u8>>,
}

/// Something the node must know.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// A person can link the session now.
    Challenge(Challenge),
    /// The account was linked; the connection restarts with a login.
    Paired(Identity),
    /// Logged in; what waited is being drained.
    Syncing(Identity),
    /// Ready to send and receive.
    Connected(Identity),
    /// WhatsApp answered for a message this session sent.
    Acked {
        /// Which message.
        id: MessageId,
        /// Where it went.
        chat: ChatId,
        /// WhatsApp's error code, when it refused.
        error: Option<u16>,
        /// When.
        at: Timestamp,
    },
    /// Devices or people tell how far messages came.
    Receipt(Receipt),
    /// Somebody came online or went.
    Presence(PresenceChange),
    /// Somebody types.
    ChatState(ChatStateChange),
    /// Linking failed; the text is for an operator, the connection goes on or ends by itself.
    PairingFailed(String),
}

/// How far own messages came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The conversation.
    pub chat: ChatId,
    /// Whose device or eyes.
    pub user: UserId,
    /// Which messages.
    pub ids: Vec<MessageId>,
    /// What it says.
    pub kind: ReceiptKind,
    /// When.
    pub at: Timestamp,
}

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptKind {
    /// A device has them.
    Delivered,
    /// A person read them.
    Read,
    /// A person played them.
    Played,
}

/// Why a connection ended. It decides what the lifecycle does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// WhatsApp asked for a new connection at once (after pairing, stream error 515).
    Restart,
    /// The socket closed, or could not be opened; the text says how.
    Closed(String),
    /// WhatsApp asked to slow down (429, 503).
    Throttled(String),
    /// QR codes ran out without a scan.
    PairingExpired,
    /// The phone or WhatsApp unlinked the device. The keys are still there: [`Account::logout`] removes them.
    LoggedOut(String),
    /// The number is banned.
    Banned {
        /// WhatsApp's reason.
        reason: String,
        /// When a temporary ban ends.
        until: Option<Timestamp>,
    },
    /// Another connection of this device took over.
    Replaced,
    /// WhatsApp wants a newer client.
    Outdated(String),
    /// The fence closed.
    Fenced,
    /// The node asked for it.
    Stopped,
}

/// A message to send, its file already at hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The id it will have.
    pub id: MessageId,
    /// Where to.
    pub to: ChatId,
    /// What it says.
    pub content: OutgoingContent,
    /// The message it answers, with the quoted message as the log has it.
    pub quoted: Option<(Quote, Option<Message>)>,
}

/// What an outgoing message says.
#[derive(Debug, Clone, PartialEq)]
pub enum OutgoingContent {
    /// Words, and who is mentioned in them.
    Text {
        /// The words.
        body: String,
        /// Who is mentioned.
        mentions: Vec<UserId>,
    },
    /// A file.
    Media(OutgoingFile),
}

/// A file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingFile {
    /// What to send it as.
    pub kind: MediaKind,
    /// The media type.
    pub mime_type: String,
    /// The bytes.
    pub bytes: Bytes,
    /// Words under it.
    pub caption: Option<String>,
    /// Its file name.
    pub file_name: Option<String>,
    /// Width and height in pixels, for pictures.
    pub size: Option<(u32, u32)>,
    /// A small JPEG shown before the file is downloaded.
    pub thumbnail: Option<Bytes>,
}

/// A message as it left.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatched {
    /// Its id on WhatsApp.
    pub id: MessageId,
    /// When it was written to the socket.
    pub at: Timestamp,
    /// The protobuf as canonical JSON text.
    pub proto_json: Option<String>,
    /// What is needed to download the sent file again.
    pub media_keys: Option<Vec<u8>>,
}

/// Why a command failed.
#[derive(Debug, Clone, Error)]
pub enum Error {
    /// There is no connection now.
    #[error("not connected")]
    NotConnected,
    /// The session has no login.
    #[error("not paired")]
    NotPaired,
    /// The session has a login already.
    #[error("paired already")]
    AlreadyPaired,
    /// WhatsApp refused; nothing happened.
    #[error("whatsapp refused: {text} (code {code:?})")]
    Refused {
        /// WhatsApp's code.
        code: Option<u16>,
        /// WhatsApp's text, or the client's.
        text: String,
    },
    /// The recipient is not on WhatsApp, or no device of theirs could be encrypted for.
    #[error("the recipient cannot be reached: {0}")]
    NoRecipient(String),
    /// WhatsApp asks to slow down.
    #[error("whatsapp asks to slow down: {0}")]
    RateLimited(String),
    /// It may have happened.
    #[error("the connection broke while {0} was under way")]
    Interrupted(String),
    /// The key store failed; nothing was sent.
    #[error("key store: {0}")]
    Store(String),
    /// The file is gone from WhatsApp's media host, or its bytes do not match.
    #[error("media: {0}")]
    Media(String),
    /// Everything else.
    #[error("{0}")]
    Other(String),
}

/// One session's client.
#[async_trait]
pub trait Account: Send + Sync {
    /// Who the session is, once paired.
    fn identity(&self) -> Option<Identity>;

    /// Connects and stays until the connection ends. Reconnecting is the caller's decision; call it again for it.
    async fn run(&self) -> End;

    /// Asks for a pairing code; only while [`Account::run`] is connected without a login.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn request_code(&self, phone: &UserId) -> Result<Challenge, Error>;

    /// Sends a message. `Ok` means that the frame was written to the socket.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where it may have left; every other error means that it did not.
    async fn send(&self, message: Outgoing) -> Result<Dispatched, Error>;

    /// Tells the writer that messages were read.
    ///
    /// # Errors
    /// When there is no connection.
    async fn mark_read(
        &self,
        chat: &ChatId,
        sender: Option<&UserId>,
        ids: &[MessageId],
    ) -> Result<(), Error>;

    /// Downloads and decrypts a file.
    ///
    /// # Errors
    /// [`Error::Media`] when it is gone, damaged, or larger than `size_max` bytes.
    async fn download(&self, media_keys: &[u8], size_max: u64) -> Result<Bytes, Error>;

    /// Unlinks the device. The login is gone afterwards even when WhatsApp could not be told; `Ok(true)` = it was told.
    ///
    /// # Errors
    /// When the keys could not be removed from the store.
    async fn logout(&self) -> Result<bool, Error>;

    /// Flushes everything and closes the connection; [`Account::run`] then returns [`End::Stopped`]. It may be
    /// called again later.
    ///
    /// # Errors
    /// [`Error::Store`] when something could not be flushed: the store is then older than the connection.
    async fn shutdown(&self, limit: Duration) -> Result<(), Error>;

    /// Drops the connection without flushing (a fenced session must not write). For good: [`Account::run`] then
    /// returns [`End::Fenced`] each time; open the session anew to go on. Dropping the account does the same.
    fn abort(&self);
}
