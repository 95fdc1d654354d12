//! A foreign request, read from the socket but not yet understood, and the usual ways to understand it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Map, Value};
use switchboard_vocab::OpError;

use crate::routes::Reject;

/// A request: everything a dialect may look at.
#[derive(Debug, Clone)]
pub struct Input {
    /// The method.
    pub method: Method,
    /// The path as it came, without the query.
    pub path: String,
    /// The parameters of the route's path, percent-decoded.
    pub params: BTreeMap<String, String>,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// A body, whole: the router has enforced its limit.
#[derive(Debug, Clone, Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// Bytes of some type.
    Bytes {
        /// The `Content-Type` header, lower-cased, without parameters; empty when there was none.
        content_type: String,
        /// The bytes.
        bytes: Bytes,
    },
    /// The parts of a multipart form.
    Multipart(Vec<Part>),
}

/// One part of a multipart form.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its file name, when it is a file.
    pub file_name: Option<String>,
    /// Its media type.
    pub content_type: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Input {
    /// The first query parameter of that name.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The part of a multipart body of that name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        match &self.body {
            Body::Multipart(parts) => parts.iter().find(|part| part.name == name),
            Body::Empty | Body::Bytes { .. } => None,
        }
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The token behind `Bearer` (or another scheme) in the `Authorization` header.
    #[must_use]
    pub fn authorization(&self, scheme: &str) -> Option<&str> {
        let (found, rest) = self.header("authorization")?.split_once(' ')?;
        found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
    }

    /// The fields of the body as one JSON object, whether they came as JSON, form or multipart; file parts are left out.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::InvalidInput`] when a JSON body is not valid or not an object.
    pub fn body_fields(&self) -> Result<Map<String, Value>, Reject> {
        match &self.body {
            Body::Empty => Ok(Map::new()),
            Body::Multipart(parts) => {
                let fields = parts.iter().filter(|part| part.file_name.is_none());
                Ok(text_fields(fields.map(|part| {
                    (
                        part.name.clone(),
                        String::from_utf8_lossy(&part.bytes).into_owned(),
                    )
                })))
            }
            Body::Bytes {
                content_type,
                bytes,
            } if content_type == "application/x-www-form-urlencoded" => {
                let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(bytes)
                    .map_err(|e| OpError::invalid(format!("the form body is not valid: {e}")))?;
                Ok(text_fields(pairs))
            }
            Body::Bytes { bytes, .. } if bytes.iter().all(u8::is_ascii_whitespace) => {
                Ok(Map::new())
            }
            Body::Bytes { bytes, .. } => {
                let value: Value = serde_json::from_slice(bytes)
                    .map_err(|e| OpError::invalid(format!("the body is not valid json: {e}")))?;
                match value {
                    Value::Object(fields) => Ok(fields),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Array(_) => {
                        Err(OpError::invalid("the body must be a json object").into())
                    }
                }
            }
        }
    }
}

/// Text pairs as a JSON object of strings. A name that comes twice, or ends in `[]`, becomes an array.
fn text_fields(pairs: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, text) in pairs {
        let (name, listed) = match name.strip_suffix("[]") {
            Some(stem) => (stem.to_owned(), true),
            None => (name, false),
        };
        let value = Value::String(text);
        match fields.get_mut(&name) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => {
                let earlier = first.take();
                *first = Value::Array(vec![earlier, value]);
            }
            None if listed => drop(fields.insert(name, Value::Array(vec![value]))),
            None => drop(fields.insert(name, value)),
        }
    }
    fields
}

/// A way to understand a request. A dialect with habits of its own implements it for a type of its own.
pub trait FromInput: Sized {
    /// Reads the request.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::InvalidInput`] naming the field and what would be right.
    fn from_input(input: &Input) -> Result<Self, Reject>;
}

/// Nothing of the body is looked at.
#[derive(Debug, Clone, Copy)]
pub struct NoBody;

impl FromInput for NoBody {
    fn from_input(_: &Input) -> Result<Self, Reject> {
        Ok(Self)
    }
}

/// A JSON body. An empty body reads as `{}`.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromInput for Json<T> {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        if let Body::Bytes { bytes, .. } = &input.body
            && !bytes.iter().all(u8::is_ascii_whitespace)
        {
            let mut text = serde_json::Deserializer::from_slice(bytes);
            let read = serde_path_to_error::deserialize(&mut text).map_err(|e| unexpected(&e))?;
            text.end()
                .map_err(|e| OpError::invalid(format!("the body is not valid json: {e}")))?;
            return Ok(Self(read));
        }
        from_fields(Map::new()).map(Self)
    }
}

/// The query.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromInput for Query<T> {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        from_fields(text_fields(input.query.iter().cloned())).map(Self)
    }
}

/// Query and body together, whatever form the body has; the body wins.
#[derive(Debug, Clone)]
pub struct Fields<T>(pub T);

impl<T: DeserializeOwned> FromInput for Fields<T> {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let mut fields = text_fields(input.query.iter().cloned());
        fields.extend(input.body_fields()?);
        from_fields(fields).map(Self)
    }
}

/// Reads a value from fields.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::InvalidInput`] naming what is missing or wrong.
pub fn from_fields<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, Reject> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|e| unexpected(&e))
}

/// Names the field where reading failed, so that a caller with a long request need not guess.
fn unexpected(error: &serde_path_to_error::Error<serde_json::Error>) -> Reject {
    let path = error.path().to_string();
    let reason = error.inner();
    let text = match (reason.classify(), path.as_str()) {
        (Category::Syntax | Category::Eof, _) => format!("the body is not valid json: {reason}"),
        (Category::Data | Category::Io, ".") => reason.to_string(),
        (Category::Data | Category::Io, path) => format!("{path}: {reason}"),
    };
    OpError::invalid(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Wanted {
        #[expect(dead_code, reason = "only its type matters here")]
        to: String,
    }

    fn refusal(body: &'static str) -> String {
        let input = Input {
            method: Method::POST,
            path: "/".into(),
            params: BTreeMap::new(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Body::Bytes {
                content_type: "application/json".into(),
                bytes: Bytes::from_static(body.as_bytes()),
            },
        };
        let by_json = Json::<Wanted>::from_input(&input).unwrap_err().0.public;
        assert!(Fields::<Wanted>::from_input(&input).is_err(), "{body}");
        by_json
    }

    #[test]
    fn refusals_name_the_field() {
        assert!(refusal(r#"{"to":5}"#).starts_with("to: invalid type"));
        assert!(refusal("{}").contains("missing field `to`"));
        assert!(refusal("").contains("missing field `to`"));
        assert!(refusal(r#"{"to":"#).contains("not valid json"));
        assert!(refusal(r#"{"to":"a"} x"#).contains("not valid json"));
    }
}
