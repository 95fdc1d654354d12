//! Messages of WhatsApp in our words.
//!
//! Owns what counts as a message at all: the account's own protocol traffic (keys, history, settings) is none.

use std::collections::HashMap;

use switchboard_vocab::content::{Body, Marks};
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};
use wacore::types::message::{MessageCategory, MessageInfo};
use waproto::whatsapp as wa;
use whatsapp_rust::Client;

use crate::addresses::{self, Person};
use crate::api::Incoming;
use crate::backend::Backend;
pub(crate) use crate::backend::Ballot;
use crate::{clock, proto_json};

mod body;
mod cards;
mod context;
mod interactive;
mod media;
mod polls;
mod sealed;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_kinds;
mod wrappers;

use body::Said;
pub(crate) use polls::reply as event_reply;
use sealed::Sealed;
pub(crate) use sealed::{named, own};

/// Where a message stands and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct People {
    pub(crate) chat: ChatId,
    pub(crate) chat_alt: Option<UserId>,
    pub(crate) sender: Person,
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

/// A message before what is sealed in it is opened.
#[derive(Debug)]
struct Converted {
    incoming: Incoming,
    sealed: Option<Sealed>,
    ballot: Option<Ballot>,
}

/// A message of WhatsApp as the log keeps it, with what is sealed in it opened; nothing when it is the account's own
/// protocol traffic or says nothing.
pub(crate) async fn take(
    client: &Client,
    backend: &Backend,
    message: &wa::Message,
    info: &MessageInfo,
) -> Option<Incoming> {
    let Some(people) = people(client, info).await else {
        tracing::debug!(id = %info.id, "a message from an address without a word of ours is left out");
        return None;
    };
    let mut converted = convert(message, info, people.clone())?;
    settle(client, backend, &mut converted, &people).await;
    Some(converted.incoming)
}

/// Whom a message of somebody else was sent to.
fn addressee(client: &Client, from_me: bool) -> Option<UserId> {
    let me = if from_me { None } else { own(client) };
    me.map(|me| me.main)
}

/// Keeps what answers to the message need, and opens it when it is one.
async fn settle(client: &Client, backend: &Backend, converted: &mut Converted, people: &People) {
    let message = &mut converted.incoming.message;
    by_number(client, message).await;
    message.context.to = addressee(client, message.from_me);
    if let Some(ballot) = converted.ballot.take() {
        keep_ballot(backend, &message.id, &people.sender, ballot, message.at).await;
    }
    if let Some(sealed) = &converted.sealed {
        let from_me = message.from_me;
        sealed::open(client, backend, sealed, people, from_me, &mut message.body).await;
    }
}

/// Names whom it quotes and mentions by their numbers, as far as they are known: phones write LIDs.
async fn by_number(client: &Client, message: &mut Message) {
    let in_text: &mut [UserId] = if let Body::Text(text) = &mut message.body {
        &mut text.mentions
    } else {
        &mut []
    };
    let author = message
        .quoted
        .as_mut()
        .and_then(|quote| quote.author.as_mut());
    let mentions = message.context.mentions.iter_mut();
    let named = in_text.iter_mut().chain(mentions).chain(author);
    // A text's mentions stand in two places.
    let mut numbers: HashMap<UserId, UserId> = HashMap::new();
    for user in named.filter(|user| matches!(user, UserId::Lid(_))) {
        if let Some(number) = numbers.get(user) {
            *user = number.clone();
        } else if let Some(number) = number_of(client, user).await {
            let lid = std::mem::replace(user, number.clone());
            numbers.insert(lid, number);
        }
    }
}

async fn number_of(client: &Client, lid: &UserId) -> Option<UserId> {
    let is_own = |own: &Person| own.main == *lid || own.alt.as_ref() == Some(lid);
    let person = match own(client).filter(is_own) {
        Some(own) => own,
        None => addresses::person(client, &addresses::jid_of_user(lid), None).await?,
    };
    Some(person.main)
}

/// Keeps what answers to a poll or event need. Without it they stay sealed; the message itself does not hang on it.
pub(crate) async fn keep_ballot(
    backend: &Backend,
    id: &MessageId,
    author: &Person,
    ballot: Ballot,
    at: Timestamp,
) {
    let times = (at.as_secs(), clock::now().as_secs());
    let author = author.main.to_string();
    if let Err(error) = backend
        .keep_ballot(id.as_str(), &author, ballot, times)
        .await
    {
        tracing::warn!(%id, %error, "the secret of a poll or event was not kept");
    }
}

