//! Requests to send.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{post, samples};
use switchboard_vocab::messages::{SendMessage, TEXT_LEN_MAX};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

const PATH: &str = "/client/sendMessage/sales";

fn json(fields: &str) -> String {
    format!(r#"{{"chatId":"4915112345678@c.us",{fields}}}"#)
}

fn sends(fields: &str) -> String {
    decoded(post(PATH, &json(fields)))
}

#[test]
fn texts() {
    let plain = r#""contentType":"string","content":"hello""#;
    assert_snapshot!("text", sends(plain));
    let full = r#""contentType":"string","content":"hi @4915112345678","options":{"linkPreview":false,"sendSeen":false,
        "parseVCards":true,"quotedMessageId":"false_4915112345678@c.us_3A5B7C9D1E2F30415263",
        "mentions":["4915112345678@c.us"],"caption":"unused","extra":null}"#;
    assert_snapshot!("text_full", sends(full));
    let group = r#"{"chatId":"120363025343298765@g.us","contentType":"string","content":"x"}"#;
    assert!(decoded(post(PATH, group)).contains("120363025343298765@g.us"));
    let card = r#""contentType":"string","content":"BEGIN:VCARD","options":{"parseVCards":false}"#;
    assert!(sends(card).contains("BEGIN:VCARD"));
}

#[test]
fn files() {
    let inline = r#""contentType":"MessageMedia","content":{"mimetype":"image/png","data":"AAEC","filename":"a.png"},
        "options":{"caption":"look"}"#;
    assert_snapshot!("inline", sends(inline));
    let link =
        r#""contentType":"MessageMediaFromURL","content":"https://files.test/x/Offer.PDF?a=b""#;
    assert_snapshot!("link", sends(link));
    let beside = r#""contentType":"string","content":"look","options":{"media":{"mimetype":"video/mp4","data":"AAEC"}}"#;
    assert_snapshot!("beside", sends(beside));
}

