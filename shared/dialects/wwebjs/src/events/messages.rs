//! Messages, what changes them, and how far own ones came.

mod reaction;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use switchboard_dialect_kit::EventCx;
use switchboard_vocab::UserId;
use switchboard_vocab::content::{Body, Context, Marks};
use switchboard_vocab::events::messages::{Deletion, Event, MessageChange, StatusChange};
use switchboard_vocab::messages::{self, DeliveryStatus};
use switchboard_vocab::sessions::Identity;

use super::{Callback, chats};
use crate::ids::{self, MessageKey};
use crate::messages::shown::{self, Message};

#[derive(Serialize)]
struct Plain<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct WithFile<'a> {
    #[serde(rename = "messageMedia")]
    media: MessageMedia<'a>,
    message: Message<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edit<'a> {
    message: Message<'a>,
    new_body: &'a str,
    prev_body: &'a str,
}

#[derive(Serialize)]
struct Ack<M> {
    message: M,
    ack: i8,
}

/// `MessageMedia`.
#[derive(Serialize)]
struct MessageMedia<'a> {
    mimetype: &'a str,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    filesize: u64,
}

/// `Message`, as far as a receipt tells of it: for messages that the log does not have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AckedMessage {
    id: MessageKey,
    ack: i8,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
    from_me: bool,
}

pub(super) fn callbacks(event: &Event, cx: &EventCx<'_>) -> Vec<Callback> {
    let own = cx.identity.map(|identity| &identity.phone);
    match event {
        Event::Received(message) => came(message, cx, received),
        Event::Sent(message) => came(message, cx, sent),
        Event::StatusChanged(change) => vec![acked(change, cx)],
        Event::Changed(change) => edited(change, own).into_iter().collect(),
        Event::Deleted(deletion) => vec![deleted(deletion, cx.identity)],
    }
}

/// A message of its own, or a reaction. Other changes of earlier messages are told as such, see [`edited`] and [`deleted`];
/// of votes, answers and pins that system says nothing.
fn came(
    message: &messages::Message,
    cx: &EventCx<'_>,
    told: fn(&messages::Message, &EventCx<'_>) -> Vec<Callback>,
) -> Vec<Callback> {
    if let Body::Reaction { to, emoji } = &message.body {
        return vec![reaction::callback(message, to, emoji, cx.identity)];
    }
    if !shown::is_message(&message.body) {
        return Vec::new();
    }
    told(message, cx)
}

/// A new message of somebody else: created, received, and its file where that could be loaded.
fn received(message: &messages::Message, cx: &EventCx<'_>) -> Vec<Callback> {
    let own = cx.identity.map(|identity| &identity.phone);
    if matches!(message.body, Body::Unreadable { .. }) {
        return vec![plain("message_ciphertext", message, own)];
    }
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
        all.push(Callback::new("media", &WithFile { media, message }));
    }
    all.extend(cx.chat.and_then(|chat| chats::unread(chat, cx)));
    all
}

/// An own message: created, and its file uploaded where this session did that.
fn sent(message: &messages::Message, cx: &EventCx<'_>) -> Vec<Callback> {
    let own = cx.identity.map(|identity| &identity.phone);
    let uploaded = message.context.sent_here && matches!(message.body, Body::Media(_));
    let created = plain("message_create", message, own);
    let uploaded = uploaded.then(|| plain("media_uploaded", message, own));
    [Some(created), uploaded].into_iter().flatten().collect()
}

/// New words for an earlier message.
fn edited(change: &MessageChange, own: Option<&UserId>) -> Option<Callback> {
    let (before, after) = (&change.before, &change.after);
    if before.marks.edited_at == after.marks.edited_at {
        return None;
    }
    let data = Edit {
        message: Message::of(after, own),
        new_body: after.body.words().unwrap_or_default(),
        prev_body: before.body.words().unwrap_or_default(),
    };
    Some(Callback::new("message_edit", &data))
}

/// A message that is gone: for everyone as it is now, revoked; for this account as it was.
fn deleted(deletion: &Deletion, identity: Option<&Identity>) -> Callback {
    let own = identity.map(|identity| &identity.phone);
    let by_me = identity.is_some_and(|me| {
        deletion.by == me.phone || me.lid.as_ref().is_some_and(|lid| deletion.by == *lid)
    });
    let mut message = match &deletion.before {
        Some(before) => messages::Message::clone(before),
        None => unknown(deletion, by_me),
    };
    if deletion.for_everyone {
        message.body = gone(deletion);
        message.quoted = None;
        message.marks = Marks::default();
        message.context = Context::default();
        return plain("message_revoke_everyone", &message, own);
    }
    plain("message_revoke_me", &message, own)
}

fn gone(deletion: &Deletion) -> Body {
    Body::Deleted {
        by: deletion.by.clone(),
        at: deletion.at,
    }
}

/// A message of which nothing but its end is known: written by whoever deleted it, as most are.
fn unknown(deletion: &Deletion, by_me: bool) -> messages::Message {
    messages::Message {
        id: deletion.id.clone(),
        number: 0,
        chat: deletion.chat.clone(),
        chat_alt: None,
        sender: deletion.by.clone(),
        sender_alt: None,
        from_me: by_me,
        push_name: None,
        at: deletion.at,
        body: gone(deletion),
        quoted: None,
        status: DeliveryStatus::Server,
        forwarded: false,
        context: Context::default(),
        marks: Marks::default(),
        proto_json: None,
    }
}

fn acked(change: &StatusChange, cx: &EventCx<'_>) -> Callback {
    let own = cx.identity.map(|identity| &identity.phone);
    let ack = shown::ack(change.status);
    if let Some(message) = cx.message {
        let mut message = messages::Message::clone(message);
        message.status = change.status;
        let message = Message::of(&message, own);
        return Callback::new("message_ack", &Ack { message, ack });
    }
    let to = ids::chat(&change.chat, change.chat_alt.as_ref());
    let from = own.map(|own| ids::user(own, None));
    let participant = from.clone().filter(|_| change.chat.as_user().is_none());
    let message = AckedMessage {
        id: MessageKey::new(&change.id, true, to.clone(), participant),
        ack,
        from,
        to,
        from_me: true,
    };
    Callback::new("message_ack", &Ack { message, ack })
}

fn plain(data_type: &'static str, message: &messages::Message, own: Option<&UserId>) -> Callback {
    let message = Message::of(message, own);
    Callback::new(data_type, &Plain { message })
}
