//! What happened: facts in the past tense, written once in these words and turned into payloads by the dialects.

pub mod chats;
pub mod contacts;
pub mod messages;
pub mod presence;
pub mod sessions;

use serde::{Deserialize, Serialize};

use crate::ids::{Epoch, EventId, SessionRef};
use crate::time::Timestamp;
use crate::webhooks::EventClass;

/// One event: the area, then the kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "area", content = "event", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every event is a message, so a box would cost more than it saves"
)]
pub enum Event {
    /// Something about messages.
    Messages(messages::Event),
    /// Something about the session itself.
    Sessions(sessions::Event),
    /// Somebody came online, or types.
    Presence(presence::Event),
    /// Something about a conversation.
    Chats(chats::Event),
    /// Something about a person.
    Contacts(contacts::Event),
}

impl Event {
    /// The type token of subjects and CloudEvents: `<area>-<kind>`.
    #[must_use]
    pub const fn type_token(&self) -> &'static str {
        match self {
            Self::Messages(messages::Event::Received(_)) => "message-received",
            Self::Messages(messages::Event::Sent(_)) => "message-sent",
            Self::Messages(messages::Event::StatusChanged(_)) => "message-status-changed",
            Self::Messages(messages::Event::Changed(_)) => "message-changed",
            Self::Messages(messages::Event::Deleted(_)) => "message-deleted",
            Self::Sessions(sessions::Event::StateChanged(_)) => "session-state-changed",
            Self::Sessions(sessions::Event::ChallengeIssued(_)) => "session-challenge-issued",
            Self::Sessions(sessions::Event::Paired(_)) => "session-paired",
            Self::Sessions(sessions::Event::HistoryTaken(_)) => "session-history-taken",
            Self::Presence(presence::Event::Changed(_)) => "presence-changed",
            Self::Presence(presence::Event::ChatState(_)) => "chat-state-changed",
            Self::Chats(chats::Event::Added(_)) => "chat-added",
            Self::Chats(chats::Event::Changed(_)) => "chat-changed",
            Self::Chats(chats::Event::Cleared { .. }) => "chat-cleared",
            Self::Chats(chats::Event::Removed { .. }) => "chat-removed",
            Self::Contacts(contacts::Event::Added(_)) => "contact-added",
            Self::Contacts(contacts::Event::Changed(_)) => "contact-changed",
            Self::Contacts(contacts::Event::Removed(_)) => "contact-removed",
        }
    }

    /// The class subscriptions choose by.
    #[must_use]
    pub const fn class(&self) -> EventClass {
        match self {
            Self::Messages(messages::Event::Received(_)) => EventClass::Received,
            Self::Messages(messages::Event::Sent(_)) => EventClass::Sent,
            Self::Messages(messages::Event::StatusChanged(_)) => EventClass::Statuses,
            Self::Messages(messages::Event::Changed(_)) => EventClass::Changes,
            Self::Messages(messages::Event::Deleted(_)) => EventClass::Deletions,
            Self::Sessions(sessions::Event::HistoryTaken(_)) => EventClass::History,
            Self::Sessions(_) => EventClass::Session,
            Self::Presence(presence::Event::Changed(_)) => EventClass::Presence,
            Self::Presence(presence::Event::ChatState(_)) => EventClass::Typing,
            Self::Chats(_) => EventClass::Chats,
            Self::Contacts(_) => EventClass::Contacts,
        }
    }
}

/// An event with where and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Stable id; the same on every redelivery.
    pub id: EventId,
    /// Whose event.
    pub session: SessionRef,
    /// The ownership in which it was recorded.
    pub epoch: Epoch,
    /// Position in the session's events, without gaps.
    pub sequence: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}
