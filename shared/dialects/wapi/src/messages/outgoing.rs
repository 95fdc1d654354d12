//! Requests to send: the field `type` names the field that holds the content.

use serde::Deserialize;
use serde::de::IgnoredAny;
use switchboard_dialect_kit::media::Given;
use switchboard_dialect_kit::{Cx, FromInput, Json, Refusal, Reject, lenient, media as given};
use switchboard_vocab::content::{
    Content, LinkPreview, Location, MediaKind, NewPoll, OutgoingMedia, POLL_OPTIONS_MAX,
    POLL_OPTIONS_MIN, Text,
};
use switchboard_vocab::media::MediaSource;
use switchboard_vocab::messages::{
    Act, CAPTION_LEN_MAX, MessageAction, MessageRef, Quote, SendMessage, TEXT_LEN_MAX,
};
use switchboard_vocab::{ErrorCode, MediaId, MessageId, OpError, UserId};

use super::interactive::{self, InteractiveBody};
use crate::ids::{self, invalid, refused};

/// Longest question or option of a poll, in characters. Source: the limits WhatsApp's own clients enforce are 255 and 100.
const QUESTION_LEN_MAX: usize = 255;
const OPTION_LEN_MAX: usize = 100;

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
    location: Option<PlaceBody>,
    poll: Option<PollBody>,
    reaction: Option<ReactionBody>,
    interactive: Option<InteractiveBody>,
}

/// A place; degrees as numbers or as text.
#[derive(Deserialize)]
struct PlaceBody {
    #[serde(deserialize_with = "lenient::text")]
    longitude: String,
    #[serde(deserialize_with = "lenient::text")]
    latitude: String,
    name: Option<String>,
    address: Option<String>,
}

/// A poll. The published page names no fields; these are the client library's own and their usual synonyms.
#[derive(Deserialize)]
struct PollBody {
    #[serde(alias = "question", alias = "title")]
    name: String,
    options: Vec<String>,
    #[serde(default, alias = "selectable_option_count", alias = "max_answers")]
    selectable_count: Option<u32>,
}

/// A reaction; without an emoji it takes the last one back.
#[derive(Deserialize)]
struct ReactionBody {
    message_id: String,
    #[serde(default)]
    emoji: String,
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
pub(super) struct MediaRef {
    id: Option<String>,
    link: Option<String>,
    caption: Option<String>,
    filename: Option<String>,
    thumbnail: Option<Thumbnail>,
}

/// The picture shown before a file is downloaded.
#[derive(Deserialize)]
struct Thumbnail {
    link: Option<String>,
    /// Base64.
    data: Option<String>,
}

/// The fields of a reaction.
#[derive(Deserialize)]
struct KindOnly {
    #[serde(rename = "type", default)]
    kind: Kind,
}

/// Whether the body reacts to an earlier message.
pub(super) fn is_reaction(cx: &Cx) -> Result<bool, Reject> {
    let Json(request) = Json::<KindOnly>::from_input(cx.input())?;
    Ok(matches!(request.kind, Kind::Reaction))
}

/// Decodes a reaction.
pub(super) fn react(Json(request): Json<MessageRequest>, cx: &Cx) -> Result<Act, Reject> {
    let group = request.group();
    let chat = ids::recipient(&request.to, group)?;
    let id = own_id(request.id, cx)?;
    let given = request.reaction.ok_or_else(|| missing("reaction"))?;
    Ok(Act {
        id,
        target: MessageRef {
            id: ids::message_id("reaction.message_id", &given.message_id)?,
            chat: Some(chat),
            from_me: None,
        },
        action: MessageAction::React { emoji: given.emoji },
    })
}

fn own_id(given: Option<String>, cx: &Cx) -> Result<MessageId, Reject> {
    let given = given.filter(|id| !id.is_empty());
    given.map_or_else(|| Ok(cx.next_message_id()), |id| ids::message_id("id", &id))
}

impl MessageRequest {
    /// Whether the caller says that the recipient is a group.
    fn group(&self) -> Option<bool> {
        self.recipient_type.map(|kind| kind == RecipientType::Group)
    }
}

/// Decodes a request to send.
pub(super) fn send(Json(request): Json<MessageRequest>, cx: &Cx) -> Result<SendMessage, Reject> {
    let participants = request.participants.as_ref();
    later([(
        "participants",
        participants.is_some_and(|all| !all.is_empty()),
    )])?;
    let to = ids::recipient(&request.to, request.group())?;
    let context = request.context.unwrap_or_default();
    let mentions = mentions(&context)?;
    let file = |field: &'static str, file: Option<MediaRef>, kind| {
        let media = media(field, file.ok_or_else(|| missing(field))?, kind)?;
        Ok::<_, Reject>(Content::Media(OutgoingMedia {
            mentions: mentions.clone(),
            ..media
        }))
    };
    let content = match request.kind {
        Kind::Text => {
            let body = request.text.ok_or_else(|| missing("text"))?;
            let preview = if request.preview_url == Some(true) {
                LinkPreview::Auto
            } else {
                LinkPreview::Off
            };
            Content::Text(Text {
                preview,
                ..text(body, mentions)?
            })
        }
        Kind::Image => file("image", request.image, MediaKind::Image)?,
        Kind::Video => file("video", request.video, MediaKind::Video)?,
        Kind::Audio => file("audio", request.audio, MediaKind::Audio)?,
        Kind::Document => file("document", request.document, MediaKind::Document)?,
        Kind::Location => place(request.location.ok_or_else(|| missing("location"))?)?,
        Kind::Poll => poll(request.poll.ok_or_else(|| missing("poll"))?)?,
        Kind::Interactive => {
            let body = request.interactive.ok_or_else(|| missing("interactive"))?;
            interactive::content(body)?
        }
        // Reactions have gone another way; invitations belong to groups.
        Kind::Reaction | Kind::Invite => return Err(refused("type", Refusal::LaterRelease)),
    };
    Ok(SendMessage {
        quoted: quote(context)?,
        ..SendMessage::new(own_id(request.id, cx)?, to, content)
    })
}

