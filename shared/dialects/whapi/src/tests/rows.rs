//! One good request per row that is offered: a row without a case fails, and so does a case that the system's own document
//! would not allow. Every row also answers, and the answer is held against its schema.

use std::collections::BTreeSet;

use http::Method;
use switchboard_dialect_kit::Action;
use switchboard_dialect_kit::testing::{request, samples};

use super::{decoded, outputs, schema};
use crate::ids;

/// Method, target and body. `MSG` stands for a message's id.
const CASES: &[(&str, &str, &str)] = &[
    ("GET", "/health", ""),
    ("GET", "/settings", ""),
    ("DELETE", "/settings", ""),
    ("PATCH", "/settings", r#"{"media":{"init_avatars":false}}"#),
    ("GET", "/settings/events", ""),
    (
        "POST",
        "/settings/webhook_test",
        r#"{"url":"https://a.test","type":"messages","mode":"body"}"#,
    ),
    ("GET", "/limits", ""),
    ("GET", "/users/login", ""),
    ("GET", "/users/login/image", ""),
    ("GET", "/users/login/rowdata", ""),
    ("GET", "/users/login/4915112345678", ""),
    ("POST", "/users/logout", ""),
    ("GET", "/users/profile", ""),
    ("PATCH", "/users/profile", r#"{"about":"x"}"#),
    ("PUT", "/status", r#"{"status":"x"}"#),
    ("GET", "/messages/list", ""),
    ("GET", "/messages/list/4915112345678@s.whatsapp.net", ""),
    (
        "POST",
        "/messages/text",
        r#"{"to":"4915112345678","body":"x"}"#,
    ),
    ("POST", "/messages/image", FILE),
    ("POST", "/messages/video", FILE),
    ("POST", "/messages/short", FILE),
    ("POST", "/messages/gif", FILE),
    ("POST", "/messages/audio", FILE),
    ("POST", "/messages/voice", FILE),
    ("POST", "/messages/document", FILE),
    ("POST", "/messages/sticker", FILE),
    (
        "POST",
        "/messages/media/image?to=4915112345678",
        r#"{"media":"https://a.test/b"}"#,
    ),
    (
        "POST",
        "/messages/link_preview",
        r#"{"to":"4915112345678","body":"https://a.test","title":"A"}"#,
    ),
    ("POST", "/messages/location", PLACE),
    ("POST", "/messages/live_location", PLACE),
    (
        "POST",
        "/messages/contact",
        r#"{"to":"4915112345678","name":"A","vcard":"BEGIN:VCARD\nEND:VCARD"}"#,
    ),
    (
        "POST",
        "/messages/contact_list",
        r#"{"to":"4915112345678","list":[{"name":"A","vcard":"BEGIN:VCARD\nEND:VCARD"}]}"#,
    ),
    (
        "POST",
        "/messages/poll",
        r#"{"to":"4915112345678","title":"A","options":["a","b"],"count":1}"#,
    ),
    (
        "POST",
        "/messages/interactive",
        r#"{"to":"4915112345678","body":{"text":"x"},"action":{"buttons":[{"type":"quick_reply","title":"A","id":"1"}]}}"#,
    ),
    (
        "POST",
        "/messages/carousel",
        r#"{"to":"4915112345678","cards":[{"id":"1","text":"x","media":{"media":"https://a.test/b"},
            "buttons":[{"type":"quick_reply","title":"A","id":"1"}]}]}"#,
    ),
    ("POST", "/messages/story", r#"{"caption":"x"}"#),
    ("POST", "/messages/story/text", r#"{"caption":"x"}"#),
    (
        "POST",
        "/messages/story/media",
        r#"{"media":"https://a.test/b"}"#,
    ),
    (
        "POST",
        "/messages/story/audio",
        r#"{"media":"https://a.test/b"}"#,
    ),
    ("POST", "/stories", r#"{"caption":"x"}"#),
    ("POST", "/stories/send/text", r#"{"caption":"x"}"#),
    (
        "POST",
        "/stories/send/media",
        r#"{"media":"https://a.test/b"}"#,
    ),
    (
        "POST",
        "/stories/send/audio",
        r#"{"media":"https://a.test/b"}"#,
    ),
    ("GET", "/stories", ""),
    ("GET", "/stories/MSG", ""),
    ("PUT", "/stories/MSG", "{}"),
    ("GET", "/statuses/MSG", ""),
    ("GET", "/messages/MSG", ""),
    ("POST", "/messages/MSG", r#"{"to":"4915112345678"}"#),
    ("PUT", "/messages/MSG", ""),
    ("DELETE", "/messages/MSG", ""),
    ("PUT", "/messages/MSG/reaction", r#"{"emoji":"👍"}"#),
    ("DELETE", "/messages/MSG/reaction", ""),
    ("PUT", "/messages/MSG/star", r#"{"starred":true}"#),
    ("POST", "/messages/MSG/pin", r#"{"time":"day"}"#),
    ("DELETE", "/messages/MSG/pin", ""),
    (
        "POST",
        "/communities/event",
        r#"{"to":"4915112345678","title":"A","startTime":1700000000}"#,
    ),
    ("GET", "/chats", ""),
    ("GET", CHAT, ""),
    ("DELETE", CHAT, ""),
    ("POST", CHAT, r#"{"archive":true}"#),
    ("PATCH", CHAT, r#"{"pin":true}"#),
    ("GET", "/contacts", ""),
    ("POST", "/contacts", r#"{"contacts":["4915112345678"]}"#),
    (
        "PUT",
        "/contacts",
        r#"{"phone":"4915112345678","name":"A"}"#,
    ),
    ("GET", CONTACT, ""),
    ("POST", CONTACT, r#"{"to":"4915112345678"}"#),
    ("HEAD", CONTACT, ""),
    ("PATCH", CONTACT, r#"{"name":"A"}"#),
    ("DELETE", CONTACT, ""),
    ("GET", "/contacts/4915112345678/profile", ""),
    ("GET", "/contacts/lids?ContactIDList=4915112345678", ""),
    ("GET", "/contacts/lids/4915112345678", ""),
    ("PUT", "/presences/me", r#"{"presence":"online"}"#),
    ("GET", "/presences/4915112345678", ""),
    ("POST", "/presences/4915112345678", ""),
    (
        "PUT",
        "/presences/4915112345678",
        r#"{"presence":"typing"}"#,
    ),
    ("POST", "/media", r#"{"media":"https://a.test/b"}"#),
    ("GET", "/media", ""),
    ("GET", "/media/file-00ff", ""),
    ("DELETE", "/media/file-00ff", ""),
    ("PUT", "/blacklist/4915112345678", ""),
    ("DELETE", "/blacklist/4915112345678", ""),
    ("GET", "/blacklist", ""),
];

const FILE: &str = r#"{"to":"4915112345678","media":"https://a.test/b"}"#;
const PLACE: &str = r#"{"to":"4915112345678","latitude":1,"longitude":2}"#;
const CHAT: &str = "/chats/4915112345678@s.whatsapp.net";
const CONTACT: &str = "/contacts/4915112345678";

#[test]
fn every_row_has_a_good_request() {
    let id = ids::message(&samples::incoming("").id);
    let mut covered = BTreeSet::new();
    for (method, target, body) in CASES {
        let target = target.replace("MSG", &id);
        let mut request = request(method.parse::<Method>().unwrap(), &target);
        if !body.is_empty() {
            request = request.json(body);
        }
        covered.insert(schema::check_request(&request, body));
        let text = decoded(request.clone());
        assert!(!text.starts_with("refused"), "{method} {target}: {text}");
        // What the router answers itself begins with a status.
        if !text.starts_with(|first: char| first.is_ascii_digit()) {
            let answer = outputs::answer(text.split(' ').next().unwrap(), request);
            assert!(answer.starts_with("20"), "{method} {target}: {answer}");
        }
    }
    let uncovered = include_str!("../uncovered.txt").lines();
    let uncovered: BTreeSet<_> = uncovered.filter(|line| !line.starts_with('#')).collect();
    for row in (crate::dialect().routes)().into_rows() {
        let offered = !matches!(row.action, Action::Refused(_));
        let key = format!("{} {}", row.method, row.path);
        let wanted = offered && !uncovered.contains(&*key);
        assert_eq!(covered.contains(&key), wanted, "{key}");
    }
}
