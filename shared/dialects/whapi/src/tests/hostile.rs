//! Hostile requests: see the kit's module of this name.

use switchboard_dialect_kit::testing::hostile::Value;

use super::schema;

/// `ResponseError`, the code being the status.
fn fits(status: u16, error: &Value) -> bool {
    status >= 400 && error["error"]["code"] == status && schema::is_error(error)
}

switchboard_dialect_kit::hostile_test!(crate::dialect, include_str!("../requests.txt"), fits);
