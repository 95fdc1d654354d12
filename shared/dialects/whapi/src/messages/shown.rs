//! Messages of the log as this system shows them, in answers and in payloads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use switchboard_dialect_kit::{Cx, EventCx};
use switchboard_vocab::content::{Body, Card, Location, MediaBody, MediaKind};
use switchboard_vocab::messages::{self, DeliveryStatus};
use switchboard_vocab::{MediaId, MessageId, Timestamp};

use crate::ids;

/// Who makes the links to files.
pub(crate) enum Links<'a> {
    /// The call that is answered.
    Call(&'a Cx),
    /// The event that is told.
    Event(&'a EventCx<'a>),
}

impl Links<'_> {
    fn to(&self, media: &MediaId) -> Option<String> {
        match self {
            Self::Call(cx) => cx.media_link(media),
            Self::Event(cx) => Some(cx.media_link(media)),
        }
    }
}

/// `MessageSource`, where it is known.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Api,
}

/// `Message`.
#[derive(Serialize)]
pub(crate) struct Message {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// What WhatsApp calls a message that this release has no words for.
    #[serde(skip_serializing_if = "Option::is_none")]
    subtype: Option<String>,
    chat_id: String,
    from: String,
    from_me: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(flatten)]
    content: Option<Content>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
}

/// The one field named like the type.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Text(Text),
    Image(File),
    Video(File),
    Audio(File),
    Voice(File),
    Document(File),
    Sticker(File),
    Location(Place),
    Contact(VCard),
    ContactList(ContactList),
    Action(Action),
}

impl Content {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Video(_) => "video",
            Self::Audio(_) => "audio",
            Self::Voice(_) => "voice",
            Self::Document(_) => "document",
            Self::Sticker(_) => "sticker",
            Self::Location(_) => "location",
            Self::Contact(_) => "contact",
            Self::ContactList(_) => "contact_list",
            Self::Action(_) => "action",
        }
    }
}

/// `MessageContentText`.
#[derive(Serialize)]
struct Text {
    body: String,
}

/// `MediaFile` with what the kinds add. The document requires `time` and defines `timestamp`, and has two spellings of
/// the file's name: both are sent.
#[derive(Serialize)]
struct File {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    mime_type: String,
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    /// Base64, as in that system's own samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    timestamp: u64,
    time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u32>,
}

/// `MessageContentLocation`.
#[derive(Serialize)]
struct Place {
    latitude: f64,
    longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// `VCard`.
#[derive(Serialize)]
struct VCard {
    name: String,
    vcard: String,
}

/// `MessageContentContacts`.
#[derive(Serialize)]
struct ContactList {
    list: Vec<VCard>,
}

/// `MessageAction`: something done to an earlier message.
#[derive(Serialize)]
struct Action {
    target: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_content: Option<Text>,
}

impl Action {
    fn new(kind: &'static str, target: &MessageId) -> Self {
        Self {
            target: ids::message(target),
            kind,
            emoji: None,
            edited_type: None,
            edited_content: None,
        }
    }
}

/// `MessageContext`.
#[derive(Serialize, Default, PartialEq)]
struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_author: Option<String>,
}

impl Message {
    /// The message as this system shows it.
    pub(crate) fn of(message: &messages::Message, links: &Links<'_>) -> Self {
        let content = content(message, links);
        let subtype = if let Body::Other { field } = &message.body {
            Some(field.clone())
        } else {
            None
        };
        Self {
            id: ids::message(&message.id),
            kind: content.as_ref().map_or("unknown", Content::kind),
            subtype,
            chat_id: ids::chat(&message.chat, message.chat_alt.as_ref()),
            from: ids::contact(&message.sender, message.sender_alt.as_ref()),
            from_me: message.from_me,
            from_name: message.push_name.clone(),
            source: None,
            timestamp: message.at.as_secs(),
            status: message.from_me.then(|| status(message.status).1),
            content,
            context: context(message),
        }
    }

