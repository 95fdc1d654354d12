//! Messages about earlier messages: reactions, edits, deletions, pins, forwards; and how people are named in a chat.

use std::time::Duration;

use buffa::{Message as _, MessageField};
use switchboard_vocab::{ChatId, UserId};
use wa::message::pin_in_chat_message::Type as PinType;
use wa::message::protocol_message::Type as ProtocolType;
use wacore::proto_helpers::{MessageBuilderExt, MessageExt};
use wacore::types::message::AddressingMode;
use waproto::whatsapp as wa;
use whatsapp_rust::Client;

use super::build::{now_ms, refusal};
use super::file;
use crate::api::{Error, Target};
use crate::{addresses, context_fields, incoming};

/// How long a pin can last. Source: WhatsApp's clients offer a day, a week and thirty days.
const PIN_PERIODS: [Duration; 3] = [
    Duration::from_secs(24 * 3_600),
    Duration::from_secs(7 * 24 * 3_600),
    Duration::from_secs(30 * 24 * 3_600),
];
/// From this score on a message is shown as forwarded many times. Source: whatsapp-rust 0.7.0, `prepare_for_forward`.
const FORWARDS_MANY: u32 = 5;
/// The score of such a message. Source: as above.
const FORWARDS_MANY_SCORE: u32 = 127;

/// Whether people of the chat know each other by LID.
async fn by_lid(client: &Client, to: &ChatId) -> bool {
    match to {
        ChatId::Group(_) => {
            let group = addresses::jid_of_chat(to);
            let info = Box::pin(client.groups().query_info(&group)).await;
            info.is_ok_and(|info| info.addressing_mode == AddressingMode::Lid)
        }
        ChatId::Broadcast(_) => true,
        ChatId::User(_) | ChatId::Newsletter(_) => false,
    }
}

/// People as the chat's members know each other: by LID where it is addressed so.
pub(super) async fn names(client: &Client, to: &ChatId, users: &[UserId]) -> Vec<String> {
    let by_lid = !users.is_empty() && by_lid(client, to).await;
    let mut texts = Vec::with_capacity(users.len());
    for user in users {
        let known = match user {
            UserId::Phone(_) if by_lid => {
                addresses::person(client, &addresses::jid_of_user(user), None).await
            }
            UserId::Phone(_) | UserId::Lid(_) => None,
        };
        let lid = known.and_then(|person| person.alt);
        texts.push(lid.as_ref().unwrap_or(user).to_string());
    }
    texts
}

/// The key of an earlier message. Only others' messages in groups and stories name their writer.
pub(super) async fn key(client: &Client, to: &ChatId, target: &Target) -> wa::MessageKey {
    let is_shared = matches!(to, ChatId::Group(_) | ChatId::Broadcast(_));
    let participant = match &target.sender {
        Some(sender) if is_shared && !target.from_me => {
            names(client, to, std::slice::from_ref(sender)).await.pop()
        }
        Some(_) | None => None,
    };
    wa::MessageKey {
        remote_jid: Some(to.to_string()),
        from_me: Some(target.from_me),
        id: Some(target.id.to_string()),
        participant,
    }
}

fn needs_author(to: &ChatId, target: &Target, what: &str) -> Result<(), Error> {
    let is_shared = matches!(to, ChatId::Group(_) | ChatId::Broadcast(_));
    if is_shared && !target.from_me && target.sender.is_none() {
        return Err(refusal(format!(
            "{what}: nobody knows who wrote the message"
        )));
    }
    Ok(())
}

/// The new form of an edited message: words, or the file with its new caption.
pub(super) fn edited(body: &str, proto: Option<&[u8]>) -> Result<wa::Message, Error> {
    let Some(proto) = proto else {
        return Ok(wa::Message::text(body));
    };
    let mut message = decode(proto)?.into_base_message();
    message.message_context_info = MessageField::none();
    if reworded(&mut message, body) {
        Ok(file::captioned_document(message))
    } else if message.conversation.is_some() || message.extended_text_message.is_set() {
        Ok(wa::Message::text(body))
    } else {
        Err(refusal("edit: the message has no words to change"))
    }
}

/// Gives a file another caption; whether it is one that has words.
fn reworded(message: &mut wa::Message, words: &str) -> bool {
    let caption = if let Some(image) = message.image_message.as_option_mut() {
        &mut image.caption
    } else if let Some(video) = message.video_message.as_option_mut() {
        &mut video.caption
    } else if let Some(document) = message.document_message.as_option_mut() {
        &mut document.caption
    } else {
        return false;
    };
    *caption = Some(words.to_owned());
    true
}

