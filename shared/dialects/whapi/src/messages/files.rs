//! Files to send: by link, data URI, base64, id, form part or bare body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use switchboard_dialect_kit::media::{self, Given};
use switchboard_dialect_kit::{Body, Cx, Fields, FromInput, Input, Query, Reject, lenient};
use switchboard_vocab::content::{Content, MediaKind, OutgoingMedia};
use switchboard_vocab::media::{InlineBytes, MediaSource};
use switchboard_vocab::messages::{Act, CAPTION_LEN_MAX, SendMessage};
use switchboard_vocab::{ErrorCode, OpError};

use super::outgoing::{
    at_most, edit, mentioned, message, optional_list, seconds_of_typing, without_effect,
};
use crate::ids::{self, invalid};

/// Bars of a voice note's waveform. Source: WhatsApp's own clients show 64.
const WAVEFORM_LEN: usize = 64;
/// The loudest bar.
const WAVEFORM_MAX: u8 = 100;
/// Longest file name, in characters.
const FILE_NAME_LEN_MAX: usize = 255;
/// Longest film or sound a caller can claim, in seconds: a day.
const SECONDS_MAX: u64 = 24 * 3_600;
/// Most pixels a caller can claim per side.
const SIDE_MAX: u64 = 16_384;
/// No colour, the default of `background_color` of audio files.
const NO_COLOR: &str = "#00000000";

/// `SenderImage`, `SenderVideo`, … and `SenderMedia`: together they have these fields. `no_encode`, `no_cache`, `animated`
/// and `autoplay` are not read: files are neither encoded anew nor cached, and the owner looks at the bytes.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct FileFields {
    pub(crate) to: Option<String>,
    pub(crate) media: Option<String>,
    pub(crate) mime_type: Option<String>,
    pub(crate) caption: Option<String>,
    pub(crate) filename: Option<String>,
    pub(crate) quoted: Option<String>,
    pub(crate) edit: Option<String>,
    pub(crate) preview: Option<String>,
    #[serde(deserialize_with = "optional_list")]
    pub(crate) mentions: Option<Vec<String>>,
    pub(crate) waveform: Option<String>,
    pub(crate) background_color: Option<String>,
    #[serde(deserialize_with = "crate::numbers::optional")]
    pub(crate) recording_time: Option<u64>,
    #[serde(deserialize_with = "lenient::optional_boolean")]
    pub(crate) view_once: Option<bool>,
    #[serde(deserialize_with = "crate::numbers::optional")]
    pub(crate) seconds: Option<u64>,
    #[serde(deserialize_with = "crate::numbers::optional")]
    pub(crate) width: Option<u64>,
    #[serde(deserialize_with = "crate::numbers::optional")]
    pub(crate) height: Option<u64>,
}

/// A request with fields and perhaps a file beside them.
pub(crate) struct Files<T> {
    /// The fields.
    pub(crate) fields: T,
    /// The file.
    pub(crate) given: Option<Given>,
}

impl<T: DeserializeOwned> FromInput for Files<T> {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let fields = fields(input)?;
        let given = match &input.body {
            Body::Bytes {
                content_type,
                bytes,
            } if !carries_fields(input) => Some(file(bytes, Some(content_type.clone()), None)?),
            Body::Empty | Body::Bytes { .. } | Body::Multipart(_) => ["media", "icon"]
                .iter()
                .find_map(|name| input.part(name).filter(|part| part.file_name.is_some()))
                .map(|part| {
                    let (mime, name) = (part.content_type.clone(), part.file_name.clone());
                    file(&part.bytes, mime, name)
                })
                .transpose()?,
        };
        Ok(Self { fields, given })
    }
}

/// Whether the body carries fields; it is a file itself otherwise.
pub(crate) fn carries_fields(input: &Input) -> bool {
    const FIELD_TYPES: [&str; 3] = ["", "application/json", "application/x-www-form-urlencoded"];
    match &input.body {
        Body::Bytes { content_type, .. } => FIELD_TYPES.contains(&content_type.as_str()),
        Body::Empty | Body::Multipart(_) => true,
    }
}

