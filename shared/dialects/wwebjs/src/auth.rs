//! Where a request shows its key: `x-api-key: <tenant key>`, the session in the path.

use switchboard_dialect_kit::{Credentials, Input, Reject};

use crate::ids;

/// The header that carries the key, in requests and in callbacks.
pub(crate) const API_KEY: &str = "x-api-key";
/// The parameter of the path that names the session.
pub(crate) const SESSION: &str = "sessionId";

/// Finds the key and the session it is for. Without a key the session's name is not looked at, as in that system.
pub(crate) fn credentials(input: &Input) -> Result<Credentials, Reject> {
    let Some(key) = input.header(API_KEY).filter(|key| !key.is_empty()) else {
        return Ok(Credentials::None);
    };
    let session = input.params.get(SESSION);
    let session = session.map(|name| ids::session(name)).transpose()?;
    Ok(Credentials::Tenant {
        tenant: None,
        key: key.to_owned(),
        session,
    })
}
