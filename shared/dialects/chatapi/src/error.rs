//! Errors as this system shows them: `{error}` with a status, and for sends that failed `{sent: false, message}` with 200.

use http::StatusCode;
use serde::Serialize;
use switchboard_dialect_kit::{Cx, Reply};
use switchboard_vocab::{ErrorCode, OpError};

/// The last segments of the paths that send.
const SENDS: [&str; 3] = ["sendMessage", "message", "sendFile"];

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
}

#[derive(Serialize)]
struct NotSent<'a> {
    sent: bool,
    message: &'a str,
}

/// The response to a failed call.
pub(crate) fn reply(error: &OpError, cx: &Cx) -> Reply {
    let message = error.public.as_str();
    let (status, kind) = shown(error.code);
    let last = cx.input().path.trim_end_matches('/').rsplit('/').next();
    let sends = last.is_some_and(|segment| SENDS.contains(&segment));
    match kind {
        Kind::OfCall if sends => Reply::ok(&NotSent {
            sent: false,
            message,
        }),
        Kind::OfCall | Kind::OfServer => Reply::json(status, &Failure { error: message }),
    }
}

/// Whose an error is.
enum Kind {
    /// The call's, or WhatsApp's: an attempt to send answers 200 and says that it failed.
    OfCall,
    /// The key's or the gateway's: the call was not looked at, or nobody knows what became of it.
    OfServer,
}

/// The table. Only 401 has a public source; the others are what HTTP means by them.
const fn shown(code: ErrorCode) -> (StatusCode, Kind) {
    use Kind::{OfCall, OfServer};
    match code {
        ErrorCode::InvalidInput | ErrorCode::MediaUnreachable => (StatusCode::BAD_REQUEST, OfCall),
        ErrorCode::UnsupportedMedia => (StatusCode::UNSUPPORTED_MEDIA_TYPE, OfCall),
        ErrorCode::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, OfCall),
        ErrorCode::NotFound => (StatusCode::NOT_FOUND, OfCall),
        ErrorCode::NotPaired | ErrorCode::AlreadyPaired | ErrorCode::AlreadyExists => {
            (StatusCode::CONFLICT, OfCall)
        }
        ErrorCode::Refused => (StatusCode::NOT_IMPLEMENTED, OfCall),
        ErrorCode::Rejected => (StatusCode::BAD_GATEWAY, OfCall),
        ErrorCode::NotConnected => (StatusCode::SERVICE_UNAVAILABLE, OfCall),
        ErrorCode::RateLimited | ErrorCode::Busy => (StatusCode::TOO_MANY_REQUESTS, OfServer),
        ErrorCode::Unauthenticated | ErrorCode::Forbidden | ErrorCode::SessionNotFound => {
            (StatusCode::UNAUTHORIZED, OfServer)
        }
        ErrorCode::UnknownRoute => (StatusCode::NOT_FOUND, OfServer),
        ErrorCode::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, OfServer),
        ErrorCode::Timeout => (StatusCode::GATEWAY_TIMEOUT, OfServer),
        ErrorCode::Unavailable | ErrorCode::UnknownOperation => {
            (StatusCode::SERVICE_UNAVAILABLE, OfServer)
        }
        ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, OfServer),
    }
}
