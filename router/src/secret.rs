//! Keys and tokens: making them, hashing them, comparing them.
//!
//! Owns the rule that a secret is kept as SHA-256 only. Must not know who holds which.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use switchboard_vocab::OpError;

/// Random bytes in a token or key; 256 bits cannot be guessed.
const SECRET_LEN: usize = 32;

/// SHA-256 of a secret.
pub(crate) type SecretHash = [u8; 32];

/// Hashes a secret.
pub(crate) fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Reads a hash from its lowercase hex form.
pub(crate) fn hash_from_hex(text: &str) -> Option<SecretHash> {
    hex::decode(text).ok()?.try_into().ok()
}

/// Whether two hashes are the same, in constant time.
pub(crate) fn same(a: &SecretHash, b: &SecretHash) -> bool {
    a.ct_eq(b).into()
}

/// A fresh secret, base64url without padding.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::Internal`] when the operating system gives no random bytes.
pub(crate) fn fresh() -> Result<String, OpError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<SECRET_LEN>()?))
}

/// A seed for the ids of one call.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::Internal`] when the operating system gives no random bytes.
pub(crate) fn seed() -> Result<u64, OpError> {
    Ok(u64::from_le_bytes(random()?))
}

fn random<const N: usize>() -> Result<[u8; N], OpError> {
    let mut bytes = [0u8; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|e| OpError::internal(format!("draw random bytes: {e}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_differ() {
        let (a, b) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), 43);
    }

    #[test]
    fn a_hash_survives_its_hex_form() {
        let digest = hash("secret");
        assert_eq!(hash_from_hex(&hex::encode(digest)), Some(digest));
        assert_eq!(hash_from_hex("00"), None);
        assert_eq!(hash_from_hex("zz"), None);
        assert!(same(&digest, &hash("secret")) && !same(&digest, &hash("Secret")));
    }
}
