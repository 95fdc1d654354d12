//! Events about messages.

use serde::{Deserialize, Serialize};

use crate::ids::{ChatId, MessageId, UserId};
use crate::messages::{DeliveryStatus, Message};
use crate::time::Timestamp;

/// Something about messages happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is made once and written at once; none is kept in memory"
)]
pub enum Event {
    /// Somebody else's message came in.
    Received(Message),
    /// An own message left, from this device or another one of the account.
    Sent(Message),
    /// An own message came further, or failed.
    StatusChanged(StatusChange),
    /// A message of the log is not what it was: new words, a reaction, a vote, an answer, a star, a pin.
    Changed(MessageChange),
    /// A message was deleted for everyone or on this account's devices. The one that carried the deletion is not announced
    /// by itself.
    Deleted(Deletion),
}

/// A message before and after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageChange {
    /// As it was.
    pub before: Message,
    /// As it is.
    pub after: Message,
    /// The message that changed it, when one did. It is announced by [`Event::Received`] or [`Event::Sent`] too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Box<Message>>,
}

/// A message that is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deletion {
    /// The conversation.
    pub chat: ChatId,
    /// Which message.
    pub id: MessageId,
    /// What it was, when the log had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Message>>,
    /// Whether it is gone for everyone; for this account's devices only otherwise.
    pub for_everyone: bool,
    /// Who deleted it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// How far a message came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// The conversation.
    pub chat: ChatId,
    /// The conversation's other address, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_alt: Option<UserId>,
    /// Which message.
    pub id: MessageId,
    /// The message's position in the log, when the log has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Whose device or eyes; absent for WhatsApp's own acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<UserId>,
    /// How far.
    pub status: DeliveryStatus,
    /// When.
    pub at: Timestamp,
    /// WhatsApp's error code, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<u16>,
}
