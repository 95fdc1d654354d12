//! Requests to send: the field `contentType` says what the field `content` holds.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use switchboard_dialect_kit::media::{self, Given};
use switchboard_dialect_kit::{Cx, FromInput, Input, Refusal, Reject, lenient};
use switchboard_vocab::content::{Content, MediaKind, OutgoingMedia, Text};
use switchboard_vocab::messages::{CAPTION_LEN_MAX, SendMessage, TEXT_LEN_MAX};
use switchboard_vocab::{ErrorCode, OpError, UserId};

use crate::body::Request;
use crate::ids::{self, invalid, refused};

/// What that system says of a `contentType` it does not know.
const UNKNOWN_TYPE: &str = "contentType invalid, must be string, MessageMedia, MessageMediaFromURL, Location, Buttons, \
     List, Contact or Poll";
/// How a text begins that the library turns into a contact card unless told not to.
const VCARD: &str = "BEGIN:VCARD";

/// The body of `/client/sendMessage`.
pub(super) struct SendRequest {
    chat_id: String,
    said: Said,
    options: Options,
}

/// `content`, by its type.
enum Said {
    Words(String),
    File(MessageMedia),
    Link(String),
}

/// Every field but the one whose type depends on another.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    chat_id: String,
    content_type: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    options: Options,
}

#[derive(Deserialize)]
struct Holding<T> {
    content: T,
}

/// `MessageMedia`. The size is not read: the bytes are counted.
#[derive(Deserialize)]
struct MessageMedia {
    mimetype: String,
    data: String,
    filename: Option<String>,
}

/// `MessageSendOptions`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    caption: Option<String>,
    quoted_message_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    mentions: Vec<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    send_audio_as_voice: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    send_media_as_document: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    send_media_as_sticker: Option<bool>,
    media: Option<MessageMedia>,
    #[serde(
        default,
        rename = "parseVCards",
        deserialize_with = "lenient::optional_boolean"
    )]
    parse_vcards: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    link_preview: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    send_video_as_gif: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    is_view_once: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    send_seen: Option<bool>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    group_mentions: Vec<IgnoredAny>,
    sticker_name: Option<IgnoredAny>,
    sticker_author: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    sticker_categories: Vec<IgnoredAny>,
    invoked_bot_wid: Option<IgnoredAny>,
    extra: Option<IgnoredAny>,
}

impl FromInput for SendRequest {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let Request(head) = Request::<Head>::from_input(input)?;
        let said = match head.content_type.as_str() {
            "string" => Said::Words(content(input)?),
            "MessageMedia" => Said::File(content(input)?),
            "MessageMediaFromURL" => Said::Link(content(input)?),
            "Location" | "Contact" | "Poll" => {
                return Err(refused("contentType", Refusal::LaterRelease));
            }
            "Buttons" | "List" => return Err(refused("contentType", Refusal::NotOnLinkedDevice)),
            _ => return Err(OpError::new(ErrorCode::NotFound, UNKNOWN_TYPE).into()),
        };
        Ok(Self {
            chat_id: head.chat_id,
            said,
            options: head.options,
        })
    }
}

fn content<T: DeserializeOwned>(input: &Input) -> Result<T, Reject> {
    let Request(Holding { content }) = Request::from_input(input)?;
    Ok(content)
}

/// Decodes a request to send.
pub(super) fn send(request: SendRequest, cx: &Cx) -> Result<SendMessage, Reject> {
    let SendRequest {
        chat_id,
        said,
        mut options,
    } = request;
    without_effect(&options)?;
    let to = ids::recipient("chatId", &chat_id)?;
    let quoted = options.quoted_message_id.take().filter(|id| !id.is_empty());
    let quoted = quoted.map(|id| ids::message_id("options.quotedMessageId", &id));
    let mentioned = options.mentions.iter();
    let mentions: Vec<UserId> = mentioned
        .map(|text| ids::user_id("options.mentions", text))
        .collect::<Result<_, _>>()?;
    let content = match (said, options.media.take()) {
        (Said::Words(body), None) => Content::Text(text(body, mentions, &options)?),
        (said, media) => {
            if !mentions.is_empty() {
                return Err(refused("options.mentions", Refusal::LaterRelease));
            }
            Content::Media(file(said, media, &options)?)
        }
    };
    Ok(SendMessage {
        id: cx.next_message_id(),
        to,
        content,
        quoted: quoted.transpose()?,
        typing: None,
    })
}

fn text(body: String, mentions: Vec<UserId>, options: &Options) -> Result<Text, Reject> {
    if body.is_empty() {
        return Err(invalid("content", "it is empty"));
    }
    at_most("content", &body, TEXT_LEN_MAX)?;
    if body.starts_with(VCARD) && options.parse_vcards != Some(false) {
        return Err(refused("options.parseVCards", Refusal::LaterRelease));
    }
    Ok(Text {
        body,
        mentions,
        ..Text::default()
    })
}

