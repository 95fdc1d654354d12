//! One file per area; `check` functions keep the cases to a line each.

mod auth;
mod events;
mod messages;
mod sending;
mod sessions;

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, Request, get, post, request};
use switchboard_vocab::{OpError, Operation};

/// What becomes of a request.
fn decoded(request: Request) -> String {
    testing::decoded(&crate::dialect(), request)
}

/// What the caller sees when the operation answers this.
fn answered<O: Operation>(request: Request, output: Result<O::Output, OpError>) -> String {
    testing::answered::<O>(&crate::dialect(), request, vec![output])
}

/// The request is refused with this status, and the message says this.
fn check_refused(request: Request, status: u16, message: &str) {
    let text = decoded(request);
    assert!(text.starts_with(&format!("refused\n{status}\n")), "{text}");
    assert!(text.contains(message), "{message:?} is missing in {text}");
}

#[test]
fn the_table_is_the_whole_api() {
    let facts = include_str!("operations.txt");
    let (missing, added) = testing::table_difference(&crate::dialect(), facts);
    assert_eq!((missing, added), (Vec::new(), Vec::new()));
    assert_eq!(
        facts.lines().filter(|line| !line.starts_with('#')).count(),
        88
    );
}

#[test]
fn refused_rows_give_a_reason() {
    for path in ["/client/sendSeen/sales", "/localCallbackExample"] {
        check_refused(post(path, "{}"), 501, "does not offer this operation yet");
    }
    check_refused(get("/session/terminateAll"), 501, "does not offer");
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
