//! Conversations.

use switchboard_dialect_kit::EventCx;
use switchboard_vocab::ChatId;
use switchboard_vocab::events::chats::Event;

use super::{Facts, Notice, Update};
use crate::chats::Chat;
use crate::ids;
use crate::messages::shown::Links;
use crate::settings::choice::{Change, Kind};

pub(super) fn notices(event: &Event, cx: &EventCx<'_>) -> Vec<Notice> {
    let links = Links::Event(cx);
    // Stories are no chat of this system.
    let chat = match event {
        Event::Added(chat) => &chat.id,
        Event::Changed(change) => &change.after.id,
        Event::Cleared { chat } | Event::Removed { chat } => chat,
    };
    if matches!(chat, ChatId::Broadcast(_)) {
        return Vec::new();
    }
    let id = ids::chat(chat, None);
    let mut facts = Facts::default();
    let (kind, change) = match event {
        Event::Added(chat) => {
            facts.chats = Some([Chat::of(chat, &links)]);
            (Kind::Chats, Change::Post)
        }
        Event::Changed(change) => {
            let before = Chat::of(&change.before, &links);
            let after = Chat::of(&change.after, &links);
            let Some(update) = Update::of(&before, &after) else {
                return Vec::new();
            };
            facts.chats_updates = Some([update]);
            (Kind::Chats, Change::Patch)
        }
        Event::Cleared { .. } => {
            facts.messages_removed_all = Some(id);
            (Kind::Messages, Change::Delete)
        }
        Event::Removed { .. } => {
            facts.chats_removed = Some([id]);
            (Kind::Chats, Change::Delete)
        }
    };
    vec![Notice::new(kind, change, facts)]
}
