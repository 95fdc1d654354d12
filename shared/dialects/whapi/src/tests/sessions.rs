//! Health.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, samples};
use switchboard_vocab::sessions::{GetStatus, SessionState, Start};

use super::{answered, check_refused, decoded};

#[test]
fn health_starts_the_channel_unless_told_not_to() {
    assert_snapshot!(decoded(get("/health")), @r#"
    sessions.start (Write)
    {
      "wait": {
        "secs": 0,
        "nanos": 0
      },
      "keep_final": true
    }
    "#);
    assert_snapshot!(decoded(get("/health?wakeup=false&platform=Chrome,Whapi,1.6.0&channel_type=web")), @r"
    sessions.status (Read)
    {}
    ");
}

#[test]
fn health_refuses_what_is_not_possible() {
    check_refused(get("/health?channel_type=mobile"), 400, "channel_type: ");
    check_refused(
        get("/health?channel_type=fax"),
        400,
        "channel_type: unknown variant `fax`",
    );
    check_refused(
        get("/health?wakeup=perhaps"),
        400,
        "wakeup: \\\"perhaps\\\" is not true or false",
    );
}

#[test]
fn health_answers() {
    let connected = samples::status(SessionState::Connected);
    assert_snapshot!(answered::<Start>(get("/health"), Ok(connected)));
}

#[test]
fn every_state_has_a_word() {
    use SessionState::*;
    let states = [
        Stopped, Starting, Pairing, Connecting, Syncing, Connected, Waiting, LoggedOut, Banned,
        Replaced, Parked,
    ];
    let words = states.map(|state| {
        let text = answered::<GetStatus>(get("/health?wakeup=false"), Ok(samples::status(state)));
        let (_, rest) = text.split_once("\"text\": ").unwrap();
        format!("{state:?} {}", rest.lines().next().unwrap())
    });
    assert_snapshot!(words.join("\n"));
}

#[test]
fn there_are_no_limits() {
    assert_snapshot!(decoded(get("/limits")), @"204");
}
