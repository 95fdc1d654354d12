//! The trace id of a request and its span: taken from `x-request-id` or made up, and given back.
//!
//! Paths, queries and bodies hold numbers, names and tokens, so none of them is written here: a span has the route.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

/// The header.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id taken over from a caller, in characters.
const TRACE_LEN_MAX: usize = 64;

/// The id, as an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct Trace(pub(crate) Arc<str>);

impl Trace {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        let given = given.filter(|id| !id.is_empty() && id.len() <= TRACE_LEN_MAX);
        match given.filter(|id| id.chars().all(plain)) {
            Some(id) => Self(id.into()),
            None => Self(Uuid::new_v4().simple().to_string().into()),
        }
    }

    /// The id of a request that came through [`layer`].
    pub(crate) fn in_request(extensions: &http::Extensions) -> Arc<str> {
        extensions
            .get::<Self>()
            .map_or_else(|| "-".into(), |trace| Arc::clone(&trace.0))
    }
}

/// Runs every request of a listener in a span of its own.
pub(crate) async fn layer(mut request: Request, next: Next) -> Response {
    let trace = Trace::of(request.headers());
    let span = tracing::info_span!(
        "request", trace = %trace.0, method = %request.method(), dialect = Empty, route = Empty, op = Empty
    );
    let header = HeaderValue::from_str(&trace.0);
    request.extensions_mut().insert(trace);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_forge_a_log_line_is_replaced() {
        let with = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            Trace::of(&headers).0
        };
        assert_eq!(&*with("a-1_b.c:d"), "a-1_b.c:d");
        for bad in ["", "a b", "a\tb", "ä", &"x".repeat(65)] {
            assert_ne!(&*with(bad), bad);
        }
    }
}
