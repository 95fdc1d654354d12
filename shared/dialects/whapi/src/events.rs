//! Events as webhook payloads.

mod messages;
mod presence;
mod sessions;

use serde::Serialize;
use switchboard_dialect_kit::{EventCx, Payload};
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::webhooks::Subscription;

use crate::ids;
use crate::messages::shown::Message;
use crate::pairing::Qr;
use crate::sessions::{Contact, Health};
use crate::settings::choice::{Change, Choice, Kind, Mode};

/// One payload before it is known whether and how the webhook wants it.
struct Notice {
    kind: Kind,
    change: Change,
    facts: Facts,
}

/// `WebhookPayload`: the fields this release fills.
#[derive(Serialize, Default)]
struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<[Message; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statuses: Option<[messages::Status; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presences: Option<[presence::Presence; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<Qr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Contact>,
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
        Event::Chats(_) | Event::Contacts(_) => Vec::new(),
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
