//! Connecting, codes, status, the webhook.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, samples};
use switchboard_vocab::pairing::{GetQr, RequestCode};
use switchboard_vocab::sessions::{GetStatus, Logout, SessionState, Start, Stop};
use switchboard_vocab::webhooks::{Choose, EventClass, GetWebhooks, Webhooks};
use switchboard_vocab::{DialectName, ErrorCode, OpError};

use super::{answered, check_refused, decoded};
use crate::webhooks::{classes_of, types_of};

#[test]
fn connecting_subscribes_and_starts() {
    let body = r#"{"Subscribe":["Message","Nonsense"],"Immediate":true}"#;
    assert_snapshot!("connect", decoded(post("/session/connect", body)));
    assert_snapshot!("connect_plain", decoded(post("/session/connect", "")));
}

#[test]
fn event_types_and_classes_agree() {
    let names = |types: &[&str]| types.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
    assert_eq!(classes_of(&[]).len(), EventClass::ALL.len());
    assert_eq!(
        types_of(Some(&classes_of(&names(&["Message", "ReadReceipt"])))),
        ["Message", "ReadReceipt"]
    );
    assert_eq!(types_of(Some(&classes_of(&names(&["All"])))), ["All"]);
    let some = names(&["HistorySync", "Message"]);
    assert_eq!(
        types_of(Some(&classes_of(&some))),
        ["Message", "HistorySync"]
    );
    assert_eq!(types_of(None), ["All"]);
    for one in ["Presence", "ChatPresence"] {
        let chosen = classes_of(&names(&[one]));
        assert_eq!(types_of(Some(&chosen)), [one]);
    }
}

#[test]
fn status_and_codes() {
    for state in [
        SessionState::Stopped,
        SessionState::Pairing,
        SessionState::Connected,
    ] {
        let text = answered::<GetStatus>(get("/session/status"), Ok(samples::status(state)));
        assert_snapshot!(format!("status_{state:?}"), text);
    }
    let picture = answered::<GetQr>(get("/session/qr"), Ok(samples::qr()));
    assert!(picture.contains("data:image/png;base64,"), "{picture}");
    let paired = OpError::new(ErrorCode::AlreadyPaired, "the session is paired");
    assert!(answered::<GetQr>(get("/session/qr"), Err(paired)).contains("Already Loggedin"));
    let request = post("/session/pairphone", r#"{"Phone":"4915112345678"}"#);
    assert_snapshot!(
        "code",
        answered::<RequestCode>(request.clone(), Ok(samples::pairing_code()))
    );
    let paired = OpError::new(ErrorCode::AlreadyPaired, "the session is paired");
    let text = answered::<RequestCode>(request, Err(paired));
    assert!(
        text.contains("400") && text.contains("\"Already paired\""),
        "{text}"
    );
    check_refused(
        post("/session/pairphone", "{}"),
        400,
        "Missing Phone in Payload",
    );
}

#[test]
fn the_webhook() {
    assert_snapshot!(
        "set",
        decoded(post("/webhook", r#"{"webhookURL":"https://hooks.test/a"}"#))
    );
    check_refused(post("/webhook", "{}"), 400, "Missing webhookURL in Payload");
    let webhooks = Webhooks {
        subscriptions: vec![samples::subscription(DialectName::Wuzapi)],
        events: None,
    };
    assert_snapshot!(
        "get",
        answered::<GetWebhooks>(get("/webhook"), Ok(webhooks))
    );
}

#[test]
fn disconnecting_and_logging_out() {
    let (off, out) = ("/session/disconnect", "/session/logout");
    assert!(decoded(post(off, "")).starts_with("sessions.stop "));
    assert!(decoded(post(out, "")).starts_with("sessions.logout "));
    let stopped = Ok(samples::status(SessionState::Stopped));
    assert_snapshot!("disconnected", answered::<Stop>(post(off, ""), stopped));
    let logged_out = || Ok(samples::status(SessionState::LoggedOut));
    assert_snapshot!(
        "logged_out",
        answered::<Logout>(post(out, ""), logged_out())
    );
    for (code, text) in [
        (ErrorCode::NotPaired, "it was not logged in"),
        (ErrorCode::NotConnected, "it was not connected"),
    ] {
        let failed = answered::<Logout>(post(out, ""), Err(OpError::new(code, "x")));
        assert!(
            failed.starts_with("500\n") && failed.contains(text),
            "{failed}"
        );
    }
}

#[test]
fn connecting_answers_with_both() {
    let request = post(
        "/session/connect",
        r#"{"Subscribe":["Message","HistorySync"]}"#,
    );
    let webhooks = Webhooks {
        subscriptions: vec![samples::subscription(DialectName::Wuzapi)],
        events: Some(classes_of(&[
            "Message".to_owned(),
            "HistorySync".to_owned(),
        ])),
    };
    let status = Ok(samples::status(SessionState::Connected));
    let text = super::answered_both::<Choose, Start>(request, Ok(webhooks), status);
    assert_snapshot!("connected", text);
}
