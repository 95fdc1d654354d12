//! Events about messages.

use serde::{Deserialize, Serialize};

use crate::ids::{ChatId, MessageId, UserId};
use crate::messages::{DeliveryStatus, Message};
use crate::time::Timestamp;

/// Something about messages happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// Somebody else's message came in.
    Received(Message),
    /// An own message left, from this device or another one of the account.
    Sent(Message),
    /// An own message came further, or failed.
    StatusChanged(StatusChange),
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
