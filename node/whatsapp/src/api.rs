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
use switchboard_vocab::chats::Mute;
use switchboard_vocab::contacts::{Business, CheckedUser, GroupName, Picture};
use switchboard_vocab::content::{
    Card, Interactive, LiveLocation, Location, MediaKind, NewEvent, NewPoll, PreviewBody, StoryText,
};
use switchboard_vocab::events::presence::{ChatState, ChatStateChange, PresenceChange};
use switchboard_vocab::media::MediaKeys;
use switchboard_vocab::messages::{Message, Quote};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::profile::{Privacy, StoryPrivacy};
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
    /// What its customer chose.
    pub choices: Choices,
}

/// What a customer chooses for a session's client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// Asks for the whole history at pairing.
    pub full_history: bool,
    /// Shows the account as offline as soon as it is connected.
    pub offline: bool,
    /// A SOCKS5 proxy, `socks5://user:password@host:port`, for the socket and for media.
    pub proxy: Option<String>,
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

    /// Makes facts about chats, people and messages durable, in their order. May be called again with facts it has taken.
    ///
    /// # Errors
    /// When they are not durable; whoever told them tells them again only on a full synchronisation.
    async fn learn(&self, facts: Vec<Fact>) -> Result<(), IntakeError>;

    /// Makes a part of the phone's history durable. The parts of one history come in any order, and may come again.
    /// Messages that the log has are left as they are.
    ///
    /// # Errors
    /// As [`Intake::learn`].
    async fn take_history(&self, part: History) -> Result<(), IntakeError>;
}

/// A fact that WhatsApp or another device of the account told. `at` is when it happened, as it was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A conversation is as its phone shows it. What is `None` was not told.
    Chat(ChatFact),
    /// Every message of a conversation is gone.
    ChatCleared {
        /// Which conversation.
        chat: ChatId,
        /// Messages up to this moment; all when `None`.
        until: Option<Timestamp>,
    },
    /// A conversation is gone with its messages.
    ChatDeleted {
        /// Which conversation.
        chat: ChatId,
        /// Messages up to this moment; all when `None`.
        until: Option<Timestamp>,
    },
    /// A message was starred, or is no longer.
    Starred {
        /// The conversation.
        chat: ChatId,
        /// The message.
        id: MessageId,
        /// Whether it carries a star.
        starred: bool,
    },
    /// A message was deleted on the account's devices.
    DeletedForMe {
        /// The conversation.
        chat: ChatId,
        /// The message.
        id: MessageId,
        /// When.
        at: Timestamp,
    },
    /// A person is as the account or WhatsApp knows them. What is `None` was not told.
    Contact(ContactFact),
    /// A person left the address book.
    ContactRemoved {
        /// Who.
        user: UserId,
    },
    /// Two addresses are of one person.
    Pair {
        /// The number.
        phone: UserId,
        /// The LID.
        lid: UserId,
    },
    /// A person has a new number.
    NumberChanged {
        /// The number before.
        from: UserId,
        /// The number now.
        to: UserId,
    },
    /// The whole block list.
    Blocked(Vec<UserId>),
    /// A message could not be decrypted for good, or is not for linked devices. It takes the place of the message until that
    /// comes after all.
    Unreadable(Box<Incoming>),
    /// The account gave itself another name.
    OwnName(String),
}

/// What was told of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatFact {
    /// Which one.
    pub chat: ChatId,
    /// Its other address.
    pub alt: Option<UserId>,
    /// Its name (groups, and unsaved people in the history).
    pub name: Option<String>,
    /// When something was last said.
    pub last_at: Option<Timestamp>,
    /// How many messages were not read.
    pub unread: Option<u32>,
    /// Whether it is marked as unread. `false` also means that everything was read.
    pub marked_unread: Option<bool>,
    /// Whether it is archived.
    pub archived: Option<bool>,
    /// Since when it is pinned; `Some(None)` = it is not.
    pub pinned_at: Option<Option<Timestamp>>,
    /// Until when it is mute; `Some(None)` = it is not.
    pub muted: Option<Option<Mute>>,
    /// After how long its messages disappear; `Some(None)` = they stay.
    pub ephemeral: Option<Option<Duration>>,
    /// Whether the account may not write there.
    pub read_only: Option<bool>,
    /// Whether a person said that it is no spam.
    pub not_spam: Option<bool>,
}

