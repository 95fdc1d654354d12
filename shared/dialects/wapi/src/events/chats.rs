//! What becomes of conversations, for webhooks that ask for `chats` by name.

use serde::Serialize;
use switchboard_dialect_kit::{EventCx, Payload};
use switchboard_vocab::chats::Chat;
use switchboard_vocab::events::chats::Event;
use switchboard_vocab::{ChatId, Timestamp, UserId};

use crate::ids;
use crate::webhooks::filter::Filter;

/// That system publishes the filter and no payload; this shape is ours, in the manner of the system events.
#[derive(Serialize)]
struct ChatsPayload {
    chats: [ChatEvent; 1],
}

#[derive(Serialize)]
struct ChatEvent {
    event: &'static str,
    chat_id: String,
    account_id: String,
    /// Unix seconds.
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    muted: Option<bool>,
}

/// The payload of one event.
pub(super) fn changed(
    event: &Event,
    at: Timestamp,
    filter: &Filter,
    cx: &EventCx<'_>,
) -> Option<Payload> {
    if !filter.wants_chats() {
        return None;
    }
    let (name, chat, alt, state): (_, &ChatId, Option<&UserId>, Option<&Chat>) = match event {
        Event::Added(chat) => ("chat_added", &chat.id, chat.alt.as_ref(), Some(chat)),
        Event::Changed(change) => {
            let chat = &change.after;
            ("chat_changed", &chat.id, chat.alt.as_ref(), Some(chat))
        }
        Event::Cleared { chat } => ("chat_cleared", chat, None, None),
        Event::Removed { chat } => ("chat_removed", chat, None, None),
    };
    Some(Payload::json(&ChatsPayload {
        chats: [ChatEvent {
            event: name,
            chat_id: ids::chat(chat, alt),
            account_id: cx.session.session.to_string(),
            timestamp: at.as_secs().to_string(),
            name: state.and_then(|chat| chat.name.clone()),
            archived: state.map(|chat| chat.archived),
            pinned: state.map(|chat| chat.pinned_at.is_some()),
            muted: state.map(|chat| chat.muted.is_some()),
        }],
    }))
}
