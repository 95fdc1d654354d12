//! One file per area; `check` functions keep the cases to a line each.

mod accounts;
mod auth;
mod chats;
mod events;
mod hostile;
mod media;
mod messages;
mod webhooks;

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, Request, get, request};
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
        45
    );
}

#[test]
fn aliases_are_served_too() {
    let rows = (crate::dialect().routes)().into_rows();
    let aliases: Vec<_> = rows
        .iter()
        .filter(|row| row.alias)
        .map(|row| format!("{} {}", row.method, row.path))
        .collect();
    assert_snapshot!(aliases.join("\n"));
}

#[test]
fn refused_rows_give_a_reason() {
    check_refused(get("/v1/groups"), 501, "does not offer this operation yet");
    let alias = request(http::Method::PATCH, "/v1/groups/1");
    check_refused(alias, 501, "does not offer this operation yet");
}

#[test]
fn error_table_is_total() {
    assert_snapshot!(testing::error_table(&crate::dialect(), &get("/v1/status")));
}
