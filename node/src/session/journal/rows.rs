//! How the journal's rows look: the first byte is the schema version, what follows is JSON behind a few fixed bytes.
//!
//! Owns values. Must not know when they are written.

mod facts;
mod keys;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use switchboard_vocab::chats::Chat;
use switchboard_vocab::contacts::CheckedUser;
use switchboard_vocab::events::Envelope;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::messages::Message;
use switchboard_vocab::{OpError, Timestamp};

use super::Error;

pub(super) use facts::{Facts, Wanted};
pub(super) use keys::{
    CHAT_ORDER_HEAD, Place, chat_order_key, chat_prefix, contact_order_key, early_key, id_key,
    in_chat_key, number_key, number_of, ordered_chat, ordered_contact, progress_key, time_key,
};

/// First byte of every value. A change of format is a new number; old ones must be read for ever.
const SCHEMA: u8 = 1;
/// Of events that know how many bytes went before them.
const SCHEMA_COUNTED: u8 = 2;
/// What stands before a message's JSON: schema, flags, time. Readers go by the JSON.
const MESSAGE_HEAD_LEN: usize = 10;
/// The layout of the rows of this release. Source: 0 had no order by time, 1 none of conversations and people, and did not count.
pub(super) const LAYOUT: u8 = 2;

/// Where the journal stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The session this journal belongs to; another uuid is another session of the same name.
    pub(crate) uuid: String,
    /// Number of the oldest message kept; of layout 0 only.
    pub(crate) first_number: u64,
    /// Number of the newest message; zero when there never was one.
    pub(crate) last_number: u64,
    /// Sequence of the oldest event kept.
    pub(crate) first_sequence: u64,
    /// Sequence of the newest event, kept or not.
    pub(crate) last_sequence: u64,
    /// [`LAYOUT`] of whoever wrote last.
    #[serde(default)]
    pub(crate) layout: u8,
    /// Messages in the log.
    #[serde(default)]
    pub(crate) messages: u64,
    /// Bytes of these messages, their protobufs included.
    #[serde(default)]
    pub(crate) bytes: u64,
    /// Conversations, and how many of them are archived.
    #[serde(default)]
    pub(crate) chats: u64,
    #[serde(default)]
    pub(crate) chats_archived: u64,
    /// People, and how many of them are in the address book.
    #[serde(default)]
    pub(crate) contacts: u64,
    #[serde(default)]
    pub(crate) contacts_saved: u64,
    /// Answers about numbers.
    #[serde(default)]
    pub(crate) checked: u64,
    /// Bytes of all events there ever were.
    #[serde(default)]
    pub(crate) event_bytes: u64,
    /// Stars for messages that the log does not have yet.
    #[serde(default)]
    pub(crate) early_stars: u32,
}

impl Head {
    pub(super) fn empty(uuid: &str) -> Self {
        Self {
            uuid: uuid.to_owned(),
            first_number: 1,
            last_number: 0,
            first_sequence: 1,
            last_sequence: 0,
            layout: LAYOUT,
            messages: 0,
            bytes: 0,
            chats: 0,
            chats_archived: 0,
            contacts: 0,
            contacts_saved: 0,
            checked: 0,
            event_bytes: 0,
            early_stars: 0,
        }
    }

    pub(super) const fn events(&self) -> u64 {
        (self.last_sequence + 1).saturating_sub(self.first_sequence)
    }
}

/// A message of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredMessage {
    /// As it is shown.
    pub(crate) message: Message,
    /// For messages sent through this session: what became of the send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fate: Option<Fate>,
    /// When each person last voted or reacted, as far as something of theirs was taken back: older ones count no more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) voted: BTreeMap<String, Timestamp>,
}

