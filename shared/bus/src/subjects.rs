//! The only place in the product that names subjects, streams, buckets and keys.
//!
//! Everything is built from tokens; a text from outside becomes one token by an escape, so that no
//! id can reach into another's subject. Names of one cluster carry its id, so two clusters on
//! one NATS do not mix. The exception is the event subjects, which the public contract fixes without a cluster:
//! of two clusters in one NATS account the second is refused by [`crate::EventLog::open`]; give
//! each its own account.

mod names;
pub(crate) mod nats;
mod token;

use std::fmt;
use std::sync::Arc;

use crate::limits::{CONSUMER_NAME_BYTES_MAX, TOKEN_BYTES_MAX};

pub use names::Names;

/// Why a name could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A cluster id or consumer name has other characters, or too many.
    #[error("name {what} {text:?}: 1 to {max} characters of A-Z a-z 0-9 _ - are accepted")]
    Name {
        /// What was to be named.
        what: &'static str,
        /// The text given.
        text: String,
        /// The limit in bytes.
        max: usize,
    },
    /// An id is too long once escaped.
    #[error("name {what}: {size} bytes escaped, over the limit of {max} bytes")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// The escaped size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A text read from outside is not a name that this module writes.
    #[error("read {what} {text:?}: not a name of this product")]
    Foreign {
        /// What it should have been.
        what: &'static str,
        /// The text read.
        text: String,
    },
}

/// A subject without wildcards.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Where one kind of event of a session is published: `wa.<tenant>.<session>.events.<kind>`.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn events(tenant: &str, session: &str, kind: &str) -> Result<Self, Error> {
        let (tenant, session) = (one("tenant", tenant)?, one("session", session)?);
        Ok(Self(
            format!("wa.{tenant}.{session}.events.{}", one("event kind", kind)?).into(),
        ))
    }

    /// Tenant, session and kind of a subject made by [`Subject::events`].
    #[must_use]
    pub fn as_event(&self) -> Option<(String, String, String)> {
        let mut tokens = self.0.split('.');
        if tokens.next() != Some("wa") {
            return None;
        }
        let (tenant, session) = (tokens.next()?, tokens.next()?);
        if tokens.next() != Some("events") {
            return None;
        }
        let kind = tokens.next()?;
        if tokens.next().is_some() {
            return None;
        }
        Some((
            token::unescape(tenant)?,
            token::unescape(session)?,
            token::unescape(kind)?,
        ))
    }

    /// A subject as it came over the wire.
    pub(crate) fn from_wire(text: &str) -> Result<Self, Error> {
        if text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(is_literal))
        {
            Ok(Self(text.into()))
        } else {
            Err(Error::Foreign {
                what: "subject",
                text: text.to_owned(),
            })
        }
    }
}

/// A set of subjects: `*` stands for one token, `>` at the end for one or more.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SubjectFilter(Arc<str>);

impl SubjectFilter {
    /// Every event of every tenant.
    #[must_use]
    pub fn all_events() -> Self {
        Self("wa.*.*.events.*".into())
    }

