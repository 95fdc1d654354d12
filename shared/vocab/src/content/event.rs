//! Events that people are invited to.

use serde::{Deserialize, Serialize};

use super::Location;
use crate::ids::UserId;
use crate::time::Timestamp;

/// An event to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    /// Its name.
    pub name: String,
    /// What it is about.
    #[serde(default)]
    pub description: Option<String>,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    #[serde(default)]
    pub end: Option<Timestamp>,
    /// Where it is.
    #[serde(default)]
    pub location: Option<Location>,
}

/// An event of the log, with the answers that stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventBody {
    /// Its name.
    pub name: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The link of a call that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_link: Option<String>,
    /// Whether it was called off.
    #[serde(default)]
    pub cancelled: bool,
    /// Who comes and who does not, one answer per person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<EventAnswer>,
}

/// One person's answer to an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventAnswer {
    /// Who.
    pub user: UserId,
    /// What they said.
    pub reply: EventReply,
    /// When.
    pub at: Timestamp,
}

/// Whether somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventReply {
    /// Neither of the others.
    Unknown,
    /// They come.
    Going,
    /// They do not come.
    NotGoing,
    /// They may come.
    Maybe,
}
