//! What every answer is wrapped in: `{"data", "message", "success", "timestamp"}`.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use switchboard_dialect_kit::{Cx, Reply};
use switchboard_vocab::{OpError, Timestamp};

/// The wrapping. `T` is `()` where there is nothing to tell, which is written as `null`.
#[derive(Serialize)]
pub(crate) struct Envelope<'a, T> {
    pub(crate) data: T,
    pub(crate) message: &'a str,
    pub(crate) success: bool,
    pub(crate) timestamp: String,
}

impl<'a, T: Serialize> Envelope<'a, T> {
    /// A success.
    pub(crate) fn new(data: T, message: &'a str, cx: &Cx) -> Self {
        Self {
            data,
            message,
            success: true,
            timestamp: instant(cx.now()),
        }
    }

    /// A success as the whole answer.
    pub(crate) fn reply(data: T, message: &'a str, cx: &Cx) -> Result<Reply, OpError> {
        Ok(Reply::ok(&Self::new(data, message, cx)))
    }
}

/// An instant as RFC 3339 text.
pub(crate) fn instant(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(millis)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}