    /// Every event of one tenant.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn events_of_tenant(tenant: &str) -> Result<Self, Error> {
        Ok(Self(
            format!("wa.{}.*.events.*", one("tenant", tenant)?).into(),
        ))
    }

    /// Every event of one session.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn events_of_session(tenant: &str, session: &str) -> Result<Self, Error> {
        let (tenant, session) = (one("tenant", tenant)?, one("session", session)?);
        Ok(Self(format!("wa.{tenant}.{session}.events.*").into()))
    }

    /// True if the filter's set has `subject` in it.
    #[must_use]
    pub fn matches(&self, subject: &Subject) -> bool {
        let mut wanted = self.0.split('.');
        let mut tokens = subject.0.split('.');
        loop {
            match (wanted.next(), tokens.next()) {
                (None, None) => return true,
                (Some(">"), Some(_)) => return true,
                (Some("*"), Some(_)) => {}
                (Some(want), Some(have)) if want == have => {}
                (None | Some(_), _) => return false,
            }
        }
    }

    /// True if some subject is in both sets.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let mut ours = self.0.split('.');
        let mut theirs = other.0.split('.');
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
                (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
                (Some(a), Some(b)) if a == b => {}
                (None | Some(_), _) => return false,
            }
        }
    }

    /// A filter as it came over the wire.
    pub(crate) fn from_wire(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Subject> for SubjectFilter {
    fn from(subject: Subject) -> Self {
        Self(subject.0)
    }
}

/// The name of a bucket of records.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(Arc<str>);

impl Bucket {
    /// A bucket as it came from a disk.
    pub(crate) fn from_storage(text: &str) -> Result<Self, Error> {
        // Longer than any that this module writes: cluster, underscore, name.
        plain("bucket", text, TOKEN_BYTES_MAX).map(Self)
    }
}

/// The key of a record: one or more tokens.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// The key of the cluster's own record.
    #[must_use]
    pub fn cluster() -> Self {
        Self("self".into())
    }

    /// The key of a node's record.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn node(node: &str) -> Result<Self, Error> {
        Ok(Self(one("node", node)?.into()))
    }

    /// The key of a session's owner record: `<tenant>.<session>`.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn owner(tenant: &str, session: &str) -> Result<Self, Error> {
        Ok(Self(
            format!("{}.{}", one("tenant", tenant)?, one("session", session)?).into(),
        ))
    }

    /// The key of a session's own record: `<tenant>.<session>`, because session ids are unique within a tenant only.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn session(tenant: &str, session: &str) -> Result<Self, Error> {
        Self::owner(tenant, session)
    }

    /// The key of a tenant's record.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn tenant(tenant: &str) -> Result<Self, Error> {
        Ok(Self(one("tenant", tenant)?.into()))
    }

    /// The texts the key was built from, in order: `[tenant, session]` for an owner key.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        // A Key is only built from escaped tokens, so none is lost here.
        self.0.split('.').filter_map(token::unescape).collect()
    }

    /// A key as it came over the wire.
    pub(crate) fn from_wire(text: &str) -> Result<Self, Error> {
        if text.split('.').all(|part| token::unescape(part).is_some()) {
            Ok(Self(text.into()))
        } else {
            Err(Error::Foreign {
                what: "key",
                text: text.to_owned(),
            })
        }
    }
}

/// A set of keys: all of a bucket, or those that begin with some tokens.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyPrefix(Arc<str>);

impl KeyPrefix {
    /// Every key of the bucket.
    #[must_use]
    pub fn all() -> Self {
        Self(">".into())
    }

    /// The owner records of a tenant's sessions.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn owners_of(tenant: &str) -> Result<Self, Error> {
        Ok(Self(format!("{}.>", one("tenant", tenant)?).into()))
    }

    /// True if `key` is in the set.
    #[must_use]
    pub fn matches(&self, key: &Key) -> bool {
        // The text ends in `>`: what stands before it, if anything, ends in a dot.
        self.0
            .strip_suffix('>')
            .is_some_and(|prefix| key.0.len() > prefix.len() && key.0.starts_with(prefix))
    }
}

/// The name of a stream of events.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// A stream as it came from a disk.
    pub(crate) fn from_storage(text: &str) -> Result<Self, Error> {
        plain("stream", text, TOKEN_BYTES_MAX).map(Self)
    }
}

/// The name of a durable consumer.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerName(Arc<str>);

impl ConsumerName {
    /// A consumer called `name`.
    ///
    /// # Errors
    /// `Name` if it is not 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub fn new(name: &str) -> Result<Self, Error> {
        plain("consumer", name, CONSUMER_NAME_BYTES_MAX).map(Self)
    }
}

macro_rules! text_type {
    ($($name:ident),*) => {$(
        impl $name {
            /// The text on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

text_type!(
    Subject,
    SubjectFilter,
    Bucket,
    Key,
    KeyPrefix,
    StreamName,
    ConsumerName
);

/// One escaped token of bounded length.
fn one(what: &'static str, text: &str) -> Result<String, Error> {
    let token = token::escape(text);
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Error::TooLong {
            what,
            size: token.len(),
            max: TOKEN_BYTES_MAX,
        });
    }
    Ok(token)
}

/// A name that must not need an escape.
fn plain(what: &'static str, text: &str, max: usize) -> Result<Arc<str>, Error> {
    if text.is_empty() || text.len() > max || !text.bytes().all(token::is_plain) {
        return Err(Error::Name {
            what,
            text: text.to_owned(),
            max,
        });
    }
    Ok(text.into())
}

/// Characters that NATS allows in a subject and that are no wildcard.
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'*' && byte != b'>'
}

#[cfg(test)]
mod tests;