fn place(body: PlaceBody) -> Result<Content, Reject> {
    let degrees = |field: &str, text: &str, max: f64| {
        let value = text.trim().parse::<f64>().ok();
        value.filter(|value| value.abs() <= max).ok_or_else(|| {
            let reason = format!("degrees from -{max} to {max} are expected");
            invalid(&format!("location.{field}"), reason)
        })
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Content::Location(Location {
        latitude: degrees("latitude", &body.latitude, 90.0)?,
        longitude: degrees("longitude", &body.longitude, 180.0)?,
        name: given(body.name),
        address: given(body.address),
        ..Location::default()
    }))
}

fn poll(body: PollBody) -> Result<Content, Reject> {
    if body.name.is_empty() {
        return Err(invalid("poll.name", "it is empty"));
    }
    at_most("poll.name", &body.name, QUESTION_LEN_MAX)?;
    if !(POLL_OPTIONS_MIN..=POLL_OPTIONS_MAX).contains(&body.options.len()) {
        let reason = format!("{POLL_OPTIONS_MIN} to {POLL_OPTIONS_MAX} are possible");
        return Err(invalid("poll.options", reason));
    }
    for (at, option) in body.options.iter().enumerate() {
        at_most("poll.options", option, OPTION_LEN_MAX)?;
        if option.is_empty() || body.options.iter().take(at).any(|other| other == option) {
            return Err(invalid(
                "poll.options",
                "each must be there once, with words",
            ));
        }
    }
    // Zero is the client library's own word for any number.
    let choices_max = body.selectable_count.filter(|count| *count > 0);
    let options = u32::try_from(body.options.len()).unwrap_or(u32::MAX);
    if choices_max.is_some_and(|count| count > options) {
        return Err(invalid("poll.selectable_count", "there are fewer options"));
    }
    Ok(Content::Poll(NewPoll {
        question: body.name,
        options: body.options,
        choices_max,
    }))
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
        ..Text::default()
    })
}

/// A file of this kind.
pub(super) fn media(field: &str, file: MediaRef, kind: MediaKind) -> Result<OutgoingMedia, Reject> {
    let source = match (file.id, file.link) {
        (Some(id), None) => {
            let id = MediaId::parse(&id).map_err(|e| invalid(&format!("{field}.id"), e))?;
            MediaSource::Stored(id)
        }
        (None, Some(link)) => {
            let given = given::link(&link);
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
    let thumbnail = file.thumbnail.map(|picture| thumbnail(field, picture));
    Ok(OutgoingMedia {
        caption,
        file_name: file.filename.filter(|name| !name.is_empty()),
        thumbnail: thumbnail.transpose()?,
        ..OutgoingMedia::new(kind, source)
    })
}

fn thumbnail(field: &str, picture: Thumbnail) -> Result<MediaSource, Reject> {
    let name = format!("{field}.thumbnail");
    match (picture.link, picture.data) {
        (Some(link), None) => {
            let given = given::link(&link).map_err(|e| invalid(&name, e.public))?;
            Ok(given.source)
        }
        (None, Some(data)) => {
            let bytes = given::base64(&data).map_err(|e| invalid(&name, e.public))?;
            Ok(Given::bytes(bytes, None, None).source)
        }
        (Some(_), Some(_)) | (None, None) => Err(invalid(&name, "a link or data is expected")),
    }
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