fn decode(proto: &[u8]) -> Result<wa::Message, Error> {
    wa::Message::decode_from_slice(proto)
        .map_err(|error| refusal(format!("read the message of the log: {error}")))
}

pub(super) async fn edit(
    client: &Client,
    to: &ChatId,
    target: &Target,
    new: wa::Message,
) -> Result<wa::Message, Error> {
    if !target.from_me {
        return Err(refusal("edit: the message is somebody else's"));
    }
    // Source: whatsapp-rust 0.7.0, `edit_message`: in groups the key names the account itself.
    let own = match (to, incoming::own(client)) {
        (ChatId::Group(_), Some(own)) => names(client, to, &[own.main]).await.pop(),
        _ => None,
    };
    let protocol = wa::message::ProtocolMessage {
        key: MessageField::some(wa::MessageKey {
            participant: own,
            ..key(client, to, target).await
        }),
        r#type: Some(ProtocolType::MESSAGE_EDIT),
        edited_message: MessageField::some(new),
        timestamp_ms: Some(now_ms()),
        ..Default::default()
    };
    let inner = wa::Message {
        protocol_message: MessageField::some(protocol),
        ..Default::default()
    };
    Ok(wa::Message {
        edited_message: MessageField::some(wa::message::FutureProofMessage {
            message: MessageField::some(inner),
        }),
        ..Default::default()
    })
}

pub(super) async fn revoke(
    client: &Client,
    to: &ChatId,
    target: &Target,
) -> Result<wa::Message, Error> {
    if !target.from_me && !matches!(to, ChatId::Group(_)) {
        return Err(refusal(
            "delete: only admins of a group delete what others wrote",
        ));
    }
    needs_author(to, target, "delete")?;
    let protocol = wa::message::ProtocolMessage {
        key: MessageField::some(key(client, to, target).await),
        r#type: Some(ProtocolType::REVOKE),
        ..Default::default()
    };
    Ok(wa::Message {
        protocol_message: MessageField::some(protocol),
        ..Default::default()
    })
}

pub(super) async fn pin(
    client: &Client,
    to: &ChatId,
    target: &Target,
    period: Option<Duration>,
) -> Result<wa::Message, Error> {
    needs_author(to, target, "pin")?;
    if period.is_some_and(|period| !PIN_PERIODS.contains(&period)) {
        return Err(refusal(
            "pin: whatsapp pins for a day, a week or thirty days only",
        ));
    }
    let kind = if period.is_some() {
        PinType::PIN_FOR_ALL
    } else {
        PinType::UNPIN_FOR_ALL
    };
    let lasts = period.map_or(0, |period| {
        u32::try_from(period.as_secs()).unwrap_or(u32::MAX)
    });
    Ok(wa::Message {
        pin_in_chat_message: MessageField::some(wa::message::PinInChatMessage {
            key: MessageField::some(key(client, to, target).await),
            r#type: Some(kind),
            sender_timestamp_ms: Some(now_ms()),
        }),
        message_context_info: MessageField::some(wa::MessageContextInfo {
            message_add_on_duration_in_secs: Some(lasts),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// A message sent on: without what it answered, whom it mentioned, and its secret. Files stay where they are; `words` are the
/// ones it has by now, where they were changed.
pub(super) fn forward(proto: &[u8], score: u32, words: Option<&str>) -> Result<wa::Message, Error> {
    let mut message = decode(proto)?.into_base_message();
    if let Some(words) = words
        && !reworded(&mut message, words)
    {
        message = wa::Message::text(words);
    }
    let mut message = *message.prepare_for_forward();
    message.message_context_info = MessageField::none();
    message.sender_key_distribution_message = MessageField::none();
    if message.protocol_message.is_set()
        || message.reaction_message.is_set()
        || message.poll_update_message.is_set()
        || message.enc_event_response_message.is_set()
    {
        return Err(refusal("forward: the message is about another one"));
    }
    for once in [
        message.image_message.as_option().map(|file| file.view_once),
        message.video_message.as_option().map(|file| file.view_once),
        message.audio_message.as_option().map(|file| file.view_once),
    ] {
        if once.flatten() == Some(true) {
            return Err(refusal("forward: the file can be opened once only"));
        }
    }
    let score = score.saturating_add(1);
    let Some(info) = context_fields::of_mut(&mut message) else {
        return Err(refusal("forward: messages of this kind are not sent on"));
    };
    // How long it lasts is up to the chat that it goes to.
    (info.expiration, info.ephemeral_setting_timestamp) = (None, None);
    info.is_forwarded = Some(true);
    info.forwarding_score = Some(if score >= FORWARDS_MANY {
        FORWARDS_MANY_SCORE
    } else {
        score
    });
    Ok(message)
}
