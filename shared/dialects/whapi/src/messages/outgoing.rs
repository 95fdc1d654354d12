//! Requests to send: text, and files by link, data URI, base64, id, form part or bare body.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use switchboard_dialect_kit::media::{self, Given};
use switchboard_dialect_kit::{
    Body, Cx, Fields, FromInput, Input, Query, Refusal, Reject, lenient,
};
use switchboard_vocab::content::{Content, MediaKind, OutgoingMedia, Text};
use switchboard_vocab::media::MediaSource;
use switchboard_vocab::messages::{CAPTION_LEN_MAX, Quote, SendMessage, TEXT_LEN_MAX};
use switchboard_vocab::{ErrorCode, OpError, UserId};

use crate::ids::{self, invalid};

/// Longest simulated typing or recording, in seconds. Source: the maximum of `typing_time`.
const TYPING_SECONDS_MAX: u64 = 60;

/// `SenderText`.
#[derive(Deserialize)]
pub(crate) struct SenderText {
    to: String,
    body: String,
    quoted: Option<String>,
    edit: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_number")]
    typing_time: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    wide_link_preview: Option<bool>,
    mentions: Option<Vec<String>>,
}

/// `SenderImage`, `SenderVideo`, … and `SenderMedia`: together they have these fields. Hints about the file (width,
/// height, seconds, animated) are not read: the owner looks at the bytes. Nor are `no_encode` and `no_cache`: files are
/// neither encoded anew nor cached.
#[derive(Deserialize)]
pub(crate) struct SenderMedia {
    to: String,
    media: Option<String>,
    mime_type: Option<String>,
    caption: Option<String>,
    filename: Option<String>,
    quoted: Option<String>,
    edit: Option<String>,
    preview: Option<String>,
    mentions: Option<Vec<String>>,
    waveform: Option<String>,
    background_color: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_number")]
    recording_time: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    view_once: Option<bool>,
}

/// A request that carries a file somewhere.
pub(crate) struct MediaRequest {
    fields: SenderMedia,
    given: Option<Given>,
}

impl FromInput for MediaRequest {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let (fields, given) = fields_and_file::<SenderMedia>(input)?;
        Ok(Self { fields, given })
    }
}

/// Reads the fields, which stand in the query when the body is the file itself, and the file that stands apart from them.
pub(crate) fn fields_and_file<T: DeserializeOwned>(
    input: &Input,
) -> Result<(T, Option<Given>), Reject> {
    const FIELD_TYPES: [&str; 3] = ["", "application/json", "application/x-www-form-urlencoded"];
    match &input.body {
        Body::Bytes {
            content_type,
            bytes,
        } if !FIELD_TYPES.contains(&content_type.as_str()) => {
            let Query(fields) = Query::<T>::from_input(input)?;
            let given = file(bytes, Some(content_type.clone()), None)?;
            Ok((fields, Some(given)))
        }
        Body::Empty | Body::Bytes { .. } | Body::Multipart(_) => {
            let Fields(fields) = Fields::<T>::from_input(input)?;
            let part = input.part("media").filter(|part| part.file_name.is_some());
            let given = part
                .map(|part| {
                    file(
                        &part.bytes,
                        part.content_type.clone(),
                        part.file_name.clone(),
                    )
                })
                .transpose()?;
            Ok((fields, given))
        }
    }
}

fn file(bytes: &Bytes, mime: Option<String>, name: Option<String>) -> Result<Given, Reject> {
    if bytes.is_empty() {
        return Err(invalid("media", "the file is empty"));
    }
    Ok(Given::bytes(
        bytes.clone(),
        mime,
        name.filter(|name| !name.is_empty()),
    ))
}

/// The file that the field `media` names: a link, a data URI, base64, or the id of an uploaded file.
pub(crate) fn named_file(text: &str) -> Result<Given, Reject> {
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
    read.map_err(|e| invalid("media", e.public))
}

/// Decodes `POST /messages/text`.
pub(crate) fn send_text(request: SenderText, cx: &Cx) -> Result<SendMessage, Reject> {
    if request
        .typing_time
        .is_some_and(|seconds| seconds > TYPING_SECONDS_MAX)
    {
        let reason = format!("0 to {TYPING_SECONDS_MAX} seconds are possible");
        return Err(invalid("typing_time", reason));
    }
    later([
        ("edit", request.edit.is_some()),
        (
            "typing_time",
            request.typing_time.is_some_and(|seconds| seconds > 0),
        ),
        ("wide_link_preview", request.wide_link_preview == Some(true)),
    ])?;
    let to = ids::recipient("to", &request.to)?;
    if request.body.is_empty() {
        return Err(invalid("body", "it is empty"));
    }
    at_most("body", &request.body, TEXT_LEN_MAX)?;
    Ok(SendMessage {
        id: cx.next_message_id(),
        to,
        content: Content::Text(Text {
            body: request.body,
            mentions: mentions(request.mentions)?,
            ..Text::default()
        }),
        quoted: quote(request.quoted)?,
        typing: None,
    })
}

