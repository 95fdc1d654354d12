//! Events as webhook payloads.

mod chats;
mod contacts;
mod messages;
mod presence;
mod sessions;
mod update;

use serde::Serialize;
use switchboard_dialect_kit::{EventCx, Payload};
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::webhooks::Subscription;

use crate::chats::Chat;
use crate::contacts::Contact;
use crate::ids;
use crate::messages::Status;
use crate::messages::shown::Message;
use crate::pairing::Qr;
use crate::presence::Presence;
use crate::sessions::{Contact as Account, Health};
use crate::settings::choice::{Change, Choice, Kind, Mode};
use update::Update;

/// One payload before it is known whether and how the webhook wants it.
struct Notice {
    kind: Kind,
    change: Change,
    facts: Facts,
}

impl Notice {
    const fn new(kind: Kind, change: Change, facts: Facts) -> Self {
        Self {
            kind,
            change,
            facts,
        }
    }
}

/// `WebhookPayload`: the fields this release fills.
#[derive(Serialize, Default)]
struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<[Message; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages_updates: Option<[Update; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages_removed: Option<[String; 1]>,
    /// The chat whose messages are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    messages_removed_all: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statuses: Option<[Status; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chats: Option<[Chat; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chats_updates: Option<[Update; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chats_removed: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<[Contact; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts_updates: Option<[Update; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presences: Option<[Presence; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<Qr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Account>,
}

#[derive(Serialize)]
struct WebhookPayload {
    #[serde(flatten)]
    facts: Facts,
    event: Happened,
    channel_id: String,
}

/// `Event`. The document calls the second field `method`; what the system sends has it as `event`. Both are sent.
#[derive(Serialize)]
struct Happened {
    #[serde(rename = "type")]
    kind: Kind,
    event: Change,
    method: Change,
}

/// The payloads of one event for one webhook.
pub(crate) fn payloads(
    envelope: &Envelope,
    subscription: &Subscription,
    cx: &EventCx<'_>,
) -> Vec<Payload> {
    let choice = Choice::of(subscription);
    let notices = match &envelope.event {
        Event::Messages(event) => messages::notices(event, cx),
        Event::Sessions(event) => sessions::notices(event, envelope.at, cx),
        Event::Presence(event) => presence::notices(event),
        Event::Chats(event) => chats::notices(event, cx),
        Event::Contacts(event) => contacts::notices(event),
    };
    notices
        .into_iter()
        .filter_map(|notice| addressed(notice, &choice, cx))
        .collect()
}

fn addressed(notice: Notice, choice: &Choice, cx: &EventCx<'_>) -> Option<Payload> {
    let kind = notice.kind;
    let change = choice.announced(kind, notice.change)?;
    let mut payload = Payload::json(&WebhookPayload {
        facts: notice.facts,
        event: Happened {
            kind,
            event: change,
            method: change,
        },
        channel_id: ids::channel(cx.session),
    });
    match choice.mode {
        Mode::Body => {}
        Mode::Path => {
            payload.path_suffix = Some(format!("/{}/{}", kind.as_str(), change.as_str()));
        }
        Mode::Method => {
            payload.method = change.http();
            payload.path_suffix = Some(format!("/{}", kind.as_str()));
        }
    }
    Some(payload)
}
