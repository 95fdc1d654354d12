//! Requests to send: text, and files by link, data URI or form part.

use serde::Deserialize;
use switchboard_dialect_kit::media::{self, Given};
use switchboard_dialect_kit::{Cx, Fields, FromInput, Input, Reject, lenient};
use switchboard_vocab::content::{Content, MediaKind, OutgoingMedia};
use switchboard_vocab::messages::{CAPTION_LEN_MAX, SendMessage, TEXT_LEN_MAX};
use switchboard_vocab::{ErrorCode, OpError};

use crate::ids::{self, invalid};

/// The fields of `/sendMessage`.
#[derive(Deserialize)]
pub(super) struct TextFields {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    phone: Option<String>,
    #[serde(rename = "chatId")]
    chat_id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    body: String,
}

/// Decodes a text.
pub(super) fn send_text(
    Fields(request): Fields<TextFields>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    let to = ids::recipient(request.phone.as_deref(), request.chat_id.as_deref())?;
    if request.body.is_empty() {
        return Err(invalid("body", "it is empty"));
    }
    at_most("body", &request.body, TEXT_LEN_MAX)?;
    let content = Content::text(request.body);
    Ok(SendMessage::new(cx.next_message_id(), to, content))
}

/// The fields of `/sendFile`.
#[derive(Deserialize)]
struct FileFields {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    phone: Option<String>,
    #[serde(rename = "chatId")]
    chat_id: Option<String>,
    body: Option<String>,
    filename: Option<String>,
    caption: Option<String>,
}

/// A request with a file, which a form carries as a part of its own.
pub(super) struct FileRequest {
    fields: FileFields,
    part: Option<Given>,
}

impl FromInput for FileRequest {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let Fields(fields) = Fields::from_input(input)?;
        let part = input.part("body").filter(|part| part.file_name.is_some());
        if part.is_some_and(|part| part.bytes.is_empty()) {
            return Err(invalid("body", "the file is empty"));
        }
        let part = part.map(|part| {
            let name = part.file_name.clone().filter(|name| !name.is_empty());
            Given::bytes(part.bytes.clone(), part.content_type.clone(), name)
        });
        Ok(Self { fields, part })
    }
}

/// Decodes a file.
pub(super) fn send_file(request: FileRequest, cx: &Cx) -> Result<SendMessage, Reject> {
    let FileRequest { fields, part } = request;
    let to = ids::recipient(fields.phone.as_deref(), fields.chat_id.as_deref())?;
    let given = match (part, fields.body) {
        (Some(given), _) => given,
        (None, Some(text)) => {
            media::link_or_data(text.trim()).map_err(|e| invalid("body", e.public))?
        }
        (None, None) => {
            return Err(invalid("body", "a link, a data uri or a file is expected"));
        }
    };
    let name = fields.filename.filter(|name| !name.trim().is_empty());
    let name = name.or(given.file_name);
    let name = name.ok_or_else(|| invalid("filename", "a name such as 1.jpg is expected"))?;
    let as_kind = kind(&name);
    let caption = captioned(as_kind, fields.caption)?;
    let content = Content::Media(OutgoingMedia {
        mime_type: given.mime_type,
        caption,
        file_name: Some(name),
        ..OutgoingMedia::new(as_kind, given.source)
    });
    Ok(SendMessage::new(cx.next_message_id(), to, content))
}

/// What a file of this name is sent as: pictures, films and sound as such, everything else as a document.
fn kind(name: &str) -> MediaKind {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "png" | "gif" | "webp" => MediaKind::Image,
        "mp4" | "3gp" | "mov" => MediaKind::Video,
        "mp3" | "m4a" | "aac" | "amr" | "ogg" | "oga" | "opus" => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

fn captioned(kind: MediaKind, caption: Option<String>) -> Result<Option<String>, Reject> {
    let Some(caption) = caption.filter(|caption| !caption.is_empty()) else {
        return Ok(None);
    };
    if kind == MediaKind::Audio {
        return Err(invalid("caption", "sound has none"));
    }
    at_most("caption", &caption, CAPTION_LEN_MAX)?;
    Ok(Some(caption))
}

fn at_most(field: &str, text: &str, characters_max: usize) -> Result<(), Reject> {
    if text.chars().count() <= characters_max {
        return Ok(());
    }
    let reason = format!("{field}: at most {characters_max} characters are possible");
    Err(OpError::new(ErrorCode::TooLarge, reason).into())
}
