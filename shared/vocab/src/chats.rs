//! Operations on conversations.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{ChatId, UserId};
use crate::messages::Message;
use crate::operation::Effect;
use crate::time::Timestamp;

/// Most conversations one listing returns.
pub const LIST_LIMIT_MAX: u32 = 500;

/// A conversation, as this session's store knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// Its address.
    pub id: ChatId,
    /// The other address of the same person, when WhatsApp told both (number and LID).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<UserId>,
    /// The name shown: of the group, of the contact, or what the person calls themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When something was last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// The last message of the conversation that the log has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<Box<Message>>,
    /// How many messages of others were not read.
    #[serde(default)]
    pub unread: u32,
    /// Whether a person marked it as unread.
    #[serde(default)]
    pub marked_unread: bool,
    /// Whether an unread message mentions this account.
    #[serde(default)]
    pub unread_mention: bool,
    /// Whether it is archived.
    #[serde(default)]
    pub archived: bool,
    /// Since when it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_at: Option<Timestamp>,
    /// Until when it is mute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<Mute>,
    /// After how long its messages disappear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<Duration>,
    /// Whether this account may not write there.
    #[serde(default)]
    pub read_only: bool,
    /// Whether a person said that it is no spam.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_spam: Option<bool>,
}

/// Until when a conversation is mute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mute {
    /// Until it is unmuted.
    Forever,
    /// Until then.
    Until(Timestamp),
}

/// Lists conversations, those that said something last first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Only archived (true) or only others (false).
    #[serde(default)]
    pub archived: Option<bool>,
    /// Skip this many.
    #[serde(default)]
    pub offset: u32,
    /// At most this many, at most [`LIST_LIMIT_MAX`].
    pub limit: u32,
}
crate::operation!(List => ChatList, "chats.list", Effect::Read);

/// Conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatList {
    /// The page.
    pub chats: Vec<Chat>,
    /// How many there are in all.
    pub total: u64,
}

/// Gets one conversation; [`crate::ErrorCode::NotFound`] when nothing was ever said there and it is not in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Which one, by either address.
    pub chat: ChatId,
}
crate::operation!(Get => Chat, "chats.get", Effect::Read);

/// Changes a conversation on all devices of the account. What is `None` stays. At least one field is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which one.
    pub chat: ChatId,
    /// Archives it or takes it out of the archive.
    #[serde(default)]
    pub archived: Option<bool>,
    /// Pins it or takes the pin away.
    #[serde(default)]
    pub pinned: Option<bool>,
    /// Mutes it.
    #[serde(default)]
    pub muted: Option<MuteChange>,
    /// Marks it as unread, or as read without telling anybody.
    #[serde(default)]
    pub unread: Option<bool>,
    /// After how long its messages disappear from now on, zero = they stay. The others see this one.
    #[serde(default)]
    pub ephemeral: Option<Duration>,
}
crate::operation!(Change => Chat, "chats.change", Effect::Write);

impl Change {
    /// A change of nothing yet.
    #[must_use]
    pub const fn of(chat: ChatId) -> Self {
        Self {
            chat,
            archived: None,
            pinned: None,
            muted: None,
            unread: None,
            ephemeral: None,
        }
    }
}

/// How a conversation is muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MuteChange {
    /// Not any more.
    Off,
    /// From now on.
    On(Mute),
    /// From now on for so long.
    For(Duration),
}

/// Marks everything in a conversation as read and tells the writers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkSeen {
    /// Which one.
    pub chat: ChatId,
}
crate::operation!(MarkSeen => Chat, "chats.mark_seen", Effect::Write);

/// Removes every message of a conversation on all devices of the account; the conversation stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clear {
    /// Which one.
    pub chat: ChatId,
}
crate::operation!(Clear => Gone, "chats.clear", Effect::Write);

/// Removes a conversation with its messages on all devices of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// Which one.
    pub chat: ChatId,
}
crate::operation!(Delete => Gone, "chats.delete", Effect::Write);

/// What was to go is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// How many messages of the log went with it.
    pub messages: u64,
}
