//! Hostile requests: see the kit's module of this name.

use switchboard_dialect_kit::testing::hostile::{self, Value};

/// The envelope with `success: false`, and the error object whose code is the status.
fn judge(status: u16, error: &Value) -> Result<(), String> {
    let fits = status >= 400
        && error["success"] == false
        && error["message"].is_string()
        && error["error"]["message"] == error["message"]
        && error["error"]["code"] == status;
    fits.then_some(())
        .ok_or_else(|| format!("{status} in no form of this system"))
}

#[test]
fn whatever_comes_is_decided_in_the_systems_own_words() {
    hostile::check_all(&crate::dialect(), include_str!("../requests.txt"), judge);
}
