//! Messages as this system shows them, in answers and callbacks alike.

mod extra;

use std::collections::BTreeSet;

use serde::Serialize;
use switchboard_vocab::content::{Action, Body, BodyKind, MediaKind, ReplyKind};
use switchboard_vocab::messages::{self, DeliveryStatus};
use switchboard_vocab::{ChatId, MessageId, UserId};

use crate::ids::{self, MessageKey};
use extra::Extra;

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
    forwarding_score: u32,
    is_status: bool,
    is_starred: bool,
    broadcast: bool,
    from_me: bool,
    has_quoted_msg: bool,
    has_reaction: bool,
    is_gif: bool,
    is_ephemeral: bool,
    /// Seconds, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    v_cards: Vec<&'a str>,
    mentioned_ids: Vec<String>,
    /// Nobody here knows any.
    group_mentions: [(); 0],
    #[serde(flatten)]
    extra: Extra<'a>,
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_view_once: bool,
    #[serde(rename = "quotedStanzaID", skip_serializing_if = "Option::is_none")]
    quoted_stanza_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_participant: Option<String>,
}

impl<'a> Message<'a> {
    /// A message of the log. `own` is the account's address, where the caller knows it and the message does not say.
    pub(crate) fn of(message: &'a messages::Message, own: Option<&UserId>) -> Self {
        let chat = ids::chat(&message.chat, message.chat_alt.as_ref());
        let sender = ids::user(&message.sender, message.sender_alt.as_ref());
        let me = if message.from_me {
            Some(sender)
        } else {
            let own = own.or(message.context.to.as_ref());
            own.map(|own| ids::user(own, None))
        };
        let (from, to) = if message.from_me {
            (me, Some(chat.clone()))
        } else {
            (Some(chat.clone()), me)
        };
        let id = key(message);
        let media = |wanted| matches!(&message.body, Body::Media(media) if media.kind == wanted);
        Self {
            data: raw(message),
            device_type: device_type(&message.id),
            author: author(message),
            ack: ack(message.status),
            has_media: matches!(message.body, Body::Media(_)),
            body: words(&message.body),
            kind: kind(&message.body),
            timestamp: message.at.as_secs(),
            from,
            is_forwarded: message.forwarded,
            forwarding_score: message
                .context
                .forwarding_score
                .unwrap_or_else(|| message.forwarded.into()),
            is_status: chat == "status@broadcast",
            is_starred: message.marks.starred,
            broadcast: matches!(message.chat, ChatId::Broadcast(_)),
            from_me: message.from_me,
            has_quoted_msg: message.quoted.is_some(),
            has_reaction: !message.marks.reactions.is_empty(),
            is_gif: media(MediaKind::Gif),
            is_ephemeral: message.context.ephemeral.is_some(),
            duration: duration(&message.body),
            v_cards: cards(&message.body),
            mentioned_ids: mentions(message),
            group_mentions: [],
            extra: Extra::of(message, &id, to.as_deref()),
            id,
            to,
        }
    }
}

/// The id of a message of the log.
pub(crate) fn key(message: &messages::Message) -> MessageKey {
    let chat = ids::chat(&message.chat, message.chat_alt.as_ref());
    MessageKey::new(&message.id, message.from_me, chat, author(message))
}

/// Who wrote it, where the chat does not say.
fn author(message: &messages::Message) -> Option<String> {
    let in_group = message.chat.as_user().is_none();
    in_group.then(|| ids::user(&message.sender, message.sender_alt.as_ref()))
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

/// Whether it is a message of its own in that system, and not the change of an earlier one.
pub(crate) fn is_message(body: &Body) -> bool {
    body.target().is_none()
}

/// The kinds of bodies that are messages of their own.
pub(super) fn kinds() -> BTreeSet<BodyKind> {
    BTreeSet::from([
        BodyKind::Text,
        BodyKind::Media,
        BodyKind::Location,
        BodyKind::LiveLocation,
        BodyKind::Contacts,
        BodyKind::Poll,
        BodyKind::Event,
        BodyKind::Interactive,
        BodyKind::Reply,
        BodyKind::Invite,
        BodyKind::Timer,
        BodyKind::Deleted,
        BodyKind::Unreadable,
        BodyKind::Other,
    ])
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
        Body::Contacts { cards } if cards.len() == 1 => "vcard",
        Body::Contacts { .. } => "multi_vcard",
        Body::Poll(_) => "poll_creation",
        Body::Interactive(interactive) => match interactive.action {
            Action::List { .. } => "list",
            Action::Buttons { .. } | Action::Carousel { .. } => "interactive",
        },
        Body::Reply(reply) => match reply.kind {
            ReplyKind::Button => "buttons_response",
            ReplyKind::List => "list_response",
            ReplyKind::Template => "template_button_reply",
            ReplyKind::Flow => "native_flow",
        },
        Body::Invite(_) => "groups_v4_invite",
        Body::Reaction { .. } => "reaction",
        Body::Revoked { .. } | Body::Deleted { .. } => "revoked",
        Body::Timer { .. } => "notification_template",
        Body::Pinned { .. } => "protocol",
        Body::Unreadable { .. } => "ciphertext",
        Body::Event(_) | Body::Vote { .. } | Body::EventReply { .. } => "unknown",
        Body::Other { field } => match field.as_str() {
            "group_invite_message" => "groups_v4_invite",
            "list_message" => "list",
            "order_message" => "order",
            "product_message" => "product",
            "interactive_message" => "interactive",
            _ => "unknown",
        },
    }
}

/// `body`: words, caption, question or name; the card of a single contact.
fn words(body: &Body) -> &str {
    match body {
        Body::Media(media) => media.caption.as_deref().unwrap_or_default(),
        Body::Reaction { emoji, .. } => emoji,
        Body::Contacts { cards } => match cards.as_slice() {
            [card] => &card.vcard,
            _ => "",
        },
        // That system has a picture of the map here, which nobody sends to linked devices.
        Body::Location(_) => "",
        Body::Text(_)
        | Body::LiveLocation(_)
        | Body::Poll(_)
        | Body::Event(_)
        | Body::Interactive(_)
        | Body::Reply(_)
        | Body::Invite(_)
        | Body::Edited { .. }
        | Body::Revoked { .. }
        | Body::Vote { .. }
        | Body::EventReply { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => body.words().unwrap_or_default(),
    }
}

fn raw(message: &messages::Message) -> RawData<'_> {
    let quoted = message.quoted.as_ref();
    let facts = RawData {
        notify_name: message.push_name.as_deref(),
        is_view_once: message.context.view_once,
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

fn cards(body: &Body) -> Vec<&str> {
    let Body::Contacts { cards } = body else {
        return Vec::new();
    };
    cards.iter().map(|card| card.vcard.as_str()).collect()
}

fn mentions(message: &messages::Message) -> Vec<String> {
    let around = &message.context.mentions;
    let in_words = if let Body::Text(text) = &message.body
        && around.is_empty()
    {
        &text.mentions
    } else {
        around
    };
    in_words.iter().map(|user| ids::user(user, None)).collect()
}