/// Reads the fields, which stand in the query when the body is the file itself.
pub(crate) fn fields<T: DeserializeOwned>(input: &Input) -> Result<T, Reject> {
    if carries_fields(input) {
        Fields::from_input(input).map(|Fields(fields)| fields)
    } else {
        Query::from_input(input).map(|Query(fields)| fields)
    }
}

fn file(bytes: &Bytes, mime: Option<String>, name: Option<String>) -> Result<Given, Reject> {
    if bytes.is_empty() {
        return Err(invalid("media", "the file is empty"));
    }
    let name = name.filter(|name| !name.is_empty());
    Ok(Given::bytes(bytes.clone(), mime, name))
}

/// The file that a field names: a link, a data URI, base64, or the id of an uploaded file.
pub(crate) fn named(field: &str, text: &str) -> Result<Given, Reject> {
    if let Some(id) = ids::media_id(text) {
        return Ok(Given {
            source: MediaSource::Stored(id),
            mime_type: None,
            file_name: None,
        });
    }
    let read = if text.starts_with("data:") || text.contains("://") {
        media::link_or_data(text)
    } else {
        media::base64(text).map(|bytes| Given::bytes(bytes, None, None))
    };
    read.map_err(|e| invalid(field, e.public))
}

/// Decodes `POST /messages/media/{MediaMessageType}`: the path names the kind.
pub(crate) fn send_any(request: Files<FileFields>, cx: &Cx) -> Result<SendMessage, Reject> {
    send(request, kind_of_path(cx)?, cx)
}

fn kind_of_path(cx: &Cx) -> Result<MediaKind, Reject> {
    Ok(match cx.path("MediaMessageType") {
        "image" => MediaKind::Image,
        "video" => MediaKind::Video,
        "gif" => MediaKind::Gif,
        "audio" => MediaKind::Audio,
        "voice" => MediaKind::Voice,
        "document" => MediaKind::Document,
        "sticker" => MediaKind::Sticker,
        _ => {
            let wanted = "one of image, video, gif, audio, voice, document, sticker is expected";
            return Err(invalid("MediaMessageType", wanted));
        }
    })
}

/// Decodes `POST /messages/image` and the like.
pub(crate) fn send(
    request: Files<FileFields>,
    kind: MediaKind,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    let Files { mut fields, given } = request;
    let to = required_to(fields.to.take())?;
    let (quoted, recording) = (fields.quoted.take(), fields.recording_time);
    let typing = seconds_of_typing("recording_time", recording)?;
    if typing.is_some() && kind != MediaKind::Voice {
        return Err(invalid("recording_time", "only voice notes are recorded"));
    }
    let media = outgoing(kind, fields, given, &to)?;
    let message = message(&to, quoted, Content::Media(media), cx)?;
    Ok(SendMessage { typing, ..message })
}

/// Decodes the same with `edit`: the caption changes, the file stays.
pub(crate) fn edit_caption(request: Files<FileFields>, cx: &Cx) -> Result<Act, Reject> {
    let fields = request.fields;
    let to = required_to(fields.to)?;
    let caption = fields.caption.unwrap_or_default();
    at_most("caption", &caption, CAPTION_LEN_MAX)?;
    edit(&to, fields.edit, caption, fields.mentions, cx)
}

fn required_to(to: Option<String>) -> Result<String, Reject> {
    to.ok_or_else(|| OpError::invalid("missing field `to`").into())
}

