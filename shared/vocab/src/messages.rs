//! Operations on messages.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::content::{Action, Body, BodyKind, Content, Context, Marks, ReplyKind};
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
    /// How long the chat shows typing (recording, for voice notes) before the message leaves; at most [`TYPING_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<Duration>,
}

/// Longest typing before a message. Source: longer ones would outlast a call's deadline.
pub const TYPING_MAX: Duration = Duration::from_secs(60);

impl SendMessage {
    /// A message that answers nothing.
    #[must_use]
    pub const fn new(id: MessageId, to: ChatId, content: Content) -> Self {
        Self {
            id,
            to,
            content,
            quoted: None,
            typing: None,
        }
    }
}

impl Operation for SendMessage {
    type Output = Sent;
    const NAME: &'static str = "messages.send";
    const SCOPE: Scope = Scope::Session;
    const EFFECT: Effect = Effect::Send;

    fn media_mut(&mut self) -> Vec<&mut MediaSource> {
        self.content.media_mut()
    }
}

/// A message that is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The quoted message.
    pub id: MessageId,
    /// Who wrote it, when the caller or WhatsApp said so. In a message to send, one that the log does not have needs it.
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
    /// Whether it was forwarded.
    #[serde(default)]
    pub forwarded: bool,
    /// What stands around it.
    #[serde(default)]
    pub context: Context,
    /// What happened to it since.
    #[serde(default)]
    pub marks: Marks,
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

    /// What an answer was tapped on. Phones answer the buttons and lists of native flows in the forms of templates and of
    /// flows; what they quote tells which it was.
    #[must_use]
    pub fn tapped(&self) -> Option<ReplyKind> {
        let Body::Reply(reply) = &self.body else {
            return None;
        };
        let quoted = self.context.quoted_body.as_deref();
        let is_form = reply.id.starts_with('{');
        Some(match (reply.kind, quoted) {
            (ReplyKind::Template | ReplyKind::Flow, Some(Body::Interactive(offered)))
                if !is_form =>
            {
                match offered.action {
                    Action::List { .. } => ReplyKind::List,
                    Action::Buttons { .. } | Action::Carousel { .. } => ReplyKind::Button,
                }
            }
            (ReplyKind::Flow, _) if !is_form && reply.description.is_some() => ReplyKind::List,
            (ReplyKind::Flow, _) if !is_form => ReplyKind::Button,
            (kind, _) => kind,
        })
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
    /// Only those that this person wrote, by either address.
    #[serde(default)]
    pub author: Option<UserId>,
    /// Only bodies of these kinds; every kind when `None`.
    #[serde(default)]
    pub kinds: Option<BTreeSet<BodyKind>>,
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

/// Which end of the log a listing begins at. The order is that of time; of numbers where only those above one are wanted, so
/// that the last number seen is a place to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// Earliest first.
    OldestFirst,
    /// Latest first.
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

/// Names a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    /// Its id.
    pub id: MessageId,
    /// Its conversation; needed where several carry the id, and where the log does not have it.
    #[serde(default)]
    pub chat: Option<ChatId>,
    /// Whether this account wrote it; believed where the log does not have the message.
    #[serde(default)]
    pub from_me: Option<bool>,
}

impl From<MessageId> for MessageRef {
    fn from(id: MessageId) -> Self {
        Self {
            id,
            chat: None,
            from_me: None,
        }
    }
}

/// Gets one message of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetMessage {
    /// Which one.
    #[serde(flatten)]
    pub target: MessageRef,
}
crate::operation!(GetMessage => Message, "messages.get", Effect::Read);

/// Gets the message that another one quotes: [`crate::ErrorCode::NotFound`] when it quotes none, or the log does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetQuoted {
    /// The message that quotes.
    pub target: MessageRef,
}
crate::operation!(GetQuoted => Message, "messages.get_quoted", Effect::Read);

/// Gets the people whom a message mentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetMentions {
    /// Which message.
    pub target: MessageRef,
}
crate::operation!(GetMentions => crate::contacts::ContactList, "messages.get_mentions", Effect::Read);

