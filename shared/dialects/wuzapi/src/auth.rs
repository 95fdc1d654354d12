//! Where a request shows its key: the `Token` header, or `?token=`.

use switchboard_dialect_kit::{Credentials, Input, Reject};

/// Finds the token; the header wins.
pub(crate) fn credentials(input: &Input) -> Result<Credentials, Reject> {
    let token = input
        .header("token")
        .or_else(|| input.query("token"))
        .filter(|token| !token.is_empty());
    Ok(
        token.map_or(Credentials::None, |token| Credentials::Session {
            token: token.to_owned(),
            named: None,
        }),
    )
}
