//! Sessions, QR codes and the own profile.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, samples};
use switchboard_vocab::pairing::GetQr;
use switchboard_vocab::sessions::{
    Create, Created, GetStatus, Remove, Removed, Restart, SessionState,
};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

#[test]
fn starting() {
    let start = || get("/session/start/sales").header("x-api-key", "the-key");
    assert_snapshot!("start", decoded(start()));
    check_refused(get("/session/start/a.b"), 422, "alphanumerical");
    let created = Created {
        session: samples::session(),
        token: "the-token".to_owned(),
        status: Some(samples::status(SessionState::Starting)),
    };
    let shown = answered::<Create>(start(), Ok(created));
    assert!(!shown.contains("the-token"), "{shown}");
    assert_snapshot!("started", shown);
    let exists = OpError::new(ErrorCode::AlreadyExists, "the session exists already");
    assert_snapshot!("started_twice", answered::<Create>(start(), Err(exists)));
}

#[test]
fn pings() {
    assert_snapshot!("ping", decoded(get("/ping")));
}

#[test]
fn states_have_words() {
    use SessionState::*;
    let states = [
        Stopped, Starting, Pairing, Connecting, Syncing, Connected, Waiting, LoggedOut, Banned,
        Replaced, Parked,
    ];
    let words = states.map(|state| {
        let answer = |path| answered::<GetStatus>(get(path), Ok(samples::status(state)));
        let status = answer("/session/status/sales");
        let own = answer("/client/getState/sales");
        format!("{state:?}\n{status}{own}")
    });
    assert_snapshot!(words.join("\n"));
}

#[test]
fn codes() {
    let (text, image) = ("/session/qr/sales", "/session/qr/sales/image");
    assert_snapshot!("qr", decoded(get(text)));
    assert_eq!(decoded(get(text)), decoded(get(image)));
    assert_snapshot!("qr_text", answered::<GetQr>(get(text), Ok(samples::qr())));
    assert_snapshot!("qr_image", answered::<GetQr>(get(image), Ok(samples::qr())));
    for code in [
        ErrorCode::Timeout,
        ErrorCode::NotConnected,
        ErrorCode::AlreadyPaired,
    ] {
        for path in [text, image] {
            let shown = answered::<GetQr>(get(path), Err(OpError::new(code, "x")));
            assert!(shown.starts_with("200\n"), "{shown}");
            assert!(shown.contains("not ready or already scanned"), "{shown}");
        }
    }
    let away = answered::<GetQr>(get(text), Err(OpError::new(ErrorCode::Unavailable, "x")));
    assert!(away.starts_with("503\n"), "{away}");
}

#[test]
fn restarting_and_terminating() {
    let (restart, terminate) = ("/session/restart/sales", "/session/terminate/sales");
    assert_snapshot!("restart", decoded(get(restart)));
    let status = samples::status(SessionState::Connecting);
    assert_snapshot!("restarted", answered::<Restart>(get(restart), Ok(status)));
    assert_snapshot!("terminate", decoded(get(terminate)));
    assert_snapshot!(
        "terminated",
        answered::<Remove>(get(terminate), Ok(Removed {}))
    );
}

#[test]
fn the_own_profile_needs_a_connection() {
    let info = |state| {
        answered::<GetStatus>(
            get("/client/getClassInfo/sales"),
            Ok(samples::status(state)),
        )
    };
    assert_snapshot!("client_info", info(SessionState::Connected));
    assert_snapshot!("client_info_waiting", info(SessionState::Waiting));
}
