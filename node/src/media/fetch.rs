//! Media links: fetched behind the egress guard, with a size and a time limit.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use switchboard_vocab::{ErrorCode, OpError};
use url::Url;

use crate::egress::Guard;

/// Longest a fetch may take, from name to last byte.
const FETCH_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest link, in bytes.
const LINK_LEN_MAX: usize = 4_096;

/// Fetches links.
#[derive(Debug)]
pub(super) struct Fetcher {
    guard: Guard,
    http: reqwest::Client,
    bytes_max: u64,
}

/// A file from outside.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The bytes.
    pub(super) bytes: Bytes,
    /// What the server said they are.
    pub(super) mime_type: Option<String>,
    /// The last part of the link's path.
    pub(super) file_name: Option<String>,
}

impl Fetcher {
    pub(super) fn new(guard: Guard, bytes_max: u64) -> Result<Self, OpError> {
        let http = guard.media_client(FETCH_WAIT_MAX);
        let http =
            http.map_err(|e| OpError::internal(format!("make the client of media links: {e}")))?;
        Ok(Self {
            guard,
            http,
            bytes_max,
        })
    }

    /// Fetches a link whole.
    pub(super) async fn fetch(&self, link: &str) -> Result<Fetched, OpError> {
        if link.len() > LINK_LEN_MAX {
            return Err(OpError::invalid(format!(
                "the media link is longer than {LINK_LEN_MAX} bytes"
            )));
        }
        let url = Url::parse(link)
            .map_err(|e| OpError::invalid(format!("the media link is not a url: {e}")))?;
        self.guard
            .check(&url)
            .map_err(|refused| unreachable(&format!("{refused}")))?;
        let file_name = url
            .path_segments()
            .and_then(Iterator::last)
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        let answer = self
            .http
            .get(url)
            .send()
            .await
            .map_err(|e| unreachable(&reason(&e)))?;
        if !answer.status().is_success() {
            return Err(unreachable(&format!(
                "its server answered {}",
                answer.status()
            )));
        }
        if answer
            .content_length()
            .is_some_and(|len| len > self.bytes_max)
        {
            return Err(self.too_large());
        }
        let mime_type = answer
            .headers()
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase());
        let mut bytes = BytesMut::new();
        let mut body = answer.bytes_stream();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|e| unreachable(&reason(&e)))?;
            if u64::try_from(bytes.len() + piece.len()).unwrap_or(u64::MAX) > self.bytes_max {
                return Err(self.too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Fetched {
            bytes: bytes.freeze(),
            mime_type,
            file_name,
        })
    }

    /// Fetches the beginning of a page.
    pub(super) async fn page(&self, link: &str, bytes_max: usize) -> Result<Bytes, OpError> {
        let url = Url::parse(link)
            .map_err(|e| OpError::invalid(format!("the link is not a url: {e}")))?;
        let checked = self.guard.check(&url);
        checked.map_err(|refused| unreachable(&format!("{refused}")))?;
        let answer = self.http.get(url).send().await;
        let answer = answer.map_err(|e| unreachable(&reason(&e)))?;
        if !answer.status().is_success() {
            return Err(unreachable(&format!(
                "its server answered {}",
                answer.status()
            )));
        }
        let kind = answer.headers().get(http::header::CONTENT_TYPE);
        let kind = kind
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !kind.starts_with("text/html") && !kind.starts_with("application/xhtml") {
            let text = "the link leads to no page";
            return Err(OpError::new(ErrorCode::UnsupportedMedia, text));
        }
        let mut bytes = BytesMut::new();
        let mut body = answer.bytes_stream();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.map_err(|e| unreachable(&reason(&e)))?);
            if bytes.len() >= bytes_max {
                bytes.truncate(bytes_max);
                break;
            }
        }
        Ok(bytes.freeze())
    }

    fn too_large(&self) -> OpError {
        let message = format!(
            "the file behind the media link has more than {} bytes",
            self.bytes_max
        );
        OpError::new(ErrorCode::TooLarge, message)
    }
}

fn unreachable(why: &str) -> OpError {
    OpError::new(
        ErrorCode::MediaUnreachable,
        format!("the media link could not be fetched: {why}"),
    )
}

/// Why a request failed, in words that do not repeat the link.
fn reason(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    if error.is_timeout() {
        return format!("no complete answer within {} s", FETCH_WAIT_MAX.as_secs());
    }
    let mut cause = error.source();
    let mut last = None;
    while let Some(inner) = cause {
        last = Some(inner.to_string());
        cause = inner.source();
    }
    last.unwrap_or_else(|| "the connection failed".to_owned())
}