impl ChatFact {
    /// Nothing but the address.
    #[must_use]
    pub const fn of(chat: ChatId) -> Self {
        Self {
            chat,
            alt: None,
            name: None,
            last_at: None,
            unread: None,
            marked_unread: None,
            archived: None,
            pinned_at: None,
            muted: None,
            ephemeral: None,
            read_only: None,
            not_spam: None,
        }
    }
}

/// What was told of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactFact {
    /// Who.
    pub user: UserId,
    /// Their other address.
    pub alt: Option<UserId>,
    /// Whole name and first name in the address book: they are saved.
    pub saved: Option<(String, Option<String>)>,
    /// The name they gave themselves.
    pub push_name: Option<String>,
    /// The name WhatsApp verified.
    pub verified_name: Option<String>,
    /// Whether they are a business.
    pub business: Option<bool>,
    /// What they say about themselves; `Some(None)` = nothing, or hidden.
    pub about: Option<Option<String>>,
    /// Id of their picture; `Some(None)` = none, or hidden.
    pub picture_id: Option<Option<String>>,
}

impl ContactFact {
    /// Nothing but the address.
    #[must_use]
    pub const fn of(user: UserId) -> Self {
        Self {
            user,
            alt: None,
            saved: None,
            push_name: None,
            verified_name: None,
            business: None,
            about: None,
            picture_id: None,
        }
    }
}

/// A part of the phone's history.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// WhatsApp's name of the kind of part, e.g. `INITIAL_BOOTSTRAP`.
    pub part: String,
    /// How much of the whole there is now, in percent, as the phone says.
    pub progress: Option<u32>,
    /// Conversations, people, pairs.
    pub facts: Vec<Fact>,
    /// Messages, oldest first within a conversation. A part is cut into several of these when it is large.
    pub messages: Vec<Incoming>,
    /// Whether this is the last piece of the part.
    pub last: bool,
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
    /// The protobuf `Message` as it came: what [`OutgoingContent::Forward`] and [`proto_text`](crate::proto_text) need.
    pub proto: Option<Bytes>,
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

/// What an outgoing message says. Everything is checked and every file is at hand.
#[derive(Debug, Clone, PartialEq)]
pub enum OutgoingContent {
    /// Words.
    Text {
        /// The words.
        body: String,
        /// Who is mentioned.
        mentions: Vec<UserId>,
        /// Whether everybody in the group is mentioned.
        mention_all: bool,
        /// The preview of a link in them.
        preview: Option<PreviewBody>,
    },
    /// A file.
    Media(OutgoingFile),
    /// A place.
    Location(Location),
    /// A place shown as moving.
    LiveLocation(LiveLocation),
    /// Contact cards.
    Contacts(Vec<Card>),
    /// A poll.
    Poll(NewPoll),
    /// An event.
    Event(NewEvent),
    /// Buttons, a list or cards, with the file of the header and of each card in its place.
    Interactive {
        /// As the caller says; its sources are not looked at.
        content: Interactive,
        /// The file above the words.
        file: Option<OutgoingFile>,
        /// The files of the cards, in their order.
        card_files: Vec<Option<OutgoingFile>>,
    },
    /// A reaction; an empty emoji takes an earlier one back.
    Reaction {
        /// The message reacted to.
        target: Target,
        /// The emoji.
        emoji: String,
    },
    /// New words for an own message.
    Edit {
        /// The message.
        target: Target,
        /// The words.
        body: String,
        /// Who is mentioned.
        mentions: Vec<UserId>,
        /// The protobuf of the message, so that a caption keeps its file. `None` for a text.
        proto: Option<Bytes>,
    },
    /// Deletes a message for everyone.
    Revoke {
        /// The message.
        target: Target,
    },
    /// Pins a message; `None` takes the pin away.
    Pin {
        /// The message.
        target: Target,
        /// For how long.
        period: Option<Duration>,
    },
    /// A message of the log, sent on.
    Forward {
        /// Its protobuf.
        proto: Bytes,
        /// How often it was forwarded before.
        score: u32,
    },
}

