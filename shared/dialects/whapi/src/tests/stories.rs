//! Stories.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, request, samples};
use switchboard_vocab::messages::{Message, MessageList, Sent};
use switchboard_vocab::stories::{Copy, Get, List, Post};

use super::{answered, check_refused, decoded};
use crate::ids;

fn story() -> Message {
    Message {
        chat: "status@broadcast".parse().unwrap(),
        chat_alt: None,
        ..samples::own_message("news")
    }
}

fn path() -> String {
    format!("/stories/{}", ids::message(&story().id))
}

#[test]
fn words() {
    let full = r##"{"caption":"news","background_color":"#1a2b3c","caption_color":"#80ffffff",
        "font_type":"MORNINGBREEZE_REGULAR","contacts":["4915112345678"]}"##;
    assert_snapshot!("text", decoded(post("/stories/send/text", full)));
    for path in ["/messages/story/text", "/stories", "/messages/story"] {
        assert_eq!(
            decoded(post(path, full)),
            decoded(post("/stories/send/text", full))
        );
    }
    let answer = answered::<Post>(post("/stories", full), Ok(Sent { message: story() }));
    assert_snapshot!("posted", answer);
    for font in [
        "SYSTEM",
        "SYSTEM_TEXT",
        "FB_SCRIPT",
        "SYSTEM_BOLD",
        "CALISTOGA_REGULAR",
        "EXO2_EXTRABOLD",
        "COURIERPRIME_BOLD",
    ] {
        let text = decoded(post(
            "/stories",
            &format!(r#"{{"caption":"x","font_type":"{font}"}}"#),
        ));
        assert!(text.starts_with("stories.post"), "{font}: {text}");
    }
    let bad = |fields: &str, details: &str| {
        let json = format!(r#"{{"caption":"x"{fields}}}"#);
        check_refused(post("/stories/send/text", &json), 400, details);
    };
    bad(r##","background_color":"blue""##, "background_color: ");
    bad(r##","caption_color":"#12345""##, "caption_color: ");
    bad(r##","font_type":"COMIC""##, "font_type: ");
    bad(r##","contacts":["x"]"##, "contacts: ");
    bad(
        r##","contacts":["4915112345678"],"exclude_contacts":["4915112345678"]"##,
        "exclude_contacts: ",
    );
    check_refused(post("/stories/send/text", "{}"), 400, "caption: ");
    check_refused(post("/stories", "{}"), 400, "caption: ");
}

#[test]
fn files() {
    let except = r#"{"media":"https://files.test/a.mp4","caption":"look","exclude_contacts":["4915112345678"]}"#;
    assert_snapshot!("media", decoded(post("/stories/send/media", except)));
    let voice = r##"{"media":"https://files.test/a","background_color":"#ff0000","seconds":3}"##;
    assert_snapshot!("audio", decoded(post("/messages/story/audio", voice)));
    let form = request(Method::POST, "/messages/story/media").file(
        "media",
        "a.png",
        "image/png",
        b"\x89PNG",
    );
    assert!(decoded(form).contains("\"as_kind\": \"image\""));
    let kind = |media: &str| decoded(post("/stories", &format!(r#"{{"media":"{media}"}}"#)));
    assert!(kind("T2dnUwAA").contains("\"as_kind\": \"voice\""));
    assert!(kind("AAAAGGZ0eXBtcDQy").contains("\"as_kind\": \"video\""));
    assert!(kind("https://files.test/a").contains("\"as_kind\": \"image\""));
    assert!(kind("data:video/mp4;base64,AAAA").contains("\"as_kind\": \"video\""));
    let bad = |path: &str, media: &str, status, details: &str| {
        let json = format!(r#"{{"media":"{media}"}}"#);
        check_refused(post(path, &json), status, details);
    };
    bad(
        "/stories/send/media",
        "https://files.test/a.ogg",
        415,
        "media: ",
    );
    bad(
        "/stories/send/audio",
        "https://files.test/a.png",
        415,
        "media: ",
    );
    bad("/stories", "https://files.test/a.pdf", 415, "media: ");
    bad("/stories/send/media", "%%%", 400, "media: ");
    check_refused(post("/stories/send/media", "{}"), 400, "media: ");
}

#[test]
fn reading() {
    let all = "/stories?count=2&author=4915112345678&from_me=false&time_from=1700000000&time_to=1700000100";
    assert_snapshot!("list", decoded(get(all)));
    let out = MessageList {
        messages: vec![story()],
        total: 1,
        last_number: 8,
    };
    assert_snapshot!("listed", answered::<List>(get("/stories"), Ok(out)));
    assert_snapshot!("get", decoded(get(&path())));
    let answer = answered::<Get>(get(&path()), Ok(story()));
    assert!(answer.starts_with("200\n"), "{answer}");
    check_refused(get("/stories/x"), 400, "MessageID: ");
}

#[test]
fn copies() {
    let copy = |json: &str| request(Method::PUT, &path()).json(json);
    assert_snapshot!("copy", decoded(copy(r#"{"contacts":["4915112345678"]}"#)));
    assert!(decoded(copy("{}")).contains("\"audience\": \"contacts\""));
    let answer = answered::<Copy>(copy("{}"), Ok(Sent { message: story() }));
    assert!(answer.starts_with("201\n"), "{answer}");
}
