//! Webhook payloads.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{payloads, samples};
use switchboard_vocab::DialectName;
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::events::messages::StatusChange;
use switchboard_vocab::events::sessions::StateChange;
use switchboard_vocab::events::{Event, messages, sessions};
use switchboard_vocab::messages::{DeliveryStatus, Message, Quote};
use switchboard_vocab::sessions::SessionState;
use switchboard_vocab::webhooks::EventClass;

const NOTHING: &str = "no payload\n";

fn told(event: Event, chosen: Option<&[EventClass]>) -> String {
    let mut subscription = samples::subscription(DialectName::Chatapi);
    subscription.events = chosen.map(|classes| classes.iter().copied().collect());
    payloads(&crate::dialect(), &samples::envelope(event), &subscription)
}

fn received(message: Message) -> String {
    told(Event::Messages(messages::Event::Received(message)), None)
}

#[test]
fn messages_of_either_side() {
    assert_snapshot!("received", received(samples::incoming_by_lid("hello")));
    let own = messages::Event::Sent(samples::own_message("hi"));
    assert_snapshot!("sent", told(Event::Messages(own), None));
    let mut answer = samples::incoming_in_group("hello");
    answer.quoted = Some(Quote {
        id: samples::own_message("").id,
        author: Some(samples::own()),
    });
    assert_snapshot!("in_group", received(answer));
    let file = Body::Media(samples::media(MediaKind::Image));
    assert_snapshot!("file", received(samples::incoming_with(file)));
    let unknown = Body::Other {
        field: "x".to_owned(),
    };
    assert_eq!(received(samples::incoming_with(unknown)), NOTHING);
}

#[test]
fn deliveries_are_told_where_switched_on() {
    use DeliveryStatus::*;
    let status = |status, chosen| {
        let change = StatusChange {
            chat: samples::partner_lid().into(),
            chat_alt: Some(samples::partner()),
            id: samples::own_message("").id,
            number: Some(8),
            recipient: Some(samples::partner()),
            status,
            at: samples::now(),
            error: None,
        };
        let event = Event::Messages(messages::Event::StatusChanged(change));
        told(event, chosen)
    };
    let on: Option<&[_]> = Some(&[EventClass::Received, EventClass::Statuses]);
    assert_snapshot!("delivered", status(Delivered, on));
    for viewed in [Read, Played] {
        assert!(status(viewed, on).contains("\"status\": \"viewed\""));
    }
    for other in [Failed, Pending, Server] {
        assert_eq!(status(other, on), NOTHING, "{other:?}");
    }
    assert_eq!(status(Delivered, None), NOTHING, "off until switched on");
    assert_eq!(status(Delivered, Some(&[EventClass::Received])), NOTHING);
}

#[test]
fn states_are_not_told() {
    let change = StateChange {
        from: SessionState::Syncing,
        to: SessionState::Connected,
        reason: None,
        next_try_at: None,
    };
    let event = Event::Sessions(sessions::Event::StateChanged(change));
    assert_eq!(told(event, None), NOTHING);
}
