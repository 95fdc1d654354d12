//! Who is online and who is typing.

use switchboard_vocab::events::presence::{ChatState, Event};

use super::{Facts, Notice};
use crate::presence::Presence;
use crate::settings::choice::{Change, Kind};

pub(super) fn notices(event: &Event) -> Vec<Notice> {
    let presence = match event {
        Event::Changed(change) => {
            let status = if change.online { "online" } else { "offline" };
            Presence::new(&change.user, status, change.last_seen)
        }
        Event::ChatState(change) => {
            let status = match change.state {
                ChatState::Composing => "typing",
                ChatState::Recording => "recording",
                ChatState::Paused => "online",
            };
            Presence::new(&change.user, status, None)
        }
    };
    let facts = Facts {
        presences: Some([presence]),
        ..Facts::default()
    };
    vec![Notice::new(Kind::Presences, Change::Post, facts)]
}
