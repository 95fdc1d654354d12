//! How the journal's rows look: the first byte is the schema version, what follows is JSON behind a few fixed bytes.
//!
//! Owns keys and values. Must not know when they are written.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::messages::Message;
use switchboard_vocab::{ChatId, MessageId, OpError, Timestamp};

use super::Error;

/// First byte of every value. A change of format is a new number; old ones must be read for ever.
const SCHEMA: u8 = 1;
const FLAG_FROM_ME: u8 = 1;
/// Schema, flags, time.
const FACTS_LEN: usize = 10;

/// Where the journal stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The session this journal belongs to; another uuid is another session of the same name.
    pub(crate) uuid: String,
    /// Number of the oldest message kept.
    pub(crate) first_number: u64,
    /// Number of the newest message; `first_number - 1` when the log is empty.
    pub(crate) last_number: u64,
    /// Sequence of the oldest event kept.
    pub(crate) first_sequence: u64,
    /// Sequence of the newest event, kept or not.
    pub(crate) last_sequence: u64,
}

impl Head {
    pub(super) fn empty(uuid: &str) -> Self {
        Self {
            uuid: uuid.to_owned(),
            first_number: 1,
            last_number: 0,
            first_sequence: 1,
            last_sequence: 0,
        }
    }

    pub(super) const fn messages(&self) -> u64 {
        (self.last_number + 1).saturating_sub(self.first_number)
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

/// What listings filter by, readable without decoding the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) from_me: bool,
    pub(super) at: Timestamp,
}

impl Facts {
    pub(super) const fn of(message: &Message) -> Self {
        Self {
            from_me: message.from_me,
            at: message.at,
        }
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FACTS_LEN);
        out.push(SCHEMA);
        out.push(if self.from_me { FLAG_FROM_ME } else { 0 });
        out.extend_from_slice(&self.at.as_millis().to_be_bytes());
        out
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, Error> {
        let (head, rest) = row
            .split_first_chunk::<2>()
            .ok_or_else(|| Error::row("facts"))?;
        let (at, _) = rest
            .split_first_chunk::<8>()
            .ok_or_else(|| Error::row("facts"))?;
        let [schema, flags] = *head;
        if schema != SCHEMA {
            return Err(Error::schema("facts", schema));
        }
        Ok(Self {
            from_me: flags & FLAG_FROM_ME != 0,
            at: Timestamp::from_millis(u64::from_be_bytes(*at)),
        })
    }
}

pub(super) fn encode_message(stored: &StoredMessage) -> Result<Vec<u8>, Error> {
    let mut out = Facts::of(&stored.message).encode();
    serde_json::to_writer(&mut out, stored).map_err(|e| Error::encode("message", &e))?;
    Ok(out)
}

pub(super) fn decode_message(row: &[u8]) -> Result<StoredMessage, Error> {
    Facts::decode(row)?;
    let json = row.get(FACTS_LEN..).unwrap_or_default();
    serde_json::from_slice(json).map_err(|e| Error::decode("message", &e))
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

/// The key of a message by number, or of an event by sequence.
pub(super) fn number_key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// The number at the end of a key.
pub(super) fn number_of(key: &[u8]) -> Result<u64, Error> {
    let (_, number) = key
        .split_last_chunk::<8>()
        .ok_or_else(|| Error::row("numbered key"))?;
    Ok(u64::from_be_bytes(*number))
}

pub(super) fn id_key(id: &MessageId) -> Vec<u8> {
    id.as_str().as_bytes().to_vec()
}

/// What all keys of one conversation begin with. No address holds a zero byte.
pub(super) fn chat_prefix(chat: &ChatId) -> Vec<u8> {
    let mut key = chat.to_string().into_bytes();
    key.push(0);
    key
}

pub(super) fn chat_key(chat: &ChatId, number: u64) -> Vec<u8> {
    let mut key = chat_prefix(chat);
    key.extend_from_slice(&number.to_be_bytes());
    key
}
