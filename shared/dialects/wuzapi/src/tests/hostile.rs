//! Hostile requests: see the kit's module of this name.

use switchboard_dialect_kit::testing::hostile::Value;

/// `{"code", "error", "success": false}`, the code being the status.
fn fits(status: u16, error: &Value) -> bool {
    status >= 400
        && error["code"] == status
        && error["success"] == false
        && error["error"].as_str().is_some_and(|text| !text.is_empty())
}

switchboard_dialect_kit::hostile_test!(crate::dialect, include_str!("../requests.txt"), fits);
