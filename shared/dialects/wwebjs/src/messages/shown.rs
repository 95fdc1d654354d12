//! Messages as this system shows them, in answers and callbacks alike.

use serde::Serialize;
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::messages::{self, DeliveryStatus};
use switchboard_vocab::{MessageId, UserId};

use crate::ids::{self, MessageKey};

/// `Message`: the fields that are known here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message<'a> {
    #[serde(rename = "_data")]
    data: RawData<'a>,
    id: MessageKey,
    ack: i8,
    has_media: bool,
    body: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Unix seconds.
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// Who wrote it, in groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    device_type: &'static str,
    is_forwarded: bool,
    is_status: bool,
    from_me: bool,
    has_quoted_msg: bool,
    /// Seconds, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location<'a>>,
    v_cards: Vec<&'a str>,
    mentioned_ids: Vec<String>,
}

/// What of the browser's own record of a message clients use and we know.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct RawData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mimetype: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(rename = "quotedStanzaID", skip_serializing_if = "Option::is_none")]
    quoted_stanza_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_participant: Option<String>,
}

#[derive(Serialize)]
struct Location<'a> {
    latitude: f64,
    longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// A message of the log. `own` is the account's address, where the caller knows it and the message does not say.
    pub(crate) fn of(message: &'a messages::Message, own: Option<&UserId>) -> Self {
        Self::named(message, &message.id, own)
    }

    /// The same under the id of an earlier message that it changes.
    pub(crate) fn changed(
        message: &'a messages::Message,
        target: &MessageId,
        own: Option<&UserId>,
    ) -> Self {
        Self::named(message, target, own)
    }

    fn named(message: &'a messages::Message, id: &MessageId, own: Option<&UserId>) -> Self {
        let chat = ids::chat(&message.chat, message.chat_alt.as_ref());
        let sender = ids::user(&message.sender, message.sender_alt.as_ref());
        let me = if message.from_me {
            Some(sender.clone())
        } else {
            own.map(|own| ids::user(own, None))
        };
        let author = message.chat.as_user().is_none().then_some(sender);
        let (from, to) = if message.from_me {
            (me, Some(chat.clone()))
        } else {
            (Some(chat.clone()), me)
        };
        Self {
            data: raw(message),
            device_type: device_type(id),
            id: MessageKey::new(id, message.from_me, chat.clone(), author.clone()),
            ack: ack(message.status),
            has_media: matches!(message.body, Body::Media(_)),
            body: words(&message.body),
            kind: kind(&message.body),
            timestamp: message.at.as_secs(),
            from,
            to,
            author,
            is_forwarded: message.forwarded,
            is_status: chat == "status@broadcast",
            from_me: message.from_me,
            has_quoted_msg: message.quoted.is_some(),
            duration: duration(&message.body),
            location: location(&message.body),
            v_cards: cards(&message.body),
            mentioned_ids: mentions(&message.body),
        }
    }
}

/// How far a message came, as a number. Source: `MessageAck` of the library.
pub(crate) const fn ack(status: DeliveryStatus) -> i8 {
    match status {
        DeliveryStatus::Failed => -1,
        DeliveryStatus::Pending => 0,
        DeliveryStatus::Server => 1,
        DeliveryStatus::Delivered => 2,
        DeliveryStatus::Read => 3,
        DeliveryStatus::Played => 4,
    }
}

/// `MessageTypes`.
fn kind(body: &Body) -> &'static str {
    match body {
        Body::Text(_) | Body::Edited { .. } => "chat",
        Body::Media(media) => match media.kind {
            MediaKind::Image => "image",
            MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => "video",
            MediaKind::Audio => "audio",
            MediaKind::Voice => "ptt",
            MediaKind::Document => "document",
            MediaKind::Sticker => "sticker",
        },
        Body::Location(_) | Body::LiveLocation(_) => "location",
        Body::Poll(_) => "poll_creation",
        Body::Interactive(_) => "interactive",
        Body::Reply(_) => "list_response",
        Body::Invite(_) => "groups_v4_invite",
        Body::Timer { .. } => "notification_template",
        Body::Deleted { .. } => "revoked",
        Body::Unreadable { .. } => "ciphertext",
        Body::Event(_) | Body::Vote { .. } | Body::EventReply { .. } | Body::Pinned { .. } => {
            "unknown"
        }
        Body::Contacts { cards } if cards.len() == 1 => "vcard",
        Body::Contacts { .. } => "multi_vcard",
        Body::Reaction { .. } => "reaction",
        Body::Revoked { .. } => "revoked",
        Body::Other { field } => match field.as_str() {
            name if name.starts_with("poll_creation_message") => "poll_creation",
            "group_invite_message" => "groups_v4_invite",
            "list_message" => "list",
            "order_message" => "order",
            "product_message" => "product",
            "interactive_message" => "interactive",
            _ => "unknown",
        },
    }
}

fn words(body: &Body) -> &str {
    match body {
        Body::Text(text) => &text.body,
        Body::Media(media) => media.caption.as_deref().unwrap_or_default(),
        Body::Edited { body, .. } => body,
        Body::Reaction { emoji, .. } => emoji,
        Body::Contacts { cards } => match cards.as_slice() {
            [card] => &card.vcard,
            _ => "",
        },
        body => body.words().unwrap_or_default(),
    }
}

fn raw(message: &messages::Message) -> RawData<'_> {
    let quoted = message.quoted.as_ref();
    let facts = RawData {
        notify_name: message.push_name.as_deref(),
        quoted_stanza_id: quoted.map(|quote| quote.id.as_str()),
        quoted_participant: quoted
            .and_then(|quote| quote.author.as_ref())
            .map(|author| ids::user(author, None)),
        ..RawData::default()
    };
    let Body::Media(media) = &message.body else {
        return facts;
    };
    RawData {
        caption: media.caption.as_deref(),
        mimetype: Some(&media.mime_type),
        filename: media.file_name.as_deref(),
        size: Some(media.size),
        width: media.width,
        height: media.height,
        ..facts
    }
}

/// The library's guess by the form of the id. Source: its class for messages.
fn device_type(id: &MessageId) -> &'static str {
    let id = id.as_str();
    if id.len() > 21 {
        "android"
    } else if id.starts_with("3A") {
        "ios"
    } else {
        "web"
    }
}

fn duration(body: &Body) -> Option<String> {
    let Body::Media(media) = body else {
        return None;
    };
    media.seconds.map(|seconds| seconds.to_string())
}

fn location(body: &Body) -> Option<Location<'_>> {
    let Body::Location(place) = body else {
        return None;
    };
    Some(Location {
        latitude: place.latitude,
        longitude: place.longitude,
        name: place.name.as_deref(),
        address: place.address.as_deref(),
    })
}

fn cards(body: &Body) -> Vec<&str> {
    let Body::Contacts { cards } = body else {
        return Vec::new();
    };
    cards.iter().map(|card| card.vcard.as_str()).collect()
}

fn mentions(body: &Body) -> Vec<String> {
    let Body::Text(text) = body else {
        return Vec::new();
    };
    let mentions = text.mentions.iter();
    mentions.map(|user| ids::user(user, None)).collect()
}
