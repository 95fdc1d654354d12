//! Downloading files by the keys a webhook told.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, FILE_HERE, FromInput, Reject, Reply, Routes, lenient};
use switchboard_vocab::OpError;
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::media::{MediaKeys, MediaTarget, Open, StoredMedia};

use crate::input::{Payload, needed};
use crate::webhooks::Envelope;

/// Length of a media key and of a SHA-256, in bytes. Source: WhatsApp's media encryption.
const KEY_LEN: usize = 32;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(
            Method::POST,
            "/chat/downloadimage",
            |p, _| open(p, MediaKind::Image),
            downloaded,
        )
        .op(
            Method::POST,
            "/chat/downloadvideo",
            |p, _| open(p, MediaKind::Video),
            downloaded,
        )
        .op(
            Method::POST,
            "/chat/downloadaudio",
            |p, _| open(p, MediaKind::Audio),
            downloaded,
        )
        .op(
            Method::POST,
            "/chat/downloaddocument",
            |p, _| open(p, MediaKind::Document),
            downloaded,
        )
}

/// What a webhook told of a file.
#[derive(Deserialize)]
struct Download {
    url: Option<String>,
    directpath: Option<String>,
    mediakey: Option<String>,
    mimetype: Option<String>,
    fileencsha256: Option<String>,
    filesha256: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_number")]
    filelength: Option<u64>,
}

fn open(Payload(request): Payload<Download>, kind: MediaKind) -> Result<Open, Reject> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let key = needed("MediaKey", request.mediakey.as_ref())?;
    let media_key = hex_of("MediaKey", key)?;
    let (url, direct_path) = (given(request.url), given(request.directpath));
    if url.is_none() && direct_path.is_none() {
        needed("Url", None)?;
    }
    // It comes right after a host's name: anything else could name another host.
    if direct_path
        .as_ref()
        .is_some_and(|path| !path.starts_with('/'))
    {
        let reason = "DirectPath: a path that begins with / is expected";
        return Err(OpError::invalid(reason).into());
    }
    let digest = |name: &str, text: Option<String>| {
        let text = given(text);
        text.map(|text| hex_of(name, &text)).transpose()
    };
    Ok(Open {
        target: MediaTarget::Keys(Box::new(MediaKeys {
            kind,
            url,
            direct_path,
            media_key,
            encrypted_sha256: digest("FileEncSHA256", request.fileencsha256)?,
            sha256: digest("FileSHA256", request.filesha256)?,
            size: request.filelength,
            mime_type: given(request.mimetype),
        })),
    })
}

/// Bytes in base64 as hex. Source: Go reads bytes in JSON so, and refuses anything else as an undecodable payload.
fn hex_of(name: &str, text: &str) -> Result<String, Reject> {
    let bytes = STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .ok()
        .filter(|bytes| bytes.len() == KEY_LEN);
    let bytes = bytes.ok_or_else(|| {
        let reason = format!("{name}: base64 of {KEY_LEN} bytes is expected");
        OpError::invalid(format!("Could not decode Payload: {reason}"))
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    mimetype: String,
    data: String,
}

/// The file as a data URI, of the type the caller named.
fn downloaded(out: StoredMedia, cx: &Cx) -> Result<Reply, OpError> {
    let Payload(request) =
        Payload::<Download>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let named = request.mimetype.filter(|text| !text.is_empty());
    // The caller or a sender chose it; it must not look like the place of the file.
    let mimetype = named
        .unwrap_or_else(|| out.mime_type.clone())
        .replace('\0', "");
    let data = Downloaded {
        data: format!("data:{mimetype};base64,{FILE_HERE}"),
        mimetype,
    };
    Reply::around(&Envelope::of(&data), out)
}
