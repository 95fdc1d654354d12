//! Presence.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, request, samples};
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::presence::{Get, Presence, SendState, Subscribe};
use switchboard_vocab::profile::{SetOnline, Shown};

use super::{answered, check_refused, decoded};

const PATH: &str = "/presences/4915112345678";

fn presence(online: Option<bool>, state: Option<ChatState>) -> Presence {
    Presence {
        user: samples::partner(),
        online,
        last_seen: Some(samples::now()),
        state,
    }
}

#[test]
fn own_presence() {
    let set = |json: &str| request(Method::PUT, "/presences/me").json(json);
    assert_snapshot!("online", decoded(set(r#"{"presence":"online"}"#)));
    assert!(decoded(set(r#"{"presence":"offline"}"#)).contains("false"));
    let answer = answered::<SetOnline>(set(r#"{"presence":"online"}"#), Ok(Shown {}));
    assert!(answer.starts_with("200\n"), "{answer}");
    check_refused(set("{}"), 400, "missing field `presence`");
    check_refused(set(r#"{"presence":"away"}"#), 400, "presence: ");
}

#[test]
fn others() {
    assert_snapshot!("get", decoded(get(PATH)));
    let shown = |online, state| answered::<Get>(get(PATH), Ok(presence(online, state)));
    assert_snapshot!("shown", shown(Some(false), None));
    for (online, state, word) in [
        (Some(true), None, "online"),
        (None, None, "pending"),
        (Some(true), Some(ChatState::Composing), "typing"),
        (None, Some(ChatState::Recording), "recording"),
        (Some(true), Some(ChatState::Paused), "online"),
    ] {
        let text = shown(online, state);
        assert!(text.contains(&format!("\"status\": \"{word}\"")), "{text}");
    }
    assert_snapshot!("subscribe", decoded(post(PATH, "")));
    assert_snapshot!(
        "subscribed",
        answered::<Subscribe>(post(PATH, ""), Ok(presence(None, None)))
    );
    check_refused(get("/presences/120363025343298765@g.us"), 400, "EntryID: ");
    check_refused(get("/presences/x"), 400, "EntryID: ");
}

#[test]
fn states() {
    let group = "/presences/120363025343298765@g.us";
    let send = |json: &str| request(Method::PUT, group).json(json);
    assert_snapshot!("state", decoded(send(r#"{"presence":"typing","delay":5}"#)));
    assert!(decoded(send(r#"{"presence":"recording"}"#)).contains("\"recording\""));
    assert!(decoded(send(r#"{"presence":"pause","delay":0}"#)).contains("\"paused\""));
    let answer = answered::<SendState>(send(r#"{"presence":"pause"}"#), Ok(Shown {}));
    assert!(answer.starts_with("200\n"), "{answer}");
    check_refused(send(r#"{"presence":"typing","delay":61}"#), 400, "delay: ");
    check_refused(send(r#"{"presence":"typing","delay":-1}"#), 400, "delay: ");
    check_refused(send(r#"{"presence":"asleep"}"#), 400, "presence: ");
}
