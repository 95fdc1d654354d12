//! A foreign response, not yet written to a socket.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use switchboard_vocab::OpError;
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
    /// JSON text with a file of the session's media store inside, as base64: the router streams that too.
    Around {
        /// The text before the file's base64.
        before: Bytes,
        /// The file.
        media: StoredMedia,
        /// The text after it.
        after: Bytes,
    },
}

/// Stands in a response type where [`Reply::around`] puts a file. A text of strangers that could be it must lose its
/// `\0` before it stands in the same response.
pub const FILE_HERE: &str = "\0file\0";

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

    /// A JSON response with status 200 in which one text has [`FILE_HERE`]: the file as base64 takes its place.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] when there is no such place, or more than one.
    pub fn around<T: Serialize>(body: &T, media: StoredMedia) -> Result<Self, OpError> {
        let text = serde_json::to_string(body)
            .map_err(|e| OpError::internal(format!("write a response around a file: {e}")))?;
        let mark = FILE_HERE.replace('\0', "\\u0000");
        let mut parts = text.split(&mark);
        let (Some(before), Some(after), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(OpError::internal(
                "write a response around a file: it does not have one place for it",
            ));
        };
        Ok(Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: ReplyBody::Around {
                before: Bytes::copy_from_slice(before.as_bytes()),
                media,
                after: Bytes::copy_from_slice(after.as_bytes()),
            },
        })
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
