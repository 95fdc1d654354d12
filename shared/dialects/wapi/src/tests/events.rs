//! Webhook payloads and filters at work.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{payloads, samples};
use switchboard_vocab::content::{Action, Body, Interactive, MediaKind, Reply, ReplyKind, Text};
use switchboard_vocab::events::messages::StatusChange;
use switchboard_vocab::events::sessions::StateChange;
use switchboard_vocab::events::{Event, messages, sessions};
use switchboard_vocab::messages::{DeliveryStatus, Message, Quote};
use switchboard_vocab::sessions::SessionState;
use switchboard_vocab::webhooks::Subscription;

use super::webhooks::subscription;

fn told(event: Event, subscription: &Subscription) -> String {
    payloads(&crate::dialect(), &samples::envelope(event), subscription)
}

fn received(message: Message) -> Event {
    Event::Messages(messages::Event::Received(message))
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
        error: (status == DeliveryStatus::Failed).then_some(463),
    }))
}

fn state(to: SessionState) -> Event {
    Event::Sessions(sessions::Event::StateChanged(StateChange {
        from: SessionState::Connecting,
        to,
        reason: (to == SessionState::LoggedOut).then(|| "removed on the phone".to_owned()),
        next_try_at: None,
    }))
}

fn group_text(body: &str) -> Message {
    let mut message = samples::incoming_in_group("");
    message.body = Body::Text(Text {
        body: body.to_owned(),
        mentions: vec![samples::own()],
        ..Text::default()
    });
    message
}

const NOTHING: &str = "no payload\n";

#[test]
fn messages_of_others() {
    let hook = subscription("");
    assert_snapshot!(
        "text",
        told(received(samples::incoming_by_lid("hello")), &hook)
    );
    let mut answer = group_text("hi @4915100000001");
    answer.forwarded = true;
    answer.quoted = Some(Quote {
        id: samples::own_message("").id,
        author: Some(samples::own()),
    });
    assert_snapshot!("in_group", told(received(answer), &hook));
    let own = Event::Messages(messages::Event::Sent(samples::own_message("hi")));
    assert_eq!(told(own, &hook), NOTHING);
}

#[test]
fn every_other_body() {
    let hook = subscription("");
    let texts: Vec<_> = samples::file_bodies()
        .into_iter()
        .chain(samples::bodies())
        .map(|body| told(received(samples::incoming_with(body)), &hook))
        .collect();
    assert_snapshot!(texts.join("\n"));
}

