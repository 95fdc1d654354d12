//! Events about the session itself.

use serde::{Deserialize, Serialize};

use crate::pairing::Challenge;
use crate::sessions::{Identity, SessionState};
use crate::time::Timestamp;

/// Something about the session happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// It entered another state.
    StateChanged(StateChange),
    /// A person can link it now: a fresh QR code, pairing code or passkey request.
    ChallengeIssued(Challenge),
    /// It was linked to an account.
    Paired(Identity),
    /// A part of the phone's history was taken in.
    HistoryTaken(HistoryPart),
}

/// A part of the phone's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPart {
    /// WhatsApp's name of the kind of part, e.g. `INITIAL_BOOTSTRAP`.
    pub part: String,
    /// How much of the whole there is now, in percent, as the phone says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u32>,
    /// Conversations in it.
    pub chats: u64,
    /// Messages in it that the log did not have.
    pub messages: u64,
    /// The numbers of the first and the last of these in the log; messages that came otherwise can stand between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<(u64, u64)>,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// The state before.
    pub from: SessionState,
    /// The state now.
    pub to: SessionState,
    /// Why, in words for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the next connection is tried, while waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
}
