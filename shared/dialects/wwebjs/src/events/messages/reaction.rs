//! Reactions, with the whole id of the message reacted to where the reaction's own protobuf tells whose it is.

use serde::{Deserialize, Serialize};
use switchboard_vocab::messages::Message;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, MessageId};

use crate::events::Callback;
use crate::ids::{self, MessageKey};
use crate::messages::shown;

#[derive(Serialize)]
struct Data<'a> {
    reaction: Reaction<'a>,
}

/// `Reaction`: the fields that are known here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reaction<'a> {
    id: MessageKey,
    orphan: u8,
    /// Unix seconds.
    timestamp: u64,
    reaction: &'a str,
    /// Whether the account has seen it: its own reactions.
    read: bool,
    msg_id: Target<'a>,
    sender_id: String,
    ack: i8,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Target<'a> {
    Whole(MessageKey),
    /// A message whose direction is not known.
    Part {
        remote: String,
        id: &'a str,
    },
}

/// What of the protobuf says whose message is reacted to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proto {
    reaction_message: ProtoReaction,
}

#[derive(Deserialize)]
struct ProtoReaction {
    key: Key,
}

/// `MessageKey` of the protobuf; `fromMe` is said by whoever reacted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    #[serde(default)]
    from_me: bool,
    participant: Option<String>,
}

/// The callback of a message that carries a reaction.
pub(super) fn callback(
    message: &Message,
    to: &MessageId,
    emoji: &str,
    identity: Option<&Identity>,
) -> Callback {
    let remote = ids::chat(&message.chat, message.chat_alt.as_ref());
    let reaction = Reaction {
        id: shown::key(message),
        orphan: 0,
        timestamp: message.at.as_secs(),
        reaction: emoji,
        read: message.from_me,
        msg_id: whole(message, to, identity).map_or_else(
            || Target::Part {
                remote,
                id: to.as_str(),
            },
            Target::Whole,
        ),
        sender_id: ids::user(&message.sender, message.sender_alt.as_ref()),
        ack: shown::ack(message.status),
    };
    Callback::new("message_reaction", &Data { reaction })
}

/// The id of the message reacted to; `None` where nobody told whose it is.
fn whole(message: &Message, to: &MessageId, identity: Option<&Identity>) -> Option<MessageKey> {
    let proto: Proto = serde_json::from_str(message.proto_json.as_deref()?).ok()?;
    let key = proto.reaction_message.key;
    let remote = ids::chat(&message.chat, message.chat_alt.as_ref());
    if message.chat.as_user().is_some() {
        let mine = key.from_me == message.from_me;
        return Some(MessageKey::new(to, mine, remote, None));
    }
    let (mine, author) = if key.from_me {
        let author = ids::user(&message.sender, message.sender_alt.as_ref());
        (message.from_me, author)
    } else {
        let ChatId::User(author) = key.participant?.parse().ok()? else {
            return None;
        };
        let me = identity?;
        let mine = author == me.phone || me.lid.as_ref() == Some(&author);
        let shown = if mine { &me.phone } else { &author };
        (mine, ids::user(shown, None))
    };
    Some(MessageKey::new(to, mine, remote, Some(author)))
}
