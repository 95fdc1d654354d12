//! Messages and receipts.

use serde::Serialize;
use serde_json::value::RawValue;
use switchboard_vocab::content::{Action, Body, MediaKind, ReplyKind};
use switchboard_vocab::events::messages::StatusChange;
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::{ChatId, UserId};

use super::Data;
use crate::ids;

/// `events.Message` of that system's client library.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MessageEvent<'a> {
    info: Info<'a>,
    message: Proto<'a>,
    is_ephemeral: bool,
    is_view_once: bool,
    is_view_once_v2: bool,
    is_document_with_caption: bool,
    is_edit: bool,
    source_web_msg: Option<()>,
    #[serde(rename = "UnavailableRequestID")]
    unavailable_request_id: &'static str,
    retry_count: u32,
    newsletter_meta: Option<()>,
    raw_message: Proto<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Info<'a> {
    chat: String,
    sender: String,
    is_from_me: bool,
    is_group: bool,
    broadcast_list_owner: &'static str,
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "ServerID")]
    server_id: u64,
    #[serde(rename = "Type")]
    kind: &'static str,
    push_name: &'a str,
    timestamp: String,
    category: &'static str,
    multicast: bool,
    media_type: &'static str,
    edit: &'static str,
    verified_name: Option<()>,
    device_sent_meta: Option<()>,
}

/// The protobuf as JSON: as WhatsApp sent it, or the words when only those are known.
#[derive(Serialize)]
#[serde(untagged)]
enum Proto<'a> {
    Whole(&'a RawValue),
    Words { conversation: &'a str },
    Nothing {},
}

impl<'a> Proto<'a> {
    fn of(message: &'a Message) -> Self {
        let whole = message
            .proto_json
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok());
        match (whole, &message.body) {
            (Some(whole), _) => Self::Whole(whole),
            (None, Body::Text(text)) => Self::Words {
                conversation: &text.body,
            },
            (None, _) => Self::Nothing {},
        }
    }
}

/// The data of a message, own or others'.
pub(super) fn message(message: &Message) -> Option<String> {
    let edited = matches!(message.body, Body::Edited { .. });
    let captioned = matches!(&message.body, Body::Media(m) if m.kind == MediaKind::Document && m.caption.is_some());
    let event = MessageEvent {
        info: info(message),
        message: Proto::of(message),
        is_ephemeral: false,
        is_view_once: false,
        is_view_once_v2: false,
        is_document_with_caption: captioned,
        is_edit: edited,
        source_web_msg: None,
        unavailable_request_id: "",
        retry_count: 0,
        newsletter_meta: None,
        raw_message: Proto::of(message),
    };
    Data::text("Message", None, event)
}

fn info(message: &Message) -> Info<'_> {
    let (kind, media_type) = types(&message.body);
    Info {
        chat: known(&message.chat, message.chat_alt.as_ref()),
        sender: known_user(&message.sender, message.sender_alt.as_ref()),
        is_from_me: message.from_me,
        is_group: message.chat.is_group(),
        broadcast_list_owner: "",
        id: message.id.as_str(),
        server_id: 0,
        kind,
        push_name: message.push_name.as_deref().unwrap_or_default(),
        timestamp: ids::time(message.at),
        category: "",
        multicast: false,
        media_type,
        edit: match message.body {
            // Source: the `edit` attribute of the stanza: 1 = edited, 7 = revoked by its sender.
            Body::Edited { .. } => "1",
            Body::Revoked { .. } => "7",
            // 2 = pinned or no longer.
            Body::Pinned { .. } => "2",
            Body::Text(_)
            | Body::Media(_)
            | Body::Location(_)
            | Body::LiveLocation(_)
            | Body::Contacts { .. }
            | Body::Poll(_)
            | Body::Event(_)
            | Body::Interactive(_)
            | Body::Reply(_)
            | Body::Invite(_)
            | Body::Reaction { .. }
            | Body::Vote { .. }
            | Body::EventReply { .. }
            | Body::Timer { .. }
            | Body::Deleted { .. }
            | Body::Unreadable { .. }
            | Body::Other { .. } => "",
        },
        verified_name: None,
        device_sent_meta: None,
    }
}

