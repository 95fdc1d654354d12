//! Sending, listing, reading marks.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, request, samples};
use switchboard_vocab::messages::{
    Act, GetMessage, ListMessages, MarkRead, Marked, MessageList, SendMessage,
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
    let all = r#"{"to":"120363025343298765@g.us","body":"see https://a.test","typing_time":3,
        "mentions":["120363025343298765@g.us","4915112345678@s.whatsapp.net"]}"#;
    assert_snapshot!("text_to_all", decoded(post("/messages/text", all)));
    let form = request(Method::POST, "/messages/text")
        .part("to", "4915112345678")
        .part("mentions", "4915112345678")
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
        r#"{"to":"4915112345678","body":"a","mentions":5}"#,
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
        r#"{"to":"4915112345678","body":"a","wide_link_preview":true}"#,
        400,
        "wide_link_preview: ",
    );
    check(r#"{"to":"123456789@broadcast","body":"a"}"#, 400, "to: ");
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
    check_refused(get("/messages/list?author=x"), 400, "author: ");
    let filtered = "/messages/list?author=4915112345678&normal_types=true";
    assert_snapshot!("list_filtered", decoded(get(filtered)));
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
    check_refused(get(&format!("{path}?resync=true")), 400, "resync: ");
}

#[test]
fn edits() {
    let target = ids::message(&samples::own_message("").id);
    let text = format!(
        r#"{{"to":"4915112345678","body":"better @4915112345678","edit":"{target}","mentions":["4915112345678"]}}"#
    );
    assert_snapshot!("edit_text", decoded(post("/messages/text", &text)));
    let answer = answered::<Act>(post("/messages/text", &text), Ok(samples::sent("better")));
    assert!(answer.starts_with("200\n"), "{answer}");
    let caption = format!(
        r#"{{"to":"4915112345678","media":"https://files.test/a","caption":"better","edit":"{target}"}}"#
    );
    assert_snapshot!("edit_caption", decoded(post("/messages/image", &caption)));
    let words = post(
        "/messages/text",
        r#"{"to":"4915112345678","body":"how to edit","edit":""}"#,
    );
    assert!(decoded(words).starts_with("messages.send"));
    let bad = |json: &str, details: &str| check_refused(post("/messages/text", json), 400, details);
    bad(
        r#"{"to":"4915112345678","body":"a","edit":"xyz"}"#,
        "edit: ",
    );
    bad(
        &format!(r#"{{"to":"4915112345678","body":"","edit":"{target}"}}"#),
        "edit: ",
    );
    let by_query = format!("/messages/media/image?to=4915112345678&caption=better&edit={target}");
    let by_query = request(Method::POST, &by_query).bytes("image/png", b"\x89PNG");
    assert!(decoded(by_query).starts_with("messages.act"));
}

#[test]
fn link_previews() {
    let path = "/messages/link_preview";
    let full = r#"{"to":"4915112345678","body":"see https://a.test","title":"A","description":"all of it",
        "canonical":"https://a.test/","preview":"data:image/jpeg;base64,/9j/","mentions":["4915112345678"]}"#;
    assert_snapshot!("link_preview", decoded(post(path, full)));
    let bad = |json: &str, details: &str| check_refused(post(path, json), 400, details);
    bad(
        r#"{"to":"4915112345678","body":"see https://a.test"}"#,
        "missing field `title`",
    );
    bad(
        r#"{"to":"4915112345678","body":"nothing","title":"A"}"#,
        "body: a link is expected",
    );
    bad(
        r#"{"to":"4915112345678","body":"http://a","title":"A","media":"%%%"}"#,
        "media: ",
    );
}