/// Decodes `POST /messages/media/{MediaMessageType}`: the path names the kind.
pub(crate) fn send_any(request: MediaRequest, cx: &Cx) -> Result<SendMessage, Reject> {
    let kind = match cx.path("MediaMessageType") {
        "image" => MediaKind::Image,
        "video" => MediaKind::Video,
        "audio" => MediaKind::Audio,
        "voice" => MediaKind::Voice,
        "document" => MediaKind::Document,
        "sticker" => MediaKind::Sticker,
        "gif" => {
            later([("MediaMessageType gif", true)])?;
            MediaKind::Video
        }
        _ => {
            let wanted = "one of image, video, gif, audio, voice, document, sticker is expected";
            return Err(invalid("MediaMessageType", wanted));
        }
    };
    send_media(request, kind, cx)
}

/// Decodes `POST /messages/image` and the like.
pub(crate) fn send_media(
    request: MediaRequest,
    kind: MediaKind,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    let MediaRequest { fields, given } = request;
    later([
        ("edit", fields.edit.is_some()),
        ("view_once", fields.view_once == Some(true)),
        ("preview", fields.preview.is_some()),
        ("waveform", fields.waveform.is_some()),
        ("background_color", fields.background_color.is_some()),
        (
            "recording_time",
            fields.recording_time.is_some_and(|seconds| seconds > 0),
        ),
        (
            "mentions",
            fields.mentions.as_ref().is_some_and(|all| !all.is_empty()),
        ),
    ])?;
    let to = ids::recipient("to", &fields.to)?;
    let given = match (given, &fields.media) {
        (Some(given), _) => given,
        (None, Some(text)) => named_file(text)?,
        (None, None) => return Err(invalid("media", "a file, link, data uri or id is expected")),
    };
    let mime_type = fields.mime_type.or(given.mime_type);
    fits(kind, mime_type.as_deref())?;
    Ok(SendMessage {
        id: cx.next_message_id(),
        to,
        content: Content::Media(OutgoingMedia {
            mime_type,
            caption: caption(kind, fields.caption)?,
            file_name: fields.filename.or(given.file_name),
            ..OutgoingMedia::new(kind, given.source)
        }),
        quoted: quote(fields.quoted)?,
        typing: None,
    })
}

fn caption(kind: MediaKind, caption: Option<String>) -> Result<Option<String>, Reject> {
    let Some(caption) = caption.filter(|caption| !caption.is_empty()) else {
        return Ok(None);
    };
    if !matches!(
        kind,
        MediaKind::Image | MediaKind::Video | MediaKind::Document
    ) {
        return Err(invalid(
            "caption",
            "only images, videos and documents have one",
        ));
    }
    at_most("caption", &caption, CAPTION_LEN_MAX)?;
    Ok(Some(caption))
}

/// Whether a declared type can be sent as this kind. The owner looks at the bytes in any case; this answers sooner.
fn fits(kind: MediaKind, declared: Option<&str>) -> Result<(), Reject> {
    let Some(declared) = declared.filter(|mime| *mime != "application/octet-stream") else {
        return Ok(());
    };
    let family = match kind {
        MediaKind::Image | MediaKind::Sticker => "image/",
        MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => "video/",
        MediaKind::Audio | MediaKind::Voice => "audio/",
        MediaKind::Document => "",
    };
    let ogg = family == "audio/" && declared.starts_with("application/ogg");
    if declared.starts_with(family) || ogg {
        return Ok(());
    }
    let reason = format!("media: {declared:?} cannot be sent this way, {family}* is expected");
    Err(OpError::new(ErrorCode::UnsupportedMedia, reason).into())
}

fn at_most(field: &str, text: &str, characters_max: usize) -> Result<(), Reject> {
    if text.chars().count() <= characters_max {
        return Ok(());
    }
    let reason = format!("{field}: at most {characters_max} characters are possible");
    Err(OpError::new(ErrorCode::TooLarge, reason).into())
}

fn quote(quoted: Option<String>) -> Result<Option<Quote>, Reject> {
    let Some(text) = quoted.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let id = ids::message_id("quoted", &text)?;
    Ok(Some(Quote { id, author: None }))
}

fn mentions(mentions: Option<Vec<String>>) -> Result<Vec<UserId>, Reject> {
    let mention = |text: String| {
        if text.ends_with("@g.us") {
            later([("mentions of groups", true)])?;
        }
        let digits = text.strip_suffix("@s.whatsapp.net").unwrap_or(&text);
        ids::contact_id("mentions", digits)
    };
    mentions
        .unwrap_or_default()
        .into_iter()
        .map(mention)
        .collect()
}

/// Refuses the first field that would be accepted without effect.
fn later<const N: usize>(fields: [(&str, bool); N]) -> Result<(), Reject> {
    match fields.into_iter().find(|(_, present)| *present) {
        Some((field, _)) => {
            let reason = format!("{field}: {}", Refusal::LaterRelease.reason());
            Err(OpError::new(ErrorCode::Refused, reason).into())
        }
        None => Ok(()),
    }
}
