//! Hostile requests: see the kit's module of this name.

use switchboard_dialect_kit::testing::hostile::Value;

/// The envelope with `success: false`, and the error object whose code is the status.
fn fits(status: u16, error: &Value) -> bool {
    status >= 400
        && error["success"] == false
        && error["message"].is_string()
        && error["error"]["message"] == error["message"]
        && error["error"]["code"] == status
}

switchboard_dialect_kit::hostile_test!(crate::dialect, include_str!("../requests.txt"), fits);
