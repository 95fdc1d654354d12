//! Names of the trees of a store: one per session, and a few of the node itself.
//!
//! Owns the spelling and the check of a name. Must not know what is kept under it.

use std::fmt;
use std::sync::Arc;

/// Longest name of a namespace in bytes, without its `session:` or `node:` prefix.
pub const NAME_BYTES_MAX: usize = 256;

const SESSION_PREFIX: &str = "session:";
const NODE_PREFIX: &str = "node:";

/// Which tree of the store. Cheap to clone; ordered by its text form.
///
/// The text form (`Display`, [`Namespace::parse`]) is what is sealed into every value as
/// associated data, so a value moved to another namespace does not open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// The tree of one session, named `tenant/session`.
    ///
    /// # Errors
    /// When the name is not two non-empty parts of printable ASCII round one slash, or is longer
    /// than [`NAME_BYTES_MAX`].
    pub fn session(name: &str) -> Result<Self, Error> {
        let parts = name
            .split_once('/')
            .ok_or_else(|| Error::NotASession(name.to_owned()))?;
        if parts.0.is_empty() || parts.1.is_empty() || parts.1.contains('/') {
            return Err(Error::NotASession(name.to_owned()));
        }
        Self::checked(SESSION_PREFIX, name)
    }

    /// A tree of the node itself, such as `bus` or `facts`.
    ///
    /// # Errors
    /// When the name is empty, holds a slash or anything but printable ASCII, or is longer than
    /// [`NAME_BYTES_MAX`].
    pub fn node(name: &str) -> Result<Self, Error> {
        if name.is_empty() || name.contains('/') {
            return Err(Error::NotANodeTree(name.to_owned()));
        }
        Self::checked(NODE_PREFIX, name)
    }

    /// Reads the text form back.
    ///
    /// # Errors
    /// When the prefix is unknown or the name does not pass the check of its kind.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(name) = text.strip_prefix(SESSION_PREFIX) {
            Self::session(name)
        } else if let Some(name) = text.strip_prefix(NODE_PREFIX) {
            Self::node(name)
        } else {
            Err(Error::Prefix(text.to_owned()))
        }
    }

    /// The text form: `session:tenant/session` or `node:name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `tenant/session` when this is the tree of a session.
    #[must_use]
    pub fn session_name(&self) -> Option<&str> {
        self.0.strip_prefix(SESSION_PREFIX)
    }

    /// The name when this is a tree of the node itself.
    #[must_use]
    pub fn node_name(&self) -> Option<&str> {
        self.0.strip_prefix(NODE_PREFIX)
    }

    fn checked(prefix: &str, name: &str) -> Result<Self, Error> {
        if name.len() > NAME_BYTES_MAX {
            return Err(Error::TooLong { length: name.len() });
        }
        if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::NotPrintable(name.escape_default().to_string()));
        }
        Ok(Self(format!("{prefix}{name}").into()))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why a name was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not of the form `tenant/session`.
    #[error("session namespace {0:?} is not of the form tenant/session")]
    NotASession(String),
    /// Empty, or with a slash.
    #[error("node namespace {0:?} is empty or holds a slash")]
    NotANodeTree(String),
    /// Neither `session:` nor `node:`.
    #[error("namespace {0:?} starts with neither session: nor node:")]
    Prefix(String),
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("namespace name of {length} bytes is longer than {NAME_BYTES_MAX}")]
    TooLong {
        /// Length of the refused name in bytes.
        length: usize,
    },
    /// Holds a space, a control character or anything outside ASCII.
    #[error("namespace name {0} holds something else than printable ascii")]
    NotPrintable(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_text_form() {
        for name in [
            Namespace::session("acme/main-1").unwrap(),
            Namespace::node("bus").unwrap(),
        ] {
            assert_eq!(Namespace::parse(name.as_str()), Ok(name));
        }
        assert_eq!(
            Namespace::session("a/b").unwrap().session_name(),
            Some("a/b")
        );
        assert_eq!(Namespace::node("facts").unwrap().node_name(), Some("facts"));
        assert_eq!(Namespace::node("facts").unwrap().session_name(), None);
    }

    #[test]
    fn bad_names_are_refused() {
        for name in ["", "a", "/b", "a/", "a/b/c", "a/b c", "a/\u{e9}", "a/b\n"] {
            assert!(Namespace::session(name).is_err(), "{name:?}");
        }
        assert!(Namespace::node("").is_err());
        assert!(Namespace::node("a/b").is_err());
        assert!(Namespace::parse("tree:a/b").is_err());
        assert!(Namespace::node(&"x".repeat(NAME_BYTES_MAX + 1)).is_err());
        assert!(Namespace::node(&"x".repeat(NAME_BYTES_MAX)).is_ok());
    }
}
