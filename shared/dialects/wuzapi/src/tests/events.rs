//! Webhook payloads.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{payloads, samples};
use switchboard_vocab::DialectName;
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::events::messages::StatusChange;
use switchboard_vocab::events::presence::{ChatState, ChatStateChange, PresenceChange};
use switchboard_vocab::events::{Event, messages, presence};
use switchboard_vocab::messages::DeliveryStatus;

fn told(event: Event) -> String {
    let mut subscription = samples::subscription(DialectName::Wuzapi);
    subscription
        .options
        .insert("token".to_owned(), "secret token".to_owned());
    payloads(&crate::dialect(), &samples::envelope(event), &subscription)
}

fn status(status: DeliveryStatus) -> Event {
    Event::Messages(messages::Event::StatusChanged(StatusChange {
        chat: samples::partner_lid().into(),
        chat_alt: Some(samples::partner()),
        id: samples::own_message("").id,
        number: Some(8),
        recipient: Some(samples::partner_lid()),
        status,
        at: samples::now(),
        error: None,
    }))
}

#[test]
fn messages_come_as_forms() {
    assert_snapshot!(
        "received",
        told(Event::Messages(messages::Event::Received(
            samples::incoming("hello")
        )))
    );
    let mut raw = samples::incoming_by_lid("hello");
    raw.proto_json = Some(r#"{"conversation":"hello"}"#.to_owned());
    assert_snapshot!(
        "by_lid",
        told(Event::Messages(messages::Event::Received(raw)))
    );
    assert_snapshot!(
        "own",
        told(Event::Messages(messages::Event::Sent(
            samples::own_message("hello")
        )))
    );
}

#[test]
fn files_of_others_are_wanted() {
    let wants = |kind| {
        let message = samples::incoming_with(Body::Media(samples::media(kind)));
        let envelope = samples::envelope(Event::Messages(messages::Event::Received(message)));
        (crate::dialect().wants_media)(&envelope, &samples::subscription(DialectName::Wuzapi))
    };
    assert!(wants(MediaKind::Image) && wants(MediaKind::Voice) && wants(MediaKind::Document));
    assert!(!wants(MediaKind::Sticker) && !wants(MediaKind::Video));
}

#[test]
fn receipts() {
    assert_snapshot!("delivered", told(status(DeliveryStatus::Delivered)));
    assert_snapshot!("read", told(status(DeliveryStatus::Read)));
    assert_eq!(told(status(DeliveryStatus::Server)), "no payload\n");
}

#[test]
fn presence_and_typing() {
    let online = PresenceChange {
        user: samples::partner(),
        online: true,
        last_seen: None,
    };
    assert_snapshot!(
        "online",
        told(Event::Presence(presence::Event::Changed(online)))
    );
    let (chat, user) = (samples::partner().into(), samples::partner());
    let typing = ChatStateChange {
        chat,
        user,
        state: ChatState::Recording,
    };
    assert_snapshot!(
        "recording",
        told(Event::Presence(presence::Event::ChatState(typing)))
    );
}
