//! One webhook call.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use switchboard_dialect_kit::Payload;
use switchboard_vocab::events::Envelope;
use switchboard_vocab::webhooks::{Subscription, Test};
use switchboard_vocab::{ErrorCode, OpError};
use url::Url;

use crate::egress::Guard;

/// Carries the event's id, the same on every try. Source: the Standard Webhooks specification.
const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");
/// Carries the event's time in seconds. Source: the Standard Webhooks specification.
const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("webhook-timestamp");

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver took it.
    Taken,
    /// It may work later; the text says what happened.
    Again(String),
    /// It will never work; the text says why.
    Never(String),
}

/// Makes webhook calls.
#[derive(Debug)]
pub(super) struct Poster {
    guard: Guard,
    http: reqwest::Client,
}

impl Poster {
    pub(super) fn new(guard: Guard, limit: Duration) -> Result<Self, OpError> {
        let http = guard.webhook_client(limit);
        let http =
            http.map_err(|e| OpError::internal(format!("make the client of webhooks: {e}")))?;
        Ok(Self { guard, http })
    }

    /// Calls a webhook once.
    pub(super) async fn call(
        &self,
        webhook: &Subscription,
        payload: &Payload,
        event: &Envelope,
    ) -> Outcome {
        let url = match address(webhook, payload) {
            Ok(url) => url,
            Err(why) => return Outcome::Never(why),
        };
        if let Err(refused) = self.guard.check(&url) {
            return Outcome::Never(refused.to_string());
        }
        let request = self
            .http
            .request(payload.method.clone(), url)
            .headers(headers(webhook, payload, event))
            .body(payload.body.clone());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Outcome::Taken,
            Ok(answer) if answer.status() == http::StatusCode::GONE => {
                Outcome::Never("the receiver answered 410 gone".to_owned())
            }
            Ok(answer) => Outcome::Again(format!("the receiver answered {}", answer.status())),
            Err(error) if error.is_timeout() => {
                Outcome::Again("the receiver did not answer in time".to_owned())
            }
            Err(error) if error.is_builder() => {
                Outcome::Never("the webhook's address or headers are not valid".to_owned())
            }
            Err(error) => Outcome::Again(format!(
                "the receiver could not be reached: {}",
                error.without_url()
            )),
        }
    }
}

impl Poster {
    /// Makes one call with a body that is JSON text, and tells the receiver's status.
    pub(super) async fn test(&self, call: &Test) -> Result<u16, OpError> {
        let wrong = |why: String| OpError::invalid(format!("the webhook's address {why}"));
        let url = Url::parse(&call.url).map_err(|e| wrong(format!("is not a url: {e}")))?;
        let checked = self.guard.check(&url);
        checked.map_err(|refused| wrong(format!("cannot be used: {refused}")))?;
        let mut map = HeaderMap::new();
        for (name, value) in &call.headers {
            let name = HeaderName::try_from(name.as_str());
            let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str())) else {
                return Err(OpError::invalid("a header of the webhook is not valid"));
            };
            map.insert(name, value);
        }
        let json = HeaderValue::from_static("application/json");
        map.insert(http::header::CONTENT_TYPE, json);
        let request = self.http.post(url).headers(map).body(call.payload.clone());
        let answer = request.send().await.map_err(|error| {
            let why = if error.is_timeout() {
                "it did not answer in time".to_owned()
            } else {
                error.without_url().to_string()
            };
            let text = format!("the receiver could not be reached: {why}");
            OpError::new(ErrorCode::Rejected, text)
        })?;
        Ok(answer.status().as_u16())
    }
}

fn address(webhook: &Subscription, payload: &Payload) -> Result<Url, String> {
    let mut url =
        Url::parse(&webhook.url).map_err(|e| format!("the webhook's address is not a url: {e}"))?;
    if let Some(suffix) = &payload.path_suffix {
        let joined = format!(
            "{}/{}",
            url.path().trim_end_matches('/'),
            suffix.trim_start_matches('/')
        );
        url.set_path(&joined);
    }
    Ok(url)
}

/// The dialect's headers, then the customer's, then ours: a later one wins.
fn headers(webhook: &Subscription, payload: &Payload, event: &Envelope) -> HeaderMap {
    let mut map = HeaderMap::new();
    let texts = payload
        .headers
        .iter()
        .map(|(k, v)| (k, v))
        .chain(&webhook.headers);
    for (name, value) in texts {
        // Names and values were checked when the webhook was set; a value from an older release may still be odd.
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) {
            map.insert(name, value);
        }
    }
    let own = [
        (http::header::CONTENT_TYPE, payload.content_type.clone()),
        (ID_HEADER, event.id.as_str().to_owned()),
        (TIMESTAMP_HEADER, event.at.as_secs().to_string()),
    ];
    for (name, value) in own {
        if let Ok(value) = HeaderValue::try_from(value) {
            map.insert(name, value);
        }
    }
    map
}
