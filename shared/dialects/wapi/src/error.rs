//! Errors as this system shows them: the envelope with `success: false`, and beside it the error object of the official API,
//! since clients read either.

use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use switchboard_dialect_kit::{Cx, Reply};
use switchboard_vocab::{ErrorCode, OpError};

use crate::envelope::{Envelope, instant};

#[derive(Serialize)]
struct Failure<'a> {
    #[serde(flatten)]
    envelope: Envelope<'a, ()>,
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: ErrorCode,
    code: u16,
    error_subcode: u16,
    error_data: ErrorData,
}

/// Nothing more to tell.
#[derive(Serialize)]
struct ErrorData {}

/// The response to a failed call.
pub(crate) fn reply(error: &OpError, cx: &Cx) -> Reply {
    let status = status(error.code);
    let body = Failure {
        envelope: Envelope {
            data: (),
            message: &error.public,
            success: false,
            timestamp: instant(cx.now()),
        },
        error: Error {
            message: &error.public,
            kind: error.code,
            code: status.as_u16(),
            error_subcode: 0,
            error_data: ErrorData {},
        },
    };
    let mut reply = Reply::json(status, &body);
    if let Some(after) = error.retry_after {
        let seconds = after.as_secs().max(1);
        let header = (
            HeaderName::from_static("retry-after"),
            HeaderValue::from(seconds),
        );
        reply.headers.push(header);
    }
    reply
}

/// The table. The public documents name no status, so these are what HTTP means by them.
const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidInput | ErrorCode::MediaUnreachable => StatusCode::BAD_REQUEST,
        ErrorCode::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::SessionNotFound | ErrorCode::NotFound | ErrorCode::UnknownRoute => {
            StatusCode::NOT_FOUND
        }
        ErrorCode::NotPaired | ErrorCode::AlreadyPaired | ErrorCode::AlreadyExists => {
            StatusCode::CONFLICT
        }
        ErrorCode::Refused => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::RateLimited | ErrorCode::Busy => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::NotConnected | ErrorCode::Unavailable | ErrorCode::UnknownOperation => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorCode::Rejected => StatusCode::BAD_GATEWAY,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
