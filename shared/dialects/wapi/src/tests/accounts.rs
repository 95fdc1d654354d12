//! Accounts and pairing.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, request, samples};
use switchboard_vocab::pairing::RequestCode;
use switchboard_vocab::sessions::{
    Create, Created, GetStatus, List, Listed, ListedSession, Remove, Removed, Restart, SessionState,
};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

const FULL: &str = r#"{"id":"sales","only_status_updates":true,"webhook_url":"https://hooks.test/b",
    "webhooks":[{"url":"https://hooks.test/a","headers":{"X-Key":"1"}}]}"#;

#[test]
fn create_requests() {
    assert_snapshot!("create_full", decoded(post("/v1/accounts", FULL)));
    assert_snapshot!("create_empty", decoded(post("/v1/accounts", "")));
    let check = |json: &str, message: &str| check_refused(post("/v1/accounts", json), 400, message);
    check(r#"{"id":"a b"}"#, "id: ");
    check(r#"{"id":5}"#, "id: invalid type");
    check(r#"{"only_status_updates":true}"#, "only_status_updates: ");
    check(r#"{"webhook_url":"nowhere"}"#, "url: ");
    check(r#"{"webhooks":[{}]}"#, "missing field `url`");
    check(
        r#"{"webhooks":[{"url":"http://a/"}],"webhook_url":"http://a/"}"#,
        "stands twice",
    );
}

#[test]
fn create_answers() {
    let created = |state| Created {
        session: samples::session(),
        token: "the-token".to_owned(),
        status: Some(samples::status(state)),
    };
    let request = || post("/v1/accounts", FULL);
    assert_snapshot!(
        "created_pairing",
        answered::<Create>(request(), Ok(created(SessionState::Pairing)))
    );
    assert_snapshot!(
        "created_late",
        answered::<Create>(request(), Ok(created(SessionState::Starting)))
    );
    let exists = OpError::new(ErrorCode::AlreadyExists, "the session exists already");
    assert_snapshot!("created_twice", answered::<Create>(request(), Err(exists)));
}

#[test]
fn lists_show_no_keys() {
    let listed = Listed {
        sessions: vec![
            ListedSession {
                session: samples::session(),
                status: Some(samples::status(SessionState::Connected)),
            },
            ListedSession {
                session: "default/support".parse().unwrap(),
                status: None,
            },
        ],
    };
    assert_snapshot!("list", decoded(get("/v1/accounts")));
    assert_snapshot!("listed", answered::<List>(get("/v1/accounts"), Ok(listed)));
    let one = samples::status(SessionState::Connected);
    assert_snapshot!(
        "account",
        answered::<GetStatus>(get("/v1/accounts/sales"), Ok(one))
    );
}

#[test]
fn states_have_words() {
    use SessionState::*;
    let states = [
        Stopped, Starting, Pairing, Connecting, Syncing, Connected, Waiting, LoggedOut, Banned,
        Replaced, Parked,
    ];
    let words = states.map(|state| {
        let text = answered::<GetStatus>(get("/v1/status"), Ok(samples::status(state)));
        let (_, rest) = text.split_once("\"status\": ").unwrap();
        format!("{state:?} {}", rest.lines().next().unwrap())
    });
    assert_snapshot!("words", words.join("\n"));
    let connected = samples::status(Connected);
    assert_snapshot!(
        "status",
        answered::<GetStatus>(get("/v1/status"), Ok(connected))
    );
}

#[test]
fn codes() {
    let target = "/v1/accounts/code?phone=%2B4915112345678";
    assert_snapshot!("code", decoded(get(target)));
    assert_snapshot!(
        "code_answer",
        answered::<RequestCode>(get(target), Ok(samples::pairing_code()))
    );
    check_refused(get("/v1/accounts/code"), 400, "missing field `phone`");
    check_refused(get("/v1/accounts/code?phone=12"), 400, "phone: ");
}

#[test]
fn reconnecting_and_leaving() {
    let refresh = |target: &str| post(target, "");
    assert_snapshot!("refresh", decoded(refresh("/v1/refresh?force=true")));
    let out = samples::status(SessionState::Connecting);
    assert_snapshot!(
        "refreshed",
        answered::<Restart>(refresh("/v1/refresh"), Ok(out))
    );
    check_refused(refresh("/v1/refresh?force=perhaps"), 400, "force: ");
    let leave = || request(Method::DELETE, "/v1/accounts");
    assert_snapshot!("leave", decoded(leave()));
    assert_snapshot!("left", answered::<Remove>(leave(), Ok(Removed {})));
}