/// Gets who received, read and played an own message, as far as WhatsApp told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetInfo {
    /// Which message.
    pub target: MessageRef,
}
crate::operation!(GetInfo => MessageInfo, "messages.get_info", Effect::Read);

/// How far a message came with each person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageInfo {
    /// The message.
    pub message: Message,
    /// One entry per person.
    pub recipients: Vec<Progress>,
}

/// How far a message came with one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Who.
    pub user: UserId,
    /// Their other address, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_alt: Option<UserId>,
    /// When a device of theirs had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// When they read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// When they played it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub played_at: Option<Timestamp>,
}

/// Most characters of a search.
pub const QUERY_LEN_MAX: usize = 256;

/// Searches the words of the log's messages, best match first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Words; every one must occur, the last one may be the beginning of a word. At most [`QUERY_LEN_MAX`] characters.
    pub query: String,
    /// Only this conversation.
    #[serde(default)]
    pub chat: Option<ChatId>,
    /// Skip this many matches.
    #[serde(default)]
    pub offset: u32,
    /// At most this many, at most [`LIST_LIMIT_MAX`].
    pub limit: u32,
}
crate::operation!(Search => MessageList, "messages.search", Effect::Read);

/// Does something to an earlier message that its readers see; it leaves as a message of its own, named by the caller so that
/// a retry is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The id of the message that carries the action.
    pub id: MessageId,
    /// The message it is about; [`crate::ErrorCode::NotFound`] when the log does not have it and the reference does not say enough.
    pub target: MessageRef,
    /// What is done.
    pub action: MessageAction,
}
crate::operation!(Act => Sent, "messages.act", Effect::Send);

/// What can be done to an earlier message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum MessageAction {
    /// Reacts; an empty emoji takes an earlier reaction back.
    React {
        /// One emoji, or nothing.
        emoji: String,
    },
    /// Gives an own message new words: its text, or its caption.
    Edit {
        /// The new words.
        body: String,
        /// Who is mentioned in them.
        #[serde(default)]
        mentions: Vec<UserId>,
    },
    /// Deletes it for everyone: an own message, or as admin of a group another's.
    Revoke,
    /// Pins it in its chat.
    Pin {
        /// For how long: WhatsApp knows 24 hours, 7 and 30 days.
        period: Duration,
    },
    /// Takes the pin away.
    Unpin,
}

/// Sends a message of the log to another conversation, marked as forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The id of the new message.
    pub id: MessageId,
    /// The message that is forwarded.
    pub target: MessageRef,
    /// Where to.
    pub to: ChatId,
}
crate::operation!(Forward => Sent, "messages.forward", Effect::Send);

/// Deletes a message on the account's own devices only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteForMe {
    /// Which message.
    pub target: MessageRef,
}
crate::operation!(DeleteForMe => Deleted, "messages.delete_for_me", Effect::Write);

/// It is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {}

/// Stars a message, or takes the star away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Star {
    /// Which message.
    pub target: MessageRef,
    /// Whether it carries a star from now on.
    pub starred: bool,
}
crate::operation!(Star => Message, "messages.star", Effect::Write);

/// Lists own messages that have not left yet: those that wait for their turn and those on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQueue {}
crate::operation!(ListQueue => Queue, "messages.list_queue", Effect::Read);

/// Takes back own messages that wait for their turn; those on their way are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearQueue {}
crate::operation!(ClearQueue => Queue, "messages.clear_queue", Effect::Write);

/// Own messages that have not left; for [`ClearQueue`] those that were taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// In the order in which they would leave.
    pub messages: Vec<QueuedMessage>,
}

/// A message that has not left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueuedMessage {
    /// Its id.
    pub id: MessageId,
    /// Where it goes.
    pub to: ChatId,
    /// Its words, or what kind it is.
    pub summary: String,
    /// When the call came in.
    pub at: Timestamp,
}

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
    /// Whether they were played too (voice and video notes).
    #[serde(default)]
    pub played: bool,
}
crate::operation!(MarkRead => Marked, "messages.mark_read", Effect::Write);

/// Read receipts were handed to WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {}
