//! Files: upload, list, download, delete.

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, NoBody, Reject, Reply, Routes};
use switchboard_vocab::media::{
    Delete, List, MediaList, MediaSource, MediaTarget, Open, Removed, Store, StoredMedia,
};
use switchboard_vocab::{ErrorCode, MediaId, OpError};

use crate::ids::{self, invalid};
use crate::messages::Success;
use crate::messages::files::{Files, named};
use crate::messages::shown::{Links, MediaFile};
use crate::paging::{Page, Paging};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(Method::POST, "/media", upload, uploaded)
        .op(
            Method::GET,
            "/media/{MediaID}",
            open,
            |out: StoredMedia, _| Ok(Reply::media(out)),
        )
        .op(Method::GET, "/media", list, listed)
        .op(
            Method::DELETE,
            "/media/{MediaID}",
            |_: NoBody, cx| Ok(Delete { id: target(cx)? }),
            |_: Removed, _| Ok(Success::reply()),
        )
}

/// The fields of `requestBodies/UploadMedia`; `no_encode` is not read: files are never encoded anew.
#[derive(Deserialize)]
struct UploadFields {
    media: Option<String>,
    mime_type: Option<String>,
}

fn upload(request: Files<UploadFields>, _: &Cx) -> Result<Store, Reject> {
    let Files { fields, given } = request;
    let given = match (given, &fields.media) {
        (Some(given), _) => given,
        (None, Some(text)) => named("media", text)?,
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

fn target(cx: &Cx) -> Result<MediaId, Reject> {
    let text = cx.path("MediaID");
    let missing = || {
        let reason = format!("MediaID: {text:?} is not a file of this channel");
        OpError::new(ErrorCode::NotFound, reason).into()
    };
    ids::media_id(text).ok_or_else(missing)
}

fn open(_: NoBody, cx: &Cx) -> Result<Open, Reject> {
    Ok(Open {
        target: MediaTarget::Media(target(cx)?),
    })
}

fn list(_: NoBody, cx: &Cx) -> Result<List, Reject> {
    let page = Page::of(cx)?;
    Ok(List {
        from: page.from,
        until: page.until,
        oldest_first: page.oldest_first,
        offset: page.offset,
        limit: page.count,
    })
}

/// `MediaFilesList`.
#[derive(Serialize)]
struct MediaFilesList {
    files: Vec<MediaFile>,
    #[serde(flatten)]
    page: Paging,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn listed(out: MediaList, cx: &Cx) -> Result<Reply, OpError> {
    let links = Links::Call(cx);
    let files = out.files.iter();
    Ok(Reply::ok(&MediaFilesList {
        files: files
            .map(|file| MediaFile::of(&file.media, file.stored_at, &links))
            .collect(),
        page: Paging::of(cx, out.total)?,
    }))
}
