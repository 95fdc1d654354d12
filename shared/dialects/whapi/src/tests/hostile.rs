//! Hostile requests: see the kit's module of this name.

use switchboard_dialect_kit::testing::hostile::{self, Value};

use super::schema;

/// `ResponseError`, the code being the status.
fn judge(status: u16, error: &Value) -> Result<(), String> {
    let fits = status >= 400 && error["error"]["code"] == status && schema::is_error(error);
    fits.then_some(())
        .ok_or_else(|| format!("{status} in no form of this system"))
}

#[test]
fn whatever_comes_is_decided_in_the_systems_own_words() {
    hostile::check_all(&crate::dialect(), include_str!("../requests.txt"), judge);
}
