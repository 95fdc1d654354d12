//! Polls and their votes.

use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// Fewest options of a poll. Source: the limit WhatsApp's own clients enforce.
pub const POLL_OPTIONS_MIN: usize = 2;
/// Most options of a poll. Source: the limit WhatsApp's own clients enforce.
pub const POLL_OPTIONS_MAX: usize = 12;

/// A poll to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPoll {
    /// The question.
    pub question: String,
    /// The options, all different; [`POLL_OPTIONS_MIN`] to [`POLL_OPTIONS_MAX`].
    pub options: Vec<String>,
    /// How many of them one person may choose; `None` for any number.
    #[serde(default)]
    pub choices_max: Option<u32>,
}

/// A poll of the log, with the votes that stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// The question.
    pub question: String,
    /// The options in their order.
    pub options: Vec<PollOption>,
    /// How many of them one person may choose; `None` for any number.
    #[serde(default)]
    pub choices_max: Option<u32>,
}

/// An option and who chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollOption {
    /// The option.
    pub name: String,
    /// Who chose it, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub voters: Vec<UserId>,
}
