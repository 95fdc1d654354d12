//! Errors of the router's own surfaces as problem details. Source: RFC 9457.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use switchboard_vocab::{ErrorCode, OpError};

/// A problem, ready to be answered.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    error: OpError,
    field: Option<String>,
    tenants: Vec<String>,
    status: StatusCode,
}

/// The members of the document.
#[derive(Debug, Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: ErrorCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tenants: &'a [String],
    #[serde(skip_serializing_if = "is_certain")]
    maybe_executed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_certain(maybe_executed: &bool) -> bool {
    !*maybe_executed
}

impl Problem {
    fn new(error: OpError, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner {
            status: status(error.code),
            error,
            field: None,
            tenants: Vec::new(),
        };
        change(&mut inner);
        Self(Box::new(inner))
    }

    /// A value of the request is wrong.
    pub(crate) fn field(name: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(OpError::invalid(words), |inner| {
            inner.field = Some(name.into())
        })
    }

    /// An id that several tenants have.
    pub(crate) fn ambiguous(id: &str, tenants: Vec<String>) -> Self {
        let words = format!("several tenants have a session {id}: name one with ?tenant=");
        Self::new(OpError::new(ErrorCode::InvalidInput, words), |inner| {
            inner.status = StatusCode::CONFLICT;
            inner.field = Some("tenant".to_owned());
            inner.tenants = tenants;
        })
    }

    /// Something that the state of the cluster does not allow now.
    pub(crate) fn conflict(words: impl Into<String>) -> Self {
        Self::new(OpError::new(ErrorCode::Refused, words), |inner| {
            inner.status = StatusCode::CONFLICT;
        })
    }

    /// The same with other words.
    pub(crate) fn saying(mut self, words: String) -> Self {
        self.0.error.public = words;
        self
    }

    /// A path of ours that takes other methods.
    pub(crate) fn method() -> Self {
        let error = OpError::new(ErrorCode::UnknownRoute, "this path takes other methods");
        Self::new(error, |inner| inner.status = StatusCode::METHOD_NOT_ALLOWED)
    }
}

impl From<OpError> for Problem {
    fn from(error: OpError) -> Self {
        Self::new(error, |_| {})
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner {
            error,
            field,
            tenants,
            status,
        } = *self.0;
        if error.code == ErrorCode::Internal || error.internal.is_some() {
            tracing::warn!(code = ?error.code, internal = ?error.internal, "a request failed");
        }
        let document = Document {
            r#type: format!("urn:switchboard:problem:{}", name(error.code)),
            title: title(error.code),
            status: status.as_u16(),
            detail: &error.public,
            code: error.code,
            field: field.as_deref(),
            tenants: &tenants,
            maybe_executed: error.outcome == switchboard_vocab::Outcome::MaybeExecuted,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(after) = error.retry_after {
            headers.insert(header::RETRY_AFTER, retry_after(after));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// `Retry-After` in whole seconds, at least one.
pub(crate) fn retry_after(after: std::time::Duration) -> HeaderValue {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    HeaderValue::from(seconds.max(1))
}

/// The status of each code on the router's own surfaces. Total.
pub(crate) const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidInput => StatusCode::BAD_REQUEST,
        ErrorCode::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::MediaUnreachable | ErrorCode::Rejected => StatusCode::BAD_GATEWAY,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::SessionNotFound | ErrorCode::NotFound | ErrorCode::UnknownRoute => {
            StatusCode::NOT_FOUND
        }
        ErrorCode::NotConnected
        | ErrorCode::NotPaired
        | ErrorCode::AlreadyPaired
        | ErrorCode::AlreadyExists => StatusCode::CONFLICT,
        ErrorCode::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::RateLimited | ErrorCode::Busy => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Unavailable | ErrorCode::UnknownOperation => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

const fn title(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidInput => "Invalid input",
        ErrorCode::UnsupportedMedia => "Unsupported media",
        ErrorCode::TooLarge => "Too large",
        ErrorCode::MediaUnreachable => "Media unreachable",
        ErrorCode::Unauthenticated => "No valid key",
        ErrorCode::Forbidden => "Forbidden",
        ErrorCode::SessionNotFound => "No such session",
        ErrorCode::NotConnected => "Not connected",
        ErrorCode::NotPaired => "Not paired",
        ErrorCode::AlreadyPaired => "Already paired",
        ErrorCode::AlreadyExists => "Already exists",
        ErrorCode::NotFound => "Not found",
        ErrorCode::UnknownRoute => "No such path",
        ErrorCode::Refused => "Refused",
        ErrorCode::RateLimited => "Slow down",
        ErrorCode::Busy => "Busy",
        ErrorCode::StorageFull => "Storage full",
        ErrorCode::Timeout => "Timeout",
        ErrorCode::Unavailable => "Unavailable",
        ErrorCode::UnknownOperation => "Unknown operation",
        ErrorCode::Rejected => "Rejected by WhatsApp",
        ErrorCode::Internal => "Internal error",
    }
}

/// The code as it is spelled in JSON.
pub(crate) fn name(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name.replace('_', "-"),
        Ok(_) | Err(_) => "internal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_an_error_status() {
        for code in ErrorCode::ALL {
            assert!(
                status(code).is_client_error() || status(code).is_server_error(),
                "{code:?}"
            );
        }
    }

    #[test]
    fn a_part_of_a_second_is_a_second() {
        assert_eq!(retry_after(std::time::Duration::from_millis(1)), "1");
        assert_eq!(retry_after(std::time::Duration::from_millis(1001)), "2");
    }
}
