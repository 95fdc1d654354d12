//! Hostile requests: see the kit's module of this name.

use switchboard_dialect_kit::testing::hostile::{self, Value};

/// `{"error"}` with a status, and for a send that failed `{"sent": false, "message"}` with 200.
fn judge(status: u16, error: &Value) -> Result<(), String> {
    let text = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
    let fits = match status {
        200 => error["sent"] == false && text("message"),
        400.. => text("error"),
        _ => false,
    };
    fits.then_some(())
        .ok_or_else(|| format!("{status} in no form of this system"))
}

#[test]
fn whatever_comes_is_decided_in_the_systems_own_words() {
    hostile::check_all(&crate::dialect(), include_str!("../requests.txt"), judge);
}
