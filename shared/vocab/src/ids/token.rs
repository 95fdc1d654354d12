//! Ids that are short tokens of our own choosing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest token id accepted, in characters. NATS subjects and store keys hold several of them.
const TOKEN_LEN_MAX: usize = 64;
/// The longest message id accepted. WhatsApp's own ids have 18 to 32 characters; foreign systems wrap them.
const MESSAGE_ID_LEN_MAX: usize = 128;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} {text:?} is not valid: {reason}")]
pub struct ParseIdError {
    kind: &'static str,
    text: String,
    reason: &'static str,
}

fn refuse(kind: &'static str, text: &str, reason: &'static str) -> ParseIdError {
    ParseIdError {
        kind,
        text: text.chars().take(TOKEN_LEN_MAX).collect(),
        reason,
    }
}

fn check_token(kind: &'static str, text: &str, len_max: usize) -> Result<(), ParseIdError> {
    if text.is_empty() {
        return Err(refuse(kind, text, "it is empty"));
    }
    if text.len() > len_max {
        return Err(refuse(kind, text, "it is too long"));
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    {
        return Err(refuse(
            kind,
            text,
            "only letters, digits, '_' and '-' are allowed",
        ));
    }
    Ok(())
}

macro_rules! token_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses a text.
            ///
            /// # Errors
            /// When it is empty, too long, or has a character outside `[A-Za-z0-9_-]`.
            pub fn parse(text: &str) -> Result<Self, ParseIdError> {
                check_token($kind, text, $max)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
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

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }
    };
}

token_id!(
    /// A customer of the gateway. The tenant `default` always exists.
    TenantId,
    "tenant id",
    TOKEN_LEN_MAX
);
token_id!(
    /// One WhatsApp number under a tenant; unique within that tenant.
    SessionId,
    "session id",
    TOKEN_LEN_MAX
);
token_id!(
    /// A stable node name, not an address: placement hashes it.
    NodeId,
    "node id",
    TOKEN_LEN_MAX
);
token_id!(
    /// A media file in a session's own media store.
    MediaId,
    "media id",
    TOKEN_LEN_MAX
);
token_id!(
    /// One upload from a router to the node that will send it; chosen by the router.
    UploadId,
    "upload id",
    TOKEN_LEN_MAX
);
token_id!(
    /// A WhatsApp message id. The caller chooses it, so that a retry is the same message.
    MessageId,
    "message id",
    MESSAGE_ID_LEN_MAX
);

impl TenantId {
    /// The tenant that exists without being created.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

/// A session together with its tenant: the identity that placement, stores and subjects use.
///
/// Its text form is `tenant/session`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionRef {
    /// The tenant that owns the session.
    pub tenant: TenantId,
    /// The session within that tenant.
    pub session: SessionId,
}

impl SessionRef {
    /// Pairs a tenant with a session.
    #[must_use]
    pub const fn new(tenant: TenantId, session: SessionId) -> Self {
        Self { tenant, session }
    }
}

impl fmt::Display for SessionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.session)
    }
}

impl FromStr for SessionRef {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (tenant, session) = text
            .split_once('/')
            .ok_or_else(|| refuse("session reference", text, "it has no '/'"))?;
        Ok(Self {
            tenant: TenantId::parse(tenant)?,
            session: SessionId::parse(session)?,
        })
    }
}

impl TryFrom<String> for SessionRef {
    type Error = ParseIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SessionRef> for String {
    fn from(session: SessionRef) -> Self {
        session.to_string()
    }
}

/// The fencing number of a session's ownership: it only rises, by one with each new owner.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of an event: `<session uuid>.<epoch>.<sequence>` (design rule R-19).
///
/// Receivers de-duplicate by it and can sort by (epoch, sequence). It doubles as the `Nats-Msg-Id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Box<str>);

impl EventId {
    /// Renders the id of one event.
    #[must_use]
    pub fn new(session_uuid: &str, epoch: Epoch, sequence: u64) -> Self {
        Self(format!("{session_uuid}.{epoch}.{sequence}").into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The five foreign APIs. A subscription names the one whose payloads it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DialectName {
    /// whapi.cloud's API 1.8.7.
    Whapi,
    /// The "Whatsapp Business API" 0.14.0.
    Wapi,
    /// chat-api.com as of 2018.
    Chatapi,
    /// The wuzapi server.
    Wuzapi,
    /// The REST wrapper around whatsapp-web.js.
    Wwebjs,
}

impl DialectName {
    /// All five, in the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::Whapi,
        Self::Wapi,
        Self::Chatapi,
        Self::Wuzapi,
        Self::Wwebjs,
    ];

    /// The name as it stands in configuration, metrics and paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whapi => "whapi",
            Self::Wapi => "wapi",
            Self::Chatapi => "chatapi",
            Self::Wuzapi => "wuzapi",
            Self::Wwebjs => "wwebjs",
        }
    }
}

impl fmt::Display for DialectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DialectName {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|d| d.as_str() == text)
            .ok_or_else(|| {
                refuse(
                    "dialect",
                    text,
                    "it is none of whapi, wapi, chatapi, wuzapi, wwebjs",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_refuse_what_a_subject_could_not_hold() {
        for bad in [
            "",
            "a.b",
            "a b",
            "a*",
            ">",
            "ü",
            &"x".repeat(TOKEN_LEN_MAX + 1),
        ] {
            assert!(SessionId::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(SessionId::parse("sales-1_a").unwrap().as_str(), "sales-1_a");
    }

    #[test]
    fn session_reference_round_trips() {
        let text = "acme/sales";
        let parsed: SessionRef = text.parse().unwrap();
        assert_eq!(parsed.to_string(), text);
        assert!("acme".parse::<SessionRef>().is_err());
        assert!("a/b/c".parse::<SessionRef>().is_err());
    }
}
