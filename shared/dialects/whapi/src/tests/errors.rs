//! The error table, and the statuses that some paths have for themselves.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{error_table, get, post, request};

use super::schema;

#[test]
fn error_table_is_total() {
    assert_snapshot!(error_table(&crate::dialect(), &get("/health")));
}

#[test]
fn logout_pictures_and_profiles_have_statuses_of_their_own() {
    let logout = error_table(&crate::dialect(), &post("/users/logout", ""));
    assert!(logout.contains("NotPaired: 409\n"), "{logout}");
    let picture = error_table(&crate::dialect(), &get("/users/login/image"));
    assert!(picture.contains("InvalidInput: 422\n"), "{picture}");
    let profile = error_table(&crate::dialect(), &request(Method::PATCH, "/users/profile"));
    for code in ["UnsupportedMedia", "MediaUnreachable", "TooLarge"] {
        assert!(profile.contains(&format!("{code}: 400\n")), "{profile}");
    }
}

#[test]
fn what_a_send_does_not_find_has_a_status_of_its_document() {
    let sends = |key: &&str| key.starts_with("POST /messages/") || key.ends_with("/event");
    let keys: Vec<_> = schema::operations().filter(sends).collect();
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        let (_, path) = key.split_once(' ').unwrap();
        let table = error_table(&crate::dialect(), &post(path, "{}"));
        let (_, status) = table.split_once("\nNotFound: ").unwrap();
        let status: u64 = status[..3].parse().unwrap();
        let documented = schema::errors(key);
        assert!(
            documented.contains(&status),
            "{key}: {status} {documented:?}"
        );
    }
}