/// What became of a send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Fate {
    /// Recorded, perhaps on its way. After a crash nobody knows.
    Attempted,
    /// The frame was written to WhatsApp's socket, or WhatsApp has shown that it has it.
    Dispatched,
    /// It certainly did not leave; the same id may be tried again.
    Refused {
        /// What the caller was told.
        error: OpError,
    },
    /// It may have left.
    Unknown {
        /// What the caller was told.
        error: OpError,
    },
}

/// The file of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MediaRow {
    /// As the message described it.
    pub(crate) meta: StoredMedia,
    /// What is needed to download it, as hex text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keys: Option<String>,
    /// The newest message that carries it.
    pub(crate) number: u64,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChatRow {
    /// As it is shown, without its last message and without the name of a contact.
    pub(crate) chat: Chat,
    /// The last message that was read: its time and number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) read: Option<(Timestamp, u64)>,
}

/// What WhatsApp said of a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckedRow {
    pub(crate) user: CheckedUser,
    pub(crate) at: Timestamp,
}

pub(super) fn encode_message(stored: &StoredMessage) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(512);
    out.push(SCHEMA);
    out.push(u8::from(stored.message.from_me));
    out.extend_from_slice(&stored.message.at.as_millis().to_be_bytes());
    serde_json::to_writer(&mut out, stored).map_err(|e| Error::encode("message", &e))?;
    Ok(out)
}

pub(super) fn decode_message(row: &[u8]) -> Result<StoredMessage, Error> {
    match row.first() {
        Some(&SCHEMA) => {}
        Some(&schema) => return Err(Error::schema("message", schema)),
        None => return Err(Error::row("message")),
    }
    let json = row.get(MESSAGE_HEAD_LEN..).unwrap_or_default();
    serde_json::from_slice(json).map_err(|e| Error::decode("message", &e))
}

/// An event, and how many bytes of events went before it.
pub(super) fn encode_event(envelope: &Envelope, before: u64) -> Result<Vec<u8>, Error> {
    let mut out = vec![SCHEMA_COUNTED];
    out.extend_from_slice(&before.to_be_bytes());
    serde_json::to_writer(&mut out, envelope).map_err(|e| Error::encode("event", &e))?;
    Ok(out)
}

pub(super) fn decode_event(row: &[u8]) -> Result<Envelope, Error> {
    if row.first() != Some(&SCHEMA_COUNTED) {
        return decode("event", row);
    }
    let json = row.get(9..).ok_or_else(|| Error::row("event"))?;
    serde_json::from_slice(json).map_err(|e| Error::decode("event", &e))
}

/// How many bytes of events went before this one; `None` for one of an earlier release.
pub(super) fn bytes_before(row: &[u8]) -> Option<u64> {
    let (schema, rest) = row.split_first()?;
    let (before, _) = rest.split_first_chunk::<8>()?;
    (*schema == SCHEMA_COUNTED).then(|| u64::from_be_bytes(*before))
}

pub(super) fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, Error> {
    let mut out = vec![SCHEMA];
    serde_json::to_writer(&mut out, value).map_err(|e| Error::encode(what, &e))?;
    Ok(out)
}

pub(super) fn decode<T: DeserializeOwned>(what: &'static str, row: &[u8]) -> Result<T, Error> {
    let (schema, json) = row.split_first().ok_or_else(|| Error::row(what))?;
    if *schema != SCHEMA {
        return Err(Error::schema(what, *schema));
    }
    serde_json::from_slice(json).map_err(|e| Error::decode(what, &e))
}

/// Bytes that are kept as they are.
pub(super) fn encode_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1);
    out.push(SCHEMA);
    out.extend_from_slice(bytes);
    out
}

/// The bytes of [`encode_bytes`].
pub(super) fn decode_bytes(what: &'static str, row: &[u8]) -> Result<bytes::Bytes, Error> {
    let (schema, rest) = row.split_first().ok_or_else(|| Error::row(what))?;
    if *schema != SCHEMA {
        return Err(Error::schema(what, *schema));
    }
    Ok(bytes::Bytes::copy_from_slice(rest))
}