/// An earlier message that an outgoing one is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: MessageId,
    /// Whether this account wrote it.
    pub from_me: bool,
    /// Who wrote it; needed in groups.
    pub sender: Option<UserId>,
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
    /// Length in seconds, for sound and films.
    pub seconds: Option<u32>,
    /// Loudness of a voice note, 64 values from 0 to 100.
    pub waveform: Option<Vec<u8>>,
    /// Who is mentioned in the caption.
    pub mentions: Vec<UserId>,
    /// Whether it can be opened once only.
    pub view_once: bool,
}

/// A story to post.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingStory {
    /// The id it will have.
    pub id: MessageId,
    /// What it says.
    pub content: OutgoingStoryContent,
    /// Who sees it: numbers or LIDs. Nobody is an error.
    pub audience: Vec<UserId>,
    /// How the audience was chosen, as the stanza says it.
    pub privacy: StoryPrivacy,
}

/// What a story says.
#[derive(Debug, Clone, PartialEq)]
pub enum OutgoingStoryContent {
    /// Words on a colour.
    Text(StoryText),
    /// A file; for a voice note the colour behind it, as ARGB.
    Media(Box<OutgoingFile>, Option<u32>),
    /// The protobuf of a message of the log.
    Copy(Bytes),
    /// Deletes an own story, which was sent to the same audience.
    Revoke(MessageId),
}

/// A change of the account's synchronised state, seen on all its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppStateChange {
    /// Archives a conversation, or takes it out of the archive.
    Archive(ChatTail, bool),
    /// Pins a conversation, or takes the pin away.
    Pin(ChatId, bool),
    /// Mutes a conversation; `None` unmutes it.
    Mute(ChatId, Option<Mute>),
    /// Marks a conversation as read (true) or unread.
    MarkRead(ChatTail, bool),
    /// Removes a conversation's messages.
    Clear(ChatTail),
    /// Removes a conversation.
    Delete(ChatTail),
    /// Stars a message, or takes the star away.
    Star(ChatId, Target, bool),
    /// Deletes a message on the account's devices.
    DeleteForMe(ChatId, Target, Timestamp),
    /// Puts a person into the address book: whole name, first name.
    SaveContact(UserId, String, Option<String>),
    /// Takes a person out of the address book.
    RemoveContact(UserId),
}

/// A conversation with its last message, which WhatsApp's devices compare to know that they mean the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTail {
    /// The conversation.
    pub chat: ChatId,
    /// Its last message and when it was written, when the log has one.
    pub last: Option<(Target, Timestamp)>,
}

/// What WhatsApp tells of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// As it was asked.
    pub user: UserId,
    /// Whether there is an account.
    pub registered: bool,
    /// The number, when known.
    pub phone: Option<UserId>,
    /// The LID, when known.
    pub lid: Option<UserId>,
    /// What they say about themselves, when they show it.
    pub about: Option<String>,
    /// When they said it.
    pub about_at: Option<Timestamp>,
    /// Id of their picture, when they show one.
    pub picture_id: Option<String>,
    /// Whether they are a business.
    pub business: bool,
    /// The name WhatsApp verified.
    pub verified_name: Option<String>,
    /// Their devices; the phone is 0.
    pub devices: Vec<u16>,
}

/// A change of the account's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileChange {
    /// Another name.
    Name(String),
    /// Another about text; empty takes it away.
    About(String),
    /// Another picture: a square JPEG.
    Picture(Bytes),
    /// No picture.
    RemovePicture,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Address and name.
    pub name: GroupName,
    /// Who is in it, by every address that WhatsApp told.
    pub members: Vec<UserId>,
}

