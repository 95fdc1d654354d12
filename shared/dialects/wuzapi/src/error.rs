//! Errors as this system shows them: `{"code", "error", "success": false}`, the code being the HTTP status.

use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use switchboard_dialect_kit::{Cx, Reply};
use switchboard_vocab::{ErrorCode, OpError};

#[derive(Serialize)]
struct Envelope<'a> {
    code: u16,
    error: &'a str,
    success: bool,
}

/// The response to a failed call.
pub(crate) fn reply(error: &OpError, cx: &Cx) -> Reply {
    let path = cx.input().path.as_str();
    let (status, text) = documented(error.code, path).unwrap_or_else(|| row(error.code));
    let text = match text {
        Text::Fixed(text) => text.to_owned(),
        Text::Own => error.public.clone(),
        Text::After(prefix) => format!("{prefix}{}", error.public),
    };
    let body = Envelope {
        code: status.as_u16(),
        error: &text,
        success: false,
    };
    let mut reply = Reply::json(status, &body);
    if let Some(after) = error.retry_after {
        let seconds = HeaderValue::from(after.as_secs().max(1));
        reply
            .headers
            .push((HeaderName::from_static("retry-after"), seconds));
    }
    reply
}

/// How the text of an error comes about.
#[derive(Clone, Copy)]
enum Text {
    /// That system's own words.
    Fixed(&'static str),
    /// Ours, which begin with that system's words where it has some.
    Own,
    /// That system's words, then ours.
    After(&'static str),
}

const FAULT: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

/// Texts that the reference gives one operation in particular.
fn documented(code: ErrorCode, path: &str) -> Option<(StatusCode, Text)> {
    let text = match (path, code) {
        ("/session/pairphone", ErrorCode::AlreadyPaired) => {
            return Some((StatusCode::BAD_REQUEST, Text::Fixed("Already paired")));
        }
        ("/session/qr", ErrorCode::NotConnected) => Text::Fixed("Not connected"),
        ("/session/qr", ErrorCode::AlreadyPaired) => Text::Fixed("Already Loggedin"),
        ("/session/connect", ErrorCode::Unavailable | ErrorCode::Timeout) => {
            Text::Fixed("Failed to Connect")
        }
        ("/session/logout", ErrorCode::NotPaired) => {
            Text::Fixed("Could not disconnect as it was not logged in")
        }
        ("/session/logout", ErrorCode::NotConnected) => {
            Text::Fixed("Could not disconnect as it was not connected")
        }
        (path, ErrorCode::Rejected | ErrorCode::NotFound)
            if path.starts_with("/chat/send/") || path == "/chat/react" =>
        {
            Text::After("Error sending message: ")
        }
        ("/chat/presence", ErrorCode::Rejected) => {
            Text::Fixed("Failure sending chat presence to Whatsapp servers")
        }
        ("/chat/markread", ErrorCode::Rejected) => Text::Fixed("Failure marking messages as read"),
        ("/user/check", ErrorCode::Rejected) => {
            Text::After("Failed to check if users are on WhatsApp: ")
        }
        ("/user/avatar", ErrorCode::NotFound) => Text::Fixed("No avatar found"),
        ("/user/avatar", ErrorCode::Rejected) => Text::After("Failed to get avatar: "),
        (path, ErrorCode::Rejected | ErrorCode::NotFound | ErrorCode::MediaUnreachable) => {
            Text::After(download(path)?)
        }
        _ => return None,
    };
    Some((FAULT, text))
}

/// How a download that failed begins to say so.
fn download(path: &str) -> Option<&'static str> {
    match path {
        "/chat/downloadimage" => Some("Failed to download image "),
        "/chat/downloadvideo" => Some("Failed to download video "),
        "/chat/downloadaudio" => Some("Failed to download audio "),
        "/chat/downloaddocument" => Some("Failed to download document "),
        _ => None,
    }
}

/// The table. The reference knows 400 for requests, 401 for tokens and 500 for everything else; faults that it does not list
/// have the status HTTP has for them.
const fn row(code: ErrorCode) -> (StatusCode, Text) {
    match code {
        ErrorCode::InvalidInput | ErrorCode::UnsupportedMedia | ErrorCode::MediaUnreachable => {
            (StatusCode::BAD_REQUEST, Text::Own)
        }
        ErrorCode::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Text::Own),
        ErrorCode::Unauthenticated | ErrorCode::Forbidden => {
            (StatusCode::UNAUTHORIZED, Text::Fixed("Unauthorized"))
        }
        ErrorCode::SessionNotFound | ErrorCode::NotConnected | ErrorCode::NotPaired => {
            (FAULT, Text::Fixed("No session"))
        }
        ErrorCode::AlreadyPaired => (FAULT, Text::Fixed("Already Connected")),
        ErrorCode::AlreadyExists => (StatusCode::CONFLICT, Text::Own),
        ErrorCode::NotFound | ErrorCode::UnknownRoute => (StatusCode::NOT_FOUND, Text::Own),
        ErrorCode::Refused => (StatusCode::NOT_IMPLEMENTED, Text::Own),
        ErrorCode::RateLimited | ErrorCode::Busy => (StatusCode::TOO_MANY_REQUESTS, Text::Own),
        ErrorCode::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, Text::Own),
        ErrorCode::Unavailable | ErrorCode::UnknownOperation => {
            (StatusCode::SERVICE_UNAVAILABLE, Text::Own)
        }
        ErrorCode::Timeout => (StatusCode::GATEWAY_TIMEOUT, Text::Own),
        ErrorCode::Rejected | ErrorCode::Internal => (FAULT, Text::Own),
    }
}
