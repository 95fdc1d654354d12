//! Numbers as this system takes them: most are `number`, so parts of a whole are allowed, and forms carry them as text.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Numbers from here on are not exact any more: 2 to the 53rd.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// An optional number of zero or more, rounded to a whole one.
///
/// # Errors
/// When it is something else.
pub(crate) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let read = match &value {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::Number(number) => number.as_u64().or_else(|| rounded(number.as_f64())),
        Value::String(text) => text.parse().ok().or_else(|| rounded(text.parse().ok())),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let wrong = || D::Error::custom(format!("{value} is not a number of zero or more"));
    read.map(Some).ok_or_else(wrong)
}

fn rounded(number: Option<f64>) -> Option<u64> {
    let number = number.filter(|number| (0.0..EXACT_MAX).contains(number))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked above"
    )]
    Some(number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_whole_in_parts_and_as_text() {
        let read = |json: &str| optional(&mut serde_json::Deserializer::from_str(json));
        for (json, number) in [
            ("5", Some(5)),
            ("\"5\"", Some(5)),
            ("0.0", Some(0)),
            ("1.5", Some(2)),
            ("\"2.4\"", Some(2)),
            ("null", None),
            ("\"\"", None),
        ] {
            assert_eq!(read(json).unwrap(), number, "{json}");
        }
        for json in ["-1", "-0.5", "1e300", "\"x\"", "\"NaN\"", "true", "[]"] {
            assert!(read(json).is_err(), "{json} was accepted");
        }
    }
}
