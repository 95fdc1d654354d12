//! Messages of WhatsApp in our words.
//!
//! Owns what counts as a message at all: the account's own protocol traffic (keys, history, settings) is none.

use switchboard_vocab::content::{Context, Marks};
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};
use wacore::types::message::{MessageCategory, MessageInfo};
use waproto::whatsapp as wa;
use whatsapp_rust::Client;

use crate::addresses::{self, Person};
use crate::api::Incoming;
use crate::proto_json;

mod body;
#[cfg(test)]
mod tests;

/// Where a message stands and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct People {
    chat: ChatId,
    chat_alt: Option<UserId>,
    sender: Person,
}

/// Resolves the addresses of a message; nothing where we have no word for the chat or the writer.
pub(crate) async fn people(client: &Client, info: &MessageInfo) -> Option<People> {
    let source = &info.source;
    let sender = addresses::person(client, &source.sender, source.sender_alt.as_ref()).await?;
    let chat = addresses::chat(&source.chat)?;
    let (chat, chat_alt) = match chat {
        ChatId::User(user) if user == sender.main || Some(&user) == sender.alt.as_ref() => {
            (ChatId::User(sender.main.clone()), sender.alt.clone())
        }
        ChatId::User(_) => {
            let hint = source.recipient_alt.as_ref().filter(|_| source.is_from_me);
            let partner = addresses::person(client, &source.chat, hint).await?;
            (ChatId::User(partner.main), partner.alt)
        }
        ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => (chat, None),
    };
    Some(People {
        chat,
        chat_alt,
        sender,
    })
}

/// A message of WhatsApp as the log keeps it; nothing when it is the account's own protocol traffic or says nothing.
pub(crate) fn convert(
    message: &wa::Message,
    info: &MessageInfo,
    people: People,
) -> Option<Incoming> {
    if matches!(info.category, MessageCategory::Peer) {
        return None;
    }
    let id = MessageId::parse(&info.id).ok()?;
    let said = body::read(message, &id)?;
    let from_me = info.source.is_from_me;
    Some(Incoming {
        media_keys: said.media_keys,
        proto: Some(proto_json::bytes(message)),
        message: Message {
            id,
            number: 0,
            chat: people.chat,
            chat_alt: people.chat_alt,
            sender: people.sender.main,
            sender_alt: people.sender.alt,
            from_me,
            push_name: Some(info.push_name.clone()).filter(|name| !name.is_empty()),
            at: Timestamp::from_secs(u64::try_from(info.timestamp.timestamp()).unwrap_or(0)),
            body: said.body,
            quoted: said.quoted,
            status: if from_me {
                DeliveryStatus::Server
            } else {
                DeliveryStatus::Delivered
            },
            forwarded: said.forwarded,
            context: Context::default(),
            marks: Marks::default(),
            proto_json: None,
        },
    })
}
