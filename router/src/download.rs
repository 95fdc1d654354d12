//! Files of a session's media store as response bodies, read from the owner piece by piece.
//!
//! Owns how much of a file is in memory: one piece per response, also where it stands as base64 inside JSON. Must not know who may read it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
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
    fn new(
        forward: &Forward,
        session: &SessionRef,
        media: &StoredMedia,
        trace: &Arc<str>,
        guard: G,
    ) -> Self {
        Self {
            forward: forward.clone(),
            session: session.clone(),
            media: media.id.clone(),
            trace: Arc::clone(trace),
            offset: 0,
            size: media.size,
            _guard: guard,
        }
    }

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
    let mut reader = Reader::new(forward, session, media, trace, guard);
    let first = reader.next().await?;
    let body = Body::from_stream(pieces(reader, first));
    Ok((StatusCode::OK, headers, body).into_response())
}

/// JSON text around a file.
pub(crate) struct Text {
    /// Before its base64.
    pub(crate) before: Bytes,
    /// After it.
    pub(crate) after: Bytes,
}

/// A response that streams a file as base64 inside JSON text, otherwise like [`response`].
///
/// # Errors
/// What the owner said about the first piece.
pub(crate) async fn inside<G: Send + 'static>(
    forward: &Forward,
    session: &SessionRef,
    media: &StoredMedia,
    text: Text,
    trace: &Arc<str>,
    head: bool,
    guard: G,
) -> Result<Response, OpError> {
    let Text { before, after } = text;
    let around = u64::try_from(before.len() + after.len()).unwrap_or(u64::MAX);
    let len = media
        .size
        .div_ceil(3)
        .saturating_mul(4)
        .saturating_add(around);
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    if head {
        return Ok((StatusCode::OK, headers, Body::empty()).into_response());
    }
    let mut reader = Reader::new(forward, session, media, trace, guard);
    let first = reader.next().await?;
    let mut encoder = Encoder::default();
    let file = pieces(reader, first).map(Some);
    let encoded = file
        .chain(stream::iter([None]))
        .map(move |piece| match piece {
            Some(piece) => piece.map(|bytes| encoder.more(&bytes)),
            None => Ok(encoder.end()),
        });
    let before = stream::iter([Ok(before)]);
    let body = Body::from_stream(before.chain(encoded).chain(stream::iter([Ok(after)])));
    Ok((StatusCode::OK, headers, body).into_response())
}

/// The pieces of a file whose first one was read.
fn pieces<G: Send + 'static>(
    reader: Reader<G>,
    first: Option<Bytes>,
) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::unfold((first, Some(reader)), |(first, reader)| async move {
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
    })
}

/// Base64 of bytes that come in pieces: three of them make four characters, so up to two wait for the next piece.
#[derive(Default)]
struct Encoder {
    waiting: Vec<u8>,
}

impl Encoder {
    fn more(&mut self, bytes: &[u8]) -> Bytes {
        self.waiting.extend_from_slice(bytes);
        let rest = self.waiting.split_off(self.waiting.len() / 3 * 3);
        let whole = std::mem::replace(&mut self.waiting, rest);
        STANDARD.encode(whole).into()
    }

    fn end(&mut self) -> Bytes {
        STANDARD.encode(std::mem::take(&mut self.waiting)).into()
    }
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
    fn base64_does_not_depend_on_where_pieces_end() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in 1..9 {
            let mut encoder = Encoder::default();
            let mut text: Vec<u8> = Vec::new();
            for piece in bytes.chunks(len) {
                text.extend(encoder.more(piece));
            }
            text.extend(encoder.end());
            assert_eq!(text, STANDARD.encode(&bytes).as_bytes(), "pieces of {len}");
        }
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
