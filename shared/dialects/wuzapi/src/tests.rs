//! One file per area; `check` functions keep the cases to a line each.

mod events;
mod hostile;
mod kinds;
mod messages;
mod people;
mod sessions;

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, Request, get, post};
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
        32
    );
}

/// The text of the cases, in which every row's path stands.
const CASES: &[&str] = &[
    include_str!("tests/events.rs"),
    include_str!("tests/kinds.rs"),
    include_str!("tests/messages.rs"),
    include_str!("tests/people.rs"),
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
    check_refused(get("/group/list"), 501, "does not offer this operation yet");
}

#[test]
fn error_tables_are_total() {
    for path in ["/session/status", "/session/qr", "/session/logout"] {
        assert_snapshot!(
            path.replace('/', "_"),
            testing::error_table(&crate::dialect(), &get(path))
        );
    }
    assert_snapshot!(
        "send",
        testing::error_table(&crate::dialect(), &post("/chat/send/text", "{}"))
    );
}
