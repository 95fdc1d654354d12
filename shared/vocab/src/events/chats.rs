//! Events about conversations.

use serde::{Deserialize, Serialize};

use crate::chats::Chat;
use crate::ids::ChatId;

/// Something about a conversation happened, on any device of the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// There is a new one.
    Added(Chat),
    /// It was archived, pinned, muted, marked, or given another name or timer. New messages alone are no change.
    Changed(ChatChange),
    /// Every message of it was removed.
    Cleared {
        /// Which one.
        chat: ChatId,
    },
    /// It was removed.
    Removed {
        /// Which one.
        chat: ChatId,
    },
}

/// A conversation before and after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChange {
    /// As it was.
    pub before: Chat,
    /// As it is.
    pub after: Chat,
}
