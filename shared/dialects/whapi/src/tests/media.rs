//! Files to send and to keep.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, request, samples};
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::media::{Delete, List, ListedMedia, MediaList, Open, Removed, Store};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

fn image(media: &str) -> String {
    decoded(post(
        "/messages/image",
        &format!(r#"{{"to":"4915112345678","media":"{media}","caption":"look"}}"#),
    ))
}

#[test]
fn images_come_in_every_form() {
    assert_snapshot!("by_link", image("https://files.test/a.png"));
    assert_snapshot!(
        "by_data_uri",
        image("data:image/png;name=a.png;base64,iVBORw0KGgo=")
    );
    assert_snapshot!("by_base64", image("iVBORw0KGgo="));
    assert_snapshot!("by_id", image("file-0123456789abcdef0123456789abcdef"));
    let form = request(Method::POST, "/messages/image")
        .part("to", "4915112345678")
        .part("caption", "look")
        .file("media", "a.png", "image/png", b"\x89PNG");
    assert_snapshot!("by_part", decoded(form));
    let bare = request(
        Method::POST,
        "/messages/media/image?to=4915112345678&caption=look",
    )
    .bytes("image/png", b"\x89PNG");
    assert_snapshot!("by_body", decoded(bare));
}

#[test]
fn every_kind_is_sent_as_itself() {
    for kind in [
        "image", "video", "gif", "audio", "voice", "document", "sticker",
    ] {
        let body = r#"{"to":"4915112345678","media":"https://files.test/a"}"#;
        for path in [
            format!("/messages/{kind}"),
            format!("/messages/media/{kind}"),
        ] {
            let text = decoded(post(&path, body));
            assert!(
                text.contains(&format!("\"as_kind\": \"{kind}\"")),
                "{path}: {text}"
            );
        }
    }
    let short = r#"{"to":"4915112345678","media":"https://files.test/a"}"#;
    assert!(decoded(post("/messages/short", short)).contains("\"as_kind\": \"short_video\""));
    let named = r#"{"to":"4915112345678","media":"https://files.test/a","filename":"b.pdf"}"#;
    assert!(decoded(post("/messages/document", named)).contains("\"file_name\": \"b.pdf\""));
}

#[test]
fn every_parameter_of_a_file_is_kept() {
    let video = r#"{"to":"4915112345678","media":"https://files.test/a","mime_type":"video/mp4","caption":"look @4915112345678",
        "preview":"data:image/jpeg;base64,/9j/","width":640,"height":480,"seconds":9,"view_once":true,
        "mentions":["4915112345678"],"no_encode":true,"no_cache":true}"#;
    assert_snapshot!("video_full", decoded(post("/messages/video", video)));
    let bars =
        "ZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZA==";
    let voice = format!(
        r#"{{"to":"4915112345678","media":"https://files.test/a","waveform":"{bars}","recording_time":3,"seconds":9}}"#
    );
    assert_snapshot!("voice_full", decoded(post("/messages/voice", &voice)));
}