    /// The same, known to have been sent by a call.
    pub(crate) fn by_api(mut self) -> Self {
        self.source = Some(Source::Api);
        self
    }
}

/// Code and word of a status. Source: the order of `StatusEnum`; the codes of the public samples agree.
pub(crate) const fn status(status: DeliveryStatus) -> (u8, &'static str) {
    match status {
        DeliveryStatus::Failed => (0, "failed"),
        DeliveryStatus::Pending => (1, "pending"),
        DeliveryStatus::Server => (2, "sent"),
        DeliveryStatus::Delivered => (3, "delivered"),
        DeliveryStatus::Read => (4, "read"),
        DeliveryStatus::Played => (5, "played"),
    }
}

fn content(message: &messages::Message, links: &Links<'_>) -> Option<Content> {
    Some(match &message.body {
        Body::Text(text) => Content::Text(Text {
            body: text.body.clone(),
        }),
        Body::Media(media) => file(media, message.at, links),
        Body::Location(location) => Content::Location(place(location)),
        Body::Contacts { cards } => match cards.as_slice() {
            [card] => Content::Contact(vcard(card)),
            cards => Content::ContactList(ContactList {
                list: cards.iter().map(vcard).collect(),
            }),
        },
        Body::Reaction { to, emoji } => Content::Action(Action {
            emoji: Some(emoji.clone()),
            ..Action::new("reaction", to)
        }),
        Body::Edited { target, body } => Content::Action(Action {
            edited_type: Some("text"),
            edited_content: Some(Text { body: body.clone() }),
            ..Action::new("edit", target)
        }),
        Body::Revoked { target } => Content::Action(Action::new("delete", target)),
        Body::LiveLocation(_)
        | Body::Poll(_)
        | Body::Event(_)
        | Body::Interactive(_)
        | Body::Reply(_)
        | Body::Invite(_)
        | Body::Vote { .. }
        | Body::EventReply { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => return None,
    })
}

fn file(media: &MediaBody, at: Timestamp, links: &Links<'_>) -> Content {
    let wrap = match media.kind {
        MediaKind::Image => Content::Image,
        MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => Content::Video,
        MediaKind::Audio => Content::Audio,
        MediaKind::Voice => Content::Voice,
        MediaKind::Document => Content::Document,
        MediaKind::Sticker => Content::Sticker,
    };
    wrap(File {
        id: ids::media(&media.id),
        link: links.to(&media.id),
        mime_type: media.mime_type.clone(),
        file_size: media.size,
        file_name: media.file_name.clone(),
        filename: media.file_name.clone(),
        sha256: hex::decode(&media.sha256)
            .ok()
            .map(|sum| STANDARD.encode(sum)),
        timestamp: at.as_secs(),
        time: at.as_secs(),
        caption: media.caption.clone(),
        width: media.width,
        height: media.height,
        seconds: media.seconds,
    })
}

fn place(location: &Location) -> Place {
    Place {
        latitude: location.latitude,
        longitude: location.longitude,
        name: location.name.clone(),
        address: location.address.clone(),
    }
}

fn vcard(card: &Card) -> VCard {
    VCard {
        name: card.name.clone(),
        vcard: card.vcard.clone(),
    }
}

fn context(message: &messages::Message) -> Option<Context> {
    let mentions = if let Body::Text(text) = &message.body {
        text.mentions.as_slice()
    } else {
        &[]
    };
    let quoted = message.quoted.as_ref();
    let context = Context {
        forwarded: message.forwarded.then_some(true),
        mentions: mentions
            .iter()
            .map(|user| ids::contact(user, None))
            .collect(),
        quoted_id: quoted.map(|quote| ids::message(&quote.id)),
        quoted_author: quoted
            .and_then(|quote| quote.author.as_ref())
            .map(|user| ids::contact(user, None)),
    };
    (context != Context::default()).then_some(context)
}
