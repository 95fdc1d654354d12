//! A foreign response, not yet written to a socket.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use switchboard_vocab::media::StoredMedia;

/// A response.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Headers besides those of the body.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: ReplyBody,
}

/// What a response carries.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyBody {
    /// Nothing.
    Empty,
    /// JSON text.
    Json(Bytes),
    /// Bytes of some type.
    Bytes {
        /// The media type.
        content_type: &'static str,
        /// The bytes.
        bytes: Bytes,
    },
    /// A file of the session's media store: the router streams it from the owner.
    Media(StoredMedia),
}

impl Reply {
    /// A JSON response.
    #[must_use]
    pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(text) => Self {
                status,
                headers: Vec::new(),
                body: ReplyBody::Json(text.into()),
            },
            // Only a map with keys that are not text can fail, which no response type has.
            Err(_) => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                headers: Vec::new(),
                body: ReplyBody::Json(Bytes::from_static(b"{}")),
            },
        }
    }

    /// A JSON response with status 200.
    #[must_use]
    pub fn ok<T: Serialize>(body: &T) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// A PNG picture with status 200.
    #[must_use]
    pub fn png(bytes: impl Into<Bytes>) -> Self {
        let body = ReplyBody::Bytes {
            content_type: "image/png",
            bytes: bytes.into(),
        };
        Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            body,
        }
    }

    /// A file of the session's media store with status 200.
    #[must_use]
    pub const fn media(media: StoredMedia) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: ReplyBody::Media(media),
        }
    }
}
