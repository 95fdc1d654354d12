//! Sending, listing, reading marks.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, request, samples};
use switchboard_vocab::content::{Body, Card, Location, MediaKind, Text};
use switchboard_vocab::messages::{
    GetMessage, ListMessages, MarkRead, Marked, Message, MessageList, Quote, SendMessage,
};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};
use crate::ids;

fn shown_id() -> String {
    ids::message(&samples::incoming("").id)
}

#[test]
fn text_requests() {
    let quoted = shown_id();
    let full = format!(
        r#"{{"to":"4915112345678@s.whatsapp.net","body":"Grüße @4915112345678","quoted":"{quoted}","typing_time":0,
            "no_link_preview":true,"mentions":["4915112345678"]}}"#
    );
    assert_snapshot!("text_full", decoded(post("/messages/text", &full)));
    let to_group = r#"{"to":"120363025343298765@g.us","body":"hello"}"#;
    assert_snapshot!("text_to_group", decoded(post("/messages/text", to_group)));
    let form = request(Method::POST, "/messages/text")
        .part("to", "4915112345678")
        .part("body", "hello");
    assert!(decoded(form).contains("\"body\": \"hello\""));
}

#[test]
fn bad_text_requests() {
    let check = |json: &str, status, details: &str| {
        check_refused(post("/messages/text", json), status, details)
    };
    check("", 400, "missing field `to`");
    check("{", 400, "not valid json");
    check("[]", 400, "must be a json object");
    check(r#"{"to":"4915112345678"}"#, 400, "missing field `body`");
    check(
        r#"{"to":"4915112345678","body":""}"#,
        400,
        "body: it is empty",
    );
    check(
        r#"{"to":"4915112345678","body":5}"#,
        400,
        "body: invalid type: integer `5`",
    );
    check(r#"{"to":"","body":"a"}"#, 400, "to: ");
    check(r#"{"to":"abc","body":"a"}"#, 400, "to: ");
    check(r#"{"to":"1234567890123456","body":"a"}"#, 400, "to: ");
    check(
        r#"{"to":"4915112345678","body":"a","quoted":"xyz"}"#,
        400,
        "quoted: ",
    );
    check(
        r#"{"to":"4915112345678","body":"a","mentions":"x"}"#,
        400,
        "mentions: invalid type",
    );
    check(
        r#"{"to":"4915112345678","body":"a","mentions":["x"]}"#,
        400,
        "mentions: ",
    );
    check(
        r#"{"to":"4915112345678","body":"a","typing_time":61}"#,
        400,
        "typing_time: ",
    );
    check(
        r#"{"to":"4915112345678","body":"a","typing_time":-1}"#,
        400,
        "typing_time: ",
    );
    check(
        r#"{"to":"4915112345678","body":"a","typing_time":5}"#,
        501,
        "typing_time: ",
    );
    check(r#"{"to":"123456789@broadcast","body":"a"}"#, 501, "to: ");
    let long = "x".repeat(65_537);
    check(
        &format!(r#"{{"to":"4915112345678","body":"{long}"}}"#),
        413,
        "body: at most 65536 characters",
    );
}

#[test]
fn sends_answer_with_the_message() {
    let request = post("/messages/text", r#"{"to":"4915112345678","body":"hello"}"#);
    assert_snapshot!(
        "sent",
        answered::<SendMessage>(request.clone(), Ok(samples::sent("hello")))
    );
    let away = OpError::new(ErrorCode::NotConnected, "the session is not connected");
    assert_snapshot!("not_connected", answered::<SendMessage>(request, Err(away)));
}

#[test]
fn list_requests() {
    let all = "/messages/list?count=20&offset=40&time_from=1700000000&time_to=1700000100&from_me=false&sort=asc";
    assert_snapshot!("list_all", decoded(get(all)));
    assert_snapshot!(
        "list_chat",
        decoded(get("/messages/list/4915112345678@s.whatsapp.net"))
    );
    check_refused(get("/messages/list?count=0"), 400, "count: 1 to 500");
    check_refused(get("/messages/list?count=501"), 400, "count: 1 to 500");
    check_refused(get("/messages/list?count=-1"), 400, "count: ");
    check_refused(get("/messages/list?offset=-1"), 400, "offset: ");
    check_refused(
        get("/messages/list?sort=up"),
        400,
        "sort: unknown variant `up`",
    );
    check_refused(get("/messages/list?from_me=maybe"), 400, "from_me: ");
    check_refused(get("/messages/list?author=4915112345678"), 501, "author: ");
    check_refused(get("/messages/list/4915112345678"), 400, "ChatID: ");
}

#[test]
fn list_answers() {
    let out = MessageList {
        messages: vec![samples::incoming("hello"), samples::own_message("hi")],
        total: 12,
        last_number: 8,
    };
    assert_snapshot!(
        "listed",
        answered::<ListMessages>(get("/messages/list?count=2&offset=3"), Ok(out))
    );
    let none = MessageList {
        messages: Vec::new(),
        total: 0,
        last_number: 0,
    };
    assert_snapshot!(
        "listed_none",
        answered::<ListMessages>(get("/messages/list"), Ok(none))
    );
}

#[test]
fn single_messages() {
    let path = format!("/messages/{}", shown_id());
    assert_snapshot!("get_request", decoded(get(&path)));
    assert_snapshot!("read_request", decoded(request(Method::PUT, &path)));
    assert_snapshot!(
        "read_answer",
        answered::<MarkRead>(request(Method::PUT, &path), Ok(Marked {}))
    );
    let gone = OpError::new(ErrorCode::NotFound, "the message is not in the log");
    assert_snapshot!("get_gone", answered::<GetMessage>(get(&path), Err(gone)));
    check_refused(get("/messages/3EB0A1B2C3D4E5F6071829"), 400, "MessageID: ");
    check_refused(get(&format!("{path}?resync=true")), 501, "resync: ");
}

fn shown(message: Message) -> String {
    let path = format!("/messages/{}", ids::message(&message.id));
    answered::<GetMessage>(get(&path), Ok(message))
}

#[test]
fn every_kind_of_file_is_shown() {
    use MediaKind::*;
    let kinds = [Image, Video, Audio, Voice, Document, Sticker];
    let texts = kinds.map(|kind| shown(samples::incoming_with(Body::Media(samples::media(kind)))));
    assert_snapshot!(texts.join("\n"));
}

#[test]
fn every_other_body_is_shown() {
    let card = |name: &str| Card {
        name: name.to_owned(),
        vcard: "BEGIN:VCARD".to_owned(),
    };
    let target = samples::own_message("").id;
    let bodies = [
        Body::Text(Text {
            body: "@4915100000001".to_owned(),
            mentions: vec![samples::own()],
        }),
        Body::Location(Location {
            latitude: 52.5,
            longitude: 13.4,
            name: Some("Office".to_owned()),
            address: None,
        }),
        Body::Contacts {
            cards: vec![card("A")],
        },
        Body::Contacts {
            cards: vec![card("A"), card("B")],
        },
        Body::Reaction {
            to: target.clone(),
            emoji: "👍".to_owned(),
        },
        Body::Edited {
            target: target.clone(),
            body: "better".to_owned(),
        },
        Body::Revoked { target },
        Body::Other {
            field: "poll_creation_message".to_owned(),
        },
    ];
    let texts = bodies.map(|body| shown(samples::incoming_with(body)));
    assert_snapshot!(texts.join("\n"));
}

#[test]
fn hidden_numbers_groups_and_quotes_are_shown() {
    assert_snapshot!("by_lid", shown(samples::incoming_by_lid("hello")));
    let mut in_group = samples::incoming_in_group("hello");
    in_group.forwarded = true;
    in_group.quoted = Some(Quote {
        id: samples::own_message("").id,
        author: Some(samples::own()),
    });
    assert_snapshot!("in_group", shown(in_group));
}
