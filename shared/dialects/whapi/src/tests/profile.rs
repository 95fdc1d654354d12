//! The own profile.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{Request, get, request, samples};
use switchboard_vocab::contacts::Picture;
use switchboard_vocab::profile::{Change, Get, OwnProfile};

use super::{answered, check_refused, decoded};

fn own() -> OwnProfile {
    OwnProfile {
        identity: samples::identity(),
        about: Some("Open".to_owned()),
        picture: Some(Picture {
            id: "1".to_owned(),
            preview_url: None,
            url: Some("https://pps.whatsapp.net/full".to_owned()),
            direct_path: None,
        }),
    }
}

fn patch(json: &str) -> Request {
    request(Method::PATCH, "/users/profile").json(json)
}

#[test]
fn reading() {
    assert_snapshot!("get", decoded(get("/users/profile")));
    assert_snapshot!("shown", answered::<Get>(get("/users/profile"), Ok(own())));
}

#[test]
fn changing() {
    let all = r#"{"name":"Sales","about":"Open","icon":"data:image/png;base64,iVBORw0KGgo="}"#;
    assert_snapshot!("change", decoded(patch(all)));
    let form =
        request(Method::PATCH, "/users/profile").file("icon", "a.png", "image/png", b"\x89PNG");
    assert!(decoded(form).contains("upload "));
    let answer = answered::<Change>(patch(all), Ok(own()));
    assert!(answer.starts_with("200\n"), "{answer}");
    check_refused(patch("{}"), 400, "icon is expected");
    check_refused(patch(r#"{"name":"ab"}"#), 400, "name: 3 to 25");
    check_refused(
        patch(&format!(r#"{{"name":"{}"}}"#, "x".repeat(26))),
        400,
        "name: ",
    );
    check_refused(patch(r#"{"about":""}"#), 400, "about: 1 to 139");
    check_refused(patch(r#"{"icon":"%%%"}"#), 400, "icon: ");
    let about = |json: &str| request(Method::PUT, "/status").json(json);
    assert_snapshot!("about", decoded(about(r#"{"status":"Open"}"#)));
    check_refused(about("{}"), 400, "missing field `status`");
    let long = format!(r#"{{"status":"{}"}}"#, "x".repeat(140));
    check_refused(about(&long), 400, "status: 0 to 139");
}
