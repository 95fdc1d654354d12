//! The one encoding of operations, outputs and events: JSON, because it describes itself and lets releases differ.
//!
//! Fields are added as optional with `serde(default)`; names are never reused.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::OpError;

/// Encodes a value for the bus or the store.
///
/// # Errors
/// [`crate::ErrorCode::Internal`] when the value cannot be written as JSON, which is a mistake in its type.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, OpError> {
    serde_json::to_vec(value)
        .map_err(|e| OpError::internal(format!("encode {}: {e}", std::any::type_name::<T>())))
}

/// Decodes a value that came over the bus or from the store.
///
/// # Errors
/// [`crate::ErrorCode::Internal`] when the bytes are not that value: the peer runs an incompatible release.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, OpError> {
    serde_json::from_slice(bytes)
        .map_err(|e| OpError::internal(format!("decode {}: {e}", std::any::type_name::<T>())))
}
