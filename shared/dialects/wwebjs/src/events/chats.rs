//! Chats that were archived, marked or removed.

use serde::Serialize;
use switchboard_dialect_kit::EventCx;
use switchboard_vocab::chats::Chat as Known;
use switchboard_vocab::events::chats::{ChatChange, Event};

use super::Callback;
use crate::chats::shown::{self, Chat};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Archived<'a> {
    chat: Chat<'a>,
    curr_state: bool,
    prev_state: bool,
}

#[derive(Serialize)]
struct Plain<'a> {
    chat: Chat<'a>,
}

pub(super) fn callbacks(event: &Event, cx: &EventCx<'_>) -> Vec<Callback> {
    match event {
        Event::Changed(change) => changed(change, cx),
        Event::Removed { chat } => {
            let gone = shown::empty(chat.clone());
            let chat = Chat::of(&gone, None, cx.now);
            vec![Callback::new("chat_removed", &Plain { chat })]
        }
        // That system tells of neither.
        Event::Added(_) | Event::Cleared { .. } => Vec::new(),
    }
}

/// How many messages of a chat are unread, where there are some.
pub(super) fn unread(chat: &Known, cx: &EventCx<'_>) -> Option<Callback> {
    let own = cx.identity.map(|identity| &identity.phone);
    (chat.unread > 0).then(|| {
        let chat = Chat::of(chat, own, cx.now);
        Callback::new("unread_count", &Plain { chat })
    })
}

fn changed(change: &ChatChange, cx: &EventCx<'_>) -> Vec<Callback> {
    let (before, after) = (&change.before, &change.after);
    let own = cx.identity.map(|identity| &identity.phone);
    let chat = || Chat::of(after, own, cx.now);
    let archived = (before.archived != after.archived).then(|| {
        let data = Archived {
            chat: chat(),
            curr_state: after.archived,
            prev_state: before.archived,
        };
        Callback::new("chat_archived", &data)
    });
    let counted = before.unread != after.unread || before.marked_unread != after.marked_unread;
    let unread = counted.then(|| Callback::new("unread_count", &Plain { chat: chat() }));
    archived.into_iter().chain(unread).collect()
}
