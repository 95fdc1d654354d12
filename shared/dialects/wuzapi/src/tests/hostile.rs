//! Hostile requests: see the kit's module of this name.

use switchboard_dialect_kit::testing::hostile::{self, Value};

/// `{"code", "error", "success": false}`, the code being the status.
fn judge(status: u16, error: &Value) -> Result<(), String> {
    let fits = status >= 400
        && error["code"] == status
        && error["success"] == false
        && error["error"].as_str().is_some_and(|text| !text.is_empty());
    fits.then_some(())
        .ok_or_else(|| format!("{status} in no form of this system"))
}

#[test]
fn whatever_comes_is_decided_in_the_systems_own_words() {
    hostile::check_all(&crate::dialect(), include_str!("../requests.txt"), judge);
}
