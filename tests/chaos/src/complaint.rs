//! What is wrong, and of which kind: a rule that is off must be missed for the reason it exists, not for any.

use std::fmt;

/// Kinds of what can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A session does not work again in time.
    Works,
    /// By the witness lines a session was run by two at once, or an epoch fell or was used twice.
    Owners,
    /// Something was run that nobody may run at that moment or there.
    RanOn,
    /// Sessions moved or were interrupted although nothing called for it.
    Moved,
    /// What must be refused was not, or not with the words that help.
    Refused,
    /// What exists was said not to exist.
    Denied,
    /// Calls failed that must not.
    Failed,
    /// What belongs to another cluster was seen, or stood in the way.
    Mixed,
    /// WhatsApp saw two logins of one device.
    Logins,
    /// A session was paired again.
    Paired,
    /// A text was lost, doubled, or came from nobody.
    Texts,
    /// The scenario could not show what it is there for.
    Evidence,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Of which kind.
    pub kind: Kind,
    /// For people.
    pub text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}] {}", self.kind, self.text)
    }
}
