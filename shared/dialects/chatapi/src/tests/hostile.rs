//! Hostile requests: see the kit's module of this name.

use switchboard_dialect_kit::testing::hostile::Value;

/// `{"error"}` with a status, and for a send that failed `{"sent": false, "message"}` with 200.
fn fits(status: u16, error: &Value) -> bool {
    let text = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
    match status {
        200 => error["sent"] == false && text("message"),
        400.. => text("error"),
        _ => false,
    }
}

switchboard_dialect_kit::hostile_test!(crate::dialect, include_str!("../requests.txt"), fits);
