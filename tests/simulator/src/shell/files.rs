//! HTTP of the media host: uploads whole, in parts or asked about; downloads whole or in ranges.
//!
//! Source: protocol notes, sections 7 and 12.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::json;

use super::hub::Hub;
use super::media::{Error, FILE_BYTES_MAX, PATH, Presence};
use crate::core::server::MEDIA_AUTH;

/// Query of an upload.
#[derive(Debug, Deserialize)]
pub(crate) struct Upload {
    auth: Option<String>,
    resume: Option<String>,
    file_offset: Option<usize>,
}

/// `POST /mms/<kind>/<token>?auth&token[&file_offset][&resume=1]`
pub(crate) async fn upload(
    State(hub): State<Arc<Hub>>,
    Path(path): Path<String>,
    Query(query): Query<Upload>,
    body: Body,
) -> Response {
    if query.auth.as_deref() != Some(MEDIA_AUTH) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let token = path.rsplit('/').next().unwrap_or_default();
    if query.resume.is_some() {
        return match hub.media.presence(token) {
            Ok((Presence::Complete, path)) => {
                let url = url_of(&hub, &path);
                Json(json!({"resume": "complete", "url": url, "direct_path": path})).into_response()
            }
            Ok((Presence::Partial(bytes), _)) => {
                Json(json!({"resume": bytes.to_string()})).into_response()
            }
            Err(e) => refuse(&e),
        };
    }
    let offset = query.file_offset.unwrap_or(0);
    let stored = match read(body).await {
        Ok(data) => hub.media.put(token, offset, data),
        Err((data, too_large)) => {
            if too_large {
                return StatusCode::PAYLOAD_TOO_LARGE.into_response();
            }
            if offset == 0
                && let Err(e) = hub.media.put_partial(token, &data)
            {
                tracing::debug!(error = %e, "broken upload not kept");
            }
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    match stored {
        Ok(path) => {
            let url = url_of(&hub, &path);
            Json(json!({"url": url, "direct_path": path})).into_response()
        }
        Err(e) => refuse(&e),
    }
}

fn url_of(hub: &Hub, path: &str) -> String {
    hub.with(|server| format!("https://{}{path}", server.options.media_host))
}

fn refuse(error: &Error) -> Response {
    let status = match error {
        Error::Token | Error::Mismatch => StatusCode::BAD_REQUEST,
        Error::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        Error::Offset { .. } => StatusCode::CONFLICT,
    };
    (status, error.to_string()).into_response()
}

/// Reads a body; on failure what came so far, and whether it was too large.
async fn read(body: Body) -> Result<Bytes, (BytesMut, bool)> {
    let mut data = BytesMut::new();
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let Ok(chunk) = chunk else {
            return Err((data, false));
        };
        if data.len() + chunk.len() > FILE_BYTES_MAX {
            return Err((data, true));
        }
        data.extend_from_slice(&chunk);
    }
    Ok(data.freeze())
}

/// `GET <direct path>`, with or without authorisation.
pub(crate) async fn download(
    State(hub): State<Arc<Hub>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let full = format!("/v/{path}");
    debug_assert!(
        PATH.starts_with("/v/"),
        "downloads are routed by this prefix"
    );
    match hub.media.by_path(&full) {
        Some(data) => ranged(
            data,
            headers.get(header::RANGE).and_then(|r| r.to_str().ok()),
        ),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `GET /pps/<number>/<id>/<image or preview>`: a profile picture.
pub(crate) async fn picture(
    State(hub): State<Arc<Hub>>,
    Path((number, id, kind)): Path<(u64, u64, String)>,
) -> Response {
    match hub.with(|server| server.picture(number, id, kind == "preview")) {
        Some(data) => ([(header::CONTENT_TYPE, "image/jpeg")], data).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn ranged(data: Bytes, range: Option<&str>) -> Response {
    let Some(range) = range.and_then(|r| r.strip_prefix("bytes=")) else {
        return ([(header::ACCEPT_RANGES, "bytes")], data).into_response();
    };
    let length = data.len();
    match parse_range(range, length) {
        Some((first, last)) => {
            let content = format!("bytes {first}-{last}/{length}");
            let headers = [(header::CONTENT_RANGE, content)];
            (
                StatusCode::PARTIAL_CONTENT,
                headers,
                data.slice(first..=last),
            )
                .into_response()
        }
        None => {
            let headers = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response()
        }
    }
}

/// First and last byte of a range like `5-`, `5-9` or `-3`.
fn parse_range(range: &str, length: usize) -> Option<(usize, usize)> {
    let end = length.checked_sub(1)?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.min(end)),
        (Ok(first), Err(_)) if last.is_empty() => (first, end),
        (Err(_), Ok(count)) if range.starts_with('-') && count > 0 => {
            (length.saturating_sub(count), end)
        }
        _ => return None,
    };
    (first <= last && first <= end).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges() {
        assert_eq!(parse_range("0-3", 10), Some((0, 3)));
        assert_eq!(parse_range("8-99", 10), Some((8, 9)));
        assert_eq!(parse_range("8-", 10), Some((8, 9)));
        assert_eq!(parse_range("-3", 10), Some((7, 9)));
        assert_eq!(parse_range("10-", 10), None);
        assert_eq!(parse_range("3-2", 10), None);
        assert_eq!(parse_range("0-", 0), None);
    }
}
