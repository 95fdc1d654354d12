//! Operations on who is online and who is typing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::events::presence::ChatState;
use crate::ids::{ChatId, UserId};
use crate::operation::Effect;
use crate::time::Timestamp;

/// Longest time a state in a chat is shown. Source: WhatsApp's own clients let it end after about 25 seconds; it is renewed.
pub const CHAT_STATE_MAX: Duration = Duration::from_secs(60);

/// Asks WhatsApp to tell when a person comes and goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Who.
    pub user: UserId,
}
crate::operation!(Subscribe => Presence, "presence.subscribe", Effect::Write);

/// Gets what WhatsApp last told of a person's presence; subscribes when nothing is known yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Who.
    pub user: UserId,
}
crate::operation!(Get => Presence, "presence.get", Effect::Read);

/// What is known of a person's presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Who.
    pub user: UserId,
    /// Whether they are online; `None` while WhatsApp has not said.
    #[serde(default)]
    pub online: Option<bool>,
    /// When they were last online, if they show it.
    #[serde(default)]
    pub last_seen: Option<Timestamp>,
    /// What they do in the conversation with this account.
    #[serde(default)]
    pub state: Option<ChatState>,
}

/// Shows in a conversation that this account types, records, or neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendState {
    /// Where.
    pub chat: ChatId,
    /// What.
    pub state: ChatState,
    /// For how long, at most [`CHAT_STATE_MAX`]; afterwards it ends. Until WhatsApp's clients let it end when absent.
    #[serde(default)]
    pub period: Option<Duration>,
}
crate::operation!(SendState => crate::profile::Shown, "presence.send_state", Effect::Write);