/// A file: the content itself, or `options.media` with the content as its caption.
fn file(
    said: Said,
    beside: Option<MessageMedia>,
    options: &Options,
) -> Result<OutgoingMedia, Reject> {
    let (given, caption) = match (said, beside) {
        (Said::Link(link), _) => (linked("content", &link)?, options.caption.clone()),
        (Said::File(file), _) => (inline("content", file)?, options.caption.clone()),
        (Said::Words(words), Some(file)) => (inline("options.media", file)?, Some(words)),
        (Said::Words(_), None) => return Err(invalid("options.media", "a file is expected")),
    };
    let as_kind = kind(given.mime_type.as_deref(), options);
    Ok(OutgoingMedia {
        mime_type: given.mime_type,
        caption: captioned(as_kind, caption)?,
        file_name: given.file_name,
        ..OutgoingMedia::new(as_kind, given.source)
    })
}

fn inline(field: &str, file: MessageMedia) -> Result<Given, Reject> {
    if !file.mimetype.contains('/') {
        let wanted = "a media type such as image/png is expected";
        return Err(invalid(&format!("{field}.mimetype"), wanted));
    }
    let bytes = media::base64(&file.data);
    let bytes = bytes.map_err(|e| invalid(&format!("{field}.data"), e.public))?;
    let name = file.filename.filter(|name| !name.is_empty());
    Ok(Given::bytes(
        bytes,
        Some(file.mimetype.to_ascii_lowercase()),
        name,
    ))
}

/// A file behind a link. Its name is the last segment of the path, and its type what the name's ending says: the bytes are
/// not here yet, and the kind of the message must be chosen.
fn linked(field: &str, link: &str) -> Result<Given, Reject> {
    let given = media::link(link).map_err(|e| invalid(field, e.public))?;
    let url = url::Url::parse(link).map_err(|e| invalid(field, e))?;
    let mut segments = url.path_segments().into_iter().flatten();
    let name = segments.next_back().filter(|name| !name.is_empty());
    let ending = name.and_then(|name| name.rsplit_once('.'));
    Ok(Given {
        mime_type: ending
            .and_then(|(_, ending)| type_of(&ending.to_ascii_lowercase()))
            .map(str::to_owned),
        file_name: name.map(str::to_owned),
        ..given
    })
}

/// The type of files whose names end so, for those that are shown as something else than a document.
fn type_of(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "mp4" => "video/mp4",
        "3gp" => "video/3gpp",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "amr" => "audio/amr",
        "ogg" | "oga" | "opus" => "audio/ogg",
        _ => return None,
    })
}

/// What the file is sent as. Where nothing tells its type, it goes as a document, which any file can.
fn kind(mime_type: Option<&str>, options: &Options) -> MediaKind {
    let family = mime_type.and_then(|mime| mime.split('/').next());
    if options.send_media_as_sticker == Some(true) {
        return MediaKind::Sticker;
    }
    if options.send_media_as_document == Some(true) {
        return MediaKind::Document;
    }
    match family {
        Some("image") => MediaKind::Image,
        Some("video") => MediaKind::Video,
        Some("audio") if options.send_audio_as_voice == Some(true) => MediaKind::Voice,
        Some("audio") => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

fn captioned(kind: MediaKind, caption: Option<String>) -> Result<Option<String>, Reject> {
    let Some(caption) = caption.filter(|caption| !caption.is_empty()) else {
        return Ok(None);
    };
    match kind {
        MediaKind::Image | MediaKind::Video | MediaKind::Gif | MediaKind::Document => {
            at_most("options.caption", &caption, CAPTION_LEN_MAX)?;
            Ok(Some(caption))
        }
        MediaKind::ShortVideo | MediaKind::Audio | MediaKind::Voice | MediaKind::Sticker => {
            Err(invalid(
                "options.caption",
                "only pictures, films and documents have one",
            ))
        }
    }
}

fn at_most(field: &str, text: &str, characters_max: usize) -> Result<(), Reject> {
    if text.chars().count() <= characters_max {
        return Ok(());
    }
    let reason = format!("{field}: at most {characters_max} characters are possible");
    Err(OpError::new(ErrorCode::TooLarge, reason).into())
}

/// Refuses the first option that would be accepted without effect.
fn without_effect(options: &Options) -> Result<(), Reject> {
    let fields = [
        ("options.linkPreview", options.link_preview == Some(true)),
        (
            "options.sendVideoAsGif",
            options.send_video_as_gif == Some(true),
        ),
        ("options.isViewOnce", options.is_view_once == Some(true)),
        ("options.sendSeen", options.send_seen == Some(true)),
        ("options.groupMentions", !options.group_mentions.is_empty()),
        ("options.stickerName", options.sticker_name.is_some()),
        ("options.stickerAuthor", options.sticker_author.is_some()),
        (
            "options.stickerCategories",
            !options.sticker_categories.is_empty(),
        ),
        ("options.invokedBotWid", options.invoked_bot_wid.is_some()),
        ("options.extra", options.extra.is_some()),
    ];
    let found = fields.into_iter().find(|(_, present)| *present);
    found.map_or(Ok(()), |(field, _)| {
        Err(refused(field, Refusal::LaterRelease))
    })
}
