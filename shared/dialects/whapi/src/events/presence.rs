//! Who is online and who is typing.

use serde::Serialize;
use switchboard_vocab::events::presence::{ChatState, Event};

use super::{Facts, Notice};
use crate::ids;
use crate::settings::choice::{Change, Kind};

/// `Presence`.
#[derive(Serialize)]
pub(super) struct Presence {
    contact_id: String,
    status: &'static str,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<u64>,
}

pub(super) fn notices(event: &Event) -> Vec<Notice> {
    let (user, status, last_seen) = match event {
        Event::Changed(change) => {
            let status = if change.online { "online" } else { "offline" };
            (&change.user, status, change.last_seen)
        }
        Event::ChatState(change) => {
            let status = match change.state {
                ChatState::Composing => "typing",
                ChatState::Recording => "recording",
                ChatState::Paused => "online",
            };
            (&change.user, status, None)
        }
    };
    let presence = Presence {
        contact_id: ids::contact(user, None),
        status,
        last_seen: last_seen.map(|at| at.as_secs()),
    };
    vec![Notice {
        kind: Kind::Presences,
        change: Change::Post,
        facts: Facts {
            presences: Some([presence]),
            ..Facts::default()
        },
    }]
}
