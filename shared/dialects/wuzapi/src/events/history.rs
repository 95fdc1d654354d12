//! Parts of the phone's history: the conversations and messages in it, or what people call themselves. A large part comes in
//! several calls, each with some of it.
//!
//! Source of the fields: the types of `HistorySync` in that system's client library, as Go writes them.

use serde::Serialize;
use serde_json::value::RawValue;
use switchboard_dialect_kit::HistoryPage;
use switchboard_vocab::chats::{Chat, Mute};
use switchboard_vocab::contacts::Contact;
use switchboard_vocab::events::sessions::HistoryPart;
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::{ChatId, Timestamp, UserId};

use super::Data;
use super::messages::{known, known_user};

/// The end of a muting that has none, in an unsigned field. Source: WhatsApp writes -1.
const FOREVER: u64 = u64::MAX;

/// `events.HistorySync` of that system's client library.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HistorySync<'a> {
    data: Part<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_type: Option<u8>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conversations: Vec<Conversation<'a>>,
    #[serde(rename = "statusV3Messages", skip_serializing_if = "Vec::is_empty")]
    stories: Vec<WebMessage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pushnames: Vec<PushName<'a>>,
}

/// `Conversation`: what of it is known here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conversation<'a> {
    id: String,
    messages: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    unread_count: u32,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ephemeral_expiration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_spam: Option<bool>,
    archived: bool,
    marked_as_unread: bool,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<u64>,
    /// Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    mute_end_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid_jid: Option<String>,
}

/// `HistorySyncMsg`.
#[derive(Serialize)]
struct Entry<'a> {
    message: WebMessage<'a>,
}

/// `WebMessageInfo`: what of it is known here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebMessage<'a> {
    key: Key<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a RawValue>,
    /// Unix seconds.
    message_timestamp: u64,
    status: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    starred: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_name: Option<&'a str>,
}

/// `MessageKey`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key<'a> {
    remote_jid: String,
    from_me: bool,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<String>,
}

/// `Pushname`.
#[derive(Serialize)]
struct PushName<'a> {
    id: String,
    pushname: &'a str,
}

/// The data of a page of a part of the history.
pub(super) fn data(part: &HistoryPart, page: Option<&HistoryPage>) -> Option<String> {
    let messages = page.map_or(&[][..], |page| &page.messages);
    let chats = page.map_or(&[][..], |page| &page.chats);
    let people = page.map_or(&[][..], |page| &page.people);
    let is_story = |message: &&Message| matches!(message.chat, ChatId::Broadcast(_));
    let data = Part {
        sync_type: sync_type(&part.part),
        conversations: chats
            .iter()
            .map(|chat| conversation(chat, messages))
            .collect(),
        stories: messages.iter().filter(is_story).map(shown).collect(),
        progress: part.progress,
        pushnames: people.iter().filter_map(push_name).collect(),
    };
    Data::text("HistorySync", None, HistorySync { data })
}

fn conversation<'a>(chat: &'a Chat, messages: &'a [Message]) -> Conversation<'a> {
    let said = messages.iter().filter(|message| message.chat == chat.id);
    let entries = said.map(|message| Entry {
        message: shown(message),
    });
    Conversation {
        id: known(&chat.id, chat.alt.as_ref()),
        messages: entries.collect(),
        name: chat.name.as_deref(),
        unread_count: chat.unread,
        read_only: chat.read_only,
        ephemeral_expiration: chat.ephemeral.map(|time| time.as_secs()),
        conversation_timestamp: chat.last_at.map(Timestamp::as_secs),
        not_spam: chat.not_spam,
        archived: chat.archived,
        marked_as_unread: chat.marked_unread,
        pinned: chat.pinned_at.map(Timestamp::as_secs),
        mute_end_time: chat.muted.map(|mute| match mute {
            Mute::Forever => FOREVER,
            Mute::Until(at) => at.as_millis(),
        }),
        lid_jid: lid_of(chat),
    }
}

fn lid_of(chat: &Chat) -> Option<String> {
    let addresses = [chat.id.as_user(), chat.alt.as_ref()];
    let mut people = addresses.into_iter().flatten();
    let lid = people.find(|user| matches!(user, UserId::Lid(_)));
    lid.map(ToString::to_string)
}

fn shown(message: &Message) -> WebMessage<'_> {
    let in_group = message.chat.as_user().is_none() && !message.from_me;
    let writer = || known_user(&message.sender, message.sender_alt.as_ref());
    let participant = in_group.then(writer);
    WebMessage {
        key: Key {
            remote_jid: known(&message.chat, message.chat_alt.as_ref()),
            from_me: message.from_me,
            id: message.id.as_str(),
            participant: participant.clone(),
        },
        message: message
            .proto_json
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok()),
        message_timestamp: message.at.as_secs(),
        status: status(message.status),
        participant,
        starred: message.marks.starred,
        push_name: message.push_name.as_deref(),
    }
}

/// Source: `WebMessageInfo.Status` of WhatsApp's protobuf.
const fn status(status: DeliveryStatus) -> u8 {
    match status {
        DeliveryStatus::Failed => 0,
        DeliveryStatus::Pending => 1,
        DeliveryStatus::Server => 2,
        DeliveryStatus::Delivered => 3,
        DeliveryStatus::Read => 4,
        DeliveryStatus::Played => 5,
    }
}

fn push_name(person: &Contact) -> Option<PushName<'_>> {
    Some(PushName {
        id: known_user(&person.id, person.alt.as_ref()),
        pushname: person.push_name.as_deref()?,
    })
}

/// Source: `HistorySync.HistorySyncType` of WhatsApp's protobuf, which Go writes as a number.
fn sync_type(name: &str) -> Option<u8> {
    Some(match name {
        "INITIAL_BOOTSTRAP" => 0,
        "INITIAL_STATUS_V3" => 1,
        "FULL" => 2,
        "RECENT" => 3,
        "PUSH_NAME" => 4,
        "NON_BLOCKING_DATA" => 5,
        "ON_DEMAND" => 6,
        _ => return None,
    })
}
