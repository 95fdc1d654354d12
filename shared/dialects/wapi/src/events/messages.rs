//! Messages of others, and how far own ones came.

use serde::Serialize;
use switchboard_dialect_kit::{EventCx, Payload};
use switchboard_vocab::content::{
    Body, Card, LiveLocation, Location, MediaBody, MediaKind, Reply, ReplyKind,
};
use switchboard_vocab::events::messages::StatusChange;
use switchboard_vocab::messages::{self, DeliveryStatus};

use crate::ids;
use crate::webhooks::filter::{Filter, Seen};

#[derive(Serialize)]
struct MessagesPayload<'a> {
    messages: [Message<'a>; 1],
    contacts: [Contact; 1],
}

#[derive(Serialize)]
struct Contact {
    profile: Profile,
    wa_id: String,
}

#[derive(Serialize)]
struct Profile {
    name: String,
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    from: String,
    /// Unix seconds.
    timestamp: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
    #[serde(flatten)]
    content: Option<Content<'a>>,
}

/// The one field named like the type.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Content<'a> {
    Text(TextBody<'a>),
    Image(File<'a>),
    Video(File<'a>),
    Audio(File<'a>),
    Voice(File<'a>),
    Document(File<'a>),
    Sticker(File<'a>),
    Location(Place<'a>),
    Contacts(Vec<ContactCard<'a>>),
    Reaction(Reaction<'a>),
    Interactive(Interactive<'a>),
    Button(TappedButton<'a>),
}

impl Content<'_> {
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
            Self::Contacts(_) => "contacts",
            Self::Reaction(_) => "reaction",
            Self::Interactive(_) => "interactive",
            Self::Button(_) => "button",
        }
    }
}

#[derive(Serialize)]
struct TextBody<'a> {
    body: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    id: &'a str,
    mime_type: &'a str,
    sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
}

/// Degrees as text.
#[derive(Serialize)]
struct Place<'a> {
    longitude: String,
    latitude: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

#[derive(Serialize)]
struct ContactCard<'a> {
    name: CardName<'a>,
    vcard: &'a str,
}

#[derive(Serialize)]
struct CardName<'a> {
    formatted_name: &'a str,
}

#[derive(Serialize)]
struct Reaction<'a> {
    message_id: &'a str,
    emoji: &'a str,
}

/// An answer to buttons or a list.
#[derive(Serialize)]
#[serde(tag = "type")]
enum Interactive<'a> {
    #[serde(rename = "button_reply")]
    Button { button_reply: Tapped<'a> },
    #[serde(rename = "list_reply")]
    List { list_reply: Tapped<'a> },
    #[serde(rename = "nfm_reply")]
    Flow { nfm_reply: FlowReply<'a> },
}

#[derive(Serialize)]
struct Tapped<'a> {
    id: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct FlowReply<'a> {
    name: &'a str,
    response_json: &'a str,
}

/// An answer to a template's button.
#[derive(Serialize)]
struct TappedButton<'a> {
    text: &'a str,
    payload: &'a str,
}

#[derive(Serialize, Default, PartialEq)]
struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<String>,
}

/// A message of somebody else.
pub(super) fn received(
    message: &messages::Message,
    filter: &Filter,
    cx: &EventCx<'_>,
) -> Option<Payload> {
    let content = content(message);
    let kind = content.as_ref().map_or("unknown", Content::kind);
    let mentions = if let Body::Text(text) = &message.body
        && !text.mentions.is_empty()
    {
        text.mentions.as_slice()
    } else {
        message.context.mentions.as_slice()
    };
    let seen = Seen {
        chat: &message.chat,
        chat_alt: message.chat_alt.as_ref(),
        message_type: kind,
        mentions,
    };
    if !filter.passes(&seen, cx.identity) {
        return None;
    }
    let from = ids::wa_id(&message.sender, message.sender_alt.as_ref());
    let name = message.push_name.clone().unwrap_or_else(|| from.clone());
    Some(Payload::json(&MessagesPayload {
        contacts: [Contact {
            profile: Profile { name },
            wa_id: from.clone(),
        }],
        messages: [Message {
            id: message.id.as_str(),
            from,
            timestamp: message.at.as_secs().to_string(),
            kind,
            // Stories and broadcasts too name where they stand: without it they look like words to the account itself.
            group_id: message
                .chat
                .as_user()
                .is_none()
                .then(|| message.chat.to_string()),
            context: context(message, mentions),
            content,
        }],
    }))
}

fn content(message: &messages::Message) -> Option<Content<'_>> {
    Some(match &message.body {
        Body::Text(text) => Content::Text(TextBody { body: &text.body }),
        Body::Media(media) => file(media),
        Body::Location(location) => Content::Location(place(location)),
        Body::Contacts { cards } => Content::Contacts(cards.iter().map(card).collect()),
        Body::Reaction { to, emoji } => Content::Reaction(Reaction {
            message_id: to.as_str(),
            emoji,
        }),
        Body::LiveLocation(location) => Content::Location(live_place(location)),
        Body::Reply(reply) => tapped(reply, message.tapped().unwrap_or(reply.kind)),
        // The official API has no words for these.
        Body::Poll(_)
        | Body::Event(_)
        | Body::Interactive(_)
        | Body::Invite(_)
        | Body::Edited { .. }
        | Body::Revoked { .. }
        | Body::Vote { .. }
        | Body::EventReply { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => return None,
    })
}

fn tapped(reply: &Reply, kind: ReplyKind) -> Content<'_> {
    let tapped = || Tapped {
        id: &reply.id,
        title: &reply.title,
        description: reply.description.as_deref(),
    };
    match kind {
        ReplyKind::Button => Content::Interactive(Interactive::Button {
            button_reply: tapped(),
        }),
        ReplyKind::List => Content::Interactive(Interactive::List {
            list_reply: tapped(),
        }),
        ReplyKind::Flow => Content::Interactive(Interactive::Flow {
            nfm_reply: FlowReply {
                name: &reply.title,
                response_json: &reply.id,
            },
        }),
        ReplyKind::Template => Content::Button(TappedButton {
            text: &reply.title,
            payload: &reply.id,
        }),
    }
}

fn file(media: &MediaBody) -> Content<'_> {
    let wrap = match media.kind {
        MediaKind::Image => Content::Image,
        MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => Content::Video,
        MediaKind::Audio => Content::Audio,
        MediaKind::Voice => Content::Voice,
        MediaKind::Document => Content::Document,
        MediaKind::Sticker => Content::Sticker,
    };
    wrap(File {
        id: media.id.as_str(),
        mime_type: &media.mime_type,
        sha256: &media.sha256,
        caption: media.caption.as_deref(),
        filename: media.file_name.as_deref(),
    })
}

fn place(location: &Location) -> Place<'_> {
    Place {
        longitude: location.longitude.to_string(),
        latitude: location.latitude.to_string(),
        name: location.name.as_deref(),
        address: location.address.as_deref(),
    }
}

