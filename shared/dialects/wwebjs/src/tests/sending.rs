//! Requests to send.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{post, samples};
use switchboard_vocab::chats::MarkSeen;
use switchboard_vocab::messages::{SendMessage, TEXT_LEN_MAX};
use switchboard_vocab::stories::Post;
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, answered_both, check_refused, decoded};

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
        "mentions":["4915112345678@c.us"],"caption":"","extra":{}}"#;
    assert_snapshot!("text_full", sends(full));
    let group = r#"{"chatId":"120363025343298765@g.us","contentType":"string","content":"x"}"#;
    assert!(decoded(post(PATH, group)).contains("120363025343298765@g.us"));
    let card = r#""contentType":"string","content":"BEGIN:VCARD","options":{"parseVCards":false}"#;
    assert!(sends(card).contains("\"body\": \"BEGIN:VCARD\""));
    let card =
        r#""contentType":"string","content":"BEGIN:VCARD\r\nFN;CHARSET=UTF-8:Ada L\r\nEND:VCARD""#;
    assert_snapshot!("card", sends(card));
}

#[test]
fn the_chat_is_seen_unless_told_not_to() {
    let text =
        |options: &str| format!(r#""contentType":"string","content":"x","options":{options}"#);
    assert_eq!(sends(&text("{}")), sends(&text(r#"{"sendSeen":true}"#)));
    assert!(sends(&text("null")).starts_with("chats.mark_seen"));
    assert!(sends(&text(r#"{"sendSeen":"false"}"#)).starts_with("messages.send"));
    let channel = r#"{"chatId":"120363@newsletter","contentType":"string","content":"x"}"#;
    assert!(decoded(post(PATH, channel)).starts_with("messages.send"));
}

#[test]
fn other_contents() {
    let place = r#""contentType":"Location","content":{"latitude":52.5,"longitude":13.4,"description":"Office\nMain street 1"}"#;
    assert_snapshot!("place", sends(place));
    let bare = r#""contentType":"Location","content":{"latitude":0,"longitude":-180}"#;
    assert!(sends(bare).contains("\"longitude\": -180.0"));
    let person = r#""contentType":"Contact","content":{"contactId":"4915112345678@c.us"}"#;
    assert_snapshot!("person", sends(person));
    let poll =
        r#""contentType":"Poll","content":{"pollName":"Lunch?","pollOptions":["Soup","Salad"]}"#;
    assert_snapshot!("poll", sends(poll));
    let many = poll.replace("]}", r#"],"options":{"allowMultipleAnswers":true}}"#);
    assert!(sends(&many).contains("\"choices_max\": null"));
    let buttons = r#""contentType":"Buttons","content":{"body":"Choose","buttons":[{"body":"Yes","id":"y"},{"body":"No"}],
        "title":"Hello","footer":""}"#;
    assert_snapshot!("buttons", sends(buttons));
    let list = r#""contentType":"List","content":{"body":"Pick","buttonText":"Menu","footer":"Thanks","sections":[
        {"title":"Food","rows":[{"id":5,"title":"Soup","description":"hot"}]},{"title":"More","rows":[{"title":"Tea"}]}]}"#;
    assert_snapshot!("list", sends(list));
}

#[test]
fn bad_contents() {
    let check = |kind: &str, content: &str, message: &str| {
        let fields = format!(r#""contentType":"{kind}","content":{content}"#);
        check_refused(post(PATH, &json(&fields)), 422, message);
    };
    check("Location", r#"{"latitude":1}"#, "longitude");
    check(
        "Location",
        r#"{"latitude":91,"longitude":1}"#,
        "content.latitude: ",
    );
    check(
        "Location",
        r#"{"latitude":1,"longitude":181}"#,
        "content.longitude: ",
    );
    check("Contact", "{}", "contactId");
    check(
        "Contact",
        r#"{"contactId":"1@g.us"}"#,
        "content.contactId: ",
    );
    let poll =
        |name: &str, options: &str| format!(r#"{{"pollName":"{name}","pollOptions":{options}}}"#);
    check("Poll", &poll("", r#"["a","b"]"#), "content.pollName: ");
    check("Poll", &poll("x", r#"["a"]"#), "2 to 12 options");
    check("Poll", &poll("x", r#"["a","a"]"#), "the same");
    check(
        "Poll",
        &poll("x", r#"["a"," "]"#),
        "content.pollOptions: it is empty",
    );
    let thirteen: Vec<_> = (0..13).map(|n| n.to_string()).collect();
    check(
        "Poll",
        &poll("x", &format!("{thirteen:?}")),
        "2 to 12 options",
    );
    check("Poll", "\"x\"", "content: invalid type");
    check("Buttons", r#"{"body":"x","buttons":[]}"#, "1 to 10 buttons");
    check(
        "Buttons",
        r#"{"body":"","buttons":[{"body":"a"}]}"#,
        "content.body: ",
    );
    check(
        "Buttons",
        r#"{"body":"x","buttons":[{"body":""}]}"#,
        "content.buttons.body: ",
    );
    let list = |text: &str, sections: &str| {
        format!(r#"{{"body":"x","buttonText":"{text}","sections":{sections}}}"#)
    };
    check("List", &list("m", "[]"), "1 to 10 rows");
    check(
        "List",
        &list("", r#"[{"rows":[{"title":"a"}]}]"#),
        "content.buttonText: ",
    );
    check(
        "List",
        &list("m", r#"[{"rows":[{"title":""}]}]"#),
        "rows.title: ",
    );
    let two = r#"[{"title":"a","rows":[{"title":"a"}]},{"rows":[{"title":"b"}]}]"#;
    check("List", &list("m", two), "content.sections.title: ");
    let lid = r#""contentType":"Contact","content":{"contactId":"81234567890123@lid"}"#;
    check_refused(post(PATH, &json(lid)), 501, "content.contactId: ");
}

#[test]
fn replies() {
    const REPLY: &str = "/message/reply/sales";
    let reply = |fields: &str| {
        format!(r#"{{"chatId":"4915112345678@c.us","messageId":"3A5B7C9D1E2F30415263",{fields}}}"#)
    };
    let sends = |fields: &str| decoded(post(REPLY, &reply(fields)));
    assert_snapshot!("reply", sends(r#""content":"yes""#));
    let elsewhere = r#""content":{"mimetype":"image/png","data":"AAEC"},"destinationChatId":"120363@g.us","options":{"sendSeen":false,"caption":"look"}"#;
    assert_snapshot!("reply_elsewhere", sends(elsewhere));
    assert!(sends(r#""content":{"latitude":1,"longitude":2}"#).contains("\"kind\": \"location\""));
    let serialized = r#"{"chatId":"4915112345678@c.us","messageId":"false_4915112345678@c.us_3A5B","content":"x"}"#;
    let text = decoded(post(REPLY, serialized));
    // The log must have it, so it is not told whose it is.
    assert!(
        text.contains("\"id\": \"3A5B\"") && !text.contains("author"),
        "{text}"
    );
    let request = post(REPLY, &reply(r#""content":"yes""#));
    let sent = answered_both::<MarkSeen, SendMessage>(request, missing(), Ok(samples::sent("yes")));
    assert!(sent.contains("\"repliedMessage\": {"), "{sent}");
    for (fields, message) in [
        (r#""options":{}"#, "missing field `content`"),
        (r#""content":5"#, "text, a file"),
        (r#""content":"""#, "content: it is empty"),
        (
            r#""content":"x","destinationChatId":"x""#,
            "destinationChatId: ",
        ),
        (r#""content":"x","messageId":" ""#, ""),
    ] {
        check_refused(post(REPLY, &reply(fields)), 422, message);
    }
}

fn missing<T>() -> Result<T, OpError> {
    Err(OpError::new(
        ErrorCode::NotFound,
        "nothing was ever said there",
    ))
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
    check("video/mp4", r#""sendVideoAsGif":true"#, "gif");
    check("image/png", r#""sendVideoAsGif":true"#, "image");
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
    // What these are, the bytes will tell.
    link("", "document");
    link("download/5", "document");
    let by_type = |name: &str, options: &str| {
        let link = format!("http://files.test/{name}");
        let fields = format!(
            r#""contentType":"MessageMediaFromURL","content":"{link}","options":{{{options}}}"#
        );
        sends(&fields).contains("\"by_type\": true")
    };
    assert!(by_type("download/5", "") && by_type("", ""));
    assert!(!by_type("a.jpg", ""));
    assert!(!by_type("download/5", r#""sendMediaAsDocument":true"#));
    assert!(!by_type("download/5", r#""sendMediaAsSticker":true"#));
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
    check(&picture("AAEC"), mentions, 422, "options.mentions: ");
    let pdf = r#"{"mimetype":"application/pdf","data":"AAEC"}"#;
    check(pdf, r#""isViewOnce":true"#, 422, "options.isViewOnce: ");
    for link in ["ftp://a/b", "x", ""] {
        let fields = format!(r#""contentType":"MessageMediaFromURL","content":"{link}""#);
        check_refused(post(PATH, &json(&fields)), 422, "content: ");
    }
}

#[test]
fn mentions_and_view_once() {
    let fields = r#""contentType":"MessageMedia","content":{"mimetype":"image/png","data":"AAEC"},
        "options":{"caption":"@4915112345678","mentions":["4915112345678@c.us"],"isViewOnce":true,"sendSeen":false}"#;
    assert_snapshot!("mentions_and_view_once", sends(fields));
}

#[test]
fn what_is_not_offered_is_refused() {
    let check = |fields: &str, status, message: &str| {
        check_refused(post(PATH, &json(fields)), status, message);
    };
    for (name, value, status) in [
        ("groupMentions", "[{}]", 501),
        ("stickerName", "\"x\"", 501),
        ("stickerAuthor", "\"x\"", 501),
        ("stickerCategories", "[\"x\"]", 501),
        ("invokedBotWid", "\"x\"", 501),
        ("extra", "{\"a\":1}", 501),
        ("isViewOnce", "true", 422),
        ("caption", "\"x\"", 422),
    ] {
        let fields =
            format!(r#""contentType":"string","content":"x","options":{{"{name}":{value}}}"#);
        check(&fields, status, &format!("options.{name}: "));
    }
    check(
        r#""contentType":"string","content":"BEGIN:VCARD""#,
        422,
        "FN",
    );
    let card = r#""contentType":"string","content":"BEGIN:VCARD\nFN:A","options":{"mentions":["4915112345678@c.us"]}"#;
    check(card, 422, "options.mentions: ");
    let beside = r#""contentType":"Location","content":{"latitude":1,"longitude":2},"options":{"media":{"mimetype":"a/b","data":"AAEC"}}"#;
    check(beside, 422, "options.media: ");
    let list = r#"{"chatId":"123@broadcast","contentType":"string","content":"x"}"#;
    check_refused(post(PATH, list), 501, "chatId: ");
}

#[test]
fn stories() {
    let story = |fields: &str| {
        post(
            PATH,
            &format!(r#"{{"chatId":"status@broadcast",{fields}}}"#),
        )
    };
    assert_snapshot!(
        "story",
        decoded(story(r#""contentType":"string","content":"x""#))
    );
    let voice = r#""contentType":"MessageMedia","content":{"mimetype":"audio/ogg","data":"AAEC"},"options":{"sendAudioAsVoice":true}"#;
    assert!(decoded(story(voice)).contains("\"as_kind\": \"voice\""));
    let request = story(r#""contentType":"string","content":"x""#);
    let posted = answered::<Post>(request, Ok(samples::sent("x")));
    assert!(posted.starts_with("200\n"), "{posted}");
    for (fields, message) in [
        (
            r#""contentType":"Location","content":{"latitude":1,"longitude":2}"#,
            "content: a story",
        ),
        (
            r#""contentType":"MessageMedia","content":{"mimetype":"a/b","data":"AAEC"}"#,
            "content: a story",
        ),
        (
            r#""contentType":"string","content":"x","options":{"quotedMessageId":"3A"}"#,
            "quotedMessageId: ",
        ),
        (
            r#""contentType":"string","content":"x","options":{"mentions":["4915112345678"]}"#,
            "mentions: ",
        ),
    ] {
        check_refused(story(fields), 422, message);
    }
}

#[test]
fn answers() {
    let request = || post(PATH, &json(r#""contentType":"string","content":"hello""#));
    let sent = |seen, sent| answered_both::<MarkSeen, SendMessage>(request(), seen, sent);
    assert_snapshot!(
        "sent",
        sent(Ok(samples::chat()), Ok(samples::sent("hello")))
    );
    assert!(sent(missing(), Ok(samples::sent("hello"))).starts_with("200\n"));
    let away = OpError::new(ErrorCode::NotConnected, "the session has no connection");
    assert_snapshot!("not_connected", sent(Ok(samples::chat()), Err(away)));
    let unseen = post(
        PATH,
        &json(r#""contentType":"string","content":"x","options":{"sendSeen":false}"#),
    );
    let sent = answered::<SendMessage>(unseen, Ok(samples::sent("x")));
    assert!(sent.starts_with("200\n"), "{sent}");
}