/// The file of a request, as this kind.
pub(crate) fn outgoing(
    kind: MediaKind,
    fields: FileFields,
    given: Option<Given>,
    to: &str,
) -> Result<OutgoingMedia, Reject> {
    let colored = fields
        .background_color
        .as_deref()
        .is_some_and(|color| color != NO_COLOR);
    without_effect([("background_color", colored)])?;
    let given = match (given, &fields.media) {
        (Some(given), _) => given,
        (None, Some(text)) => named("media", text)?,
        (None, None) => return Err(invalid("media", "a file, link, data uri or id is expected")),
    };
    let mime_type = fields.mime_type.or(given.mime_type);
    fits(kind, mime_type.as_deref())?;
    let mentions = mentioned(to, fields.mentions)?;
    if mentions.all {
        return Err(invalid(
            "mentions",
            "words can mention everybody, files cannot",
        ));
    }
    let file_name = fields.filename.or(given.file_name);
    if let Some(name) = &file_name {
        at_most("filename", name, FILE_NAME_LEN_MAX)?;
    }
    let preview = fields.preview.filter(|text| !text.is_empty());
    let thumbnail = preview.map(|text| named("preview", &text)).transpose()?;
    Ok(OutgoingMedia {
        mime_type,
        caption: caption(kind, fields.caption)?,
        file_name,
        mentions: mentions.users,
        view_once: view_once(kind, fields.view_once)?,
        seconds: seconds(kind, fields.seconds)?,
        waveform: waveform(kind, fields.waveform)?,
        size: size(fields.width, fields.height)?,
        thumbnail: thumbnail.map(|given| given.source),
        ..OutgoingMedia::new(kind, given.source)
    })
}

fn caption(kind: MediaKind, caption: Option<String>) -> Result<Option<String>, Reject> {
    let Some(caption) = caption.filter(|caption| !caption.is_empty()) else {
        return Ok(None);
    };
    if matches!(
        kind,
        MediaKind::Audio | MediaKind::Voice | MediaKind::Sticker
    ) {
        let reason = "only images, videos and documents have one";
        return Err(invalid("caption", reason));
    }
    at_most("caption", &caption, CAPTION_LEN_MAX)?;
    Ok(Some(caption))
}

fn view_once(kind: MediaKind, wanted: Option<bool>) -> Result<bool, Reject> {
    let possible = matches!(
        kind,
        MediaKind::Image
            | MediaKind::Video
            | MediaKind::Gif
            | MediaKind::ShortVideo
            | MediaKind::Voice
    );
    if wanted == Some(true) && !possible {
        let reason = "only images, videos and voice notes can be opened once only";
        return Err(invalid("view_once", reason));
    }
    Ok(wanted.unwrap_or(false))
}

fn seconds(kind: MediaKind, seconds: Option<u64>) -> Result<Option<u32>, Reject> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    if matches!(
        kind,
        MediaKind::Image | MediaKind::Document | MediaKind::Sticker
    ) {
        return Err(invalid("seconds", "only sound and films last"));
    }
    let fits = u32::try_from(seconds)
        .ok()
        .filter(|_| seconds <= SECONDS_MAX);
    let reason = || invalid("seconds", format!("at most {SECONDS_MAX} are possible"));
    fits.map(Some).ok_or_else(reason)
}

/// One side alone says nothing: both are read from the file then.
fn size(width: Option<u64>, height: Option<u64>) -> Result<Option<(u32, u32)>, Reject> {
    let side = |field, side: Option<u64>| {
        let Some(side) = side else {
            return Ok(None);
        };
        let fits = u32::try_from(side)
            .ok()
            .filter(|_| (1..=SIDE_MAX).contains(&side));
        let wanted = || invalid(field, format!("1 to {SIDE_MAX} pixels are possible"));
        fits.map(Some).ok_or_else(wanted)
    };
    Ok(side("width", width)?.zip(side("height", height)?))
}

