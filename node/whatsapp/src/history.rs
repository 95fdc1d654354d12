//! The phone's history: decoded away from the runtime's workers, handed over in pieces.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use wacore::history_sync::HistorySyncStream;
use wacore::types::events::LazyHistorySync;
use waproto::whatsapp as wa;
use whatsapp_rust::Client;

use crate::api::{Fact, History, Incoming, Intake};
use crate::backend::Backend;
use crate::task;

mod conversation;
mod people;
mod web_message;

/// Most messages handed over at once.
const MESSAGES_MAX: usize = 128;
/// Most facts handed over at once.
const FACTS_MAX: usize = 1_024;
/// Most conversations decoded ahead of what is handed over.
const AHEAD_MAX: usize = 2;
/// How often a piece is offered to a node that does not take it.
const TRIES_MAX: u32 = 30;
/// Pause between two offers.
const TRY_PAUSE: Duration = Duration::from_secs(2);

/// One step of the decoding.
enum Decoded {
    Conversation(Box<wa::Conversation>),
    Rest(Box<wa::HistorySync>),
    Broken(String),
}

/// Whose history, and who takes it.
pub(crate) struct Reader<'a> {
    pub(crate) client: &'a Client,
    pub(crate) backend: &'a Backend,
    pub(crate) intake: &'a Arc<dyn Intake>,
}

/// WhatsApp's name of the kind of part. Source: `HistorySync.HistorySyncType` of its protobuf.
fn part_name(kind: i32) -> String {
    let names = [
        "INITIAL_BOOTSTRAP",
        "INITIAL_STATUS_V3",
        "FULL",
        "RECENT",
        "PUSH_NAME",
        "NON_BLOCKING_DATA",
        "ON_DEMAND",
        "NO_HISTORY",
        "MESSAGE_ACCESS_STATUS",
    ];
    let name = usize::try_from(kind).ok().and_then(|at| names.get(at));
    name.map_or_else(|| format!("PART_{kind}"), |name| (*name).to_owned())
}

impl Reader<'_> {
    /// Hands a part over, piece by piece; the last one says so. Ends early when the node does not take a piece for long.
    pub(crate) async fn take(&self, part: &LazyHistorySync) {
        let piece = |facts, messages, last| History {
            part: part_name(part.sync_type()),
            progress: part.progress(),
            facts,
            messages,
            last,
        };
        let mut decoded = decode(part.compressed_bytes().clone(), part.decompressed_size());
        let mut is_told = false;
        while let Some(step) = decoded.recv().await {
            let (facts, messages) = match step {
                Decoded::Conversation(conversation) => {
                    conversation::read(self, *conversation, &mut |facts, messages| {
                        piece(facts, messages, false)
                    })
                    .await;
                    continue;
                }
                Decoded::Rest(rest) => {
                    is_told = true;
                    people::read(self, *rest).await
                }
                Decoded::Broken(error) => {
                    tracing::warn!(%error, "a part of the history is damaged");
                    (Vec::new(), Vec::new())
                }
            };
            self.hand_over_all(facts, messages, &piece).await;
        }
        if !is_told {
            tracing::warn!("a part of the history ended early");
        }
        self.hand_over(piece(Vec::new(), Vec::new(), true)).await;
    }

    async fn hand_over_all(
        &self,
        mut facts: Vec<Fact>,
        mut messages: Vec<Incoming>,
        piece: &(dyn Fn(Vec<Fact>, Vec<Incoming>, bool) -> History + Sync),
    ) {
        while !facts.is_empty() || !messages.is_empty() {
            let later_facts = facts.split_off(facts.len().min(FACTS_MAX));
            let later_messages = messages.split_off(messages.len().min(MESSAGES_MAX));
            self.hand_over(piece(facts, messages, false)).await;
            (facts, messages) = (later_facts, later_messages);
        }
    }

    /// Offers a piece until the node takes it, or has refused it often enough.
    async fn hand_over(&self, piece: History) -> bool {
        for attempt in 1..=TRIES_MAX {
            match self.intake.take_history(piece.clone()).await {
                Ok(()) => return true,
                Err(error) if attempt == TRIES_MAX => {
                    let count = piece.messages.len();
                    tracing::warn!(%error, count, "a piece of the history was lost");
                }
                Err(_) => tokio::time::sleep(TRY_PAUSE).await,
            }
        }
        false
    }
}

/// Decodes on a thread of its own, a few conversations ahead of the reader.
fn decode(compressed: Bytes, size: usize) -> mpsc::Receiver<Decoded> {
    let (told, decoded) = mpsc::channel(AHEAD_MAX);
    task::blocking(move || {
        let mut stream =
            HistorySyncStream::new(&compressed, u64::try_from(size).unwrap_or(u64::MAX));
        loop {
            let step = match stream.next_conversation() {
                Ok(Some(conversation)) => Decoded::Conversation(Box::new(conversation)),
                Ok(None) => break,
                Err(error) => {
                    let _ = told.blocking_send(Decoded::Broken(error.to_string()));
                    return;
                }
            };
            if told.blocking_send(step).is_err() {
                return;
            }
        }
        let skipped = stream.skipped_conversations();
        if skipped > 0 {
            tracing::warn!(skipped, "conversations of the history could not be decoded");
        }
        let last = match stream.remainder() {
            Ok(rest) => Decoded::Rest(Box::new(rest)),
            Err(error) => Decoded::Broken(error.to_string()),
        };
        let _ = told.blocking_send(last);
    });
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_their_names() {
        assert_eq!(part_name(0), "INITIAL_BOOTSTRAP");
        assert_eq!(part_name(6), "ON_DEMAND");
        assert_eq!(part_name(99), "PART_99");
        assert_eq!(part_name(-1), "PART_-1");
    }
}
