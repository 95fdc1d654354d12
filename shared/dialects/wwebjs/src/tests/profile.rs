//! The own profile and presence.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, samples};
use switchboard_vocab::presence::SendState;
use switchboard_vocab::profile::{Change, OwnProfile, SetOnline, Shown};
use switchboard_vocab::sessions::{GetStatus, RemoveAll, RemovedAll, SessionState, SessionStatus};

use super::{answered, check_refused, decoded, decoded_all};

const CHAT: &str = r#"{"chatId":"4915112345678@c.us"}"#;
const DONE: &str = "200\n{\n  \"success\": true\n}\n";

#[test]
fn changes() {
    let check = |path: &str, json: &str, name: &str, answer: &str| {
        let path = format!("{path}/sales");
        assert_snapshot!(name, decoded(post(&path, json)));
        let profile = OwnProfile {
            identity: samples::identity(),
            about: None,
            picture: None,
        };
        let answered = answered::<Change>(post(&path, json), Ok(profile));
        assert!(answered.contains(answer), "{answered}");
    };
    check(
        "/client/setDisplayName",
        r#"{"displayName":"Sales"}"#,
        "name",
        "\"result\": true",
    );
    let picture = r#"{"pictureMimetype":"image/jpeg","pictureData":"AAEC"}"#;
    check(
        "/client/setProfilePicture",
        picture,
        "picture",
        "\"result\": true",
    );
    check(
        "/client/setStatus",
        r#"{"status":"open"}"#,
        "about",
        "\"success\": true",
    );
}

#[test]
fn bad_changes() {
    let check = |path: &str, json: &str, status, message: &str| {
        check_refused(post(&format!("{path}/sales"), json), status, message);
    };
    check("/client/setDisplayName", "{}", 422, "displayName");
    check(
        "/client/setDisplayName",
        r#"{"displayName":" "}"#,
        422,
        "displayName: it is empty",
    );
    let long = format!(r#"{{"displayName":"{}"}}"#, "x".repeat(26));
    check(
        "/client/setDisplayName",
        &long,
        413,
        "displayName: at most 25",
    );
    let long = format!(r#"{{"status":"{}"}}"#, "x".repeat(140));
    check("/client/setStatus", &long, 413, "status: at most 139");
    check("/client/setStatus", "{}", 422, "status");
    let picture = |mime: &str, data: &str| {
        format!(r#"{{"pictureMimetype":"{mime}","pictureData":"{data}"}}"#)
    };
    check(
        "/client/setProfilePicture",
        &picture("text/plain", "AAEC"),
        422,
        "pictureMimetype: ",
    );
    check(
        "/client/setProfilePicture",
        &picture("image/png", "#"),
        422,
        "pictureData: ",
    );
    check(
        "/client/setProfilePicture",
        &picture("image/png", ""),
        422,
        "pictureData: ",
    );
    check("/client/setProfilePicture", "{}", 422, "pictureMimetype");
}

#[test]
fn presence() {
    let own = [
        "/client/sendPresenceAvailable",
        "/client/sendPresenceUnavailable",
    ];
    assert_snapshot!("presence", decoded_all(&own, ""));
    for path in own {
        let done = answered::<SetOnline>(post(&format!("{path}/sales"), ""), Ok(Shown {}));
        assert_eq!(done, DONE);
    }
    let states = [
        "/chat/clearState",
        "/chat/sendStateRecording",
        "/chat/sendStateTyping",
    ];
    assert_snapshot!("states", decoded_all(&states, CHAT));
    let done = states.map(|path| {
        let path = format!("{path}/sales");
        check_refused(post(&path, "{}"), 422, "chatId");
        answered::<SendState>(post(&path, CHAT), Ok(Shown {}))
    });
    assert_snapshot!("states_shown", done.join("\n"));
}

#[test]
fn versions_need_a_connection() {
    let path = "/client/getWWebVersion/sales";
    let version = |state| SessionStatus {
        client_version: Some("2.3000.1".to_owned()),
        ..samples::status(state)
    };
    let shown = |state| answered::<GetStatus>(get(path), Ok(version(state)));
    assert!(shown(SessionState::Connected).contains("\"result\": \"2.3000.1\""));
    assert!(shown(SessionState::Waiting).contains("session_not_connected"));
}

#[test]
fn terminating_many() {
    let (all, inactive) = ("/session/terminateAll", "/session/terminateInactive");
    assert_snapshot!("terminate_all", decoded(get(all)));
    assert_snapshot!("terminate_inactive", decoded(get(inactive)));
    let answer = |kept: bool| {
        let out = RemovedAll {
            removed: vec![samples::session()],
            kept: kept.then(samples::session).into_iter().collect(),
        };
        answered::<RemoveAll>(get(all), Ok(out))
    };
    assert_snapshot!("terminated_all", answer(false));
    assert_snapshot!("kept_some", answer(true));
}
