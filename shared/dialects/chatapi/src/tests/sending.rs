//! Requests to send.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, request, samples};
use switchboard_vocab::messages::{CAPTION_LEN_MAX, SendMessage, TEXT_LEN_MAX};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, at, check_refused, decoded};

#[test]
fn texts_come_in_many_ways() {
    let json = r#"{"phone":"17472822486","body":"hello"}"#;
    let expected = decoded(post(&at("/sendMessage?token=abc"), json));
    assert_snapshot!("text", expected);
    let same = [
        post(&at("/message"), json),
        post(
            &at("/sendMessage"),
            r#"{"phone":17472822486,"body":"hello"}"#,
        ),
        post(
            &at("/sendMessage"),
            r#"{"phone":"+1 747 282-2486","body":"hello","chatId":null}"#,
        ),
        post(
            &at("/sendMessage"),
            r#"{"phone":"1","chatId":"17472822486@c.us","body":"hello"}"#,
        ),
        post(&at("/sendMessage?phone=17472822486&body=hello"), ""),
        get(&at("/sendMessage?phone=17472822486&body=hello")),
        request(Method::POST, &at("/sendMessage")).bytes(
            "application/x-www-form-urlencoded",
            b"phone=17472822486&body=hello",
        ),
        request(Method::POST, &at("/sendMessage"))
            .part("phone", "17472822486")
            .part("body", "hello"),
    ];
    for (number, request) in same.into_iter().enumerate() {
        assert_eq!(decoded(request), expected, "request {number}");
    }
    let group = r#"{"chatId":"79680561234-1479621234@g.us","body":"hello"}"#;
    assert!(decoded(post(&at("/message"), group)).contains("79680561234-1479621234@g.us"));
}

/// A send that failed answers 200 and says why.
fn check_not_sent(path: &str, json: &str, message: &str) {
    check_refused(post(&at(path), json), 200, message);
    let text = decoded(post(&at(path), json));
    assert!(text.contains("\"sent\": false"), "{text}");
}

#[test]
fn bad_texts() {
    let check = |json: &str, message: &str| check_not_sent("/sendMessage", json, message);
    check("{", "the body is not valid json");
    check("[]", "the body must be a json object");
    check("{}", "missing field `body`");
    check(r#"{"body":"x"}"#, "phone: a phone number or a chatId");
    check(r#"{"phone":"abc","body":"x"}"#, "phone: ");
    check(r#"{"phone":"12","body":"x"}"#, "phone: ");
    check(r#"{"phone":true,"body":"x"}"#, "phone: expected text");
    check(
        r#"{"chatId":"17472822486","body":"x"}"#,
        "chatId: a chat id",
    );
    check(r#"{"chatId":5,"body":"x"}"#, "chatId: invalid type");
    check(r#"{"chatId":"status@broadcast","body":"x"}"#, "chatId: ");
    check(r#"{"phone":"17472822486","body":""}"#, "body: it is empty");
    check(
        r#"{"phone":"17472822486","body":{}}"#,
        "body: expected text",
    );
    let long = "x".repeat(TEXT_LEN_MAX + 1);
    check(
        &format!(r#"{{"phone":"17472822486","body":"{long}"}}"#),
        "body: at most",
    );
}

#[test]
fn files_come_in_many_ways() {
    let file = |body: &str| {
        format!(
            r#"{{"phone":"17472822486","body":"{body}","filename":"cover.jpg","caption":"look"}}"#
        )
    };
    let link = decoded(post(&at("/sendFile"), &file("https://files.test/1?a=b")));
    assert_snapshot!("link", link);
    let query = "phone=17472822486&filename=cover.jpg&caption=look";
    let target = at(&format!(
        "/sendFile?{query}&body=https%3A%2F%2Ffiles.test%2F1%3Fa%3Db"
    ));
    assert_eq!(decoded(get(&target)), link);
    let data = decoded(post(&at("/sendFile"), &file("data:image/jpeg;base64,AAEC")));
    assert_snapshot!("data_uri", data);
    let form = || {
        request(Method::POST, &at("/sendFile"))
            .part("phone", "17472822486")
            .part("caption", "look")
            .file("body", "upload.png", "image/jpeg", &[0, 1, 2])
    };
    assert_eq!(decoded(form().part("filename", "cover.jpg")), data);
    assert!(decoded(form()).contains("upload.png"));
}

#[test]
fn the_name_chooses_the_kind() {
    for (name, kind) in [
        ("1.JPG", "image"),
        ("1.png", "image"),
        ("1.mp4", "video"),
        ("1.mp3", "audio"),
        ("1.ogg", "audio"),
        ("hello.xlsx", "document"),
        ("jpg", "document"),
    ] {
        let json = format!(
            r#"{{"phone":"17472822486","body":"http://files.test/1","filename":"{name}"}}"#
        );
        let text = decoded(post(&at("/sendFile"), &json));
        assert!(
            text.contains(&format!("\"as_kind\": \"{kind}\"")),
            "{name}: {text}"
        );
    }
}

#[test]
fn bad_files() {
    let check = |fields: &str, message: &str| {
        let json = format!(r#"{{"phone":"17472822486",{fields}}}"#);
        check_not_sent("/sendFile", &json, message);
    };
    check(
        r#""filename":"a.png""#,
        "body: a link, a data uri or a file",
    );
    check(r#""body":5,"filename":"a.png""#, "body: invalid type");
    for bad in ["", "AAEC", "ftp://a/b", "data:image/png;base64,###"] {
        check(&format!(r#""body":"{bad}","filename":"a.png""#), "body: ");
    }
    check(r#""body":"http://a/b""#, "filename: ");
    check(r#""body":"http://a/b","filename":" ""#, "filename: ");
    check(
        r#""body":"http://a/b","filename":"a.mp3","caption":"x""#,
        "caption: ",
    );
    let long = "x".repeat(CAPTION_LEN_MAX + 1);
    check(
        &format!(r#""body":"http://a/b","filename":"a.png","caption":"{long}""#),
        "caption: at most",
    );
    let empty = request(Method::POST, &at("/sendFile"))
        .part("phone", "17472822486")
        .file("body", "a.png", "image/png", &[]);
    check_refused(empty, 200, "body: the file is empty");
}

#[test]
fn answers() {
    let json = r#"{"phone":"4915112345678","body":"hello"}"#;
    let send = |output| answered::<SendMessage>(post(&at("/sendMessage"), json), output);
    assert_snapshot!("sent", send(Ok(samples::sent("hello"))));
    let unpaired = OpError::new(ErrorCode::NotPaired, "the session is not paired");
    assert_snapshot!("not_sent", send(Err(unpaired)));
    let lost = OpError::new(ErrorCode::Timeout, "no answer in time");
    assert_snapshot!("unknown_outcome", send(Err(lost)));
}
