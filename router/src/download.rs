//! Files of a session's media store as response bodies, read from the owner piece by piece.
//!
//! Owns how much of a file is in memory: one piece per response. Must not know who may read it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use switchboard_vocab::envelope::{CHUNK_LEN_MAX, Verb};
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{MediaId, OpError, SessionRef};

use crate::clock::Deadline;
use crate::forward::{Forward, Ticket};

/// How long one piece may take.
const PIECE_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest file name that is repeated in a header, in bytes.
const NAME_LEN_MAX: usize = 255;

/// One file being read.
struct Reader<G> {
    forward: Forward,
    session: SessionRef,
    media: MediaId,
    trace: Arc<str>,
    offset: u64,
    size: u64,
    /// Whatever must live as long as the response.
    _guard: G,
}

impl<G> Reader<G> {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, OpError> {
        let left = self.size - self.offset;
        if left == 0 {
            return Ok(None);
        }
        let most = u64::try_from(CHUNK_LEN_MAX).unwrap_or(u64::MAX).min(left);
        let len = u32::try_from(most).unwrap_or(u32::MAX);
        let verb = Verb::ReadMedia {
            media: self.media.clone(),
            offset: self.offset,
            len,
        };
        let ticket = Ticket {
            trace: Arc::clone(&self.trace),
            deadline: Deadline::after(PIECE_WAIT_MAX),
            waits: true,
        };
        let done = self
            .forward
            .call(&self.session, verb, Bytes::new(), &ticket)
            .await?;
        let got = u64::try_from(done.blob.len()).unwrap_or(u64::MAX);
        if got == 0 || got > u64::from(len) {
            let detail = format!("asked for {len} bytes at {} and got {got}", self.offset);
            return Err(OpError::internal(format!(
                "read media {}: {detail}",
                self.media
            )));
        }
        self.offset += got;
        Ok(Some(done.blob))
    }
}

/// A response that streams a file. The first piece is read before it begins, so that a failure can still be told.
///
/// # Errors
/// What the owner said about the first piece.
pub(crate) async fn response<G: Send + 'static>(
    forward: &Forward,
    session: &SessionRef,
    media: &StoredMedia,
    trace: &Arc<str>,
    head: bool,
    guard: G,
) -> Result<Response, OpError> {
    let headers = headers(media);
    if head {
        return Ok((StatusCode::OK, headers, Body::empty()).into_response());
    }
    let mut reader = Reader {
        forward: forward.clone(),
        session: session.clone(),
        media: media.id.clone(),
        trace: Arc::clone(trace),
        offset: 0,
        size: media.size,
        _guard: guard,
    };
    let first = reader.next().await?;
    let pieces = stream::unfold((first, Some(reader)), |(first, reader)| async move {
        let mut reader = reader?;
        if let Some(bytes) = first {
            return Some((Ok(bytes), (None, Some(reader))));
        }
        match reader.next().await {
            Ok(None) => None,
            Ok(Some(bytes)) => Some((Ok(bytes), (None, Some(reader)))),
            Err(error) => {
                let (code, internal) = (error.code, error.internal);
                tracing::warn!(session = %reader.session, media = %reader.media, ?code, ?internal,
                    "a file broke off while it was read");
                Some((
                    Err(std::io::Error::other("the file broke off")),
                    (None, None),
                ))
            }
        }
    });
    Ok((StatusCode::OK, headers, Body::from_stream(pieces)).into_response())
}

/// What a browser must know, and must not do: the file is a stranger's and may be a page with scripts.
fn headers(media: &StoredMedia) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let octets = HeaderValue::from_static("application/octet-stream");
    let mime_type = HeaderValue::from_str(&media.mime_type).unwrap_or(octets);
    headers.insert(header::CONTENT_TYPE, mime_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(media.size));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let sandbox = HeaderValue::from_static("default-src 'none'; sandbox");
    headers.insert(header::CONTENT_SECURITY_POLICY, sandbox);
    let shown = ["image/", "audio/", "video/"]
        .iter()
        .any(|t| media.mime_type.starts_with(t))
        && !media.mime_type.starts_with("image/svg");
    let how = if shown { "inline" } else { "attachment" };
    let disposition = match &media.file_name {
        None => how.to_owned(),
        Some(name) => format!("{how}; filename*=UTF-8''{}", quoted(name)),
    };
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers
}

/// A file name for a header. Source: RFC 8187, section 3.2.1 (`attr-char`).
fn quoted(name: &str) -> String {
    let bytes = name.bytes().take(NAME_LEN_MAX);
    bytes
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use switchboard_vocab::content::MediaKind;

    use super::*;

    fn check(mime_type: &str, file_name: Option<&str>, expected: &str) {
        let media = StoredMedia {
            id: "m".parse().unwrap(),
            kind: MediaKind::Document,
            mime_type: mime_type.to_owned(),
            size: 3,
            sha256: String::new(),
            file_name: file_name.map(str::to_owned),
        };
        assert_eq!(headers(&media)[header::CONTENT_DISPOSITION], expected);
    }

    #[test]
    fn only_what_cannot_run_is_shown_in_the_browser() {
        check("image/png", None, "inline");
        check("image/svg+xml", None, "attachment");
        check(
            "text/html",
            Some("a \"b\"\r\n.html"),
            "attachment; filename*=UTF-8''a%20%22b%22%0D%0A.html",
        );
    }
}
