//! Files.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, request, samples};
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::media::{Open, Store};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

#[test]
fn uploads() {
    let upload = || request(Method::POST, "/v1/media");
    let bare = || upload().bytes("application/pdf", b"%PDF");
    assert_snapshot!("upload_body", decoded(bare()));
    let form = upload().part("messaging_product", "whatsapp").file(
        "file",
        "a.png",
        "image/png",
        b"\x89PNG",
    );
    assert_snapshot!("upload_part", decoded(form));
    assert_snapshot!(
        "uploaded",
        answered::<Store>(bare(), Ok(samples::stored(MediaKind::Document)))
    );
    check_refused(upload(), 400, "file: ");
    check_refused(upload().bytes("image/png", b""), 400, "file: it is empty");
    check_refused(
        upload().file("other", "a.png", "image/png", b"\x89PNG"),
        400,
        "file: a file is expected",
    );
}

#[test]
fn descriptions() {
    let target = "/v1/0123456789abcdef0123456789abcdef";
    assert_snapshot!("describe", decoded(get(target)));
    assert_snapshot!(
        "described",
        answered::<Open>(get(target), Ok(samples::stored(MediaKind::Image)))
    );
    let gone = OpError::new(ErrorCode::NotFound, "no such file");
    assert!(answered::<Open>(get(target), Err(gone)).starts_with("404\n"));
    check_refused(get("/v1/a.b"), 404, "media id");
}
