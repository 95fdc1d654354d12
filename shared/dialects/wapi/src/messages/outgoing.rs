//! Requests to send: the field `type` names the field that holds the content.

use serde::Deserialize;
use serde::de::IgnoredAny;
use switchboard_dialect_kit::{Cx, Json, Refusal, Reject, lenient, media};
use switchboard_vocab::content::{Content, MediaKind, OutgoingMedia, Text};
use switchboard_vocab::media::MediaSource;
use switchboard_vocab::messages::{CAPTION_LEN_MAX, Quote, SendMessage, TEXT_LEN_MAX};
use switchboard_vocab::{ErrorCode, MediaId, OpError, UserId};

use crate::ids::{self, invalid, refused};

/// The kinds of messages.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Text,
    Image,
    Video,
    Audio,
    Document,
    Location,
    Poll,
    Reaction,
    Invite,
    Interactive,
}

/// Whom a bare number means.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RecipientType {
    Individual,
    Group,
}

/// The body of `POST /v1/messages`.
#[derive(Deserialize)]
pub(super) struct MessageRequest {
    to: String,
    #[serde(rename = "type", default)]
    kind: Kind,
    recipient_type: Option<RecipientType>,
    id: Option<String>,
    participants: Option<Vec<IgnoredAny>>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    preview_url: Option<bool>,
    context: Option<Context>,
    text: Option<TextBody>,
    image: Option<MediaRef>,
    video: Option<MediaRef>,
    audio: Option<MediaRef>,
    document: Option<MediaRef>,
}

/// The message that is answered, and who is mentioned.
#[derive(Default, Deserialize)]
pub(super) struct Context {
    pub(super) message_id: Option<String>,
    pub(super) participant: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    mentions: Vec<String>,
}

#[derive(Deserialize)]
struct TextBody {
    body: String,
    font: Option<IgnoredAny>,
    background_color: Option<IgnoredAny>,
    text_color: Option<IgnoredAny>,
}

/// A file: uploaded before, or to be fetched.
#[derive(Deserialize)]
struct MediaRef {
    id: Option<String>,
    link: Option<String>,
    caption: Option<String>,
    filename: Option<String>,
    thumbnail: Option<IgnoredAny>,
}

/// Decodes a request to send.
pub(super) fn send(Json(request): Json<MessageRequest>, cx: &Cx) -> Result<SendMessage, Reject> {
    let participants = request.participants.as_ref();
    later([
        ("preview_url", request.preview_url == Some(true)),
        (
            "participants",
            participants.is_some_and(|all| !all.is_empty()),
        ),
    ])?;
    let group = request
        .recipient_type
        .map(|kind| kind == RecipientType::Group);
    let to = ids::recipient(&request.to, group)?;
    let context = request.context.unwrap_or_default();
    let mentions = mentions(&context)?;
    let file = |field: &'static str, file, kind| match file {
        Some(_) if !mentions.is_empty() => Err(refused("context.mentions", Refusal::LaterRelease)),
        Some(file) => send_file(field, file, kind),
        None => Err(missing(field)),
    };
    let content = match request.kind {
        Kind::Text => {
            let body = request.text.ok_or_else(|| missing("text"))?;
            Content::Text(text(body, mentions)?)
        }
        Kind::Image => file("image", request.image, MediaKind::Image)?,
        Kind::Video => file("video", request.video, MediaKind::Video)?,
        Kind::Audio => file("audio", request.audio, MediaKind::Audio)?,
        Kind::Document => file("document", request.document, MediaKind::Document)?,
        Kind::Location | Kind::Poll | Kind::Reaction | Kind::Invite | Kind::Interactive => {
            return Err(refused("type", Refusal::LaterRelease));
        }
    };
    let id = request.id.filter(|id| !id.is_empty());
    let id = id.map_or_else(|| Ok(cx.next_message_id()), |id| ids::message_id("id", &id))?;
    Ok(SendMessage {
        id,
        to,
        content,
        quoted: quote(context)?,
    })
}

fn missing(field: &str) -> Reject {
    invalid(field, "it is missing, and the type names it")
}

fn text(body: TextBody, mentions: Vec<UserId>) -> Result<Text, Reject> {
    // Looks of a story's text; a message has none.
    later([
        ("text.font", body.font.is_some()),
        ("text.background_color", body.background_color.is_some()),
        ("text.text_color", body.text_color.is_some()),
    ])?;
    if body.body.is_empty() {
        return Err(invalid("text.body", "it is empty"));
    }
    at_most("text.body", &body.body, TEXT_LEN_MAX)?;
    Ok(Text {
        body: body.body,
        mentions,
    })
}

fn send_file(field: &str, file: MediaRef, kind: MediaKind) -> Result<Content, Reject> {
    later([("thumbnail", file.thumbnail.is_some())])?;
    let source = match (file.id, file.link) {
        (Some(id), None) => {
            let id = MediaId::parse(&id).map_err(|e| invalid(&format!("{field}.id"), e))?;
            MediaSource::Stored(id)
        }
        (None, Some(link)) => {
            let given = media::link(&link);
            given
                .map_err(|e| invalid(&format!("{field}.link"), e.public))?
                .source
        }
        (Some(_), Some(_)) => return Err(invalid(field, "either an id or a link is possible")),
        (None, None) => return Err(invalid(field, "an id or a link is expected")),
    };
    let caption = file.caption.filter(|caption| !caption.is_empty());
    if let Some(caption) = &caption {
        if kind == MediaKind::Audio {
            return Err(invalid("audio.caption", "sound has none"));
        }
        at_most(&format!("{field}.caption"), caption, CAPTION_LEN_MAX)?;
    }
    Ok(Content::Media(OutgoingMedia {
        as_kind: kind,
        source,
        mime_type: None,
        caption,
        file_name: file.filename.filter(|name| !name.is_empty()),
    }))
}

fn mentions(context: &Context) -> Result<Vec<UserId>, Reject> {
    let mentions = context.mentions.iter();
    mentions
        .map(|text| ids::user("context.mentions", text))
        .collect()
}

fn quote(context: Context) -> Result<Option<Quote>, Reject> {
    let Some(id) = context.message_id.filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let author = context.participant.filter(|author| !author.is_empty());
    Ok(Some(Quote {
        id: ids::message_id("context.message_id", &id)?,
        author: author
            .map(|author| ids::user("context.participant", &author))
            .transpose()?,
    }))
}

fn at_most(field: &str, text: &str, characters_max: usize) -> Result<(), Reject> {
    if text.chars().count() <= characters_max {
        return Ok(());
    }
    let reason = format!("{field}: at most {characters_max} characters are possible");
    Err(OpError::new(ErrorCode::TooLarge, reason).into())
}

/// Refuses the first field that would be accepted without effect.
fn later<const N: usize>(fields: [(&str, bool); N]) -> Result<(), Reject> {
    let found = fields.into_iter().find(|(_, present)| *present);
    found.map_or(Ok(()), |(field, _)| {
        Err(refused(field, Refusal::LaterRelease))
    })
}
