//! Where a request shows its key: `Authorization: Bearer <session token>`, or `Basic <tenant>:<tenant key>` with the
//! account in the path or in `X-Wa-Id`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use switchboard_dialect_kit::{Credentials, Input, Reject};
use switchboard_vocab::{ErrorCode, OpError, SessionId, TenantId};

/// Finds the key and the account it is for.
pub(crate) fn credentials(input: &Input) -> Result<Credentials, Reject> {
    if let Some(token) = input.authorization("bearer") {
        return Ok(Credentials::Session {
            token: token.to_owned(),
            named: named(input).map(str::to_owned),
        });
    }
    let Some(encoded) = input.authorization("basic") else {
        return Ok(Credentials::None);
    };
    let (tenant, key) = basic(encoded).ok_or_else(|| {
        let reason = "the authorization header is not basic authentication of a tenant and its key";
        OpError::new(ErrorCode::Unauthenticated, reason)
    })?;
    let session = named(input).map(SessionId::parse).transpose();
    let session = session.map_err(|e| OpError::new(ErrorCode::SessionNotFound, e.to_string()))?;
    Ok(Credentials::Tenant {
        tenant: Some(tenant),
        key,
        session,
    })
}

/// The account the request names.
fn named(input: &Input) -> Option<&str> {
    let in_path = input
        .path
        .starts_with("/v1/accounts/")
        .then(|| input.params.get("id"));
    in_path
        .flatten()
        .map(String::as_str)
        .or_else(|| input.header("x-wa-id"))
}

fn basic(encoded: &str) -> Option<(TenantId, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (tenant, key) = text.split_once(':')?;
    Some((TenantId::parse(tenant).ok()?, key.to_owned()))
}
