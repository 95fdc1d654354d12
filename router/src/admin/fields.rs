//! Fields of admin calls, from bodies and queries: taken one by one, so that every error names its field.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use switchboard_vocab::{ErrorCode, OpError, TenantId};

use crate::problem::Problem;

/// The fields of a JSON body. No body counts as `{}`.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| {
                let code = match rejection.status() {
                    http::StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
                    _ => ErrorCode::InvalidInput,
                };
                OpError::new(code, "the body cannot be read").with_internal(rejection.body_text())
            })?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(OpError::invalid("the body must be a json object").into()),
            Err(error) => {
                Err(OpError::invalid(format!("the body is not valid json: {error}")).into())
            }
        }
    }
}

impl Fields {
    /// A field that may be missing.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_path_to_error::deserialize(value)
                .map(Some)
                .map_err(|e| {
                    let field = match e.path().to_string().as_str() {
                        "." => name.to_owned(),
                        inner if inner.starts_with('[') => format!("{name}{inner}"),
                        inner => format!("{name}.{inner}"),
                    };
                    let words = format!("{field}: {}", e.inner());
                    Problem::field(field, words)
                }),
        }
    }

    /// A field that must be there.
    pub(super) fn need<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Problem> {
        self.take(name)?
            .ok_or_else(|| Problem::field(name, format!("{name} is required")))
    }

    /// Refuses what nobody took: a misspelt field would be lost silently.
    pub(super) fn done(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::field(
                name,
                format!("{name} is not a field of this call"),
            )),
        }
    }
}

/// The id in the path.
#[derive(Debug)]
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|e| Problem::field("id", e.body_text()))?;
        Ok(Self(id))
    }
}

/// The query.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        ))
    }
}

impl Query {
    /// The first parameter of that name that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut named = self
            .0
            .iter()
            .filter(|(key, value)| key == name && !value.is_empty());
        named.next().map(|(_, value)| value.as_str())
    }

    /// A parameter of some type.
    pub(super) fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|e| Problem::field(name, format!("{name}: {e}")))
    }

    /// The tenant a session is looked for in.
    pub(super) fn tenant(&self) -> Result<Option<TenantId>, Problem> {
        self.parse("tenant")
    }
}