fn live_place(location: &LiveLocation) -> Place<'_> {
    Place {
        longitude: location.longitude.to_string(),
        latitude: location.latitude.to_string(),
        name: location.caption.as_deref(),
        address: None,
    }
}

fn card(card: &Card) -> ContactCard<'_> {
    ContactCard {
        name: CardName {
            formatted_name: &card.name,
        },
        vcard: &card.vcard,
    }
}

fn context(message: &messages::Message, mentions: &[switchboard_vocab::UserId]) -> Option<Context> {
    let quoted = message.quoted.as_ref();
    let context = Context {
        id: quoted.map(|quote| quote.id.to_string()),
        from: quoted
            .and_then(|quote| quote.author.as_ref())
            .map(|user| ids::wa_id(user, None)),
        forwarded: message.forwarded.then_some(true),
        group_id: quoted
            .filter(|_| message.chat.is_group())
            .map(|_| message.chat.to_string()),
        mentions: mentions.iter().map(|user| ids::wa_id(user, None)).collect(),
    };
    (context != Context::default()).then_some(context)
}

#[derive(Serialize)]
struct StatusesPayload<'a> {
    statuses: [Status<'a>; 1],
}

#[derive(Serialize)]
struct Status<'a> {
    id: &'a str,
    status: &'static str,
    /// Unix seconds.
    timestamp: String,
    recipient_id: String,
    chat_id: String,
    message: StatusMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Error; 1]>,
}

#[derive(Serialize)]
struct StatusMessage {
    recipient_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
}

#[derive(Serialize)]
struct Error {
    code: u16,
    title: &'static str,
}

/// How far an own message came.
pub(super) fn status_changed(change: &StatusChange, filter: &Filter) -> Option<Payload> {
    let alt = change.chat_alt.as_ref();
    if !filter.passes_status(&change.chat, alt) {
        return None;
    }
    let status = match change.status {
        DeliveryStatus::Failed => "failed",
        // Only the caller knows of the message yet.
        DeliveryStatus::Pending => return None,
        DeliveryStatus::Server => "sent",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Read => "read",
        DeliveryStatus::Played => "played",
    };
    let chat_id = ids::chat(&change.chat, alt);
    let partner = change.chat.as_user().map(|user| ids::wa_id(user, alt));
    let recipient_id = change
        .recipient
        .as_ref()
        .filter(|_| partner.is_none())
        .map(|user| ids::wa_id(user, None))
        .or(partner)
        .unwrap_or_else(|| change.chat.user_part().to_owned());
    let group_id = change.chat.is_group().then(|| chat_id.clone());
    Some(Payload::json(&StatusesPayload {
        statuses: [Status {
            id: change.id.as_str(),
            status,
            timestamp: change.at.as_secs().to_string(),
            message: StatusMessage {
                recipient_id: recipient_id.clone(),
                group_id,
            },
            recipient_id,
            chat_id,
            errors: change.error.map(|code| {
                [Error {
                    code,
                    title: "whatsapp refused the message",
                }]
            }),
        }],
    }))
}
