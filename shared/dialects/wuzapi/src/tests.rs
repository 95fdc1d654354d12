//! One file per area; `check` functions keep the cases to a line each.

mod events;
mod hostile;
mod kinds;
mod messages;
mod people;
mod sessions;

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, get, post};

switchboard_dialect_kit::case_functions!(crate::dialect: decoded, answered, answered_both, check_refused);

#[test]
fn the_table_is_the_whole_api() {
    testing::check_table(&crate::dialect(), include_str!("operations.txt"), 32);
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
    testing::check_cases(&crate::dialect(), CASES, include_str!("uncovered.txt"));
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
