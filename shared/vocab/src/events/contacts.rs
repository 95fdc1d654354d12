//! Events about people.

use serde::{Deserialize, Serialize};

use crate::contacts::Contact;

/// Something about a person happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// The store knows a person more.
    Added(Contact),
    /// Name, about, picture, number or block changed.
    Changed(ContactChange),
    /// They left the account's address book.
    Removed(Contact),
}

/// A person before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactChange {
    /// As they were known.
    pub before: Contact,
    /// As they are known.
    pub after: Contact,
}
