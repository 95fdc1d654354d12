//! Who is online, who types.

use serde::Serialize;
use switchboard_vocab::events::presence::{ChatState, Event};
use switchboard_vocab::{ChatId, Timestamp};

use super::Data;
use crate::ids;

/// Go's zero time, which that system sends when a last-seen time is hidden.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Presence {
    from: String,
    unavailable: bool,
    last_seen: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChatPresence {
    chat: String,
    sender: String,
    is_from_me: bool,
    is_group: bool,
    broadcast_list_owner: &'static str,
    state: &'static str,
    media: &'static str,
}

/// The data of a presence event.
pub(super) fn data(event: &Event) -> Option<String> {
    match event {
        Event::Changed(change) => {
            let state = if change.online { "online" } else { "offline" };
            let last_seen = change
                .last_seen
                .map_or_else(|| NO_TIME.to_owned(), |at: Timestamp| ids::time(at));
            let event = Presence {
                from: change.user.to_string(),
                unavailable: !change.online,
                last_seen,
            };
            Data::text("Presence", Some(state), event)
        }
        Event::ChatState(change) => {
            let (state, media) = match change.state {
                ChatState::Composing => ("composing", ""),
                ChatState::Recording => ("composing", "audio"),
                ChatState::Paused => ("paused", ""),
            };
            let event = ChatPresence {
                chat: change.chat.to_string(),
                sender: change.user.to_string(),
                is_from_me: false,
                is_group: matches!(change.chat, ChatId::Group(_)),
                broadcast_list_owner: "",
                state,
                media,
            };
            Data::text("ChatPresence", None, event)
        }
    }
}
