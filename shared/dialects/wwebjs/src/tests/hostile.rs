//! Hostile requests: see the kit's module of this name.

use switchboard_dialect_kit::testing::hostile::Value;

/// `{"success": false, "error"}`; session calls say by `message` and 200 that there is no such session.
fn fits(status: u16, error: &Value) -> bool {
    let text = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
    error["success"] == false
        && match status {
            200 => error["message"] == "session_not_found",
            400.. => text("error"),
            _ => false,
        }
}

switchboard_dialect_kit::hostile_test!(crate::dialect, include_str!("../requests.txt"), fits);
