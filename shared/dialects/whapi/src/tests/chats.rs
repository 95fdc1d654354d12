//! Conversations.

use std::time::Duration;

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{Request, get, post, request, samples};
use switchboard_vocab::chats::{Change, Chat, ChatList, Delete, Get, Gone, List, Mute};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

const PATH: &str = "/chats/4915112345678@s.whatsapp.net";

/// A chat with everything.
pub(super) fn chat() -> Chat {
    Chat {
        id: samples::partner_lid().into(),
        alt: Some(samples::partner()),
        name: Some("Gerda".to_owned()),
        last_at: Some(samples::now()),
        last_message: Some(Box::new(samples::incoming("hello"))),
        unread: 0,
        marked_unread: true,
        unread_mention: false,
        archived: false,
        pinned_at: Some(samples::now()),
        muted: Some(Mute::Forever),
        ephemeral: Some(Duration::from_secs(86_400)),
        read_only: false,
        not_spam: Some(true),
    }
}

#[test]
fn lists() {
    assert_snapshot!("list", decoded(get("/chats?count=2&offset=3")));
    check_refused(get("/chats?count=501"), 400, "count: ");
    let plain = |id: &str| Chat {
        id: id.parse().unwrap(),
        alt: None,
        name: None,
        last_message: None,
        muted: None,
        ..chat()
    };
    let out = ChatList {
        chats: vec![
            chat(),
            plain("120363025343298765@g.us"),
            plain("status@broadcast"),
        ],
        total: 9,
    };
    assert_snapshot!("listed", answered::<List>(get("/chats?count=3"), Ok(out)));
}

#[test]
fn single_chats() {
    assert_snapshot!("get", decoded(get(PATH)));
    assert_snapshot!("shown", answered::<Get>(get(PATH), Ok(chat())));
    let gone = OpError::new(ErrorCode::NotFound, "no such chat");
    assert!(answered::<Get>(get(PATH), Err(gone)).starts_with("404\n"));
    check_refused(get("/chats/4915112345678"), 400, "ChatID: ");
    let delete = || request(Method::DELETE, PATH);
    assert_snapshot!("delete", decoded(delete()));
    let answer = answered::<Delete>(delete(), Ok(Gone { messages: 3 }));
    assert!(answer.starts_with("200\n"), "{answer}");
}

fn patch(json: &str) -> Request {
    request(Method::PATCH, PATH).json(json)
}

#[test]
fn changes() {
    let archive = post(PATH, r#"{"archive":true}"#);
    assert_snapshot!("archive", decoded(archive.clone()));
    let answer = answered::<Change>(archive, Ok(chat()));
    assert!(answer.starts_with("200\n"), "{answer}");
    check_refused(post(PATH, "{}"), 400, "archive: ");
    let all = r#"{"pin":false,"mute_until":1700000001,"mark_unread":true,"ephemeral":"quarter"}"#;
    assert_snapshot!("patch", decoded(patch(all)));
    assert!(decoded(patch(r#"{"mute_until":0}"#)).contains("\"muted\": \"off\""));
    assert!(decoded(patch(r#"{"mute_until":-1}"#)).contains("forever"));
    assert!(decoded(patch(r#"{"ephemeral":"none"}"#)).contains("\"secs\": 0"));
    check_refused(patch("{}"), 400, "ephemeral is expected");
    check_refused(patch(r#"{"mute_until":1700000000}"#), 400, "mute_until: ");
    check_refused(patch(r#"{"mute_until":-2}"#), 400, "mute_until: ");
    check_refused(patch(r#"{"ephemeral":"year"}"#), 400, "ephemeral: ");
    check_refused(patch(r#"{"pin":"x"}"#), 400, "pin: ");
}
