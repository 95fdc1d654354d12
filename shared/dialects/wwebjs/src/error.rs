//! Errors as this system shows them: `{success: false, error}`, with its own words where it has some. Its session calls
//! answer 200 for a session that is not there.

use http::StatusCode;
use serde::Serialize;
use switchboard_dialect_kit::{Cx, Reply};
use switchboard_vocab::{ErrorCode, OpError};

use crate::auth::SESSION;

/// What that system calls a session it does not have.
const SESSION_NOT_FOUND: &str = "session_not_found";
/// What that system calls a session that cannot be used now.
pub(crate) const SESSION_NOT_CONNECTED: &str = "session_not_connected";

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    error: &'a str,
}

/// How the session calls say that there is no such session.
#[derive(Serialize)]
struct NoSession {
    success: bool,
    /// Always null; absent in the QR calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<()>,
    message: &'static str,
}

/// The response to a failed call.
pub(crate) fn reply(error: &OpError, cx: &Cx) -> Reply {
    let path = cx.input().path.as_str();
    if error.code == ErrorCode::SessionNotFound && path.starts_with("/session/") {
        return Reply::ok(&NoSession {
            success: false,
            state: (!path.starts_with("/session/qr/")).then_some(()),
            message: SESSION_NOT_FOUND,
        });
    }
    let (status, words) = shown(error.code, path);
    let exists = format!("Session already exists for: {}", cx.path(SESSION));
    let body = Failure {
        success: false,
        error: if error.code == ErrorCode::AlreadyExists {
            &exists
        } else {
            words.unwrap_or(&error.public)
        },
    };
    Reply::json(status, &body)
}

/// The table: status, and that system's own words. Where its source names no status, these are what HTTP means by them.
fn shown(code: ErrorCode, path: &str) -> (StatusCode, Option<&'static str>) {
    match code {
        ErrorCode::InvalidInput
        | ErrorCode::MediaUnreachable
        | ErrorCode::AlreadyPaired
        | ErrorCode::AlreadyExists => (StatusCode::UNPROCESSABLE_ENTITY, None),
        ErrorCode::UnsupportedMedia => (StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
        ErrorCode::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, None),
        ErrorCode::Unauthenticated => (StatusCode::FORBIDDEN, Some("Invalid API key")),
        ErrorCode::Forbidden => (StatusCode::FORBIDDEN, None),
        ErrorCode::SessionNotFound => (StatusCode::NOT_FOUND, Some(SESSION_NOT_FOUND)),
        ErrorCode::NotConnected | ErrorCode::NotPaired => {
            (StatusCode::NOT_FOUND, Some(SESSION_NOT_CONNECTED))
        }
        ErrorCode::NotFound if path.starts_with("/message/") => {
            (StatusCode::INTERNAL_SERVER_ERROR, Some("Message not Found"))
        }
        ErrorCode::NotFound if path.starts_with("/chat/") => {
            (StatusCode::NOT_FOUND, Some("Chat not Found"))
        }
        ErrorCode::NotFound if path.starts_with("/contact/") => {
            (StatusCode::NOT_FOUND, Some("Contact not Found"))
        }
        ErrorCode::NotFound | ErrorCode::UnknownRoute => (StatusCode::NOT_FOUND, None),
        ErrorCode::Refused => (StatusCode::NOT_IMPLEMENTED, None),
        ErrorCode::RateLimited | ErrorCode::Busy => (StatusCode::TOO_MANY_REQUESTS, None),
        ErrorCode::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, None),
        ErrorCode::Timeout => (StatusCode::GATEWAY_TIMEOUT, None),
        ErrorCode::Unavailable | ErrorCode::UnknownOperation => {
            (StatusCode::SERVICE_UNAVAILABLE, None)
        }
        ErrorCode::Rejected | ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, None),
    }
}