/// A message as it left.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatched {
    /// Its id on WhatsApp.
    pub id: MessageId,
    /// When it was written to the socket.
    pub at: Timestamp,
    /// The protobuf `Message` as it left; see [`Incoming::proto`].
    pub proto: Option<Bytes>,
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

    /// Posts a story, or deletes one. As [`Account::send`].
    ///
    /// # Errors
    /// As [`Account::send`]; [`Error::NoRecipient`] when nobody of the audience can be reached.
    async fn post_story(&self, story: OutgoingStory) -> Result<Dispatched, Error> {
        let _ = story;
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Changes the account's synchronised state. `Ok` means that WhatsApp took the change.
    ///
    /// # Errors
    /// As WhatsApp answers; [`Error::Refused`] for what the client cannot do, with the reason.
    async fn change_app_state(&self, change: AppStateChange) -> Result<(), Error> {
        let _ = change;
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Tells the writer that voice or video notes were played.
    ///
    /// # Errors
    /// When there is no connection.
    async fn mark_played(
        &self,
        chat: &ChatId,
        sender: Option<&UserId>,
        ids: &[MessageId],
    ) -> Result<(), Error> {
        let _ = (chat, sender, ids);
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Sets after how long messages of a conversation disappear; zero = they stay.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn set_timer(&self, chat: &ChatId, period: Duration) -> Result<(), Error> {
        let _ = (chat, period);
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Which numbers have an account, in the order of the question.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn check(&self, users: &[UserId]) -> Result<Vec<CheckedUser>, Error> {
        let _ = users;
        Err(Error::Other("not built yet".to_owned()))
    }

    /// What people show of themselves, in the order of the question.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn user_info(&self, users: &[UserId]) -> Result<Vec<UserInfo>, Error> {
        let _ = users;
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Both addresses of a person, from what the client knows: number, LID.
    async fn addresses(&self, user: &UserId) -> (Option<UserId>, Option<UserId>) {
        let _ = user;
        (None, None)
    }

    /// The picture of a person or group; `None` when there is none or it is hidden.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn picture(&self, chat: &ChatId, preview: bool) -> Result<Option<Picture>, Error> {
        let _ = (chat, preview);
        Err(Error::Other("not built yet".to_owned()))
    }

    /// The profile of a business; `None` when they are none.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn business(&self, user: &UserId) -> Result<Option<Business>, Error> {
        let _ = user;
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Changes the account's profile.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn change_profile(&self, change: ProfileChange) -> Result<(), Error> {
        let _ = change;
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Who sees what of the account.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn privacy(&self) -> Result<Privacy, Error> {
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Blocks or unblocks a person.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn block(&self, user: &UserId, blocked: bool) -> Result<(), Error> {
        let _ = (user, blocked);
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Whom the account blocks.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn blocked(&self) -> Result<Vec<UserId>, Error> {
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Shows the account as online or offline.
    ///
    /// # Errors
    /// When there is no connection.
    async fn set_online(&self, online: bool) -> Result<(), Error> {
        let _ = online;
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Asks to be told when a person comes and goes.
    ///
    /// # Errors
    /// When there is no connection.
    async fn subscribe_presence(&self, user: &UserId) -> Result<(), Error> {
        let _ = user;
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Shows in a conversation that the account types, records, or neither.
    ///
    /// # Errors
    /// When there is no connection.
    async fn send_chat_state(&self, chat: &ChatId, state: ChatState) -> Result<(), Error> {
        let _ = (chat, state);
        Err(Error::Other("not built yet".to_owned()))
    }

    /// The groups that the account is in.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn groups(&self) -> Result<Vec<Group>, Error> {
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Asks the phone for messages of a conversation that are older than this one; they come by
    /// [`Intake::take_history`].
    ///
    /// # Errors
    /// When there is no connection.
    async fn request_history(&self, tail: &ChatTail, count: u32) -> Result<(), Error> {
        let _ = (tail, count);
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Asks the phone to upload a file again that is gone from WhatsApp's media host; the new keys.
    ///
    /// # Errors
    /// [`Error::Media`] when the phone does not have it or does not answer.
    async fn reupload(
        &self,
        chat: &ChatId,
        target: &Target,
        media_keys: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let _ = (chat, target, media_keys);
        Err(Error::Other("not built yet".to_owned()))
    }

    /// Turns what a caller knows of a file into keys for [`Account::download`].
    ///
    /// # Errors
    /// [`Error::Media`] when something is missing or malformed.
    fn media_keys(&self, keys: &MediaKeys) -> Result<Vec<u8>, Error> {
        let _ = keys;
        Err(Error::Other("not built yet".to_owned()))
    }

    /// The release of WhatsApp Web that the client says it is.
    fn client_version(&self) -> Option<String> {
        None
    }

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