#[test]
fn options_and_types_choose_the_kind() {
    let check = |mime: &str, options: &str, kind: &str| {
        let fields = format!(
            r#""contentType":"MessageMedia","content":{{"mimetype":"{mime}","data":"AAEC"}},"options":{{{options}}}"#
        );
        let text = sends(&fields);
        assert!(
            text.contains(&format!("\"as_kind\": \"{kind}\"")),
            "{mime} {options}: {text}"
        );
    };
    check("image/jpeg", "", "image");
    check("video/mp4", "", "video");
    check("audio/mpeg", "", "audio");
    check("AUDIO/ogg", r#""sendAudioAsVoice":true"#, "voice");
    check("image/jpeg", r#""sendAudioAsVoice":true"#, "image");
    check("application/pdf", "", "document");
    check("image/jpeg", r#""sendMediaAsDocument":true"#, "document");
    check("image/webp", r#""sendMediaAsSticker":true"#, "sticker");
    let link = |name: &str, kind: &str| {
        let fields =
            format!(r#""contentType":"MessageMediaFromURL","content":"http://files.test/{name}""#);
        let text = sends(&fields);
        assert!(
            text.contains(&format!("\"as_kind\": \"{kind}\"")),
            "{name}: {text}"
        );
    };
    link("a.JPG?size=1", "image");
    link("a.mp4", "video");
    link("a.opus", "audio");
    link("a.zip", "document");
    link("", "document");
    link("download/5", "document");
}

#[test]
fn bad_requests() {
    let check = |fields: &str, status, message: &str| {
        check_refused(post(PATH, &json(fields)), status, message);
    };
    let text = |fields: &str| format!(r#""contentType":"string","content":"x",{fields}"#);
    check_refused(post(PATH, "{"), 422, "the body is not valid json");
    check_refused(post(PATH, ""), 422, "missing field `chatId`");
    check_refused(post(PATH, r#"{"chatId":5}"#), 422, "chatId: invalid type");
    check(r#""content":"x""#, 422, "missing field `contentType`");
    check(r#""contentType":"string""#, 422, "missing field `content`");
    check(
        r#""contentType":"string","content":5"#,
        422,
        "content: invalid type",
    );
    check(
        r#""contentType":"string","content":"""#,
        422,
        "content: it is empty",
    );
    let long = "x".repeat(TEXT_LEN_MAX + 1);
    check(
        &format!(r#""contentType":"string","content":"{long}""#),
        413,
        "content: at most",
    );
    check(
        r#""contentType":"Fax","content":"x""#,
        404,
        "contentType invalid, must be string",
    );
    check(
        &text(r#""options":{"mentions":["x"]}"#),
        422,
        "options.mentions: ",
    );
    check(
        &text(r#""options":{"mentions":"x"}"#),
        422,
        "options.mentions: invalid type",
    );
    check(
        &text(r#""options":{"quotedMessageId":"a b"}"#),
        422,
        "options.quotedMessageId: ",
    );
    check(
        &text(r#""options":{"sendSeen":"perhaps"}"#),
        422,
        "options.sendSeen: ",
    );
    for (chat, message) in [
        ("4915112345678", "chatId: a chat id"),
        ("12@c.us", "chatId: "),
        ("a@b", "chatId: "),
    ] {
        let json = format!(r#"{{"chatId":"{chat}","contentType":"string","content":"x"}}"#);
        check_refused(post(PATH, &json), 422, message);
    }
}

#[test]
fn bad_files() {
    let check = |content: &str, options: &str, status, message: &str| {
        let fields =
            format!(r#""contentType":"MessageMedia","content":{content},"options":{{{options}}}"#);
        check_refused(post(PATH, &json(&fields)), status, message);
    };
    check(r#""AAEC""#, "", 422, "content: invalid type");
    check(r#"{"data":"AAEC"}"#, "", 422, "missing field `mimetype`");
    check(
        r#"{"mimetype":"png","data":"AAEC"}"#,
        "",
        422,
        "content.mimetype: ",
    );
    let picture = |data: &str| format!(r#"{{"mimetype":"image/png","data":"{data}"}}"#);
    check(&picture("###"), "", 422, "content.data: ");
    check(&picture(""), "", 422, "content.data: the media is empty");
    let long = format!(r#""caption":"{}""#, "x".repeat(1_025));
    check(&picture("AAEC"), &long, 413, "options.caption: at most");
    let sticker = r#""sendMediaAsSticker":true,"caption":"x""#;
    check(&picture("AAEC"), sticker, 422, "options.caption: ");
    let mentions = r#""mentions":["4915112345678@c.us"]"#;
    check(&picture("AAEC"), mentions, 501, "options.mentions: ");
    for link in ["ftp://a/b", "x", ""] {
        let fields = format!(r#""contentType":"MessageMediaFromURL","content":"{link}""#);
        check_refused(post(PATH, &json(&fields)), 422, "content: ");
    }
}

#[test]
fn what_is_not_offered_is_refused() {
    let check = |fields: &str, message: &str| {
        check_refused(post(PATH, &json(fields)), 501, message);
    };
    for kind in ["Location", "Contact", "Poll"] {
        let fields = format!(r#""contentType":"{kind}","content":{{}}"#);
        check(&fields, "does not offer this operation yet");
    }
    for kind in ["Buttons", "List"] {
        let fields = format!(r#""contentType":"{kind}","content":{{}}"#);
        check(&fields, "does not let a linked device");
    }
    for (name, value) in [
        ("linkPreview", "true"),
        ("sendVideoAsGif", "true"),
        ("isViewOnce", "true"),
        ("sendSeen", "true"),
        ("groupMentions", "[{}]"),
        ("stickerName", "\"x\""),
        ("stickerAuthor", "\"x\""),
        ("stickerCategories", "[\"x\"]"),
        ("invokedBotWid", "\"x\""),
        ("extra", "{}"),
    ] {
        let fields =
            format!(r#""contentType":"string","content":"x","options":{{"{name}":{value}}}"#);
        check(&fields, &format!("options.{name}: "));
    }
    check(
        r#""contentType":"string","content":"BEGIN:VCARD""#,
        "options.parseVCards: ",
    );
    let status = r#"{"chatId":"status@broadcast","contentType":"string","content":"x"}"#;
    check_refused(post(PATH, status), 501, "chatId: ");
}

#[test]
fn answers() {
    let request = || post(PATH, &json(r#""contentType":"string","content":"hello""#));
    let sent = answered::<SendMessage>(request(), Ok(samples::sent("hello")));
    assert_snapshot!("sent", sent);
    let away = OpError::new(ErrorCode::NotConnected, "the session has no connection");
    assert_snapshot!(
        "not_connected",
        answered::<SendMessage>(request(), Err(away))
    );
}
