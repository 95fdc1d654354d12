//! The one error that crosses the bus.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What went wrong, in as few words as callers can act on. Introduce new ones thoughtfully: each dialect
/// maps every code to a status and a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// A field is missing, has the wrong type, or a value that cannot be.
    InvalidInput,
    /// The bytes are not a media type this call can send.
    UnsupportedMedia,
    /// The body, text or file is over its limit.
    TooLarge,
    /// A media URL could not be fetched, or may not be.
    MediaUnreachable,
    /// No key, or a key that is not known.
    Unauthenticated,
    /// The key is known and may not do this.
    Forbidden,
    /// No session of that name for this key.
    SessionNotFound,
    /// The session exists and has no connection to WhatsApp now.
    NotConnected,
    /// The session has no login: it must be paired first.
    NotPaired,
    /// The session is paired already.
    AlreadyPaired,
    /// Something of that name exists already.
    AlreadyExists,
    /// The message, chat, file or other object is not there.
    NotFound,
    /// No such path, or not with this method.
    UnknownRoute,
    /// WhatsApp lets no linked device do this, or this release does not offer it; the text says which.
    Refused,
    /// WhatsApp or the gateway asks to slow down.
    RateLimited,
    /// Too many calls under way for this session, or other devices of its account keep changing the same.
    Busy,
    /// The node's disk is too full to accept this.
    StorageFull,
    /// No answer within the deadline.
    Timeout,
    /// The owner of the session cannot be reached now.
    Unavailable,
    /// The owner runs a release that does not know this operation.
    UnknownOperation,
    /// WhatsApp answered with an error.
    Rejected,
    /// A fault of ours.
    Internal,
}

impl ErrorCode {
    /// Every code, for tests of total tables.
    pub const ALL: [Self; 22] = [
        Self::InvalidInput,
        Self::UnsupportedMedia,
        Self::TooLarge,
        Self::MediaUnreachable,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::SessionNotFound,
        Self::NotConnected,
        Self::NotPaired,
        Self::AlreadyPaired,
        Self::AlreadyExists,
        Self::NotFound,
        Self::UnknownRoute,
        Self::Refused,
        Self::RateLimited,
        Self::Busy,
        Self::StorageFull,
        Self::Timeout,
        Self::Unavailable,
        Self::UnknownOperation,
        Self::Rejected,
        Self::Internal,
    ];
}

/// Whether the effect of a failed call may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Certainly nothing happened: the call may be repeated.
    NotExecuted,
    /// It may have happened: only a call with the same message id may be repeated.
    MaybeExecuted,
}

/// Longest text for the caller, in bytes: it may repeat what the caller sent, and is not a way to send that back whole.
pub const PUBLIC_LEN_MAX: usize = 600;

/// The error of an operation.
///
/// `public` goes to the caller; `internal` goes to our log and is never serialised. There is no `Display` on
/// purpose: whoever prints must choose which of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpError {
    /// What went wrong.
    pub code: ErrorCode,
    /// A sentence for the caller: lowercase, no full stop, names the field and the value that would be right.
    pub public: String,
    /// What our own log should say; stays in this process.
    #[serde(skip)]
    pub internal: Option<String>,
    /// Whether the effect may have happened.
    pub outcome: Outcome,
    /// When trying again makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

impl OpError {
    /// An error whose effect certainly did not happen. A text over [`PUBLIC_LEN_MAX`] is cut.
    #[must_use]
    pub fn new(code: ErrorCode, public: impl Into<String>) -> Self {
        let mut public = public.into();
        if public.len() > PUBLIC_LEN_MAX {
            public.truncate(public.floor_char_boundary(PUBLIC_LEN_MAX));
            public.push('…');
        }
        Self {
            code,
            public,
            internal: None,
            outcome: Outcome::NotExecuted,
            retry_after: None,
        }
    }

    /// Shorthand for [`ErrorCode::InvalidInput`].
    #[must_use]
    pub fn invalid(public: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidInput, public)
    }

    /// A fault of ours: the caller learns only that it happened, the log learns what.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorCode::Internal, "an internal error occurred");
        error.internal = Some(detail.into());
        error
    }

    /// Adds what our own log should say.
    #[must_use]
    pub fn with_internal(mut self, detail: impl Into<String>) -> Self {
        self.internal = Some(detail.into());
        self
    }

    /// Marks that the effect may have happened.
    #[must_use]
    pub const fn maybe_executed(mut self) -> Self {
        self.outcome = Outcome::MaybeExecuted;
        self
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_for_the_caller_are_cut() {
        let error = OpError::invalid("é".repeat(PUBLIC_LEN_MAX));
        assert_eq!(error.public, format!("{}…", "é".repeat(PUBLIC_LEN_MAX / 2)));
        let whole = "x".repeat(PUBLIC_LEN_MAX);
        assert_eq!(OpError::invalid(whole.clone()).public, whole);
    }

    #[test]
    fn internal_text_never_leaves_the_process() {
        let error = OpError::internal("/data/keys is gone");
        let wire = serde_json::to_string(&error).unwrap();
        assert!(!wire.contains("/data/keys"), "{wire}");
        let back: OpError = serde_json::from_str(&wire).unwrap();
        assert_eq!(back.internal, None);
    }
}
