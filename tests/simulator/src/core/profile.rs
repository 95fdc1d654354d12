//! Settings of an account that most never touch.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::AccountId;

/// Settings of an account.
#[derive(Debug, Default)]
pub struct Profile {
    /// Whom it blocked.
    pub blocked: BTreeSet<AccountId>,
    /// Privacy settings that were changed, by category.
    pub privacy: BTreeMap<Box<str>, Box<str>>,
    /// The "about" text and when it was set, in seconds.
    pub about: Option<(Box<str>, u64)>,
    /// Number and content of its picture.
    pub picture: Option<(u64, Vec<u8>)>,
    /// Default lifetime of messages in new chats and when it was set, both in seconds.
    pub disappearing: Option<(u64, u64)>,
}
