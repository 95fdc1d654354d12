//! Sending and marking.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{post, samples};
use switchboard_vocab::messages::SendMessage;

use super::{answered, check_refused, decoded};

const PIXEL: &str = "data:image/png;base64,iVBORw0KGgo=";

#[test]
fn texts() {
    assert_snapshot!(
        "text",
        decoded(post(
            "/chat/send/text",
            r#"{"Phone":"+4915112345678","Body":"hello"}"#
        ))
    );
    let full = r#"{"PHONE":4915112345678,"body":"hello","Id":"ABCD",
        "ContextInfo":{"StanzaId":"AA11BB22","Participant":"4915112345678@s.whatsapp.net",
        "MentionedJID":["4915112345678@s.whatsapp.net"]}}"#;
    assert_snapshot!("text_full", decoded(post("/chat/send/text", full)));
    let group = r#"{"Phone":"120363025343298765@g.us","Body":"hello"}"#;
    assert!(decoded(post("/chat/send/text", group)).contains("120363025343298765@g.us"));
}

#[test]
fn files() {
    let image = format!(r#"{{"Phone":"4915112345678","Image":"{PIXEL}","Caption":"look"}}"#);
    assert_snapshot!("image", decoded(post("/chat/send/image", &image)));
    let document = r#"{"Phone":"4915112345678","Document":"data:application/octet-stream;base64,AAAA","FileName":"a.pdf"}"#;
    assert_snapshot!("document", decoded(post("/chat/send/document", document)));
    let thumbnail = r#"{"Phone":"4915112345678","Video":"data:video/mp4;base64,AAAA","JpegThumbnail":"AAEC","Caption":"@me",
        "ContextInfo":{"MentionedJID":["4915112345678@s.whatsapp.net"]}}"#;
    assert_snapshot!("thumbnail", decoded(post("/chat/send/video", thumbnail)));
    for (path, field, mime, kind) in [
        ("/chat/send/audio", "Audio", "audio/ogg", "voice"),
        ("/chat/send/video", "Video", "video/mp4", "video"),
        ("/chat/send/sticker", "Sticker", "image/webp", "sticker"),
    ] {
        let body = format!(r#"{{"Phone":"4915112345678","{field}":"data:{mime};base64,AAAA"}}"#);
        let text = decoded(post(path, &body));
        assert!(text.contains(&format!("\"as_kind\": \"{kind}\"")), "{text}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of cases")]
fn bad_requests_say_what_that_system_says() {
    let check = |path: &str, body: &str, message: &str| {
        check_refused(post(path, body), 400, message);
    };
    check("/chat/send/text", "{", "Could not decode Payload");
    check("/chat/send/text", "[]", "Could not decode Payload");
    check(
        "/chat/send/text",
        r#"{"Phone":"4915112345678","Body":5}"#,
        "Could not decode Payload",
    );
    check("/chat/send/text", "{}", "Missing Phone in Payload");
    check(
        "/chat/send/text",
        r#"{"Phone":"4915112345678"}"#,
        "Missing Body in Payload",
    );
    check(
        "/chat/send/text",
        r#"{"Phone":"4915112345678","Body":""}"#,
        "Missing Body in Payload",
    );
    check(
        "/chat/send/text",
        r#"{"Phone":"abc","Body":"a"}"#,
        "Could not parse Phone",
    );
    check(
        "/chat/send/text",
        r#"{"Phone":"4915112345678","Body":"a","Id":"a b"}"#,
        "Could not parse Id",
    );
    let context = |fields: &str| {
        format!(r#"{{"Phone":"4915112345678","Body":"a","ContextInfo":{{{fields}}}}}"#)
    };
    check(
        "/chat/send/text",
        &context(r#""StanzaId":"AA11""#),
        "Missing Participant in ContextInfo",
    );
    check(
        "/chat/send/text",
        &context(r#""Participant":"4915112345678""#),
        "Missing StanzaId in ContextInfo",
    );
    check(
        "/chat/send/image",
        r#"{"Phone":"4915112345678"}"#,
        "Missing Image in Payload",
    );
    check(
        "/chat/send/image",
        r#"{"Phone":"4915112345678","Image":"data:text/plain;base64,AAAA"}"#,
        "Image data should start with",
    );
    check(
        "/chat/send/image",
        r#"{"Phone":"4915112345678","Image":"data:image/png;base64,###"}"#,
        "Could not decode base64",
    );
    check(
        "/chat/send/audio",
        r#"{"Phone":"4915112345678","Audio":"data:audio/mp3;base64,AAAA"}"#,
        "Audio data should start with",
    );
    check(
        "/chat/send/document",
        r#"{"Phone":"4915112345678","Document":"data:a/b;base64,AAAA"}"#,
        "Missing FileName in Payload",
    );
    let video = |more: &str| {
        format!(r#"{{"Phone":"4915112345678","Video":"data:video/mp4;base64,AAAA",{more}}}"#)
    };
    check(
        "/chat/send/video",
        &video(r##""JpegThumbnail":"!!!""##),
        "Thumbnail: ",
    );
    let mentioned = r#""ContextInfo":{"MentionedJID":["4915112345678"]}"#;
    check("/chat/send/video", &video(mentioned), "MentionedJID: ");
    check(
        "/chat/send/text",
        &context(r#""MentionedJID":["x"]"#),
        "Could not parse MentionedJID",
    );
    let long = format!(
        r#"{{"Phone":"4915112345678","Body":"{}"}}"#,
        "x".repeat(65_537)
    );
    check_refused(post("/chat/send/text", &long), 413, "Body: at most 65536");
}

#[test]
fn marking_read() {
    let body =
        r#"{"Id":["AA11","BB22"],"Chat":"120363025343298765@g.us","Sender":"4915112345678"}"#;
    assert_snapshot!("mark_read", decoded(post("/chat/markread", body)));
    check_refused(
        post("/chat/markread", r#"{"Chat":"4915112345678"}"#),
        400,
        "Missing Id in Payload",
    );
    check_refused(
        post("/chat/markread", r#"{"Id":["A"]}"#),
        400,
        "Missing Chat in Payload",
    );
}

#[test]
fn answers() {
    let request = post(
        "/chat/send/text",
        r#"{"Phone":"4915112345678","Body":"hello"}"#,
    );
    assert_snapshot!(
        "sent",
        answered::<SendMessage>(request, Ok(samples::sent("hello")))
    );
}
