//! Bodies as this system takes and gives them: JSON or a form in, an object with `success` out.

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_dialect_kit::{Body, FromInput, Input, Json, Reject, Reply, input};
use switchboard_vocab::OpError;

/// The body of a request: JSON, or a form where the client sent one.
pub(crate) struct Request<T>(pub(crate) T);

impl<T: DeserializeOwned> FromInput for Request<T> {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let is_form = matches!(&input.body, Body::Multipart(_))
            || matches!(&input.body, Body::Bytes { content_type, .. }
                if content_type == "application/x-www-form-urlencoded");
        if is_form {
            return input::from_fields(input.body_fields()?).map(Self);
        }
        Json::from_input(input).map(|Json(read)| Self(read))
    }
}

/// A body with `success: true`.
#[derive(Serialize)]
pub(crate) struct Success<T> {
    success: bool,
    #[serde(flatten)]
    rest: T,
}

impl<T> Success<T> {
    /// Around the fields of an answer.
    pub(crate) const fn of(rest: T) -> Self {
        Self {
            success: true,
            rest,
        }
    }
}

/// The answer to a call that worked.
#[expect(
    clippy::unnecessary_wraps,
    reason = "encoders end with it, and an encoder can fail"
)]
pub(crate) fn success<T: Serialize>(rest: T) -> Result<Reply, OpError> {
    Ok(Reply::ok(&Success::of(rest)))
}

/// The field of answers that have only words.
#[derive(Serialize)]
pub(crate) struct Words {
    pub(crate) message: &'static str,
}
