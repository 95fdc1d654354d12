//! Files: upload, and where to fetch one.

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use switchboard_dialect_kit::media::Given;
use switchboard_dialect_kit::{Body, Cx, FromInput, Input, NoBody, Reject, Reply, Routes};
use switchboard_vocab::media::{MediaTarget, Open, Store, StoredMedia};
use switchboard_vocab::{ErrorCode, MediaId, OpError};

use crate::envelope::Envelope;
use crate::ids::invalid;

/// The rows of this area. The second is not on the published page, and public clients call it.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(Method::POST, "/v1/media", upload, uploaded)
        .aliases(true)
        .op(Method::GET, "/v1/{media_id}", open, described)
        .aliases(false)
}

/// The file: the body itself with its type in the header, or the form part `file`.
struct File(Given);

impl FromInput for File {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let (bytes, mime, name): (&Bytes, _, _) = match &input.body {
            Body::Bytes {
                content_type,
                bytes,
            } => (bytes, Some(content_type.clone()), None),
            Body::Empty | Body::Multipart(_) => {
                let part = input.part("file");
                let part = part.ok_or_else(|| invalid("file", "a file is expected"))?;
                (
                    &part.bytes,
                    part.content_type.clone(),
                    part.file_name.clone(),
                )
            }
        };
        if bytes.is_empty() {
            return Err(invalid("file", "it is empty"));
        }
        let mime = mime.filter(|mime| !mime.is_empty());
        let name = name.filter(|name| !name.is_empty());
        Ok(Self(Given::bytes(bytes.clone(), mime, name)))
    }
}

fn upload(File(given): File, _: &Cx) -> Result<Store, Reject> {
    Ok(Store {
        source: given.source,
        mime_type: given.mime_type,
        file_name: given.file_name,
    })
}

/// A stored file.
#[derive(Serialize)]
struct Stored {
    id: String,
}

/// The answer to an upload, with the id in each place where clients look for it.
#[derive(Serialize)]
struct Uploaded<'a> {
    #[serde(flatten)]
    envelope: Envelope<'a, Stored>,
    media: [Stored; 1],
    id: String,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn uploaded(out: StoredMedia, cx: &Cx) -> Result<Reply, OpError> {
    let stored = || Stored {
        id: out.id.to_string(),
    };
    Ok(Reply::ok(&Uploaded {
        envelope: Envelope::new(stored(), "media uploaded", cx),
        media: [stored()],
        id: out.id.to_string(),
    }))
}

fn open(_: NoBody, cx: &Cx) -> Result<Open, Reject> {
    let id = MediaId::parse(cx.path("media_id"))
        .map_err(|e| OpError::new(ErrorCode::NotFound, e.to_string()))?;
    Ok(Open {
        target: MediaTarget::Media(id),
    })
}

/// Where and what a file is.
#[derive(Serialize)]
struct Described {
    messaging_product: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    mime_type: String,
    /// Lower-case hex.
    sha256: String,
    file_size: u64,
    id: String,
}

fn described(out: StoredMedia, cx: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&Described {
        messaging_product: "whatsapp",
        url: cx.media_link(&out.id),
        mime_type: out.mime_type,
        sha256: out.sha256,
        file_size: out.size,
        id: out.id.to_string(),
    }))
}