fn waveform(kind: MediaKind, waveform: Option<String>) -> Result<Option<Vec<u8>>, Reject> {
    let Some(text) = waveform.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if kind != MediaKind::Voice {
        return Err(invalid("waveform", "only voice notes have one"));
    }
    let bars = STANDARD.decode(&text).ok();
    let bars = bars
        .filter(|bars| bars.len() == WAVEFORM_LEN && bars.iter().all(|bar| *bar <= WAVEFORM_MAX));
    let wanted = format!("{WAVEFORM_LEN} bytes of 0 to {WAVEFORM_MAX} as base64 are expected");
    bars.map(Some).ok_or_else(|| invalid("waveform", wanted))
}

/// Whether a declared type can be sent as this kind. The owner looks at the bytes in any case; this answers sooner.
fn fits(kind: MediaKind, declared: Option<&str>) -> Result<(), Reject> {
    let Some(declared) = declared.filter(|mime| *mime != "application/octet-stream") else {
        return Ok(());
    };
    let families: &[&str] = match kind {
        MediaKind::Image | MediaKind::Sticker => &["image/"],
        MediaKind::Video | MediaKind::ShortVideo => &["video/"],
        MediaKind::Gif => &["video/", "image/gif"],
        MediaKind::Audio | MediaKind::Voice => &["audio/", "application/ogg"],
        MediaKind::Document => &[""],
    };
    if families.iter().any(|family| declared.starts_with(family)) {
        return Ok(());
    }
    let wanted = families.first().copied().unwrap_or_default();
    let reason = format!("media: {declared:?} cannot be sent this way, {wanted}* is expected");
    Err(OpError::new(ErrorCode::UnsupportedMedia, reason).into())
}

/// The kind of a file that the path does not name: by its declared type, its first bytes, or the end of its address.
pub(crate) fn guessed(declared: Option<&str>, given: &Given, otherwise: MediaKind) -> MediaKind {
    let declared = declared.or(given.mime_type.as_deref());
    let found = declared.and_then(family).or_else(|| match &given.source {
        MediaSource::Inline(InlineBytes(bytes)) => magic(bytes),
        MediaSource::Url(address) => ending(address),
        MediaSource::Staged { .. } | MediaSource::Stored(_) => None,
    });
    found.unwrap_or(otherwise)
}

fn family(mime: &str) -> Option<MediaKind> {
    match mime.split('/').next() {
        Some("image") => Some(MediaKind::Image),
        Some("video") => Some(MediaKind::Video),
        Some("audio") => Some(MediaKind::Voice),
        Some("text" | "application") if mime != "application/octet-stream" => {
            Some(MediaKind::Document)
        }
        _ => None,
    }
}

/// Source: the signatures of JPEG, PNG, WebP, GIF, MP4, Matroska, Ogg, MP3 and PDF.
fn magic(bytes: &[u8]) -> Option<MediaKind> {
    let starts = |start: &[u8]| bytes.starts_with(start);
    let at_eight = bytes.get(8..12).unwrap_or_default();
    if starts(b"\xff\xd8\xff") || starts(b"\x89PNG") || starts(b"GIF8") || at_eight == b"WEBP" {
        Some(MediaKind::Image)
    } else if bytes.get(4..8) == Some(b"ftyp") || starts(b"\x1a\x45\xdf\xa3") {
        Some(MediaKind::Video)
    } else if starts(b"OggS") || starts(b"ID3") || starts(b"\xff\xfb") {
        Some(MediaKind::Voice)
    } else if starts(b"%PDF") {
        Some(MediaKind::Document)
    } else {
        None
    }
}

fn ending(address: &str) -> Option<MediaKind> {
    let path = address.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "png" | "webp" | "gif" => Some(MediaKind::Image),
        "mp4" | "mov" | "3gp" | "mkv" | "webm" => Some(MediaKind::Video),
        "ogg" | "oga" | "opus" | "mp3" | "m4a" | "aac" | "amr" => Some(MediaKind::Voice),
        "pdf" | "doc" | "docx" | "xls" | "xlsx" | "txt" => Some(MediaKind::Document),
        _ => None,
    }
}
