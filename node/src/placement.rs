//! Who may run a session.
//!
//! Owns the question, not the answer's source: everything asks [`Ownership`], nothing runs on the strength of the hash
//! alone (design rule R-10). The one source is the ownership machine behind [`crate::cluster`].

use std::fmt;

use switchboard_vocab::SessionRef;
use tokio::sync::watch;

pub use switchboard_ownership::Verdict;

/// Knows who may run a session.
pub trait Ownership: Send + Sync + fmt::Debug {
    /// Who may run the session now.
    fn owner(&self, session: &SessionRef) -> Verdict;

    /// Wakes when any answer of [`Ownership::owner`] may have changed; the value counts the changes.
    fn changes(&self) -> watch::Receiver<u64>;
}