fn check(path: &str, fields: &str, status: u16, details: &str) {
    let request = post(path, &format!(r#"{{"to":"4915112345678"{fields}}}"#));
    check_refused(request, status, details);
}

#[test]
fn bad_parameters_of_files_are_refused() {
    let image = "/messages/image";
    check(
        image,
        r#","media":"http://a/b","width":0,"height":1"#,
        400,
        "width: ",
    );
    check(
        image,
        r#","media":"http://a/b","seconds":1"#,
        400,
        "seconds: ",
    );
    check(
        "/messages/sticker",
        r#","media":"http://a/b","view_once":true"#,
        400,
        "view_once: ",
    );
    check(
        "/messages/audio",
        r##","media":"http://a/b","background_color":"#ff0000""##,
        400,
        "background_color: ",
    );
    check(
        "/messages/voice",
        r#","media":"http://a/b","waveform":"AAAA""#,
        400,
        "waveform: ",
    );
    check(
        "/messages/voice",
        r#","media":"http://a/b","recording_time":61"#,
        400,
        "recording_time: ",
    );
    check(
        image,
        r#","media":"http://a/b","mentions":["x"]"#,
        400,
        "mentions: ",
    );
}

#[test]
fn bad_files_are_refused() {
    let image = "/messages/image";
    check(image, "", 400, "media: ");
    check(image, r#","media":"%%%""#, 400, "media: ");
    check(image, r#","media":"ftp://a/b""#, 400, "media: ");
    check(
        image,
        r#","media":"data:image/png;base64,""#,
        400,
        "media: the media is empty",
    );
    check(
        image,
        r#","media":"data:video/mp4;base64,AAAA""#,
        415,
        "media: ",
    );
    check(
        image,
        r#","media":"http://a/b","mime_type":"text/plain""#,
        415,
        "media: ",
    );
    check(
        "/messages/voice",
        r#","media":"http://a/b","caption":"x""#,
        400,
        "caption: ",
    );
    check(
        "/messages/media/fax",
        r#","media":"http://a/b""#,
        400,
        "MediaMessageType: ",
    );
    let long = "x".repeat(1_025);
    check(
        image,
        &format!(r#","media":"http://a/b","caption":"{long}""#),
        413,
        "caption: at most 1024",
    );
}

#[test]
fn bad_bodies_are_refused() {
    let empty =
        request(Method::POST, "/messages/media/image?to=4915112345678").bytes("image/png", b"");
    check_refused(empty, 400, "media: the file is empty");
    let nobody = request(Method::POST, "/messages/media/image").bytes("image/png", b"\x89PNG");
    check_refused(nobody, 400, "missing field `to`");
}

#[test]
fn uploads() {
    let bare = || request(Method::POST, "/media").bytes("application/pdf", b"%PDF");
    assert_snapshot!("upload_body", decoded(bare()));
    assert_snapshot!(
        "upload_link",
        decoded(post("/media", r#"{"media":"https://files.test/a.png"}"#))
    );
    let form = request(Method::POST, "/media").file("media", "a.pdf", "application/pdf", b"%PDF");
    assert_snapshot!("upload_part", decoded(form));
    assert_snapshot!(
        "uploaded",
        answered::<Store>(bare(), Ok(samples::stored(MediaKind::Document)))
    );
    check_refused(post("/media", "{}"), 400, "media: ");
    check_refused(post("/media", r#"{"media":"file-00ff"}"#), 400, "media: ");
}

#[test]
fn downloads() {
    let path = "/media/file-0123456789abcdef0123456789abcdef";
    assert_snapshot!("download", decoded(get(path)));
    assert_snapshot!(
        "downloaded",
        answered::<Open>(get(path), Ok(samples::stored(MediaKind::Document)))
    );
    let gone = OpError::new(ErrorCode::NotFound, "no such file");
    assert!(answered::<Open>(get(path), Err(gone)).starts_with("404\n"));
    check_refused(get("/media/other"), 404, "MediaID: ");
}

#[test]
fn lists_and_deletions() {
    let all = "/media?count=2&offset=1&time_from=1700000000&time_to=1700000100&sort=asc";
    assert_snapshot!("list", decoded(get(all)));
    let out = MediaList {
        files: vec![ListedMedia {
            media: samples::stored(MediaKind::Document),
            stored_at: samples::now(),
        }],
        total: 1,
    };
    assert_snapshot!("listed", answered::<List>(get("/media"), Ok(out)));
    let path = "/media/file-0123456789abcdef0123456789abcdef";
    let delete = || request(Method::DELETE, path);
    assert_snapshot!("delete", decoded(delete()));
    let answer = answered::<Delete>(delete(), Ok(Removed {}));
    assert!(answer.starts_with("200\n"), "{answer}");
}
