//! Callbacks.

use bytes::Bytes;
use insta::assert_snapshot;
use switchboard_dialect_kit::EventCx;
use switchboard_dialect_kit::testing::{env, payloads, samples};
use switchboard_vocab::DialectName;
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::events::messages::StatusChange;
use switchboard_vocab::events::sessions::StateChange;
use switchboard_vocab::events::{Event, messages, presence, sessions};
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::SessionState;
use switchboard_vocab::webhooks::Subscription;

const NOTHING: &str = "no payload\n";

fn subscription() -> Subscription {
    let mut subscription = samples::subscription(DialectName::Wwebjs);
    let key = ("x-api-key".to_owned(), "the-key".to_owned());
    subscription.options.extend([key]);
    subscription
}

fn told(event: Event) -> String {
    payloads(
        &crate::dialect(),
        &samples::envelope(event),
        &subscription(),
    )
}

fn received(message: Message) -> Event {
    Event::Messages(messages::Event::Received(message))
}

fn state(from: SessionState, to: SessionState) -> String {
    let change = StateChange {
        from,
        to,
        reason: None,
        next_try_at: None,
    };
    told(Event::Sessions(sessions::Event::StateChanged(change)))
}

#[test]
fn messages_of_either_side() {
    assert_snapshot!(
        "received",
        told(received(samples::incoming_by_lid("hello")))
    );
    let own = messages::Event::Sent(samples::own_message("hi"));
    assert_snapshot!("created", told(Event::Messages(own)));
    assert_snapshot!(
        "received_in_group",
        told(received(samples::incoming_in_group("hello")))
    );
}

#[test]
fn files_come_along() {
    let message = samples::incoming_with(Body::Media(samples::media(MediaKind::Image)));
    let envelope = samples::envelope(received(message));
    let dialect = crate::dialect();
    assert!((dialect.wants_media)(&envelope, &subscription()));
    let text = samples::envelope(received(samples::incoming("hello")));
    assert!(!(dialect.wants_media)(&text, &subscription()));
    let own = samples::own_message("");
    let own = samples::envelope(Event::Messages(messages::Event::Sent(Message {
        body: Body::Media(samples::media(MediaKind::Image)),
        ..own
    })));
    assert!(!(dialect.wants_media)(&own, &subscription()));

    let (links, identity) = (env().links, samples::identity());
    let (file, bytes) = (
        samples::stored(MediaKind::Image),
        Bytes::from_static(&[0, 1, 2]),
    );
    let session = samples::session();
    let mut cx = EventCx {
        session: &session,
        identity: Some(&identity),
        now: samples::now(),
        links: &links,
        media: Some((&file, &bytes)),
    };
    let all = (dialect.events)(&envelope, &subscription(), &cx);
    let texts: Vec<_> = all
        .iter()
        .map(|payload| String::from_utf8_lossy(&payload.body).into_owned())
        .collect();
    assert_snapshot!("media", texts.join("\n"));
    cx.media = None;
    let without = (dialect.events)(&envelope, &subscription(), &cx);
    assert_eq!(without.len() + 1, all.len(), "no file, no callback for it");
}

#[test]
fn changes_of_messages() {
    let target = samples::own_message("").id;
    let bodies = [
        Body::Reaction {
            to: target.clone(),
            emoji: "👍".to_owned(),
        },
        Body::Edited {
            target: target.clone(),
            body: "new words".to_owned(),
        },
        Body::Revoked { target },
    ];
    let texts = bodies.map(|body| told(received(samples::incoming_with(body))));
    assert_snapshot!("changes", texts.join("\n"));
}

#[test]
fn acknowledgements() {
    use DeliveryStatus::*;
    let ack = |status, group: bool| {
        told(Event::Messages(messages::Event::StatusChanged(
            StatusChange {
                chat: if group {
                    samples::group()
                } else {
                    samples::partner_lid().into()
                },
                chat_alt: (!group).then(samples::partner),
                id: samples::own_message("").id,
                number: Some(8),
                recipient: Some(samples::partner()),
                status,
                at: samples::now(),
                error: None,
            },
        )))
    };
    assert_snapshot!("delivered", ack(Delivered, false));
    assert_snapshot!("delivered_in_group", ack(Delivered, true));
    for (status, number) in [
        (Failed, -1),
        (Pending, 0),
        (Server, 1),
        (Read, 3),
        (Played, 4),
    ] {
        let text = ack(status, false);
        assert!(text.contains(&format!("\"ack\": {number}\n")), "{text}");
    }
}

#[test]
fn the_session_itself() {
    use SessionState::*;
    let challenge = |challenge| told(Event::Sessions(sessions::Event::ChallengeIssued(challenge)));
    assert_snapshot!("qr", challenge(samples::challenge()));
    let passkey = Challenge::Passkey {
        request_json: "{}".to_owned(),
    };
    assert_eq!(challenge(passkey), NOTHING);
    let paired = Event::Sessions(sessions::Event::Paired(samples::identity()));
    assert_snapshot!("authenticated", told(paired));
    assert_snapshot!("ready", state(Syncing, Connected));
    assert_snapshot!("logged_out", state(Connected, LoggedOut));
    assert_snapshot!("replaced", state(Connected, Replaced));
    assert_snapshot!("waiting", state(Connected, Waiting));
    assert_snapshot!("stopped", state(Connected, Stopped));
    assert_eq!(state(Connecting, Syncing), NOTHING);
}

#[test]
fn presence_is_not_told() {
    let event = presence::Event::Changed(presence::PresenceChange {
        user: samples::partner(),
        online: true,
        last_seen: None,
    });
    assert_eq!(told(Event::Presence(event)), NOTHING);
}

#[test]
fn without_a_key_there_is_no_header() {
    let plain = samples::subscription(DialectName::Wwebjs);
    let envelope = samples::envelope(received(samples::incoming("hello")));
    let text = payloads(&crate::dialect(), &envelope, &plain);
    assert!(!text.contains("x-api-key"), "{text}");
}
