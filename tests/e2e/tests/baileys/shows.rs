//! Whether something shows what it should: JSON that holds other JSON.

use serde_json::Value;

/// How far apart two numbers may be: degrees pass through 32-bit floats.
const NEAR: f64 = 1e-4;

/// Whether `seen` has everything in `wanted`. Objects may have more keys and lists more items; a text that is wanted as JSON is
/// read as JSON.
pub(crate) fn holds(seen: &Value, wanted: &Value) -> bool {
    match (seen, wanted) {
        (Value::Object(seen), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| holds(seen.get(key).unwrap_or(&Value::Null), value)),
        (Value::Array(seen), Value::Array(wanted)) => wanted
            .iter()
            .all(|value| seen.iter().any(|seen| holds(seen, value))),
        (Value::Number(seen), Value::Number(wanted)) => {
            let (seen, wanted) = (seen.as_f64(), wanted.as_f64());
            seen.zip(wanted).is_some_and(|(a, b)| (a - b).abs() < NEAR)
        }
        (Value::String(seen), Value::Object(_) | Value::Array(_)) => {
            serde_json::from_str(seen).is_ok_and(|seen| holds(&seen, wanted))
        }
        (seen, wanted) => seen == wanted,
    }
}

/// `value` with every `{name}` in its texts replaced.
pub(crate) fn filled(value: &Value, names: &[(&str, &str)]) -> Value {
    match value {
        Value::String(text) => {
            let mut text = text.clone();
            for (name, replacement) in names {
                text = text.replace(&format!("{{{name}}}"), replacement);
            }
            Value::String(text)
        }
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(key, inner)| (key.clone(), filled(inner, names)));
            Value::Object(fields.collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other.clone(),
    }
}

#[test]
fn more_is_allowed_and_less_is_not() {
    let seen = serde_json::json!({"a": [1, {"b": "x", "c": 2.00001}], "d": null});
    assert!(holds(
        &seen,
        &serde_json::json!({"a": [{"c": 2}], "e": null})
    ));
    assert!(!holds(&seen, &serde_json::json!({"a": [{"c": 3}]})));
    assert!(!holds(&seen, &serde_json::json!({"f": "x"})));
    let text = serde_json::json!({"a": r#"{"b": 1, "c": 2}"#});
    assert!(holds(&text, &serde_json::json!({"a": {"b": 1}})));
    assert!(!holds(&text, &serde_json::json!({"a": {"b": 2}})));
}
