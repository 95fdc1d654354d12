//! One file per area; `check` functions keep the cases to a line each.

mod acts;
mod auth;
mod chats;
mod contacts;
mod events;
mod hostile;
mod messages;
mod profile;
mod sending;
mod sessions;

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, get, post, request};

switchboard_dialect_kit::case_functions!(crate::dialect: decoded, answered, answered_both, check_refused);

/// What becomes of several requests with the same body, one after the other.
fn decoded_all(paths: &[&str], json: &str) -> String {
    let all = paths.iter().map(|path| {
        let path = format!("{path}/sales");
        format!("{path}\n{}", decoded(post(&path, json)))
    });
    all.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_table_is_the_whole_api() {
    testing::check_table(&crate::dialect(), include_str!("operations.txt"), 88);
}

/// The text of the cases, in which every row's path stands.
const CASES: &[&str] = &[
    include_str!("tests/acts.rs"),
    include_str!("tests/auth.rs"),
    include_str!("tests/chats.rs"),
    include_str!("tests/contacts.rs"),
    include_str!("tests/events.rs"),
    include_str!("tests/messages.rs"),
    include_str!("tests/profile.rs"),
    include_str!("tests/sending.rs"),
    include_str!("tests/sessions.rs"),
];

#[test]
fn every_row_has_a_case() {
    testing::check_cases(&crate::dialect(), CASES, include_str!("uncovered.txt"));
}

#[test]
fn refused_rows_give_a_reason() {
    for path in ["/message/getOrder/sales", "/groupChat/leave/sales"] {
        check_refused(post(path, "{}"), 501, "does not offer this operation yet");
    }
    check_refused(
        post("/localCallbackExample", "{}"),
        501,
        "appends to a file",
    );
}

#[test]
fn error_table_is_total() {
    let table = |path| testing::error_table(&crate::dialect(), &get(path));
    assert_snapshot!("errors", table("/client/getState/sales"));
}

#[test]
fn words_depend_on_the_path() {
    let table = |path| testing::error_table(&crate::dialect(), &get(path));
    let only = |path, code: &str| {
        let table = table(path);
        let (_, rest) = table.split_once(&format!("\n{code}: ")).unwrap();
        rest.split_once("\n}\n").unwrap().0.to_owned()
    };
    let cases = [
        ("/session/status/sales", "SessionNotFound"),
        ("/session/terminate/sales", "SessionNotFound"),
        ("/session/qr/sales", "SessionNotFound"),
        ("/session/qr/sales/image", "SessionNotFound"),
        ("/message/getClassInfo/sales", "NotFound"),
        ("/chat/getClassInfo/sales", "NotFound"),
        ("/client/sendMessage/sales", "NotFound"),
        ("/contact/getClassInfo/sales", "NotFound"),
    ];
    let texts = cases.map(|(path, code)| format!("{path} {code}: {}\n}}", only(path, code)));
    assert_snapshot!(texts.join("\n"));
}

#[test]
fn forms_are_read_too() {
    let form = "chatId=4915112345678%40c.us&contentType=string&content=hello";
    let sent = request(http::Method::POST, "/client/sendMessage/sales")
        .bytes("application/x-www-form-urlencoded", form.as_bytes());
    assert!(decoded(sent).contains("\"body\": \"hello\""));
}
