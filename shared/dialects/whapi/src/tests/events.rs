//! Webhook payloads.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{payloads, samples};
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::events::messages::StatusChange;
use switchboard_vocab::events::presence::{ChatState, ChatStateChange, PresenceChange};
use switchboard_vocab::events::sessions::StateChange;
use switchboard_vocab::events::{Event, messages, presence, sessions};
use switchboard_vocab::messages::DeliveryStatus;
use switchboard_vocab::sessions::SessionState;
use switchboard_vocab::webhooks::Subscription;

use super::schema;
use super::settings::subscriptions;

/// A webhook that wants every event of these kinds.
fn webhook(mode: &str, events: &str) -> Subscription {
    let json = format!(
        r#"{{"webhooks":[{{"url":"https://hooks.test/in","mode":"{mode}","events":[{events}]}}]}}"#
    );
    subscriptions(&json).remove(0)
}

fn everything() -> Subscription {
    let kinds = [
        "messages",
        "statuses",
        "channel",
        "users",
        "presences",
        "chats",
        "contacts",
    ];
    webhook(
        "body",
        &kinds
            .map(|kind| format!(r#"{{"type":"{kind}"}}"#))
            .join(","),
    )
}

fn told(event: Event, subscription: &Subscription) -> String {
    let text = payloads(&crate::dialect(), &samples::envelope(event), subscription);
    schema::check_payloads(&text);
    text
}

fn received() -> Event {
    Event::Messages(messages::Event::Received(samples::incoming("hello")))
}

fn status(status: DeliveryStatus) -> Event {
    Event::Messages(messages::Event::StatusChanged(StatusChange {
        chat: samples::partner_lid().into(),
        chat_alt: Some(samples::partner()),
        id: samples::own_message("").id,
        number: Some(8),
        recipient: Some(samples::partner()),
        status,
        at: samples::now(),
        error: (status == DeliveryStatus::Failed).then_some(463),
    }))
}

fn state(to: SessionState) -> Event {
    Event::Sessions(sessions::Event::StateChanged(StateChange {
        from: SessionState::Connecting,
        to,
        reason: None,
        next_try_at: None,
    }))
}

#[test]
fn messages_of_others_and_own() {
    assert_snapshot!("received", told(received(), &everything()));
    let own = Event::Messages(messages::Event::Sent(samples::own_message("hi")));
    assert_snapshot!("own", told(own, &everything()));
    let picture = samples::incoming_with(Body::Media(samples::media(MediaKind::Image)));
    let picture = Event::Messages(messages::Event::Received(picture));
    assert_snapshot!("picture", told(picture, &everything()));
}

#[test]
fn changed_messages() {
    use switchboard_vocab::content::Reaction;
    use switchboard_vocab::events::messages::{Deletion, MessageChange};
    let mut after = samples::own_message("hi");
    after.marks.reactions = vec![Reaction {
        user: samples::partner(),
        emoji: "👍".to_owned(),
        at: samples::now(),
    }];
    let trigger = samples::incoming_with(Body::Reaction {
        to: after.id.clone(),
        emoji: "👍".to_owned(),
    });
    let change = MessageChange {
        before: samples::own_message("hi"),
        after,
        trigger: Some(Box::new(trigger)),
    };
    let event = Event::Messages(messages::Event::Changed(change.clone()));
    assert_snapshot!("message_changed", told(event, &everything()));
    let unseen = MessageChange {
        after: change.before.clone(),
        ..change
    };
    let event = Event::Messages(messages::Event::Changed(unseen));
    assert_eq!(told(event, &everything()), "no payload\n");
    let deletion = Deletion {
        chat: samples::partner().into(),
        id: samples::incoming("").id,
        before: None,
        for_everyone: true,
        by: samples::partner(),
        at: samples::now(),
    };
    let event = Event::Messages(messages::Event::Deleted(deletion));
    assert_snapshot!("message_deleted", told(event, &everything()));
}

#[test]
fn chats() {
    use super::chats::chat;
    use switchboard_vocab::chats::Chat;
    use switchboard_vocab::events::chats::{ChatChange, Event as Of};
    let chats = |event| told(Event::Chats(event), &everything());
    let after = Chat {
        archived: true,
        ..chat()
    };
    let change = ChatChange {
        before: chat(),
        after,
    };
    let id = || samples::partner().into();
    assert_snapshot!("chat_added", chats(Of::Added(chat())));
    assert_snapshot!("chat_changed", chats(Of::Changed(change)));
    assert_snapshot!("chat_cleared", chats(Of::Cleared { chat: id() }));
    assert_snapshot!("chat_removed", chats(Of::Removed { chat: id() }));
    let stories = Chat {
        id: "status@broadcast".parse().unwrap(),
        ..chat()
    };
    assert_eq!(chats(Of::Added(stories)), "no payload\n");
}

#[test]
fn contacts() {
    use super::contacts::contact;
    use switchboard_vocab::contacts::Contact;
    use switchboard_vocab::events::contacts::{ContactChange, Event as Of};
    let contacts = |event| told(Event::Contacts(event), &everything());
    let changed = |after| {
        contacts(Of::Changed(ContactChange {
            before: contact(),
            after,
        }))
    };
    assert_snapshot!("contact_added", contacts(Of::Added(contact())));
    let renamed = Contact {
        name: Some("Gerda Neu".to_owned()),
        ..contact()
    };
    assert_snapshot!("contact_changed", changed(renamed));
    assert_snapshot!("contact_removed", contacts(Of::Removed(contact())));
    let blocked = Contact {
        blocked: true,
        ..contact()
    };
    assert_eq!(changed(blocked), "no payload\n");
}

#[test]
fn statuses() {
    assert_snapshot!(
        "delivered",
        told(status(DeliveryStatus::Delivered), &everything())
    );
    assert_snapshot!(
        "failed",
        told(status(DeliveryStatus::Failed), &everything())
    );
}

#[test]
fn a_message_and_its_status_have_the_same_id() {
    let own = Event::Messages(messages::Event::Sent(samples::own_message("hi")));
    let id = crate::ids::message(&samples::own_message("").id);
    assert!(told(own, &everything()).contains(&id));
    assert!(told(status(DeliveryStatus::Read), &everything()).contains(&id));
}

#[test]
fn the_channel() {
    assert_snapshot!(
        "connected",
        told(state(SessionState::Connected), &everything())
    );
    assert_snapshot!(
        "logged_out",
        told(state(SessionState::LoggedOut), &everything())
    );
    let qr = Event::Sessions(sessions::Event::ChallengeIssued(samples::challenge()));
    assert_snapshot!("qr", told(qr, &everything()));
    let paired = Event::Sessions(sessions::Event::Paired(samples::identity()));
    assert_snapshot!("paired", told(paired, &everything()));
}

#[test]
fn presences() {
    let online = presence::Event::Changed(PresenceChange {
        user: samples::partner(),
        online: false,
        last_seen: Some(samples::now()),
    });
    assert_snapshot!("offline", told(Event::Presence(online), &everything()));
    let typing = presence::Event::ChatState(ChatStateChange {
        chat: samples::partner().into(),
        user: samples::partner(),
        state: ChatState::Composing,
    });
    assert_snapshot!("typing", told(Event::Presence(typing), &everything()));
}

#[test]
fn modes_move_kind_and_change_into_the_request_line() {
    let line = |mode: &str, events: &str| {
        let text = told(received(), &webhook(mode, events));
        text.lines().next().unwrap().to_owned()
    };
    let post = r#"{"type":"messages","method":"post"}"#;
    let put = r#"{"type":"message","method":"put"}"#;
    assert_eq!(line("body", post), "POST https://hooks.test/in");
    assert_eq!(
        line("path", post),
        "POST https://hooks.test/in/messages/post"
    );
    assert_eq!(line("method", post), "POST https://hooks.test/in/messages");
    assert_eq!(line("method", put), "PUT https://hooks.test/in/messages");
}

#[test]
fn webhooks_get_what_they_chose() {
    let only = webhook(
        "body",
        r#"{"type":"statuses","method":"post"},{"type":"messages","method":"delete"}"#,
    );
    assert_eq!(told(received(), &only), "no payload\n");
    assert!(told(status(DeliveryStatus::Read), &only).starts_with("POST"));
    let by_default = subscriptions(r#"{"webhooks":[{"url":"https://hooks.test/in"}]}"#).remove(0);
    assert!(told(received(), &by_default).contains("\"event\": \"put\""));
    assert_eq!(
        told(status(DeliveryStatus::Read), &by_default),
        "no payload\n"
    );
    let none = webhook("body", "");
    assert_eq!(told(received(), &none), "no payload\n");
}
