//! Messages, and how far own ones came.

use serde::Serialize;
use switchboard_dialect_kit::EventCx;
use switchboard_vocab::events::messages::{Event, StatusChange};

use super::{Facts, Notice};
use crate::ids;
use crate::messages::shown::{self, Links, Message};
use crate::settings::choice::{Change, Kind};

/// `Status`.
#[derive(Serialize)]
pub(super) struct Status {
    id: String,
    code: u8,
    status: &'static str,
    recipient_id: String,
    /// Whose eyes, in groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    viewer_id: Option<String>,
    /// Unix seconds, as text.
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Error; 1]>,
}

/// `Error`.
#[derive(Serialize)]
struct Error {
    code: u16,
    message: &'static str,
}

pub(super) fn notices(event: &Event, cx: &EventCx<'_>) -> Vec<Notice> {
    let (kind, facts) = match event {
        Event::Received(message) | Event::Sent(message) => {
            let message = Message::of(message, &Links::Event(cx));
            let facts = Facts {
                messages: Some([message]),
                ..Facts::default()
            };
            (Kind::Messages, facts)
        }
        Event::Changed(_) | Event::Deleted(_) => return Vec::new(),
        Event::StatusChanged(change) => {
            let facts = Facts {
                statuses: Some([status(change)]),
                ..Facts::default()
            };
            (Kind::Statuses, facts)
        }
    };
    vec![Notice {
        kind,
        change: Change::Post,
        facts,
    }]
}

fn status(change: &StatusChange) -> Status {
    let (code, status) = shown::status(change.status);
    let viewer = change.recipient.as_ref().filter(|_| change.chat.is_group());
    Status {
        id: ids::message(&change.id),
        code,
        status,
        recipient_id: ids::chat(&change.chat, change.chat_alt.as_ref()),
        viewer_id: viewer.map(|user| ids::contact(user, None)),
        timestamp: change.at.as_secs().to_string(),
        errors: change.error.map(|code| {
            [Error {
                code,
                message: "whatsapp refused the message",
            }]
        }),
    }
}
