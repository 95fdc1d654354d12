//! The instance: status, QR code, log-out, restart.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, samples};
use switchboard_vocab::pairing::{Challenge, GetQr};
use switchboard_vocab::sessions::{Logout, Restart, SessionState, Start};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, at, decoded};

#[test]
fn states_have_words() {
    use SessionState::*;
    assert_snapshot!("status", decoded(get(&at("/status?token=abc"))));
    let states = [
        Stopped, Starting, Pairing, Connecting, Syncing, Connected, Waiting, LoggedOut, Banned,
        Replaced, Parked,
    ];
    let words = states.map(|state| {
        let shown = answered::<Start>(get(&at("/status")), Ok(samples::status(state)));
        format!("{state:?}\n{shown}")
    });
    assert_snapshot!("words", words.join("\n"));
    let mut waiting = samples::status(Pairing);
    waiting.challenge = Some(Challenge::Code {
        code: "ABCD1234".to_owned(),
        expires_at: samples::now(),
    });
    let shown = answered::<Start>(get(&at("/status")), Ok(waiting));
    assert!(
        shown.contains("loading") && !shown.contains("qrCode"),
        "{shown}"
    );
}

#[test]
fn pictures() {
    let request = || get(&at("/qr_code"));
    assert_snapshot!("qr_code", decoded(request()));
    assert_snapshot!("picture", answered::<GetQr>(request(), Ok(samples::qr())));
    let paired = OpError::new(ErrorCode::AlreadyPaired, "the session is paired already");
    assert_snapshot!("paired", answered::<GetQr>(request(), Err(paired)));
}

#[test]
fn leaving_and_restarting() {
    let (logout, reboot) = (at("/logout"), at("/reboot"));
    assert_snapshot!("logout", decoded(get(&logout)));
    assert_eq!(decoded(get(&logout)), decoded(post(&logout, "")));
    let out = || Ok(samples::status(SessionState::LoggedOut));
    assert_snapshot!("logged_out", answered::<Logout>(get(&logout), out()));
    assert_snapshot!("reboot", decoded(get(&reboot)));
    assert_eq!(decoded(get(&reboot)), decoded(post(&reboot, "")));
    assert_snapshot!("rebooted", answered::<Restart>(get(&reboot), out()));
}
