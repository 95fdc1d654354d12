//! Where a request shows its key: `?token=<session token>`, and the instance in the path.

use switchboard_dialect_kit::{Credentials, Input, Reject};

/// Finds the token and the instance it must be for.
pub(crate) fn credentials(input: &Input) -> Result<Credentials, Reject> {
    let token = input.query("token").filter(|token| !token.is_empty());
    Ok(
        token.map_or(Credentials::None, |token| Credentials::Session {
            token: token.to_owned(),
            named: input.params.get("instanceId").cloned(),
        }),
    )
}
