//! Calls as they cross the bus: a JSON head, the operation, and raw bytes behind it.
//!
//! ```text
//! u32 head length (big endian) | u32 body length | head (JSON) | body (JSON) | blob (raw)
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, OpError};
use crate::ids::{Epoch, MediaId, NodeId, SessionRef, UploadId};

/// Largest head accepted, in bytes.
pub const HEAD_LEN_MAX: usize = 16 * 1024;
/// Most raw bytes in one frame. Source: NATS's default payload limit of 1 MiB, less room for head and body.
pub const CHUNK_LEN_MAX: usize = 512 * 1024;

/// What a frame asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Run the operation in the body.
    Run {
        /// Its name, see [`crate::Operation::NAME`].
        name: String,
    },
    /// Keep the blob as part of an upload that a later operation will use.
    Stage {
        /// Names the upload.
        upload: UploadId,
        /// Where in the upload the blob belongs.
        offset: u64,
        /// Size of the whole upload.
        total: u64,
    },
    /// Answer with a piece of a media file as blob.
    ReadMedia {
        /// Which file.
        media: MediaId,
        /// Where to begin.
        offset: u64,
        /// How many bytes at most.
        len: u32,
    },
}

/// The head of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallHead {
    /// The session it is for.
    pub session: SessionRef,
    /// What it asks for.
    #[serde(flatten)]
    pub verb: Verb,
    /// Milliseconds the caller still waits.
    pub deadline_ms: u64,
    /// Follows the call through logs.
    pub trace: String,
}

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AnswerHead {
    /// The body is the operation's output; for [`Verb::ReadMedia`] the blob is the piece.
    Done,
    /// It failed.
    Failed {
        /// How.
        error: OpError,
    },
    /// The node that was asked does not own the session (any more).
    NotOwner {
        /// The epoch the node last knew.
        epoch: Epoch,
        /// Who might own it.
        #[serde(default)]
        hint: Option<NodeId>,
    },
}

/// A frame: head, body and blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<H> {
    /// What it is about.
    pub head: H,
    /// The operation or its output, as JSON.
    pub body: Bytes,
    /// Raw bytes.
    pub blob: Bytes,
}

impl<H: Serialize + for<'de> Deserialize<'de>> Frame<H> {
    /// A frame without raw bytes.
    pub fn new(head: H, body: impl Into<Bytes>) -> Self {
        Self {
            head,
            body: body.into(),
            blob: Bytes::new(),
        }
    }

    /// Writes the frame.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the head cannot be written; [`ErrorCode::TooLarge`] when a part is over 4 GiB.
    pub fn encode(&self) -> Result<Bytes, OpError> {
        let head = crate::codec::encode(&self.head)?;
        let too_large = |_| OpError::new(ErrorCode::TooLarge, "the call is too large");
        let head_len = u32::try_from(head.len()).map_err(too_large)?;
        let body_len = u32::try_from(self.body.len()).map_err(too_large)?;
        let mut out = BytesMut::with_capacity(8 + head.len() + self.body.len() + self.blob.len());
        out.put_u32(head_len);
        out.put_u32(body_len);
        out.put_slice(&head);
        out.put_slice(&self.body);
        out.put_slice(&self.blob);
        Ok(out.freeze())
    }

    /// Reads a frame; body and blob share the input's memory.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the bytes are not a frame.
    pub fn decode(mut bytes: Bytes) -> Result<Self, OpError> {
        let malformed = || OpError::internal("a frame on the bus is malformed");
        let mut length = || -> Result<usize, OpError> {
            let (first, _) = bytes.split_first_chunk::<4>().ok_or_else(malformed)?;
            let value = u32::from_be_bytes(*first);
            let _ = bytes.split_to(4);
            usize::try_from(value).map_err(|_| malformed())
        };
        let head_len = length()?;
        let body_len = length()?;
        if head_len > HEAD_LEN_MAX || head_len.saturating_add(body_len) > bytes.len() {
            return Err(malformed());
        }
        let head = bytes.split_to(head_len);
        let body = bytes.split_to(body_len);
        Ok(Self {
            head: crate::codec::decode(&head)?,
            body,
            blob: bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> CallHead {
        CallHead {
            session: "default/a".parse().unwrap(),
            verb: Verb::Run {
                name: "messages.send".into(),
            },
            deadline_ms: 1000,
            trace: "t".into(),
        }
    }

    #[test]
    fn frames_round_trip_with_blob() {
        let mut frame = Frame::new(head(), &b"{}"[..]);
        frame.blob = Bytes::from_static(b"\x00\xff");
        assert_eq!(
            Frame::<CallHead>::decode(frame.encode().unwrap()).unwrap(),
            frame
        );
    }

    #[test]
    fn cut_frames_are_refused() {
        let whole = Frame::new(head(), &b"{\"a\":1}"[..]).encode().unwrap();
        for len in 0..whole.len() {
            assert!(
                Frame::<CallHead>::decode(whole.slice(..len)).is_err(),
                "length {len}"
            );
        }
    }
}
