//! Bodies as this system reads them: JSON on every method, keys in any case.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use switchboard_dialect_kit::input::from_fields;
use switchboard_dialect_kit::{FromInput, Input, Reject};
use switchboard_vocab::OpError;

/// The fields of a JSON body. The request types name their fields in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Payload<T>(pub(crate) T);

impl<T: DeserializeOwned> FromInput for Payload<T> {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let fields = input.body_fields().map_err(undecodable)?;
        from_fields(lower(fields)).map(Self).map_err(undecodable)
    }
}

/// Source: Go's JSON decoder matches field names without regard to case, also in nested objects.
fn lower(fields: Map<String, Value>) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(key, value)| (key.to_ascii_lowercase(), lower_value(value)))
        .collect()
}

fn lower_value(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(lower(fields)),
        Value::Array(values) => Value::Array(values.into_iter().map(lower_value).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

fn undecodable(reject: Reject) -> Reject {
    let Reject(mut error) = reject;
    error.public = format!("Could not decode Payload: {}", error.public);
    Reject(error)
}

/// A field that must be there and not empty.
pub(crate) fn needed<'a>(name: &str, field: Option<&'a String>) -> Result<&'a str, Reject> {
    field
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| OpError::invalid(format!("Missing {name} in Payload")).into())
}
