//! Events as this system's webhooks tell them: a form with `jsonData` and `token`, or a multipart form with the file too.

mod form;
mod history;
mod messages;
mod presence;

use serde::Serialize;
use switchboard_dialect_kit::{EventCx, Payload};
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::events::messages::Event as MessageEvent;
use switchboard_vocab::events::sessions::Event as SessionEvent;
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::webhooks::Subscription;

/// What `jsonData` holds.
#[derive(Serialize)]
struct Data<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    event: T,
}

impl<T: Serialize> Data<T> {
    fn text(kind: &'static str, state: Option<&'static str>, event: T) -> Option<String> {
        serde_json::to_string(&Self { kind, state, event }).ok()
    }
}

/// The payloads of one event for one webhook.
pub(crate) fn payloads(
    envelope: &Envelope,
    subscription: &Subscription,
    cx: &EventCx<'_>,
) -> Vec<Payload> {
    let data = match &envelope.event {
        Event::Messages(MessageEvent::Received(message) | MessageEvent::Sent(message)) => {
            messages::message(message)
        }
        Event::Messages(MessageEvent::StatusChanged(change)) => messages::receipt(change),
        Event::Presence(event) => presence::data(event),
        Event::Messages(MessageEvent::Deleted(deletion)) => {
            messages::deleted(deletion, envelope.sequence, cx.identity)
        }
        Event::Sessions(SessionEvent::HistoryTaken(part)) => history::data(part, cx.history),
        // What changed a message is a message of its own there. Of chats, contacts and the session itself that system's
        // webhooks say nothing; its clients ask.
        Event::Messages(MessageEvent::Changed(_))
        | Event::Chats(_)
        | Event::Contacts(_)
        | Event::Sessions(
            SessionEvent::StateChanged(_)
            | SessionEvent::ChallengeIssued(_)
            | SessionEvent::Paired(_),
        ) => None,
    };
    let file = cx.media.filter(|_| wants_media(envelope, subscription));
    data.map(|data| form::payload(envelope, subscription, &data, file))
        .into_iter()
        .collect()
}

/// Files of others' messages go with the call: pictures, sound, documents. Source: that system's code.
pub(crate) fn wants_media(envelope: &Envelope, _: &Subscription) -> bool {
    let Event::Messages(MessageEvent::Received(message)) = &envelope.event else {
        return false;
    };
    let Body::Media(media) = &message.body else {
        return false;
    };
    matches!(
        media.kind,
        MediaKind::Image | MediaKind::Audio | MediaKind::Voice | MediaKind::Document
    )
}
