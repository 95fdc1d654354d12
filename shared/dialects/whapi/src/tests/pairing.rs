//! QR codes, pairing codes, logout.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, samples};
use switchboard_vocab::pairing::{GetQr, RequestCode};
use switchboard_vocab::sessions::{Logout, SessionState};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

fn error(code: ErrorCode) -> OpError {
    OpError::new(code, "what was wrong")
}

#[test]
fn qr_requests() {
    assert_snapshot!(decoded(get(
        "/users/login?wakeup=false&size=300&color_dark=1a2b3c"
    )));
    check_refused(get("/users/login?width=300&height=200"), 422, "height: ");
    check_refused(get("/users/login?size=100000"), 422, "size: ");
    check_refused(get("/users/login?size=-5"), 422, "size: ");
    check_refused(
        get("/users/login/image?color_light=blue"),
        422,
        "color_light: ",
    );
}

#[test]
fn qr_answers() {
    let qr = || Ok(samples::qr());
    assert_snapshot!("qr_base64", answered::<GetQr>(get("/users/login"), qr()));
    assert_snapshot!(
        "qr_text",
        answered::<GetQr>(get("/users/login/rowdata"), qr())
    );
    let picture = answered::<GetQr>(get("/users/login/image?size=500&color_light=%23fff"), qr());
    assert!(picture.starts_with("200\nimage/png: "), "{picture}");
}

#[test]
fn qr_calls_without_a_code() {
    let login = || get("/users/login");
    assert_snapshot!(
        "qr_timeout",
        answered::<GetQr>(login(), Err(error(ErrorCode::Timeout)))
    );
    assert_snapshot!(
        "qr_waiting",
        answered::<GetQr>(login(), Err(error(ErrorCode::NotConnected)))
    );
    assert_snapshot!(
        "qr_paired",
        answered::<GetQr>(login(), Err(error(ErrorCode::AlreadyPaired)))
    );
    let image = answered::<GetQr>(get("/users/login/image"), Err(error(ErrorCode::Timeout)));
    assert!(image.starts_with("500\n"), "{image}");
}

#[test]
fn pairing_codes() {
    let by_phone = || get("/users/login/4915112345678");
    assert_snapshot!("code_request", decoded(by_phone()));
    assert_snapshot!(
        "code_answer",
        answered::<RequestCode>(by_phone(), Ok(samples::pairing_code()))
    );
    check_refused(get("/users/login/+4915112345678"), 400, "PhoneNumber: ");
    check_refused(get("/users/login/12"), 400, "PhoneNumber: ");
}

#[test]
fn logout() {
    let request = || post("/users/logout", "");
    let out = samples::status(SessionState::LoggedOut);
    assert_snapshot!("logout_answer", answered::<Logout>(request(), Ok(out)));
    assert_snapshot!(
        "logout_twice",
        answered::<Logout>(request(), Err(error(ErrorCode::NotPaired)))
    );
}
