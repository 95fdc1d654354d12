//! Operations on messages.

use serde::{Deserialize, Serialize};

use crate::content::{Body, Content};
use crate::ids::{ChatId, MessageId, UserId};
use crate::media::MediaSource;
use crate::operation::{Effect, Operation, Scope};
use crate::time::Timestamp;

/// Longest text of one message, in characters. Source: the limit WhatsApp's own clients enforce.
pub const TEXT_LEN_MAX: usize = 65_536;
/// Longest caption, in characters. Source: the limit WhatsApp's own clients enforce.
pub const CAPTION_LEN_MAX: usize = 1_024;
/// Most messages one listing returns.
pub const LIST_LIMIT_MAX: u32 = 500;

/// Sends one message. The caller chooses the id, so that a retry is the same message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendMessage {
    /// The message's id.
    pub id: MessageId,
    /// Where to.
    pub to: ChatId,
    /// What it says.
    pub content: Content,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<Quote>,
}

impl Operation for SendMessage {
    type Output = Sent;
    const NAME: &'static str = "messages.send";
    const SCOPE: Scope = Scope::Session;
    const EFFECT: Effect = Effect::Send;

    fn media_mut(&mut self) -> Vec<&mut MediaSource> {
        match &mut self.content {
            Content::Media(media) => vec![&mut media.source],
            Content::Text(_) => Vec::new(),
        }
    }
}

/// A message that is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The quoted message.
    pub id: MessageId,
    /// Who wrote it, when the caller or WhatsApp said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<UserId>,
}

/// The message as it was sent: the frame was written to WhatsApp's socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The message as the log keeps it.
    pub message: Message,
}

/// How far a message came. The order is the order of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// WhatsApp refused it.
    Failed,
    /// Accepted by us, not yet by WhatsApp.
    Pending,
    /// WhatsApp has it.
    Server,
    /// At least one device of the recipient has it.
    Delivered,
    /// The recipient read it.
    Read,
    /// The recipient played it (voice and video notes).
    Played,
}

/// One message of the log, with everything the richest dialect shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// WhatsApp's id of the message.
    pub id: MessageId,
    /// Position in the session's log; rises by one with each message the log takes in.
    pub number: u64,
    /// The conversation.
    pub chat: ChatId,
    /// The other address of the same conversation, when WhatsApp told both (number and LID).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_alt: Option<UserId>,
    /// Who wrote it.
    pub sender: UserId,
    /// The writer's other address, when WhatsApp told both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_alt: Option<UserId>,
    /// Whether this account wrote it, on any of its devices.
    pub from_me: bool,
    /// The name the writer gave themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_name: Option<String>,
    /// When WhatsApp's server took it.
    pub at: Timestamp,
    /// What it says.
    pub body: Body,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<Quote>,
    /// How far it came.
    pub status: DeliveryStatus,
    /// Whether it was forwarded to us.
    #[serde(default)]
    pub forwarded: bool,
    /// The protobuf `Message` as canonical JSON text, for the dialects that show it raw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proto_json: Option<String>,
}

impl Message {
    /// The phone number of the conversation's partner, from either address.
    #[must_use]
    pub fn chat_phone(&self) -> Option<&str> {
        let main = self.chat.as_user().and_then(UserId::as_phone);
        main.or_else(|| self.chat_alt.as_ref().and_then(UserId::as_phone))
    }

    /// The phone number of the writer, from either address.
    #[must_use]
    pub fn sender_phone(&self) -> Option<&str> {
        self.sender
            .as_phone()
            .or_else(|| self.sender_alt.as_ref().and_then(UserId::as_phone))
    }
}

/// Lists messages of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListMessages {
    /// Only this conversation.
    #[serde(default)]
    pub chat: Option<ChatId>,
    /// Only messages numbered above this.
    #[serde(default)]
    pub after_number: Option<u64>,
    /// Only own (true) or only others' (false) messages.
    #[serde(default)]
    pub from_me: Option<bool>,
    /// Only from this moment on.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Only up to this moment.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Which end to begin at.
    pub order: ListOrder,
    /// Skip this many matches.
    #[serde(default)]
    pub offset: u32,
    /// At most this many, at most [`LIST_LIMIT_MAX`].
    pub limit: u32,
}
crate::operation!(ListMessages => MessageList, "messages.list", Effect::Read);

/// Which end of the log a listing begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// Lowest number first.
    OldestFirst,
    /// Highest number first.
    NewestFirst,
}

/// Messages of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageList {
    /// The page.
    pub messages: Vec<Message>,
    /// How many messages matched in all, page or not.
    pub total: u64,
    /// The highest number in the log, zero when it is empty.
    pub last_number: u64,
}

/// Gets one message of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetMessage {
    /// Which one.
    pub id: MessageId,
}
crate::operation!(GetMessage => Message, "messages.get", Effect::Read);

/// Tells the writer that messages were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRead {
    /// The conversation; looked up in the log, like the writer, when the caller names messages only.
    #[serde(default)]
    pub chat: Option<ChatId>,
    /// Who wrote them; needed in groups when the conversation is given.
    #[serde(default)]
    pub sender: Option<UserId>,
    /// Which messages.
    pub ids: Vec<MessageId>,
}
crate::operation!(MarkRead => Marked, "messages.mark_read", Effect::Write);

/// Read receipts were handed to WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {}
