//! Many stored messages for one question: batched direct get. Source: NATS ADR-31; nats-server from 2.11 on.
//!
//! Owns the exchange and what of its answer is believed: a run of messages without a gap. Must not be asked where the latest
//! message matters: any copy of the stream answers, also one that is a little behind.

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;
use futures::StreamExt;
use serde::Serialize;

use super::connection::{Connection, Failure, json};
use super::log::MESSAGE_ID;
use crate::limits::READ_BYTES_MAX;
use crate::{LogRecord, StreamName, Subject};

/// The message's place in its stream. Source: NATS ADR-31, as the next two.
const SEQUENCE: &str = "Nats-Sequence";
/// How many messages follow; only a server that knows batches says so.
const PENDING: &str = "Nats-Num-Pending";
/// The status that ends a batch. Source: as above.
const END: u16 = 204;

/// The question.
#[derive(Debug, Serialize)]
struct Ask<'a> {
    seq: u64,
    next_by_subj: &'a str,
    batch: usize,
    max_bytes: usize,
}

/// What came.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Messages in order, without a gap.
    pub(super) records: Vec<LogRecord>,
    /// The server knows batches.
    pub(super) is_known: bool,
}

/// What one message of the answer says.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Record {
        record: LogRecord,
        pending: Option<u64>,
    },
    /// Nothing follows.
    End,
}

/// Asks for up to `max` messages of a subject with a sequence above `after`. What comes may be less, or nothing.
///
/// # Errors
/// `Timeout` also where the right to ask is missing: the server does not say so to whom it asked.
pub(super) async fn read(
    connection: &Connection,
    stream: &StreamName,
    subject: &Subject,
    after: u64,
    max: usize,
) -> Result<Batch, Failure> {
    if !connection.is_up() {
        return Err(Failure::Disconnected);
    }
    let ask = json(&Ask {
        seq: after.saturating_add(1),
        next_by_subj: subject.as_str(),
        batch: max,
        max_bytes: READ_BYTES_MAX,
    })?;
    let deadline = connection.limits.operation_deadline;
    match tokio::time::timeout(deadline, exchange(connection, stream, ask, max)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::Timeout(deadline)),
    }
}

async fn exchange(
    connection: &Connection,
    stream: &StreamName,
    ask: Bytes,
    max: usize,
) -> Result<Batch, Failure> {
    let client = &connection.client;
    let inbox = client.new_inbox();
    let subscribed = client.subscribe(inbox.clone()).await;
    let mut answers = subscribed.map_err(|error| Failure::Other(error.into()))?;
    let subject = format!("$JS.API.DIRECT.GET.{stream}");
    let asked = client.publish_with_reply(subject, inbox, ask).await;
    asked.map_err(|error| Failure::Other(error.into()))?;
    let (mut batch, mut expected) = (Batch::default(), None);
    while batch.records.len() < max {
        let message = answers.next().await.ok_or(Failure::Disconnected)?;
        let Part::Record { record, pending } = part(message)? else {
            batch.is_known = true;
            break;
        };
        let Some(pending) = pending else {
            // A server that knows no batches answers the question it knows: one message, and no end.
            batch.records.push(record);
            break;
        };
        batch.is_known = true;
        let follows = expected.is_none_or(|expected| expected == pending)
            && batch
                .records
                .last()
                .is_none_or(|last| last.seq < record.seq);
        if !follows {
            // Something between was lost on the way, or removed; what came before it is good.
            break;
        }
        expected = pending.checked_sub(1);
        batch.records.push(record);
        if pending == 0 {
            break;
        }
    }
    Ok(batch)
}

fn part(message: Message) -> Result<Part, Failure> {
    match message.status {
        None | Some(StatusCode::OK) => {}
        Some(StatusCode::NOT_FOUND) => return Ok(Part::End),
        Some(status) if status.as_u16() == END => return Ok(Part::End),
        Some(StatusCode::NO_RESPONDERS) => return Err(Failure::Nobody),
        Some(status) => {
            let text = message.description.unwrap_or_default();
            let text = format!("a batched get was answered {status}: {text}");
            return Err(Failure::Other(text.into()));
        }
    }
    let headers = message.headers.unwrap_or_default();
    let seq = number(&headers, SEQUENCE);
    let seq = seq.ok_or_else(|| Failure::Other("a stored message without its sequence".into()))?;
    let id = headers.get(MESSAGE_ID).map(|id| id.as_str().to_owned());
    Ok(Part::Record {
        record: LogRecord {
            seq,
            id,
            payload: message.payload,
        },
        pending: number(&headers, PENDING),
    })
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.as_str().trim().parse().ok()
}
