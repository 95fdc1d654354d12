//! What comes in and must be durable: messages, facts, the phone's history.

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_vocab::messages::Message;
use thiserror::Error;

use super::Fact;

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
    /// What is needed to download its file: an opaque value for [`Account::download`](crate::Account::download).
    pub media_keys: Option<Vec<u8>>,
    /// The protobuf `Message` as it came: what [`OutgoingContent::Forward`](crate::OutgoingContent::Forward) and [`proto_text`](crate::proto_text) need.
    pub proto: Option<Bytes>,
}
