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
use switchboard_dialect_kit::testing::{self, get, request};

switchboard_dialect_kit::case_functions!(crate::dialect: decoded, answered, check_refused);

#[test]
fn the_table_is_the_whole_api() {
    testing::check_table(&crate::dialect(), include_str!("operations.txt"), 45);
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
