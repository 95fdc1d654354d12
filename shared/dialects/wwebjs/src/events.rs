//! Events as callbacks: `{dataType, data, sessionId}`, with the key of the caller who started the session.
//!
//! One kind of that system's callbacks is thinner here: `contact_changed` has no message of its own.

mod chats;
mod contacts;
mod messages;
mod sessions;

use serde::Serialize;
use serde_json::Value;
use switchboard_dialect_kit::{EventCx, Payload};
use switchboard_vocab::content::Body;
use switchboard_vocab::events::messages::Event as MessageEvent;
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::webhooks::Subscription;

use crate::auth::API_KEY;

/// One callback before it is addressed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Callback {
    data_type: &'static str,
    /// Absent where there is nothing to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

impl Callback {
    fn new(data_type: &'static str, data: &impl Serialize) -> Self {
        Self {
            data_type,
            // Only a map with keys that are not text can fail, which no data has.
            data: serde_json::to_value(data).ok(),
        }
    }

    const fn bare(data_type: &'static str) -> Self {
        Self {
            data_type,
            data: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Addressed<'a> {
    #[serde(flatten)]
    callback: Callback,
    session_id: &'a str,
}

/// The payloads of one event for one webhook.
pub(crate) fn payloads(
    envelope: &Envelope,
    subscription: &Subscription,
    cx: &EventCx<'_>,
) -> Vec<Payload> {
    let callbacks = match &envelope.event {
        Event::Messages(event) => messages::callbacks(event, cx),
        Event::Sessions(event) => sessions::callbacks(event),
        Event::Chats(event) => chats::callbacks(event, cx),
        Event::Contacts(event) => contacts::callbacks(event),
        // That system has no callback for presence.
        Event::Presence(_) => Vec::new(),
    };
    let key = subscription.options.get(API_KEY);
    let addressed = |callback| {
        let mut payload = Payload::json(&Addressed {
            callback,
            session_id: cx.session.session.as_str(),
        });
        payload
            .headers
            .extend(key.map(|key| (API_KEY.to_owned(), key.clone())));
        payload
    };
    callbacks.into_iter().map(addressed).collect()
}

/// Whether the event has a callback that carries the file.
pub(crate) fn wants_media(envelope: &Envelope, _: &Subscription) -> bool {
    matches!(&envelope.event, Event::Messages(MessageEvent::Received(message))
        if matches!(message.body, Body::Media(_)))
}
