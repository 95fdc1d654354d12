//! Events as webhook payloads, in the manner of the official API.

mod chats;
mod messages;
mod sessions;

use switchboard_dialect_kit::{EventCx, Payload};
use switchboard_vocab::events::messages::Event as MessageEvent;
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::webhooks::Subscription;

use crate::webhooks::filter::Filter;

/// The payloads of one event for one webhook.
pub(crate) fn payloads(
    envelope: &Envelope,
    subscription: &Subscription,
    cx: &EventCx<'_>,
) -> Vec<Payload> {
    let class = envelope.event.class();
    if subscription
        .events
        .as_ref()
        .is_some_and(|chosen| !chosen.contains(&class))
    {
        return Vec::new();
    }
    let filter = Filter::of(subscription);
    let payload = match &envelope.event {
        Event::Messages(MessageEvent::Received(message)) => {
            messages::received(message, &filter, cx)
        }
        Event::Messages(MessageEvent::StatusChanged(change)) => {
            messages::status_changed(change, &filter)
        }
        Event::Sessions(event) => sessions::system(event, envelope.at, &filter, cx),
        // The official API tells nobody of their own messages, of what becomes of earlier ones, of presence or of people.
        Event::Messages(
            MessageEvent::Sent(_) | MessageEvent::Changed(_) | MessageEvent::Deleted(_),
        )
        | Event::Presence(_)
        | Event::Contacts(_) => None,
        Event::Chats(event) => chats::changed(event, envelope.at, &filter, cx),
    };
    payload.into_iter().collect()
}
