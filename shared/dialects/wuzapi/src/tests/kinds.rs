//! Sending what is neither words nor a file, acting on messages, downloading.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{post, samples};
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::media::Open;
use switchboard_vocab::messages::Act;
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

fn to(fields: &str) -> String {
    format!(r#"{{"Phone":"4915112345678",{fields}}}"#)
}

fn sends(path: &str, fields: &str) -> String {
    decoded(post(path, &to(fields)))
}

/// Each of these fields is refused with this message.
fn check(path: &str, refused: &[(&str, &str)]) {
    for (fields, message) in refused {
        check_refused(post(path, &to(fields)), 400, message);
    }
}

#[test]
fn places_and_cards() {
    let place = r#""Latitude":52.5,"Longitude":-13.4,"Name":"Office","Id":"AB12"#;
    let place = format!("{place}\"");
    assert_snapshot!("location", sends("/chat/send/location", &place));
    let refused = [
        (r#""Longitude":1"#, "Missing Latitude in Payload"),
        (
            r#""Latitude":1,"Longitude":0"#,
            "Missing Longitude in Payload",
        ),
        (r#""Latitude":91,"Longitude":1"#, "Latitude: "),
        (r#""Latitude":1,"Longitude":-181"#, "Longitude: "),
        (r#""Latitude":"x""#, "Could not decode Payload"),
    ];
    check("/chat/send/location", &refused);
    let card = r#""Name":"Ada","Vcard":"BEGIN:VCARD\nEND:VCARD","ContextInfo":{"StanzaId":"AA11","Participant":"4915112345678"}"#;
    assert_snapshot!("contact", sends("/chat/send/contact", card));
    let mentioned = r#""Name":"x","Vcard":"y","ContextInfo":{"MentionedJID":["4915112345678"]}"#;
    let refused = [
        (r#""Vcard":"x""#, "Missing Name in Payload"),
        (r#""Name":"x""#, "Missing Vcard in Payload"),
        (mentioned, "MentionedJID: "),
    ];
    check("/chat/send/contact", &refused);
    for path in [
        "/chat/send/location",
        "/chat/send/contact",
        "/chat/send/template",
        "/chat/send/buttons",
        "/chat/send/list",
    ] {
        check_refused(post(path, "{}"), 400, "Missing Phone in Payload");
    }
}

#[test]
fn templates() {
    let full = r#""Content":"Choose","Footer":"Thanks","Buttons":[
        {"DisplayText":"Yes","Type":"quickreply"},{"DisplayText":"No","Type":"quickreply","Id":"n"},
        {"DisplayText":"Page","Type":"url","Url":"https://example.com"},
        {"DisplayText":"Call","Type":"call","PhoneNumber":"49151 12345678"}]"#;
    assert_snapshot!("template", sends("/chat/send/template", full));
    let refused = [
        (r#""Footer":"y""#, "Missing Content in Payload"),
        (r#""Content":"y""#, "Missing Footer in Payload"),
    ];
    check("/chat/send/template", &refused);
    let four = [r#"{"DisplayText":"x","Type":"quickreply"}"#; 4].join(",");
    for (buttons, message) in [
        ("", "Missing Buttons in Payload"),
        (r#"{"Type":"url"}"#, "Missing DisplayText in Payload"),
        (r#"{"DisplayText":"x"}"#, "Type: "),
        (
            r#"{"DisplayText":"x","Type":"url"}"#,
            "Missing Url in Payload",
        ),
        (r#"{"DisplayText":"x","Type":"url","Url":"x"}"#, "Url: "),
        (
            r#"{"DisplayText":"x","Type":"call","PhoneNumber":"x"}"#,
            "Could not parse PhoneNumber",
        ),
        (&four, "at most three quickreply"),
    ] {
        let fields = format!(r#""Content":"x","Footer":"y","Buttons":[{buttons}]"#);
        check("/chat/send/template", &[(&fields, message)]);
    }
}

#[test]
fn buttons_and_lists() {
    let buttons =
        r#""Title":"Choose","Buttons":[{"ButtonId":"y","ButtonText":"Yes"},{"ButtonText":"No"}]"#;
    assert_snapshot!("buttons", sends("/chat/send/buttons", buttons));
    let four = [r#"{"ButtonText":"x"}"#; 4].join(",");
    let refused = [
        (r#""Buttons":[]"#, "Missing Title in Payload"),
        (r#""Title":"x""#, "Missing Buttons in Payload"),
        (&format!(r#""Title":"x","Buttons":[{four}]"#), "at most 3"),
    ];
    check("/chat/send/buttons", &refused);
    let list = r#""Title":"Lunch","Description":"Pick","ButtonText":"Menu","FooterText":"","Sections":[
        {"Title":"Food","Rows":[{"RowId":"s","Title":"Soup","Description":"hot"},{"Title":"Tea"}]}]"#;
    assert_snapshot!("list", sends("/chat/send/list", list));
    let head = r#""Title":"x","Description":"y","ButtonText":"z""#;
    let rows = [r#"{"Title":"x"}"#; 11].join(",");
    let refused = [
        (r#""Description":"y""#, "Missing Title in Payload"),
        (r#""Title":"y""#, "Missing Description in Payload"),
        (head, "Missing Sections in Payload"),
        (
            &format!(r#"{head},"Sections":[{{"Rows":[{rows}]}}]"#),
            "at most 10 rows",
        ),
    ];
    check("/chat/send/list", &refused);
}

#[test]
fn reactions_and_deletions() {
    let react = |fields: &str| post("/chat/react", &to(fields));
    assert_snapshot!("react", decoded(react(r#""Body":"👍","Id":"me:AA11""#)));
    let others = decoded(react(r#""Body":"remove","Id":"AA11""#));
    assert!(
        others.contains("\"from_me\": false") && others.contains("\"emoji\": \"\""),
        "{others}"
    );
    let done = answered::<Act>(
        react(r#""Body":"👍","Id":"me:AA11""#),
        Ok(samples::sent("")),
    );
    assert_snapshot!("reacted", done);
    let failed = OpError::new(ErrorCode::NotFound, "no message AA11");
    let failed = answered::<Act>(react(r#""Body":"x","Id":"AA11""#), Err(failed));
    assert!(
        failed.contains("Error sending message: no message"),
        "{failed}"
    );
    for (fields, message) in [
        (r#""Id":"AA""#, "Missing Body in Payload"),
        (r#""Body":"x""#, "Missing Id in Payload"),
        (r#""Body":"x","Id":"a b""#, "Could not parse Id"),
    ] {
        check_refused(react(fields), 400, message);
    }
    let long = format!(r#""Id":"AA","Body":"{}""#, "x".repeat(65));
    check_refused(react(&long), 400, "Body: ");
    check_refused(post("/chat/react", "{}"), 400, "Missing Phone in Payload");
    check_refused(
        post("/chat/react", r#"{"Phone":"x","Body":"x","Id":"AA"}"#),
        400,
        "Could not parse Phone",
    );
    let delete = || post("/chat/delete", &to(r#""Id":"AA11""#));
    assert_snapshot!("delete", decoded(delete()));
    assert_snapshot!("deleted", answered::<Act>(delete(), Ok(samples::sent(""))));
}

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";

#[test]
fn downloads() {
    let full = format!(
        r#"{{"Url":"https://mmg.whatsapp.net/x.enc","DirectPath":"/v/x","MediaKey":"{KEY}","Mimetype":"image/png",
        "FileEncSHA256":"{KEY}","FileSHA256":"{KEY}","FileLength":2039}}"#
    );
    assert_snapshot!("download", decoded(post("/chat/downloadimage", &full)));
    for (path, kind) in [
        ("/chat/downloadvideo", "video"),
        ("/chat/downloadaudio", "audio"),
        ("/chat/downloaddocument", "document"),
    ] {
        let text = decoded(post(path, &full));
        assert!(text.contains(&format!("\"kind\": \"{kind}\"")), "{text}");
        let gone = OpError::new(ErrorCode::MediaUnreachable, "gone");
        let gone = answered::<Open>(post(path, &full), Err(gone));
        assert!(gone.starts_with("500\n"), "{gone}");
        assert!(
            gone.contains(&format!("Failed to download {kind} gone")),
            "{gone}"
        );
    }
    let request = || post("/chat/downloadimage", &full);
    let file = || Ok(samples::stored(MediaKind::Image));
    assert_snapshot!("downloaded", answered::<Open>(request(), file()));
    let bare = format!(r#"{{"DirectPath":"/v/x","MediaKey":"{KEY}"}}"#);
    let typed = answered::<Open>(post("/chat/downloadimage", &bare), file());
    assert!(typed.contains("data:image/jpeg;base64,"), "{typed}");
    let refused = |json: &str, message: &str| {
        check_refused(post("/chat/downloadimage", json), 400, message);
    };
    refused("{}", "Missing MediaKey in Payload");
    refused(
        &format!(r#"{{"MediaKey":"{KEY}"}}"#),
        "Missing Url in Payload",
    );
    refused(
        r#"{"MediaKey":"AAEC","Url":"x"}"#,
        "Could not decode Payload: MediaKey",
    );
    refused(r#"{"MediaKey":"#, "Could not decode Payload");
    for path in ["v/x", "@files.test/x", ":80@files.test/x", ".files.test/x"] {
        let path = full.replace("\"/v/x\"", &format!("{path:?}"));
        refused(&path, "DirectPath: ");
    }
    let short = full.replace(&format!(r#""FileSHA256":"{KEY}""#), r#""FileSHA256":"x""#);
    refused(&short, "FileSHA256: ");
    refused(&full.replace("2039", "\"x\""), "Could not decode Payload");
}
