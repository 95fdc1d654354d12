//! Deserialisers for what real clients send instead of what the documentation says: numbers as text, booleans as 0 and
//! 1, text as numbers. For `#[serde(deserialize_with = "…")]`, together with `#[serde(default)]` for optional fields.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// Text, or a number written as text.
///
/// # Errors
/// When it is neither.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    optional_text(deserializer)?.ok_or_else(|| D::Error::custom("expected text, found null"))
}

/// Optional text, or a number written as text.
///
/// # Errors
/// When it is neither.
pub fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(D::Error::custom("expected text or a number"))
        }
    }
}

/// An optional whole number, or text that is one.
///
/// # Errors
/// When it is neither.
pub fn optional_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => text
            .parse()
            .map(Some)
            .map_err(|_| D::Error::custom(format!("{text:?} is not a whole number"))),
        Value::Number(number) => number.as_u64().map(Some).ok_or_else(|| {
            D::Error::custom(format!("{number} is not a whole number of zero or more"))
        }),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(D::Error::custom("expected a number"))
        }
    }
}

/// An optional boolean: `true`, `1`, `"true"`, `"1"`, `"on"`, `"yes"` and their opposites.
///
/// # Errors
/// When it is none of those.
pub fn optional_boolean<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(value)),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(Some(false)),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(Some(true)),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "true" | "1" | "on" | "yes" => Ok(Some(true)),
            "false" | "0" | "off" | "no" => Ok(Some(false)),
            _ => Err(D::Error::custom(format!("{text:?} is not true or false"))),
        },
        Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(D::Error::custom("expected true or false"))
        }
    }
}

/// A value whose absence clients also write as `null`.
///
/// # Errors
/// When it is neither `null` nor such a value.
pub fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
