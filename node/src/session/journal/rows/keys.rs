//! The keys of the journal's rows.

use switchboard_vocab::chats::Chat;
use switchboard_vocab::contacts::Contact;
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};

use super::Error;

/// A message's place in the order of time: by the second, and within one by arrival. WhatsApp tells others' messages to the
/// second only, so a finer time of our own would put an answer before its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Place {
    pub(in super::super) at: Timestamp,
    pub(in super::super) number: u64,
}

impl Place {
    /// The place at the end of an index key.
    pub(in super::super) fn of_key(key: &[u8]) -> Result<Self, Error> {
        let short = || Error::row("index key");
        let (rest, number) = key.split_last_chunk::<8>().ok_or_else(short)?;
        let (_, at) = rest.split_last_chunk::<8>().ok_or_else(short)?;
        Ok(Self {
            at: Timestamp::from_millis(u64::from_be_bytes(*at)),
            number: u64::from_be_bytes(*number),
        })
    }
}

/// The key of a message by number, or of an event by sequence.
pub(in super::super) fn number_key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// The number at the end of a key.
pub(in super::super) fn number_of(key: &[u8]) -> Result<u64, Error> {
    let (_, number) = key
        .split_last_chunk::<8>()
        .ok_or_else(|| Error::row("numbered key"))?;
    Ok(u64::from_be_bytes(*number))
}

pub(in super::super) fn id_key(id: &MessageId) -> Vec<u8> {
    id.as_str().as_bytes().to_vec()
}

/// What all keys of one conversation begin with. No address holds a zero byte.
pub(in super::super) fn chat_prefix(chat: &ChatId) -> Vec<u8> {
    let mut key = chat.to_string().into_bytes();
    key.push(0);
    key
}

/// The place of a message among all.
pub(in super::super) fn time_key(place: Place) -> Vec<u8> {
    let second = Timestamp::from_secs(place.at.as_secs());
    let mut key = second.as_millis().to_be_bytes().to_vec();
    key.extend_from_slice(&place.number.to_be_bytes());
    key
}

/// The place of a message in its conversation.
pub(in super::super) fn in_chat_key(chat: &ChatId, place: Place) -> Vec<u8> {
    let mut key = chat_prefix(chat);
    key.extend_from_slice(&time_key(place));
    key
}

pub(in super::super) fn progress_key(number: u64, user: &UserId) -> Vec<u8> {
    let mut key = number_key(number);
    key.extend_from_slice(user.to_string().as_bytes());
    key
}

pub(in super::super) fn early_key(chat: &ChatId, id: &MessageId) -> Vec<u8> {
    let mut key = chat_prefix(chat);
    key.extend_from_slice(id.as_str().as_bytes());
    key
}

/// Bytes before the address in the key of a conversation in its order: the flag and the hour.
pub(in super::super) const CHAT_ORDER_HEAD: usize = 9;
/// Milliseconds of an hour.
const HOUR_MS: u64 = 3_600_000;

/// The place of a conversation in its order: whether it is archived, then the hour of its last message, the newest first, then its
/// address. With the exact time every message would move its conversation, two rows more than the message needs; within an
/// hour the listing sorts. The highest number stands for one that never said anything.
pub(in super::super) fn chat_order_key(chat: &Chat) -> Vec<u8> {
    let hour = chat.last_at.map_or(0, Timestamp::as_millis) / HOUR_MS;
    let mut key = vec![u8::from(chat.archived)];
    key.extend_from_slice(&(u64::MAX - hour).to_be_bytes());
    key.extend_from_slice(chat.id.to_string().as_bytes());
    key
}

/// The key of the row of a conversation at this place.
pub(in super::super) fn ordered_chat(key: &[u8]) -> Result<Vec<u8>, Error> {
    let address = key.get(CHAT_ORDER_HEAD..);
    Ok(address
        .ok_or_else(|| Error::row("order of chats"))?
        .to_vec())
}

/// The place of a person in their order: whether they are in the address book, then their address.
pub(in super::super) fn contact_order_key(contact: &Contact) -> Vec<u8> {
    let mut key = vec![u8::from(contact.saved)];
    key.extend_from_slice(contact.id.to_string().as_bytes());
    key
}

/// The key of the row of a person at this place.
pub(in super::super) fn ordered_contact(key: &[u8]) -> Result<Vec<u8>, Error> {
    let address = key.get(1..);
    Ok(address
        .ok_or_else(|| Error::row("order of contacts"))?
        .to_vec())
}
