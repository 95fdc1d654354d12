//! Webhook payloads.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, payloads, samples};
use switchboard_dialect_kit::{EventCx, HistoryPage};
use switchboard_vocab::DialectName;
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::events::messages::{Deletion, StatusChange};
use switchboard_vocab::events::presence::{ChatState, ChatStateChange, PresenceChange};
use switchboard_vocab::events::{Event, messages, presence, sessions};
use switchboard_vocab::messages::{DeliveryStatus, Message};

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
fn what_this_session_sent_itself_is_not_told() {
    let sent = |here| {
        let mut own = samples::own_message("hello");
        own.context.sent_here = here;
        told(Event::Messages(messages::Event::Sent(own)))
    };
    assert_eq!(sent(true), "no payload\n");
    assert!(sent(false).contains("IsFromMe%22%3Atrue"));
}

#[test]
fn what_could_not_be_decrypted_is_not_told() {
    let message = samples::incoming_with(Body::Unreadable {
        reason: "no session".to_owned(),
    });
    assert_eq!(
        told(Event::Messages(messages::Event::Received(message))),
        "no payload\n"
    );
}

#[test]
fn edits_are_taken_out_of_their_envelope() {
    let edit = r#"{"protocolMessage":{"type":14}}"#;
    let raw = format!(r#"{{"editedMessage":{{"message":{edit}}}}}"#);
    let mut message = samples::incoming("new words");
    message.proto_json = Some(raw.clone());
    let text = told(Event::Messages(messages::Event::Received(message)));
    let encoded = |json: &str| {
        let marks = [("{", "%7B"), ("}", "%7D"), ("\"", "%22"), (":", "%3A")];
        marks
            .into_iter()
            .fold(json.to_owned(), |text, (mark, code)| {
                text.replace(mark, code)
            })
    };
    let shown = |name: &str, json: &str| text.contains(&encoded(&format!(r#""{name}":{json}"#)));
    assert!(
        shown("Message", edit) && shown("RawMessage", &raw),
        "{text}"
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

#[test]
fn what_stands_around_a_message() {
    let mut message = samples::incoming("hello");
    message.context.ephemeral = Some(std::time::Duration::from_secs(60));
    message.context.view_once = true;
    let text = told(Event::Messages(messages::Event::Received(message)));
    assert!(
        text.contains("IsEphemeral%22%3Atrue") && text.contains("IsViewOnce%22%3Atrue"),
        "{text}"
    );
}

#[test]
fn every_body_has_types() {
    let bodies = samples::file_bodies().into_iter().chain(samples::bodies());
    let types: Vec<_> = bodies
        .filter(|body| !matches!(body, Body::Unreadable { .. }))
        .map(|body| {
            let kind = format!("{:?}", body.kind());
            let text = told(Event::Messages(messages::Event::Received(
                samples::incoming_with(body),
            )));
            let field = |name: &str| {
                let (_, rest) = text.split_once(&format!("%22{name}%22%3A%22")).unwrap();
                rest.split_once("%22").unwrap().0.to_owned()
            };
            format!(
                "{kind}: {} {} {}",
                field("Type"),
                field("MediaType"),
                field("Edit")
            )
        })
        .collect();
    assert_snapshot!("types", types.join("\n"));
}

#[test]
fn deletions_and_history() {
    let deleted = |before: Option<Message>, for_everyone, by| {
        let chat = before
            .as_ref()
            .map_or_else(|| samples::partner().into(), |b| b.chat.clone());
        told(Event::Messages(messages::Event::Deleted(Deletion {
            chat,
            id: samples::incoming("").id,
            before: before.map(Box::new),
            for_everyone,
            by,
            at: samples::now(),
        })))
    };
    let partner = samples::partner;
    assert_snapshot!(
        "deleted",
        deleted(Some(samples::incoming("x")), true, partner())
    );
    let in_group = samples::incoming_in_group("x");
    assert_snapshot!(
        "deleted_by_admin",
        deleted(Some(in_group), true, samples::own())
    );
    assert!(deleted(None, true, partner()).contains("protocolMessage"));
    assert_eq!(deleted(None, false, partner()), "no payload\n");
    let part = |part: &str| {
        told(Event::Sessions(sessions::Event::HistoryTaken(
            sessions::HistoryPart {
                part: part.to_owned(),
                progress: Some(40),
                chats: 1,
                messages: 2,
                numbers: None,
            },
        )))
    };
    assert_snapshot!("history", part("RECENT"));
    let past = past();
    for shown in [
        r#""syncType":3"#,
        r#""conversations":[{"id":"4915112345678@s.whatsapp.net""#,
        r#""remoteJid":"4915112345678@s.whatsapp.net","fromMe":false,"id":"3A5B7C9D1E2F30415263""#,
        r#""message":{"conversation":"hello"}"#,
        r#""unreadCount":2"#,
        r#""statusV3Messages":[{"key":{"remoteJid":"status@broadcast""#,
        r#""pushnames":[{"id":"4915112345678@s.whatsapp.net""#,
    ] {
        assert!(past.contains(shown), "{shown} is not in {past}");
    }
    assert!(!part("NEW").contains("syncType"));
    let changed = messages::Event::Changed(messages::MessageChange {
        before: samples::incoming("x"),
        after: samples::incoming("y"),
        trigger: None,
    });
    assert_eq!(told(Event::Messages(changed)), "no payload\n");
}

/// The call that tells of a part of the history, with a page of what was in it.
fn past() -> String {
    let mut said = samples::incoming_by_lid("hello");
    said.proto_json = Some(r#"{"conversation":"hello"}"#.to_owned());
    let mut story = samples::incoming("story");
    story.chat = "status@broadcast".parse().unwrap();
    let mut chat = samples::chat();
    (chat.id, chat.alt) = (said.chat.clone(), said.chat_alt.clone());
    let page = HistoryPage {
        messages: vec![said, story],
        chats: vec![chat],
        people: vec![samples::contact()],
    };
    let part = sessions::HistoryPart {
        part: "RECENT".to_owned(),
        progress: Some(40),
        ..sessions::HistoryPart::default()
    };
    let event = Event::Sessions(sessions::Event::HistoryTaken(part));
    let (links, session) = (testing::env().links, samples::session());
    let cx = EventCx {
        session: &session,
        identity: None,
        now: samples::now(),
        links: &links,
        media: None,
        message: None,
        chat: None,
        history: Some(&page),
    };
    let subscription = samples::subscription(DialectName::Wuzapi);
    let calls = (crate::dialect().events)(&samples::envelope(event), &subscription, &cx);
    let body = String::from_utf8_lossy(&calls.first().unwrap().body).into_owned();
    let marks = [
        ("%7B", "{"),
        ("%7D", "}"),
        ("%22", "\""),
        ("%3A", ":"),
        ("%2C", ","),
        ("%5B", "["),
        ("%5D", "]"),
        ("%40", "@"),
    ];
    marks
        .into_iter()
        .fold(body, |text, (code, mark)| text.replace(code, mark))
}