/// Phones answer the buttons and lists of this gateway in the forms of templates and of flows.
#[test]
fn answers_say_what_was_tapped() {
    let offered = |action| {
        Some(Box::new(Body::Interactive(Interactive {
            header: None,
            media: None,
            body: "choose".to_owned(),
            footer: None,
            action,
        })))
    };
    let answer = |kind, id: &str, quoted_body| {
        let mut message = samples::incoming_with(Body::Reply(Reply {
            kind,
            id: id.to_owned(),
            title: "Yes".to_owned(),
            description: None,
        }));
        message.context.quoted_body = quoted_body;
        told(received(message), &subscription(""))
    };
    let buttons = || {
        offered(Action::Buttons {
            buttons: Vec::new(),
        })
    };
    let list = || {
        offered(Action::List {
            label: "Open".to_owned(),
            sections: Vec::new(),
        })
    };
    for kind in [ReplyKind::Template, ReplyKind::Flow] {
        let text = answer(kind, "1", buttons());
        assert!(text.contains("\"button_reply\": {"), "{text}");
        let text = answer(kind, "1", list());
        assert!(text.contains("\"list_reply\": {"), "{text}");
    }
    let text = answer(ReplyKind::Template, "1", None);
    assert!(text.contains("\"payload\": \"1\""), "{text}");
    let text = answer(ReplyKind::Flow, r#"{"a":1}"#, buttons());
    assert!(text.contains("\"nfm_reply\": {"), "{text}");
}

/// Words of a story are not words to the account.
#[test]
fn stories_name_where_they_stand() {
    let mut story = samples::incoming("news");
    (story.chat, story.chat_alt) = ("status@broadcast".parse().unwrap(), None);
    let text = told(received(story), &subscription(""));
    assert!(
        text.contains("\"group_id\": \"status@broadcast\""),
        "{text}"
    );
}

#[test]
fn chats_are_told_to_who_asks_for_them() {
    use switchboard_vocab::events::chats;
    let before = samples::chat();
    let after = switchboard_vocab::chats::Chat {
        archived: true,
        ..samples::chat()
    };
    let changed = Event::Chats(chats::Event::Changed(chats::ChatChange { before, after }));
    let asking = subscription(r#","settings_types":["chats"]"#);
    assert_snapshot!("chat_changed", told(changed.clone(), &asking));
    assert_eq!(told(changed, &subscription("")), NOTHING);
    let removed = Event::Chats(chats::Event::Removed {
        chat: samples::group(),
    });
    assert_snapshot!("chat_removed", told(removed, &asking));
}

#[test]
fn statuses() {
    let hook = subscription("");
    assert_snapshot!("delivered", told(status(DeliveryStatus::Delivered), &hook));
    assert_snapshot!("failed", told(status(DeliveryStatus::Failed), &hook));
    assert_eq!(told(status(DeliveryStatus::Pending), &hook), NOTHING);
}

#[test]
fn system_events() {
    let hook = subscription("");
    assert_snapshot!("connected", told(state(SessionState::Connected), &hook));
    assert_snapshot!("logged_out", told(state(SessionState::LoggedOut), &hook));
    assert_eq!(told(state(SessionState::Syncing), &hook), NOTHING);
    let system = subscription(r#","settings_types":["system"]"#);
    assert_ne!(told(state(SessionState::Connected), &system), NOTHING);
    assert_eq!(told(received(samples::incoming("hello")), &system), NOTHING);
    let chats = subscription(r#","chat_types":["contact"]"#);
    assert_eq!(told(state(SessionState::Connected), &chats), NOTHING);
}

#[test]
fn filters_hold_messages_back() {
    let passes =
        |fields: &str, message: Message| told(received(message), &subscription(fields)) != NOTHING;
    let chat = r#","chat_ids":["4915112345678@s.whatsapp.net"]"#;
    assert!(passes(chat, samples::incoming("")));
    assert!(passes(chat, samples::incoming_by_lid("")));
    assert!(!passes(chat, samples::incoming_in_group("")));
    let groups = r#","chat_types":["group"]"#;
    assert!(passes(groups, samples::incoming_in_group("")));
    assert!(!passes(groups, samples::incoming("")));
    let pictures = r#","message_types":["image"]"#;
    assert!(passes(
        pictures,
        samples::incoming_with(Body::Media(samples::media(MediaKind::Image)))
    ));
    assert!(!passes(pictures, samples::incoming("")));
    for mention in ["me", "4915100000001"] {
        let fields = format!(r#","mentions":["{mention}"]"#);
        assert!(passes(&fields, group_text("")), "{mention}");
        assert!(!passes(&fields, samples::incoming("")), "{mention}");
    }
    let both = r#","chat_types":["group"],"message_types":["image"]"#;
    assert!(!passes(both, samples::incoming_in_group("")));
}

#[test]
fn filters_hold_statuses_back() {
    let passes =
        |fields: &str| told(status(DeliveryStatus::Read), &subscription(fields)) != NOTHING;
    assert!(passes(r#","chat_ids":["4915112345678@s.whatsapp.net"]"#));
    assert!(!passes(r#","chat_types":["group"]"#));
    assert!(!passes(r#","message_types":["text"]"#));
    assert!(passes(r#","settings_types":["messages"]"#));
}

#[test]
fn webhooks_of_an_account_that_wants_statuses_only() {
    let mut hook = subscription("");
    crate::webhooks::only_statuses(&mut hook);
    assert_eq!(told(received(samples::incoming("hello")), &hook), NOTHING);
    assert_ne!(told(status(DeliveryStatus::Read), &hook), NOTHING);
}
