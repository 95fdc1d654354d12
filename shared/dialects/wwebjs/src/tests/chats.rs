//! Whole chats.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, get, post, samples};
use switchboard_vocab::chats::{
    Change, Chat, ChatList, Clear, Delete, Get, Gone, List, MarkSeen, Mute,
};
use switchboard_vocab::contacts;
use switchboard_vocab::{ErrorCode, OpError, Timestamp};

use super::{answered, check_refused, decoded, decoded_all};

const CHAT: &str = r#"{"chatId":"4915112345678@c.us"}"#;
const GROUP: &str = r#"{"chatId":"120363025343298765@g.us"}"#;
const DONE: &str = "200\n{\n  \"success\": true\n}\n";

const PATHS: [&str; 12] = [
    "/client/getChatById",
    "/client/archiveChat",
    "/client/unarchiveChat",
    "/client/pinChat",
    "/client/unpinChat",
    "/client/muteChat",
    "/client/unmuteChat",
    "/client/markChatUnread",
    "/client/sendSeen",
    "/chat/getClassInfo",
    "/chat/clearMessages",
    "/chat/delete",
];

#[test]
fn calls_on_a_chat() {
    assert_snapshot!("calls", decoded_all(&PATHS, CHAT));
    for path in PATHS {
        let path = format!("{path}/sales");
        check_refused(post(&path, "{}"), 422, "missing field `chatId`");
        check_refused(
            post(&path, r#"{"chatId":"4915112345678"}"#),
            422,
            "chatId: a chat id",
        );
    }
}

#[test]
fn listings_have_every_page() {
    let request = || get("/client/getChats/sales");
    assert_snapshot!("list", decoded(request()));
    let next = |entries: usize, total, seen| {
        let chats = vec![samples::group_chat(); entries];
        testing::next_page::<List>(
            &crate::dialect(),
            request(),
            &ChatList { chats, total },
            seen,
        )
    };
    // A page that ended early is followed by what is left of it.
    assert!(next(3, 10, 5).contains("\"offset\": 8"));
    assert_eq!(next(2, 10, 8), "");
    assert_eq!(
        next(0, 10, 5),
        "",
        "an owner that gives nothing more is not asked for ever"
    );
    let page = |chats: Vec<Chat>| Ok(ChatList { chats, total: 3 });
    let plain = Chat {
        name: None,
        muted: Some(Mute::Forever),
        unread: 0,
        marked_unread: true,
        last_message: None,
        ..samples::chat()
    };
    let outputs = vec![
        page(vec![samples::chat(), samples::group_chat()]),
        // One that moved to the next page meanwhile.
        page(vec![samples::group_chat()]),
    ];
    let text = testing::answered::<List>(&crate::dialect(), request(), outputs);
    assert_eq!(text.matches("120363025343298765@g.us").count(), 1);
    assert_snapshot!("listed", text);
    let one = answered::<Get>(post("/client/getChatById/sales", CHAT), Ok(plain));
    assert_snapshot!("nameless", one);
    let failed = vec![page(Vec::new()), Err(OpError::new(ErrorCode::Timeout, "x"))];
    assert!(testing::answered::<List>(&crate::dialect(), request(), failed).starts_with("504\n"));
}

#[test]
fn mutings_end() {
    let shown = |until| {
        let chat = Chat {
            muted: Some(Mute::Until(until)),
            ..samples::group_chat()
        };
        answered::<Get>(post("/chat/getClassInfo/sales", GROUP), Ok(chat))
    };
    assert!(shown(Timestamp::from_secs(1_700_000_001)).contains("\"muteExpiration\": 1700000001"));
    let over = shown(Timestamp::from_secs(1_699_999_999));
    assert!(over.contains("\"isMuted\": false"), "{over}");
}

#[test]
fn every_person_has_a_chat() {
    for path in ["/client/getChatById/sales", "/chat/getClassInfo/sales"] {
        let missing = |body| {
            let error = OpError::new(ErrorCode::NotFound, "x");
            answered::<Get>(post(path, body), Err(error))
        };
        let empty = missing(CHAT);
        assert!(empty.starts_with("200") && empty.contains("\"unreadCount\": 0"));
        assert!(empty.contains("\"_serialized\": \"4915112345678@c.us\""));
        assert!(missing(GROUP).starts_with("404"), "{path}");
    }
}

#[test]
fn results_say_how_the_chat_is_now() {
    let check = |path: &str, chat: Chat, expected: bool| {
        let answer = answered::<Change>(post(&format!("{path}/sales"), CHAT), Ok(chat));
        assert!(
            answer.contains(&format!("\"result\": {expected}")),
            "{path}: {answer}"
        );
    };
    let archived = |archived| Chat {
        archived,
        ..samples::chat()
    };
    check("/client/archiveChat", archived(true), true);
    check("/client/unarchiveChat", archived(false), false);
    check("/client/pinChat", samples::chat(), true);
    check("/client/unpinChat", samples::group_chat(), false);
    for path in [
        "/client/muteChat",
        "/client/unmuteChat",
        "/client/markChatUnread",
    ] {
        let answer = answered::<Change>(post(&format!("{path}/sales"), CHAT), Ok(samples::chat()));
        assert_eq!(answer, DONE, "{path}");
    }
    let seen = answered::<MarkSeen>(post("/client/sendSeen/sales", CHAT), Ok(samples::chat()));
    assert!(seen.contains("\"result\": true"), "{seen}");
    let gone = || Ok(Gone { messages: 3 });
    let cleared = answered::<Clear>(post("/chat/clearMessages/sales", CHAT), gone());
    assert!(cleared.contains("\"clearMessages\": true"), "{cleared}");
    let deleted = answered::<Delete>(post("/chat/delete/sales", CHAT), gone());
    assert!(deleted.contains("\"deleteChat\": true"), "{deleted}");
}

#[test]
fn mutings_have_dates() {
    let muted = |date: &str| {
        decoded(post(
            "/client/muteChat/sales",
            &format!(r#"{{"chatId":"4915112345678@c.us","unmuteDate":{date}}}"#),
        ))
    };
    for date in [
        r#""2030-01-31T12:00:00Z""#,
        r#""2030-01-31T13:00:00.000+01:00""#,
        r#""2030-01-31T12:00:00""#,
        r#""2030-01-31T12:00""#,
        "1896091200000",
    ] {
        assert!(
            muted(date).contains("1896091200000"),
            "{date}: {}",
            muted(date)
        );
    }
    assert!(muted(r#""2030-01-31""#).contains("1896048000000"));
    assert!(muted("null").contains("forever") && muted(r#""""#).contains("forever"));
    for (date, message) in [
        (r#""tomorrow""#, "unmuteDate: a date"),
        (r#""2020-01-31""#, "unmuteDate: it has passed"),
        ("-5", "unmuteDate: a date"),
        ("[]", "unmuteDate: "),
    ] {
        assert!(muted(date).contains(message), "{date}: {}", muted(date));
    }
}

#[test]
fn contacts_of_chats() {
    let path = "/chat/getContact/sales";
    assert_snapshot!("contact", decoded(post(path, CHAT)));
    assert_snapshot!("contact_of_group", decoded(post(path, GROUP)));
    let person = answered::<contacts::Get>(post(path, CHAT), Ok(samples::contact()));
    assert_snapshot!("contact_shown", person);
    let group = answered::<Get>(post(path, GROUP), Ok(samples::group_chat()));
    assert_snapshot!("group_shown", group);
    check_refused(post(path, "{}"), 422, "chatId");
}
