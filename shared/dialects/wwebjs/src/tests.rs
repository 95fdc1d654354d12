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

/// What the caller sees when the two operations answer this.
fn answered_both<A: Operation, B: Operation>(
    request: Request,
    first: Result<A::Output, OpError>,
    second: Result<B::Output, OpError>,
) -> String {
    testing::answered_both::<A, B>(&crate::dialect(), request, first, second)
}

/// What becomes of several requests with the same body, one after the other.
fn decoded_all(paths: &[&str], json: &str) -> String {
    let all = paths.iter().map(|path| {
        let path = format!("{path}/sales");
        format!("{path}\n{}", decoded(post(&path, json)))
    });
    all.collect::<Vec<_>>().join("\n")
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
    let exceptions = include_str!("uncovered.txt");
    let (uncovered, covered) = testing::uncovered_difference(&crate::dialect(), CASES, exceptions);
    let add = "write a case for these rows";
    assert_eq!(uncovered, Vec::<String>::new(), "{add}");
    let remove = "take these lines out of uncovered.txt: they have a case now";
    assert_eq!(covered, Vec::<String>::new(), "{remove}");
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
