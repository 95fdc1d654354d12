//! Messages: new, changed, deleted, and how far own ones came.

use switchboard_dialect_kit::EventCx;
use switchboard_vocab::events::messages::{Event, MessageChange, StatusChange};

use super::{Facts, Notice, Update};
use crate::ids;
use crate::messages::shown::{self, Links, Message};
use crate::messages::{Status, StatusError};
use crate::settings::choice::{Change, Kind};

pub(super) fn notices(event: &Event, cx: &EventCx<'_>) -> Vec<Notice> {
    let notice = match event {
        Event::Received(message) | Event::Sent(message) => {
            let message = Message::of(message, &Links::Event(cx));
            let facts = Facts {
                messages: Some([message]),
                ..Facts::default()
            };
            Notice::new(Kind::Messages, Change::Post, facts)
        }
        Event::Changed(change) => {
            let Some(update) = update(change, cx) else {
                return Vec::new();
            };
            let facts = Facts {
                messages_updates: Some([update]),
                ..Facts::default()
            };
            Notice::new(Kind::Messages, Change::Patch, facts)
        }
        Event::Deleted(deletion) => {
            let facts = Facts {
                messages_removed: Some([ids::message(&deletion.id)]),
                ..Facts::default()
            };
            Notice::new(Kind::Messages, Change::Delete, facts)
        }
        Event::StatusChanged(change) => {
            let facts = Facts {
                statuses: Some([status(change)]),
                ..Facts::default()
            };
            Notice::new(Kind::Statuses, Change::Post, facts)
        }
    };
    vec![notice]
}

fn update(change: &MessageChange, cx: &EventCx<'_>) -> Option<Update> {
    let links = Links::Event(cx);
    let show = |message| Message::of(message, &links);
    let trigger = change.trigger.as_deref().map(show);
    let update = Update::of(&show(&change.before), &show(&change.after))?;
    Some(update.of_message(ids::message(&change.after.id), trigger.as_ref()))
}

fn status(change: &StatusChange) -> Status {
    let (code, status) = shown::status(change.status);
    let recipient_id = ids::recipient_of(&change.chat, change.chat_alt.as_ref());
    let shared = change.chat.is_group() || recipient_id.is_none();
    let viewer = change.recipient.as_ref().filter(|_| shared);
    Status {
        id: ids::message(&change.id),
        code,
        status,
        recipient_id,
        viewer_id: viewer.map(|user| ids::contact_digits(user, None)),
        timestamp: change.at.as_secs().to_string(),
        errors: change.error.map(|code| {
            [StatusError {
                code,
                message: "whatsapp refused the message",
            }]
        }),
    }
}
