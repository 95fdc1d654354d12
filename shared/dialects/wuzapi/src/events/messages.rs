//! Messages and receipts.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use switchboard_vocab::content::{Action, Body, MediaKind, ReplyKind};
use switchboard_vocab::events::messages::{Deletion, StatusChange};
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::sessions::Identity;
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
    Words {
        conversation: &'a str,
    },
    Revoke {
        #[serde(rename = "protocolMessage")]
        protocol: Revoke<'a>,
    },
    Nothing {},
}

/// `ProtocolMessage` that deletes a message for everyone.
#[derive(Clone, Serialize)]
struct Revoke<'a> {
    key: Key<'a>,
    /// Source: `REVOKE` of `ProtocolMessage.Type`, which Go writes as a number.
    #[serde(rename = "type")]
    kind: u8,
}

/// `MessageKey` as Go writes it.
#[derive(Clone, Serialize)]
struct Key<'a> {
    #[serde(rename = "remoteJid")]
    remote: String,
    #[serde(rename = "fromMe")]
    from_me: bool,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<String>,
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

    /// What is in the envelope of an edit, as that system's client library shows it; anything else as it is.
    fn opened(message: &'a Message) -> Self {
        let raw = Self::of(message);
        if let Self::Whole(text) = &raw
            && let Ok(Envelope { edited: Some(edit) }) = serde_json::from_str(text.get())
            && let Some(inner) = edit.message
        {
            return Self::Whole(inner);
        }
        raw
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "editedMessage")]
    edited: Option<Inner<'a>>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

/// The data of a message, own or others'. Of what this session sent itself that system says nothing: its client library tells
/// what other devices send, and a receiver that answers every call would answer itself. Nor of what could not be decrypted.
pub(super) fn message(message: &Message) -> Option<String> {
    if message.from_me && message.context.sent_here
        || matches!(message.body, Body::Unreadable { .. })
    {
        return None;
    }
    let edited = matches!(message.body, Body::Edited { .. });
    let captioned = matches!(&message.body, Body::Media(m) if m.kind == MediaKind::Document && m.caption.is_some());
    let event = MessageEvent {
        info: info(message),
        message: Proto::opened(message),
        is_ephemeral: message.context.ephemeral.is_some(),
        is_view_once: message.context.view_once,
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

/// The data of a deletion for everyone: the message that carried it, as far as it is known. Its id is made of the deleted
/// one's and the event's number, because a receiver that has seen the deleted message's id would take it for a repetition.
pub(super) fn deleted(
    deletion: &Deletion,
    sequence: u64,
    identity: Option<&Identity>,
) -> Option<String> {
    if !deletion.for_everyone {
        return None;
    }
    let before = deletion.before.as_deref();
    let own = identity.is_some_and(|me| {
        deletion.by == me.phone || me.lid.as_ref().is_some_and(|lid| deletion.by == *lid)
    });
    let alt = before.and_then(|before| before.chat_alt.as_ref());
    let (chat, group) = (known(&deletion.chat, alt), deletion.chat.is_group());
    let author = before.map_or(&deletion.by, |before| &before.sender);
    let by_author = *author == deletion.by
        || before.is_some_and(|before| before.sender_alt.as_ref() == Some(&deletion.by));
    let key = Key {
        remote: chat.clone(),
        from_me: before.map_or(own, |before| before.from_me),
        id: deletion.id.as_str(),
        participant: group.then(|| author.to_string()),
    };
    let proto = || Proto::Revoke {
        protocol: Revoke {
            key: key.clone(),
            kind: 0,
        },
    };
    let id = format!("{}.{sequence}", deletion.id);
    let event = MessageEvent {
        info: Info {
            chat,
            sender: deletion.by.to_string(),
            is_from_me: own,
            is_group: group,
            broadcast_list_owner: "",
            id: &id,
            server_id: 0,
            kind: "text",
            push_name: "",
            timestamp: ids::time(deletion.at),
            category: "",
            multicast: false,
            media_type: "",
            // Source: the `edit` attribute of the stanza: 7 = revoked by its sender, 8 = by an admin.
            edit: if by_author { "7" } else { "8" },
            verified_name: None,
            device_sent_meta: None,
        },
        message: proto(),
        is_ephemeral: false,
        is_view_once: false,
        is_view_once_v2: false,
        is_document_with_caption: false,
        is_edit: false,
        source_web_msg: None,
        unavailable_request_id: "",
        retry_count: 0,
        newsletter_meta: None,
        raw_message: proto(),
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
pub(super) fn known(chat: &ChatId, alternative: Option<&UserId>) -> String {
    match chat {
        ChatId::User(user) => known_user(user, alternative),
        ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => chat.to_string(),
    }
}

/// An address by phone number where one of the two is known.
pub(super) fn known_user(user: &UserId, alternative: Option<&UserId>) -> String {
    match (
        user.as_phone(),
        alternative.filter(|other| other.as_phone().is_some()),
    ) {
        (None, Some(other)) => other.to_string(),
        _ => user.to_string(),
    }
}
