//! The error table, and the statuses that two paths have for themselves.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{error_table, get, post};

#[test]
fn error_table_is_total() {
    assert_snapshot!(error_table(&crate::dialect(), &get("/health")));
}

#[test]
fn logout_and_pictures_have_statuses_of_their_own() {
    let logout = error_table(&crate::dialect(), &post("/users/logout", ""));
    assert!(logout.contains("NotPaired: 409\n"), "{logout}");
    let picture = error_table(&crate::dialect(), &get("/users/login/image"));
    assert!(picture.contains("InvalidInput: 422\n"), "{picture}");
}
