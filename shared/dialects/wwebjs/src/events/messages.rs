//! Messages, what changes them, and how far own ones came.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use switchboard_dialect_kit::EventCx;
use switchboard_vocab::content::Body;
use switchboard_vocab::events::messages::{Event, StatusChange};
use switchboard_vocab::messages;
use switchboard_vocab::{MessageId, UserId};

use super::Callback;
use crate::ids::{self, MessageKey};
use crate::messages::shown::{self, Message};

/// `data` of these callbacks.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Data<'a> {
    Plain {
        message: Message<'a>,
    },
    Media {
        #[serde(rename = "messageMedia")]
        media: MessageMedia<'a>,
        message: Message<'a>,
    },
    Edit {
        message: Message<'a>,
        #[serde(rename = "newBody")]
        new_body: &'a str,
    },
    Reaction {
        reaction: Reaction<'a>,
    },
    Ack {
        message: AckedMessage,
        ack: i8,
    },
}

/// `MessageMedia`.
#[derive(Serialize)]
pub(super) struct MessageMedia<'a> {
    mimetype: &'a str,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    filesize: u64,
}

/// `Reaction`: the fields that are known here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reaction<'a> {
    id: MessageKey,
    orphan: u8,
    /// Unix seconds.
    timestamp: u64,
    reaction: &'a str,
    msg_id: Target<'a>,
    sender_id: String,
    ack: i8,
}

/// A message whose direction is not known.
#[derive(Serialize)]
struct Target<'a> {
    remote: String,
    id: &'a str,
}

/// `Message`, as far as a receipt tells of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AckedMessage {
    id: MessageKey,
    ack: i8,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
    from_me: bool,
}

pub(super) fn callbacks<'a>(event: &'a Event, cx: &EventCx<'a>) -> Vec<Callback<'a>> {
    let own = cx.identity.map(|identity| &identity.phone);
    match event {
        Event::Received(message) => {
            change(message, own).map_or_else(|| received(message, own, cx), |changed| vec![changed])
        }
        Event::Sent(message) => {
            let changed = change(message, own);
            vec![changed.unwrap_or_else(|| plain("message_create", message, own))]
        }
        Event::StatusChanged(change) => vec![acked(change, own)],
        Event::Changed(_) | Event::Deleted(_) => Vec::new(),
    }
}

/// A new message of somebody else: created, received, and its file where that could be loaded.
fn received<'a>(
    message: &'a messages::Message,
    own: Option<&UserId>,
    cx: &EventCx<'a>,
) -> Vec<Callback<'a>> {
    let mut all = vec![
        plain("message_create", message, own),
        plain("message", message, own),
    ];
    if let Some((file, bytes)) = cx.media {
        let media = MessageMedia {
            mimetype: &file.mime_type,
            data: STANDARD.encode(bytes),
            filename: file.file_name.as_deref(),
            filesize: file.size,
        };
        let message = Message::of(message, own);
        all.push(callback("media", Data::Media { media, message }));
    }
    all
}

/// What changes an earlier message.
fn change<'a>(message: &'a messages::Message, own: Option<&UserId>) -> Option<Callback<'a>> {
    let changed = |target: &MessageId| Message::changed(message, target, own);
    Some(match &message.body {
        Body::Edited { target, body } => callback(
            "message_edit",
            Data::Edit {
                message: changed(target),
                new_body: body,
            },
        ),
        Body::Revoked { target } => callback(
            "message_revoke_everyone",
            Data::Plain {
                message: changed(target),
            },
        ),
        Body::Reaction { to, emoji } => callback(
            "message_reaction",
            Data::Reaction {
                reaction: reaction(message, to, emoji),
            },
        ),
        _ => return None,
    })
}

fn reaction<'a>(message: &messages::Message, to: &'a MessageId, emoji: &'a str) -> Reaction<'a> {
    let remote = ids::chat(&message.chat, message.chat_alt.as_ref());
    let sender = ids::user(&message.sender, message.sender_alt.as_ref());
    let participant = message.chat.as_user().is_none().then(|| sender.clone());
    Reaction {
        id: MessageKey::new(&message.id, message.from_me, remote.clone(), participant),
        orphan: 0,
        timestamp: message.at.as_secs(),
        reaction: emoji,
        msg_id: Target {
            remote,
            id: to.as_str(),
        },
        sender_id: sender,
        ack: shown::ack(message.status),
    }
}

fn acked<'a>(change: &StatusChange, own: Option<&UserId>) -> Callback<'a> {
    let to = ids::chat(&change.chat, change.chat_alt.as_ref());
    let from = own.map(|own| ids::user(own, None));
    let participant = from.clone().filter(|_| change.chat.as_user().is_none());
    let ack = shown::ack(change.status);
    let message = AckedMessage {
        id: MessageKey::new(&change.id, true, to.clone(), participant),
        ack,
        from,
        to,
        from_me: true,
    };
    callback("message_ack", Data::Ack { message, ack })
}

fn plain<'a>(
    data_type: &'static str,
    message: &'a messages::Message,
    own: Option<&UserId>,
) -> Callback<'a> {
    let message = Message::of(message, own);
    callback(data_type, Data::Plain { message })
}

fn callback<'a>(data_type: &'static str, data: Data<'a>) -> Callback<'a> {
    Callback {
        data_type,
        data: Some(super::Data::Message(Box::new(data))),
    }
}
