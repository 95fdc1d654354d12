//! One file per area; `check` functions keep the cases to a line each.

mod events;
mod hostile;
mod messages;
mod sending;
mod sessions;
mod webhooks;

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::Credentials;
use switchboard_dialect_kit::testing::{self, get, post, request};

switchboard_dialect_kit::case_functions!(crate::dialect: decoded, answered, check_refused);

/// The target of a call on the instance of every test.
fn at(path: &str) -> String {
    format!("/instancesales{path}")
}

#[test]
fn the_table_is_the_whole_api() {
    testing::check_table(&crate::dialect(), include_str!("operations.txt"), 14);
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
    check_refused(
        request(Method::POST, &at("/group")),
        501,
        "does not offer this operation yet",
    );
}

#[test]
fn error_tables_are_total() {
    let table = |path| testing::error_table(&crate::dialect(), &get(&at(path)));
    assert_snapshot!("errors", table("/status"));
    assert_snapshot!("errors_of_sends", table("/sendMessage"));
    for path in ["/message", "/sendFile", "/sendMessage/"] {
        assert_eq!(table(path), table("/sendMessage"), "{path}");
    }
    assert_eq!(table("/messages"), table("/status"));
}

#[test]
fn tokens_stand_in_the_query() {
    let shown = |path: &str| {
        let dialect = crate::dialect();
        let cx = testing::routed(&dialect, post(&at(path), r#"{"token":"body"}"#));
        (dialect.credentials)(cx.input()).unwrap()
    };
    let expected = Credentials::Session {
        token: "abc".to_owned(),
        named: Some("sales".to_owned()),
    };
    assert_eq!(shown("/sendMessage?token=abc"), expected);
    assert_eq!(shown("/sendMessage?token="), Credentials::None);
    assert_eq!(shown("/sendMessage"), Credentials::None);
}
