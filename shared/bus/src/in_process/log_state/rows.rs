//! The rows of streams on the disk.
//!
//! ```text
//! s 0 <stream>                     u64: the highest sequence ever used, written when messages go
//! m 0 <stream> 0 <u64 seq>         u64 at_ms | u16 length, subject | u16 length, id | payload
//! c 0 <stream> 0 <consumer>        u64 floor | filter
//! a 0 <stream> 0 <consumer> 0 <u64 seq>   u32 deliveries, or ffffffff: done
//! ```
//! Integers are big endian. No name has a zero byte.

use bytes::{BufMut, Bytes, BytesMut};

use super::Message;
use crate::in_process::storage::Op;
use crate::{ConsumerName, StreamName, Subject, SubjectFilter};

/// A row read back.
pub(super) enum Row {
    Last(u64),
    Message(Message),
    Reader(ConsumerName, StoredReader),
    Mark(ConsumerName, u64, Mark),
}

/// What is stored of a consumer.
pub(super) struct StoredReader {
    /// Everything up to here is done.
    pub(super) floor: u64,
    pub(super) filter: SubjectFilter,
}

/// What is stored of a message above a consumer's floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Done,
    Delivered(u32),
}

const DONE: u32 = u32::MAX;

pub(super) fn put_last(stream: &StreamName, last: u64) -> Op {
    Op::Put {
        key: key(b"s", &[stream.as_str()]),
        value: Bytes::copy_from_slice(&last.to_be_bytes()),
    }
}

pub(super) fn put_message(stream: &StreamName, message: &Message) -> Op {
    let (subject, id) = (message.subject.as_str(), message.id.as_str());
    let mut value = BytesMut::with_capacity(12 + subject.len() + id.len() + message.payload.len());
    value.put_u64(message.at_ms);
    for text in [subject, id] {
        // Both are far shorter: the limits of tokens and ids see to it.
        value.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
        value.put_slice(text.as_bytes());
    }
    value.put_slice(&message.payload);
    Op::Put {
        key: message_key(stream, message.seq),
        value: value.freeze(),
    }
}

pub(super) fn delete_message(stream: &StreamName, seq: u64) -> Op {
    Op::Delete {
        key: message_key(stream, seq),
    }
}

pub(super) fn put_reader(
    stream: &StreamName,
    consumer: &ConsumerName,
    floor: u64,
    filter: &SubjectFilter,
) -> Op {
    let value = [floor.to_be_bytes().as_slice(), filter.as_str().as_bytes()].concat();
    Op::Put {
        key: key(b"c", &[stream.as_str(), consumer.as_str()]),
        value: value.into(),
    }
}

pub(super) fn delete_reader(stream: &StreamName, consumer: &ConsumerName) -> Op {
    Op::Delete {
        key: key(b"c", &[stream.as_str(), consumer.as_str()]),
    }
}

pub(super) fn put_mark(stream: &StreamName, consumer: &ConsumerName, seq: u64, mark: Mark) -> Op {
    let count = match mark {
        Mark::Done => DONE,
        Mark::Delivered(count) => count.min(DONE - 1),
    };
    let value = Bytes::copy_from_slice(&count.to_be_bytes());
    Op::Put {
        key: mark_key(stream, consumer, seq),
        value,
    }
}

pub(super) fn delete_mark(stream: &StreamName, consumer: &ConsumerName, seq: u64) -> Op {
    Op::Delete {
        key: mark_key(stream, consumer, seq),
    }
}

/// Reads a row; `None` if it is none of these.
pub(super) fn read(key: &[u8], value: &Bytes) -> Option<(StreamName, Row)> {
    let (kind, rest) = key.split_first_chunk::<2>()?;
    match kind {
        b"s\0" => Some((
            stream(rest)?,
            Row::Last(u64::from_be_bytes(value.as_ref().try_into().ok()?)),
        )),
        b"m\0" => {
            let (name, seq) = split_seq(rest)?;
            Some((stream(name)?, Row::Message(read_message(seq, value)?)))
        }
        b"c\0" => {
            let (name, consumer) = split_name(rest)?;
            let (floor, filter) = value.split_first_chunk::<8>()?;
            let filter = SubjectFilter::from_wire(std::str::from_utf8(filter).ok()?);
            let reader = StoredReader {
                floor: u64::from_be_bytes(*floor),
                filter,
            };
            Some((stream(name)?, Row::Reader(consumer, reader)))
        }
        b"a\0" => {
            let (names, seq) = split_seq(rest)?;
            let (name, consumer) = split_name(names)?;
            let mark = match u32::from_be_bytes(value.as_ref().try_into().ok()?) {
                DONE => Mark::Done,
                count => Mark::Delivered(count),
            };
            Some((stream(name)?, Row::Mark(consumer, seq, mark)))
        }
        _ => None,
    }
}

fn key(kind: &[u8], names: &[&str]) -> Vec<u8> {
    let mut key = kind.to_vec();
    for name in names {
        key.push(0);
        key.extend_from_slice(name.as_bytes());
    }
    key
}

fn message_key(stream: &StreamName, seq: u64) -> Vec<u8> {
    with_seq(key(b"m", &[stream.as_str()]), seq)
}

fn mark_key(stream: &StreamName, consumer: &ConsumerName, seq: u64) -> Vec<u8> {
    with_seq(key(b"a", &[stream.as_str(), consumer.as_str()]), seq)
}

fn with_seq(mut key: Vec<u8>, seq: u64) -> Vec<u8> {
    key.push(0);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

fn split_seq(rest: &[u8]) -> Option<(&[u8], u64)> {
    let (names, seq) = rest.split_last_chunk::<8>()?;
    Some((names.strip_suffix(b"\0")?, u64::from_be_bytes(*seq)))
}

fn split_name(names: &[u8]) -> Option<(&[u8], ConsumerName)> {
    let at = names.iter().position(|byte| *byte == 0)?;
    let (stream, consumer) = names.split_at(at);
    let consumer = std::str::from_utf8(consumer.strip_prefix(b"\0")?).ok()?;
    Some((stream, ConsumerName::new(consumer).ok()?))
}

fn stream(name: &[u8]) -> Option<StreamName> {
    StreamName::from_storage(std::str::from_utf8(name).ok()?).ok()
}

fn read_message(seq: u64, value: &Bytes) -> Option<Message> {
    let (at_ms, rest) = value.split_first_chunk::<8>()?;
    let (subject, rest) = read_text(rest)?;
    let (id, payload) = read_text(rest)?;
    Some(Message {
        seq,
        at_ms: u64::from_be_bytes(*at_ms),
        subject: Subject::from_wire(subject).ok()?,
        id: id.to_owned(),
        payload: value.slice_ref(payload),
    })
}

fn read_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
