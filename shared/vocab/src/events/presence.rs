//! Events about who is online and who is typing. They are hints: never stored, dropped first under pressure.

use serde::{Deserialize, Serialize};

use crate::ids::{ChatId, UserId};
use crate::time::Timestamp;

/// Somebody's presence changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// Online or offline.
    Changed(PresenceChange),
    /// Typing, recording, or neither.
    ChatState(ChatStateChange),
}

/// Online or offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceChange {
    /// Who.
    pub user: UserId,
    /// Whether they are online now.
    pub online: bool,
    /// When they were last seen, if they show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

/// Typing, recording, or neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatStateChange {
    /// Where.
    pub chat: ChatId,
    /// Who.
    pub user: UserId,
    /// What they do.
    pub state: ChatState,
}

/// What somebody does in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatState {
    /// Typing.
    Composing,
    /// Recording a voice note.
    Recording,
    /// Neither.
    Paused,
}
