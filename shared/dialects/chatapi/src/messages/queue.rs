//! The queue of messages that have not left.

use serde::Serialize;
use switchboard_dialect_kit::{Cx, NoBody, Reject, Reply};
use switchboard_vocab::OpError;
use switchboard_vocab::messages::{ClearQueue, ListQueue, Queue, QueuedMessage};

use crate::ids;

/// Most messages shown. Source: the name of the field.
const SHOWN_MAX: usize = 100;
/// Most texts of cleared messages shown.
const EXAMPLES_MAX: usize = 10;

#[expect(clippy::unnecessary_wraps, reason = "the shape of every decoder")]
pub(super) const fn show(_: NoBody, _: &Cx) -> Result<ListQueue, Reject> {
    Ok(ListQueue {})
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    total_messages: usize,
    first100: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    /// The place in the queue, from 1: that system numbers its queue, this one names messages.
    id: usize,
    body: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "chatId")]
    chat_id: String,
    /// Unix milliseconds.
    last_try: u64,
    /// JSON as text: the message's own id.
    metadata: String,
}

impl Entry {
    fn of(number: usize, message: QueuedMessage) -> Self {
        Self {
            id: number,
            // Ids are letters, digits, '_' and '-': nothing to escape.
            metadata: format!("{{\"msgId\":\"{}\"}}", message.id),
            body: message.summary,
            kind: "chat",
            chat_id: ids::chat(&message.to, None),
            last_try: message.at.as_millis(),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every encoder")]
pub(super) fn shown(out: Queue, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&Waiting {
        total_messages: out.messages.len(),
        first100: (1..)
            .zip(out.messages)
            .take(SHOWN_MAX)
            .map(|(number, message)| Entry::of(number, message))
            .collect(),
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every decoder")]
pub(super) const fn clear(_: NoBody, _: &Cx) -> Result<ClearQueue, Reject> {
    Ok(ClearQueue {})
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cleared {
    message: String,
    message_texts_example: Vec<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every encoder")]
pub(super) fn cleared(out: Queue, _: &Cx) -> Result<Reply, OpError> {
    let count = out.messages.len();
    let texts = out.messages.into_iter().map(|message| message.summary);
    Ok(Reply::ok(&Cleared {
        message: format!("Cleared {count} messages"),
        message_texts_example: texts.take(EXAMPLES_MAX).collect(),
    }))
}
