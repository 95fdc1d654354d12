//! Files: upload and download.

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::media::Given;
use switchboard_dialect_kit::{Cx, FromInput, Input, NoBody, Refusal, Reject, Reply, Routes};
use switchboard_vocab::media::{MediaSource, MediaTarget, Open, Store, StoredMedia};
use switchboard_vocab::{ErrorCode, OpError};

use crate::ids::{self, invalid};
use crate::messages::outgoing::{fields_and_file, named_file};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .op(Method::POST, "/media", upload, uploaded)
        .op(
            Method::GET,
            "/media/{MediaID}",
            open,
            |out: StoredMedia, _| Ok(Reply::media(out)),
        )
        .refused(Method::GET, "/media", later)
        .refused(Method::DELETE, "/media/{MediaID}", later)
}

#[derive(Deserialize)]
struct UploadFields {
    media: Option<String>,
    mime_type: Option<String>,
}

/// `requestBodies/UploadMedia`: the file itself, or fields that carry or name it.
struct UploadRequest {
    fields: UploadFields,
    given: Option<Given>,
}

impl FromInput for UploadRequest {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let (fields, given) = fields_and_file(input)?;
        Ok(Self { fields, given })
    }
}

fn upload(request: UploadRequest, _: &Cx) -> Result<Store, Reject> {
    let UploadRequest { fields, given } = request;
    let given = match (given, &fields.media) {
        (Some(given), _) => given,
        (None, Some(text)) => named_file(text)?,
        (None, None) => return Err(invalid("media", "a file, link or data uri is expected")),
    };
    if matches!(given.source, MediaSource::Stored(_)) {
        return Err(invalid("media", "the file is uploaded already"));
    }
    Ok(Store {
        source: given.source,
        mime_type: fields.mime_type.or(given.mime_type),
        file_name: given.file_name,
    })
}

/// `UploadMediaResponse`.
#[derive(Serialize)]
struct UploadMediaResponse {
    media: [UploadMedia; 1],
}

/// `UploadMedia`.
#[derive(Serialize)]
struct UploadMedia {
    id: String,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn uploaded(out: StoredMedia, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&UploadMediaResponse {
        media: [UploadMedia {
            id: ids::media(&out.id),
        }],
    }))
}

fn open(_: NoBody, cx: &Cx) -> Result<Open, Reject> {
    let text = cx.path("MediaID");
    let id = ids::media_id(text).ok_or_else(|| {
        let reason = format!("MediaID: {text:?} is not a file of this channel");
        OpError::new(ErrorCode::NotFound, reason)
    })?;
    Ok(Open {
        target: MediaTarget::Media(id),
    })
}
