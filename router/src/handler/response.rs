//! Replies of dialects on the wire.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use switchboard_dialect_kit::{Cx, Reply, ReplyBody};
use switchboard_vocab::{ErrorCode, OpError};

use crate::app::App;
use crate::forward::Ticket;
use crate::{download, problem};

/// Writes the reply to a call that succeeded. A file is streamed, and keeps the call's `guard` until it is through.
///
/// # Errors
/// What the owner said about a file.
pub(super) async fn write<G: Send + 'static>(
    app: &App,
    reply: Reply,
    cx: &Cx,
    ticket: &Ticket,
    head: bool,
    guard: G,
) -> Result<Response, OpError> {
    let Reply {
        status,
        headers,
        body,
    } = reply;
    let mut response = match body {
        ReplyBody::Media(media) => {
            let session = cx.session()?;
            let (forward, trace) = (&app.forward, &ticket.trace);
            download::response(forward, session, &media, trace, head, guard).await?
        }
        ReplyBody::Around {
            before,
            media,
            after,
        } => {
            let session = cx.session()?;
            let (forward, trace) = (&app.forward, &ticket.trace);
            let text = download::Text { before, after };
            download::inside(forward, session, &media, text, trace, head, guard).await?
        }
        ReplyBody::Empty => Body::empty().into_response(),
        ReplyBody::Json(bytes) => whole("application/json", bytes, head),
        ReplyBody::Bytes {
            content_type,
            bytes,
        } => whole(content_type, bytes, head),
    };
    *response.status_mut() = status;
    add(response.headers_mut(), headers);
    Ok(response)
}

/// Writes a dialect's reply to an error.
pub(super) fn failure(reply: Reply, error: &OpError) -> Response {
    let Reply {
        status,
        headers,
        body,
    } = reply;
    let mut response = match body {
        ReplyBody::Json(bytes) => whole("application/json", bytes, false),
        ReplyBody::Bytes {
            content_type,
            bytes,
        } => whole(content_type, bytes, false),
        // An error has no file to show.
        ReplyBody::Empty | ReplyBody::Media(_) | ReplyBody::Around { .. } => {
            Body::empty().into_response()
        }
    };
    *response.status_mut() = status;
    add(response.headers_mut(), headers);
    let headers = response.headers_mut();
    if let Some(after) = error.retry_after
        && !headers.contains_key(header::RETRY_AFTER)
    {
        headers.insert(header::RETRY_AFTER, problem::retry_after(after));
    }
    if error.code == ErrorCode::TooLarge {
        // What is left of the body may still be under way on this connection.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn whole(content_type: &'static str, bytes: Bytes, head: bool) -> Response {
    let len = bytes.len();
    let body = if head {
        Body::empty()
    } else {
        Body::from(bytes)
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    response
}

/// Adds headers; the first of a name replaces what stands there, further ones (cookies) join it.
fn add(headers: &mut HeaderMap, more: Vec<(http::HeaderName, HeaderValue)>) {
    let mut named = Vec::with_capacity(more.len());
    for (name, value) in more {
        if named.contains(&name) {
            headers.append(name, value);
        } else {
            headers.insert(name.clone(), value);
            named.push(name);
        }
    }
}
