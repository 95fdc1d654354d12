//! Messages that have not left yet.

use switchboard_vocab::content::Content;
use switchboard_vocab::messages::{ClearQueue, ListQueue, Queue, QueuedMessage};
use switchboard_vocab::{ChatId, MessageId, OpError};
use tokio::sync::oneshot;

use super::Execute;
use crate::session::actor::Message;
use crate::session::context::{SessionCx, restarting};

/// Longest summary, in characters.
const SUMMARY_LEN_MAX: usize = 100;

impl Execute for ListQueue {
    async fn execute(self, cx: SessionCx) -> Result<Queue, OpError> {
        ask(&cx, false).await
    }
}

impl Execute for ClearQueue {
    async fn execute(self, cx: SessionCx) -> Result<Queue, OpError> {
        ask(&cx, true).await
    }
}

async fn ask(cx: &SessionCx, clear: bool) -> Result<Queue, OpError> {
    let (answer, told) = oneshot::channel();
    let asked = cx.session.actor.send_message(Message::Queue(clear, answer));
    asked.map_err(|_| restarting())?;
    let messages = told.await.map_err(|_| restarting())?;
    Ok(Queue { messages })
}

/// A message that has just been asked for.
pub(super) fn entry(id: &MessageId, to: &ChatId, summary: &str) -> QueuedMessage {
    QueuedMessage {
        id: id.clone(),
        to: to.clone(),
        summary: summary.chars().take(SUMMARY_LEN_MAX).collect(),
        at: crate::clock::now(),
    }
}

/// The words of a message, or what kind it is.
pub(super) fn summary(content: &Content) -> &str {
    match content {
        Content::Text(text) => &text.body,
        Content::Media(media) => media.caption.as_deref().unwrap_or("a file"),
        Content::Location(place) => place.name.as_deref().unwrap_or("a place"),
        Content::LiveLocation(_) => "a live place",
        Content::Contacts { .. } | Content::Person { .. } => "contacts",
        Content::Poll(poll) => &poll.question,
        Content::Event(event) => &event.name,
        Content::Interactive(interactive) => &interactive.body,
    }
}
