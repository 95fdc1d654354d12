//! Errors as this system shows them: `{"error": {"code", "message", "details"}}`, the code being the HTTP status.

use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use switchboard_dialect_kit::{Cx, Reply};
use switchboard_vocab::{ErrorCode, OpError};

#[derive(Serialize)]
struct ResponseError<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: u16,
    message: &'a str,
    details: &'a str,
}

/// The response to a failed call.
pub(crate) fn reply(error: &OpError, cx: &Cx) -> Reply {
    let (status, message) = documented(error.code, &cx.input().path).unwrap_or(row(error.code));
    let body = ResponseError {
        error: Error {
            code: status.as_u16(),
            message,
            details: &error.public,
        },
    };
    let mut reply = Reply::json(status, &body);
    if let Some(after) = error.retry_after {
        let seconds = after.as_secs().max(1);
        reply.headers.push((
            HeaderName::from_static("retry-after"),
            HeaderValue::from(seconds),
        ));
    }
    reply
}

/// Sends without a file: the document has no 404 for them, a recipient who cannot be written to is 403.
const FILELESS: [&str; 6] = [
    "/messages/text",
    "/messages/location",
    "/messages/live_location",
    "/messages/contact",
    "/messages/contact_list",
    "/messages/poll",
];

/// Statuses that the document gives one operation in particular.
fn documented(code: ErrorCode, path: &str) -> Option<(StatusCode, &'static str)> {
    let picture = matches!(path, "/users/login" | "/users/login/image");
    if code == ErrorCode::NotPaired && path == "/users/logout" {
        return Some((StatusCode::CONFLICT, "channel already logged out"));
    }
    let bad_icon = matches!(
        code,
        ErrorCode::UnsupportedMedia | ErrorCode::MediaUnreachable | ErrorCode::TooLarge
    ) && path == "/users/profile";
    if bad_icon || (code == ErrorCode::NotFound && path == "/communities/event") {
        return Some((StatusCode::BAD_REQUEST, "wrong request parameters"));
    }
    if code == ErrorCode::NotFound && FILELESS.contains(&path) {
        return Some((StatusCode::FORBIDDEN, "recipient forbidden"));
    }
    // Of a receiver that cannot be reached the document says the same as of one that is wrong.
    if code == ErrorCode::Rejected && path == "/settings/webhook_test" {
        return Some((StatusCode::BAD_REQUEST, "wrong request parameters"));
    }
    let undrawable = code == ErrorCode::InvalidInput && picture;
    undrawable.then_some((StatusCode::UNPROCESSABLE_ENTITY, "render qr failed"))
}

/// The table. Statuses are those the document lists for the calls that can fail this way; it knows one status, 500, for
/// every fault of the server, and 401 both for a wrong token and for a channel that is not authorised.
const fn row(code: ErrorCode) -> (StatusCode, &'static str) {
    match code {
        ErrorCode::InvalidInput => (StatusCode::BAD_REQUEST, "wrong request parameters"),
        ErrorCode::UnsupportedMedia => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type")
        }
        ErrorCode::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request body too large"),
        ErrorCode::MediaUnreachable => (StatusCode::NOT_FOUND, "specified media not found"),
        ErrorCode::Unauthenticated => (StatusCode::UNAUTHORIZED, "wrong token"),
        ErrorCode::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
        ErrorCode::SessionNotFound => (StatusCode::NOT_FOUND, "channel not found"),
        ErrorCode::NotConnected | ErrorCode::NotPaired => {
            (StatusCode::UNAUTHORIZED, "need channel authorization")
        }
        ErrorCode::AlreadyPaired => (StatusCode::CONFLICT, "channel already authenticated"),
        ErrorCode::AlreadyExists => (StatusCode::CONFLICT, "already exists"),
        ErrorCode::NotFound => (StatusCode::NOT_FOUND, "specified object not found"),
        ErrorCode::UnknownRoute => (StatusCode::NOT_FOUND, "route not found"),
        ErrorCode::Refused => (StatusCode::NOT_IMPLEMENTED, "not supported"),
        ErrorCode::RateLimited | ErrorCode::Busy => {
            (StatusCode::TOO_MANY_REQUESTS, "too many requests")
        }
        ErrorCode::Rejected => (StatusCode::FORBIDDEN, "refused by whatsapp"),
        ErrorCode::StorageFull => (StatusCode::INTERNAL_SERVER_ERROR, "storage is full"),
        ErrorCode::Timeout => (StatusCode::INTERNAL_SERVER_ERROR, "timeout"),
        ErrorCode::Unavailable | ErrorCode::UnknownOperation => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "channel is temporarily unavailable",
        ),
        ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
    }
}