/// `Type` and `MediaType`. Source: the attributes of the stanza and of its `enc` child.
const fn types(body: &Body) -> (&'static str, &'static str) {
    match body {
        Body::Text(_)
        | Body::Edited { .. }
        | Body::Revoked { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => ("text", ""),
        Body::Poll(_) | Body::Vote { .. } => ("poll", ""),
        Body::Event(_) | Body::EventReply { .. } => ("event", ""),
        Body::LiveLocation(_) => ("media", "livelocation"),
        Body::Interactive(interactive) => match interactive.action {
            Action::Buttons { .. } => ("media", "button"),
            Action::List { .. } => ("media", "list"),
            Action::Carousel { .. } => ("media", "interactive"),
        },
        Body::Reply(reply) => match reply.kind {
            ReplyKind::Button | ReplyKind::Template => ("media", "buttons_response"),
            ReplyKind::List => ("media", "list_response"),
            ReplyKind::Flow => ("media", "native_flow_response"),
        },
        Body::Invite(_) => ("media", "url"),
        Body::Reaction { .. } => ("reaction", ""),
        Body::Location(_) => ("media", "location"),
        Body::Contacts { .. } => ("media", "vcard"),
        Body::Media(media) => match media.kind {
            MediaKind::Image => ("media", "image"),
            MediaKind::Video => ("media", "video"),
            MediaKind::Gif => ("media", "gif"),
            MediaKind::ShortVideo => ("media", "ptv"),
            MediaKind::Audio => ("media", "audio"),
            MediaKind::Voice => ("media", "ptt"),
            MediaKind::Document => ("media", "document"),
            MediaKind::Sticker => ("media", "sticker"),
        },
    }
}

/// `events.Receipt` of that system's client library.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Receipt<'a> {
    chat: String,
    sender: String,
    is_from_me: bool,
    is_group: bool,
    broadcast_list_owner: &'static str,
    #[serde(rename = "MessageIDs")]
    message_ids: [&'a str; 1],
    timestamp: String,
    #[serde(rename = "Type")]
    kind: &'static str,
}

/// The data of a receipt; `None` for progress that this system does not tell.
pub(super) fn receipt(change: &StatusChange) -> Option<String> {
    let (state, kind) = match change.status {
        DeliveryStatus::Delivered => ("Delivered", ""),
        DeliveryStatus::Read | DeliveryStatus::Played => ("Read", "read"),
        DeliveryStatus::Failed | DeliveryStatus::Pending | DeliveryStatus::Server => return None,
    };
    let chat = known(&change.chat, change.chat_alt.as_ref());
    let sender = match (&change.recipient, change.chat.as_user()) {
        // In a conversation of two the receipt's address may be the hidden one of the same person.
        (Some(_), Some(_)) | (None, _) => chat.clone(),
        (Some(recipient), None) => recipient.to_string(),
    };
    let event = Receipt {
        chat,
        sender,
        is_from_me: false,
        is_group: change.chat.is_group(),
        broadcast_list_owner: "",
        message_ids: [change.id.as_str()],
        timestamp: ids::time(change.at),
        kind,
    };
    Data::text("ReadReceipt", Some(state), event)
}

/// An address by phone number where one of the two is known.
fn known(chat: &ChatId, alternative: Option<&UserId>) -> String {
    match chat {
        ChatId::User(user) => known_user(user, alternative),
        ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => chat.to_string(),
    }
}

fn known_user(user: &UserId, alternative: Option<&UserId>) -> String {
    match (
        user.as_phone(),
        alternative.filter(|other| other.as_phone().is_some()),
    ) {
        (None, Some(other)) => other.to_string(),
        _ => user.to_string(),
    }
}
