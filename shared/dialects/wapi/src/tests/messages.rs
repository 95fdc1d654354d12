//! Sending and marking.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{post, samples};
use switchboard_vocab::messages::{MarkRead, Marked, SendMessage};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

fn sends(fields: &str) -> String {
    decoded(post(
        "/v1/messages",
        &format!(r#"{{"to":"4915112345678",{fields}}}"#),
    ))
}

#[test]
fn text_requests() {
    assert_snapshot!(
        "text",
        sends(r#""type":"text","text":{"body":"hello"},"messaging_product":"whatsapp""#)
    );
    let full = r#""text":{"body":"hi @4915112345678"},"id":"order-17","preview_url":false,"recipient_type":"individual",
        "context":{"message_id":"3A5B7C9D1E2F30415263","participant":"4915112345678","mentions":["4915112345678@s.whatsapp.net"]}"#;
    assert_snapshot!("text_full", sends(full));
    let group = r#"{"to":"120363025343298765","recipient_type":"group","text":{"body":"hello"}}"#;
    assert!(decoded(post("/v1/messages", group)).contains("120363025343298765@g.us"));
}

#[test]
fn file_requests() {
    assert_snapshot!(
        "image",
        sends(r#""type":"image","image":{"link":"https://files.test/a.png","caption":"look"}"#)
    );
    assert_snapshot!(
        "document",
        sends(r#""type":"document","document":{"id":"0123abcd","filename":"offer.pdf"}"#)
    );
    for kind in ["video", "audio"] {
        let text = sends(&format!(
            r#""type":"{kind}","{kind}":{{"link":"https://files.test/a"}}"#
        ));
        assert!(text.contains(&format!("\"as_kind\": \"{kind}\"")), "{text}");
    }
}

#[test]
fn bad_requests() {
    let check = |fields: &str, status, message: &str| {
        let json = format!(r#"{{"to":"4915112345678",{fields}}}"#);
        check_refused(post("/v1/messages", &json), status, message);
    };
    check(r#""type":"fax""#, 400, "type: unknown variant `fax`");
    check(r#""type":"text""#, 400, "text: it is missing");
    check(r#""type":"image""#, 400, "image: it is missing");
    check(r#""text":{}"#, 400, "missing field `body`");
    check(r#""text":{"body":""}"#, 400, "text.body: it is empty");
    check(r#""text":{"body":5}"#, 400, "text.body: invalid type");
    check(
        r#""type":"image","image":{}"#,
        400,
        "image: an id or a link",
    );
    check(
        r#""type":"image","image":{"id":"a","link":"http://a/b"}"#,
        400,
        "image: either",
    );
    check(
        r#""type":"image","image":{"link":"ftp://a/b"}"#,
        400,
        "image.link: ",
    );
    check(r#""type":"image","image":{"id":"a b"}"#, 400, "image.id: ");
    check(
        r#""type":"audio","audio":{"id":"a","caption":"x"}"#,
        400,
        "audio.caption: ",
    );
    check(r#""text":{"body":"a"},"id":"a b""#, 400, "id: ");
    let person = r#"{"to":"4915112345678@c.us","recipient_type":"group","text":{"body":"a"}}"#;
    check_refused(post("/v1/messages", person), 400, "recipient_type: ");
    check(
        r#""text":{"body":"a"},"recipient_type":"crowd""#,
        400,
        "recipient_type: unknown variant",
    );
    check(
        r#""text":{"body":"a"},"context":{"mentions":["x"]}"#,
        400,
        "context.mentions: ",
    );
    check(
        r#""text":{"body":"a"},"context":{"message_id":"a b"}"#,
        400,
        "context.message_id: ",
    );
    let (long, caption) = ("x".repeat(65_537), "x".repeat(1_025));
    check(
        &format!(r#""text":{{"body":"{long}"}}"#),
        413,
        "text.body: at most 65536",
    );
    let fields = format!(r#""type":"image","image":{{"id":"a","caption":"{caption}"}}"#);
    check(&fields, 413, "image.caption: at most 1024");
    check_refused(
        post("/v1/messages", r#"{"text":{"body":"a"}}"#),
        400,
        "missing field `to`",
    );
    check_refused(
        post("/v1/messages", r#"{"to":"x","text":{"body":"a"}}"#),
        400,
        "to: ",
    );
    check_refused(post("/v1/messages", "{"), 400, "not valid json");
}

#[test]
fn later_releases() {
    let check = |fields: &str, message: &str| {
        let json = format!(r#"{{"to":"4915112345678",{fields}}}"#);
        check_refused(post("/v1/messages", &json), 501, message);
    };
    check(r#""type":"invite","invite":{}"#, "type: ");
    check(
        r#""text":{"body":"a"},"participants":["4915112345678"]"#,
        "participants: ",
    );
    check(r#""text":{"body":"a","font":"SERIF"}"#, "text.font: ");
    for kind in ["product", "product_list", "catalog_message", "flow"] {
        let body = format!(r#""type":"{kind}","body":{{"text":"a"}},"action":{{}}"#);
        let fields = format!(r#""type":"interactive","interactive":{{{body}}}"#);
        check(&fields, "interactive.type: ");
    }
}

#[test]
fn other_kinds() {
    let media = r#""type":"image","image":{"id":"a","thumbnail":{"data":"AAAA"}},
        "context":{"mentions":["4915112345678"]}"#;
    assert_snapshot!("image_full", sends(media));
    assert_snapshot!(
        "preview",
        sends(r#""text":{"body":"https://a.test"},"preview_url":true"#)
    );
    assert_snapshot!(
        "location",
        sends(
            r#""type":"location","location":{"latitude":"52.5","longitude":13.4,"name":"Office"}"#
        )
    );
    assert_snapshot!(
        "poll",
        sends(
            r#""type":"poll","poll":{"name":"Lunch?","options":["Soup","Salad"],"selectable_count":1}"#
        )
    );
    assert_snapshot!(
        "reaction",
        sends(r#""type":"reaction","reaction":{"message_id":"3A5B","emoji":"👍"}"#)
    );
    let buttons = r#""type":"button","header":{"type":"text","text":"H"},"body":{"text":"Choose"},"footer":{"text":"F"},
        "action":{"buttons":[{"type":"reply","reply":{"id":"yes","title":"Yes"}}]}"#;
    let list = r#""type":"list","header":{"type":"image","image":{"link":"https://files.test/a.png"}},"body":{"text":"Pick"},
        "action":{"button":"Menu","sections":[{"title":"Food","rows":[{"id":"soup","title":"Soup","description":"hot"}]}]}"#;
    let link = r#""type":"cta_url","body":{"text":"Go"},
        "action":{"name":"cta_url","parameters":{"display_text":"Open","url":"https://a.test"}}"#;
    for (name, body) in [("buttons", buttons), ("list", list), ("link", link)] {
        let fields = format!(r#""type":"interactive","interactive":{{{body}}}"#);
        assert_snapshot!(name, sends(&fields));
    }
}

#[test]
fn bad_other_kinds() {
    let check = |fields: &str, message: &str| {
        let json = format!(r#"{{"to":"4915112345678",{fields}}}"#);
        check_refused(post("/v1/messages", &json), 400, message);
    };
    for (fields, message) in [
        (
            r#""type":"location","location":{"latitude":91,"longitude":0}"#,
            "location.latitude: ",
        ),
        (
            r#""type":"location","location":{"latitude":"x","longitude":0}"#,
            "location.latitude: ",
        ),
        (
            r#""type":"poll","poll":{"name":"","options":["a","b"]}"#,
            "poll.name: ",
        ),
        (
            r#""type":"poll","poll":{"name":"q","options":["a"]}"#,
            "poll.options: ",
        ),
        (
            r#""type":"poll","poll":{"name":"q","options":["a","a"]}"#,
            "poll.options: ",
        ),
        (
            r#""type":"poll","poll":{"name":"q","options":["a","b"],"selectable_count":3}"#,
            "poll.selectable_count: ",
        ),
        (r#""type":"reaction""#, "reaction: it is missing"),
        (
            r#""type":"image","image":{"id":"a","thumbnail":{}}"#,
            "image.thumbnail: ",
        ),
    ] {
        check(fields, message);
    }
    let interactive = |body: &str, message: &str| {
        check(
            &format!(r#""type":"interactive","interactive":{{{body}}}"#),
            message,
        );
    };
    let long = "x".repeat(21);
    let button = format!(
        r#""type":"button","body":{{"text":"a"}},"action":{{"buttons":[{{"reply":{{"id":"1","title":"{long}"}}}}]}}"#
    );
    interactive(&button, "interactive.action.buttons: words of 1 to 20");
    let none = r#""type":"button","body":{"text":"a"},"action":{"buttons":[]}"#;
    interactive(none, "interactive.action.buttons: 1 to 10");
    let unlabelled = r#""type":"list","body":{"text":"a"},"action":{"sections":[{"rows":[{"id":"1","title":"a"}]}]}"#;
    interactive(unlabelled, "interactive.action.button: ");
    interactive(
        r#""type":"button","action":{}"#,
        "interactive.action.buttons: ",
    );
}

#[test]
fn sends_answer_with_ids() {
    let request = post(
        "/v1/messages",
        r#"{"to":"+49 151 12345678","text":{"body":"hello"}}"#,
    );
    assert_snapshot!(
        "sent",
        answered::<SendMessage>(request.clone(), Ok(samples::sent("hello")))
    );
    let away = OpError::new(ErrorCode::NotConnected, "the session is not connected");
    assert_snapshot!("not_connected", answered::<SendMessage>(request, Err(away)));
}

#[test]
fn states_in_chats() {
    let typing = r#"{"status":"typing","to":"4915112345678"}"#;
    assert_snapshot!("typing", decoded(post("/v1/messages", typing)));
    let recording = r#"{"type":"status","status":"recording","to":"4915112345678"}"#;
    assert!(decoded(post("/v1/messages", recording)).contains("\"recording\""));
    check_refused(post("/v1/messages", r#"{"status":"typing"}"#), 400, "to: ");
    let played = r#"{"status":"played","message_id":"A1"}"#;
    assert!(decoded(post("/v1/messages", played)).contains("\"played\": true"));
}

#[test]
fn read_marks() {
    let by_id =
        r#"{"messaging_product":"whatsapp","status":"read","message_id":"3A5B7C9D1E2F30415263"}"#;
    assert_snapshot!("mark", decoded(post("/v1/messages", by_id)));
    assert_snapshot!(
        "marked",
        answered::<MarkRead>(post("/v1/messages", by_id), Ok(Marked {}))
    );
    let in_group = r#"{"type":"status","status":"read","to":"120363025343298765@g.us",
        "context":{"message_id":"3A5B7C9D1E2F30415263","participant":"4915112345678"}}"#;
    assert_snapshot!("mark_in_group", decoded(post("/v1/messages", in_group)));
    let without_writer = r#"{"status":"read","to":"120363025343298765@g.us","message_id":"A1"}"#;
    assert!(decoded(post("/v1/messages", without_writer)).contains("\"chat\": null"));
    check_refused(
        post("/v1/messages", r#"{"status":"read"}"#),
        400,
        "message_id: ",
    );
    check_refused(
        post("/v1/messages", r#"{"type":"status"}"#),
        400,
        "status: ",
    );
    check_refused(
        post("/v1/messages", r#"{"status":"seen"}"#),
        400,
        "status: unknown variant",
    );
}