/// What is needed to download the file of a message.
pub(crate) fn media_keys(message: &wa::Message, id: &MessageId) -> Option<Vec<u8>> {
    body::read(message, id)?.media_keys
}

/// Whether it is a poll or an event.
pub(crate) fn asks_for_answers(message: &wa::Message) -> bool {
    let opened = wrappers::open(message).message;
    opened.event_message.is_set() || polls::poll_in(opened).is_some()
}

/// What answers to a poll or event need; nothing for other messages.
pub(crate) fn ballot(message: &wa::Message) -> Option<Ballot> {
    ballot_of(message, None)
}

/// The same, where the secret may stand beside the message.
fn ballot_of(message: &wa::Message, secret: Option<&[u8]>) -> Option<Ballot> {
    if !asks_for_answers(message) {
        return None;
    }
    let opened = wrappers::open(message);
    Some(Ballot {
        secret: opened.secret.or(secret)?.to_vec(),
        options: polls::options(opened.message),
    })
}

fn convert(message: &wa::Message, info: &MessageInfo, people: People) -> Option<Converted> {
    if matches!(info.category, MessageCategory::Peer) {
        return None;
    }
    let id = MessageId::parse(&info.id).ok()?;
    let said = body::read(message, &id)?;
    let about = About {
        id,
        from_me: info.source.is_from_me,
        push_name: Some(info.push_name.clone()),
        at: Timestamp::from_secs(u64::try_from(info.timestamp.timestamp()).unwrap_or(0)),
    };
    let sealed = said.sealed.clone();
    let media_keys = said.media_keys.clone();
    let mut envelope = envelope(said, about, people);
    envelope.context.device = Some(info.source.sender.device);
    Some(Converted {
        ballot: ballot(message),
        sealed,
        incoming: Incoming {
            media_keys,
            proto: Some(proto_json::bytes(message)),
            message: envelope,
        },
    })
}

/// What is told of a message beside what it says.
pub(crate) struct About {
    pub(crate) id: MessageId,
    pub(crate) from_me: bool,
    pub(crate) push_name: Option<String>,
    pub(crate) at: Timestamp,
}

/// A message of the history; nothing when it says nothing. Its secret may stand beside it.
pub(crate) async fn take_old(
    client: &Client,
    backend: &Backend,
    message: &wa::Message,
    about: About,
    people: &People,
    secret: Option<&[u8]>,
) -> Option<Incoming> {
    let said = body::read(message, &about.id)?;
    let mut converted = Converted {
        ballot: ballot_of(message, secret),
        sealed: said.sealed.clone(),
        incoming: Incoming {
            media_keys: said.media_keys.clone(),
            proto: Some(proto_json::bytes(message)),
            message: envelope(said, about, people.clone()),
        },
    };
    settle(client, backend, &mut converted, people).await;
    Some(converted.incoming)
}

/// A message of which only this is left to say.
pub(crate) fn bare(about: About, people: People, body: Body) -> Incoming {
    Incoming {
        message: envelope(Said::plain(body), about, people),
        media_keys: None,
        proto: None,
    }
}

fn envelope(said: Said, about: About, people: People) -> Message {
    Message {
        id: about.id,
        number: 0,
        chat: people.chat,
        chat_alt: people.chat_alt,
        sender: people.sender.main,
        sender_alt: people.sender.alt,
        from_me: about.from_me,
        push_name: about.push_name.filter(|name| !name.is_empty()),
        at: about.at,
        body: said.body,
        quoted: said.quoted,
        status: if about.from_me {
            DeliveryStatus::Server
        } else {
            DeliveryStatus::Delivered
        },
        forwarded: said.forwarded,
        context: said.context,
        marks: Marks::default(),
        proto_json: None,
    }
}

/// A message that cannot be read, as the log keeps it.
pub(crate) async fn unreadable(
    client: &Client,
    info: &MessageInfo,
    reason: &str,
) -> Option<Incoming> {
    let people = people(client, info).await?;
    let about = About {
        id: MessageId::parse(&info.id).ok()?,
        from_me: info.source.is_from_me,
        push_name: Some(info.push_name.clone()),
        at: Timestamp::from_secs(u64::try_from(info.timestamp.timestamp()).unwrap_or(0)),
    };
    let body = Body::Unreadable {
        reason: reason.to_owned(),
    };
    let mut bare = bare(about, people, body);
    bare.message.context.to = addressee(client, info.source.is_from_me);
    Some(bare)
}
