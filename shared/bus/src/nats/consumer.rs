//! A durable pull consumer: asking for messages and acknowledging them.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::{StatusCode, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use serde::Serialize;
use tokio::time::Instant;

use super::connection::{Connection, Failure};
use super::log::{MESSAGE_ID, failed};
use crate::event_log::{Acknowledger, Consumer, Delivery, EventLogError};
use crate::limits::{FETCH_MAX, WAIT_MAX};
use crate::{ConsumerName, StreamName, Subject, clock};

/// How long the server keeps the second request of a fetch, whose messages it has at hand.
const REST_WAIT: Duration = Duration::from_secs(1);
/// How much longer than the server we wait for its word that the time is over.
const GRACE: Duration = Duration::from_secs(2);
/// Pause before asking again when nobody answered: the consumer's leader is being elected.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
const ACK: Bytes = Bytes::from_static(b"+ACK");

/// [`Consumer`] over JetStream.
#[derive(Debug)]
pub(super) struct NatsConsumer {
    connection: Arc<Connection>,
    stream: StreamName,
    name: ConsumerName,
}

/// A pull request. Source: NATS ADR-13.
#[derive(Serialize)]
struct Pull {
    batch: usize,
    /// Nanoseconds; absent with `no_wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_wait: bool,
}

/// How one pull request ended.
enum End {
    /// Everything asked for has come, or the time is over.
    Served,
    /// The server dropped the request for a reason that passes: ask again.
    Again,
    /// The request reached nobody.
    Nobody,
}

impl NatsConsumer {
    pub(super) fn new(connection: Arc<Connection>, stream: StreamName, name: ConsumerName) -> Self {
        Self {
            connection,
            stream,
            name,
        }
    }

    /// Asks for `batch` messages and adds what comes to `into`, with the number that waits behind the last one.
    async fn pull(
        &self,
        batch: usize,
        wait: Duration,
        into: &mut Vec<Delivery>,
        behind: &mut u64,
    ) -> Result<End, EventLogError> {
        let mut connects = self.connection.connects();
        let until = clock::monotonic() + wait + GRACE;
        let mut answers = self.ask(batch, wait).await?;
        let enough = into.len() + batch;
        while into.len() < enough {
            let answer = tokio::select! {
                answer = answers.next() => answer,
                // The server has forgotten the request with the connection.
                Ok(()) = connects.changed() => return Ok(End::Again),
                () = tokio::time::sleep_until(until) => return Ok(End::Again),
            };
            let Some(message) = answer else {
                return Ok(End::Again);
            };
            match message.status {
                None | Some(StatusCode::OK) => *behind = self.take(message, into)?,
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => return Ok(End::Served),
                Some(StatusCode::NO_RESPONDERS) => return Ok(End::Nobody),
                Some(_) => return self.refused(message.description.as_deref()),
            }
        }
        Ok(End::Served)
    }

    /// The server's other words. Source: NATS ADR-37.
    fn refused(&self, description: Option<&str>) -> Result<End, EventLogError> {
        let description = description.unwrap_or_default();
        if description.contains("Consumer Deleted") {
            let stream = self.stream.clone();
            return Err(EventLogError::NoStream {
                op: "fetch",
                stream,
            });
        }
        tracing::debug!(stream = %self.stream, consumer = %self.name, description, "pull dropped");
        Ok(End::Again)
    }

    async fn ask(&self, batch: usize, wait: Duration) -> Result<Subscriber, EventLogError> {
        let fail = |failure| failed("fetch", &self.stream, failure);
        if !self.connection.is_up() {
            return Err(fail(Failure::Disconnected));
        }
        let expires = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let no_wait = expires == 0;
        let pull = Pull {
            batch,
            expires: (!no_wait).then_some(expires),
            no_wait,
        };
        let body = serde_json::to_vec(&pull).map_err(|error| fail(Failure::Other(error.into())))?;
        let client = &self.connection.client;
        let send = async {
            let inbox = client.new_inbox();
            let answers = client
                .subscribe(inbox.clone())
                .await
                .map_err(crate::BoxError::from)?;
            let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream, self.name);
            client
                .publish_with_reply(subject, inbox, body.into())
                .await?;
            Ok(answers)
        };
        let deadline = self.connection.limits.operation_deadline;
        match tokio::time::timeout(deadline, send).await {
            Ok(outcome) => outcome.map_err(|error| fail(Failure::Other(error))),
            Err(_) => Err(fail(Failure::Timeout(deadline))),
        }
    }

    /// Returns how many messages wait behind this one.
    fn take(
        &self,
        message: async_nats::Message,
        into: &mut Vec<Delivery>,
    ) -> Result<u64, EventLogError> {
        let fail = |error| failed("fetch", &self.stream, Failure::Other(error));
        let context = self.connection.jetstream.clone();
        let message = jetstream::Message { message, context };
        let (seq, attempt, behind) = {
            let info = message.info().map_err(fail)?;
            let attempt = u32::try_from(info.delivered).unwrap_or(u32::MAX);
            (info.stream_sequence, attempt, info.pending)
        };
        let message = message.message;
        let subject = Subject::from_wire(&message.subject).map_err(|error| fail(error.into()))?;
        let id = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get(MESSAGE_ID));
        let id = id.map_or_else(|| format!("seq:{seq}"), |id| id.as_str().to_owned());
        let acknowledger = NatsAcknowledger {
            connection: Arc::clone(&self.connection),
            stream: self.stream.clone(),
            // Every delivery has one: `info` has just read it.
            subject: message
                .reply
                .map(|reply| reply.to_string())
                .unwrap_or_default(),
        };
        let (payload, acknowledger) = (message.payload, Box::new(acknowledger));
        into.push(Delivery::new(
            seq,
            subject,
            id,
            payload,
            attempt,
            acknowledger,
        ));
        Ok(behind)
    }

    /// The first message of a fetch: waits for it until `until`.
    async fn first(&self, until: Instant, into: &mut Vec<Delivery>) -> Result<u64, EventLogError> {
        let mut behind = 0;
        loop {
            let left = until.saturating_duration_since(clock::monotonic());
            let end = self.pull(1, left, into, &mut behind).await?;
            if !into.is_empty() {
                return Ok(behind);
            }
            let over = clock::monotonic() >= until;
            match end {
                End::Served if over || left.is_zero() => return Ok(0),
                End::Again if over => return Ok(0),
                End::Nobody if over => {
                    return Err(failed("fetch", &self.stream, Failure::Disconnected));
                }
                End::Served => {}
                End::Again | End::Nobody => {
                    let next = (clock::monotonic() + RETRY_PAUSE).min(until);
                    tokio::time::sleep_until(next).await;
                }
            }
        }
    }
}

#[async_trait]
impl Consumer for NatsConsumer {
    async fn fetch(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, EventLogError> {
        let max = max.clamp(1, FETCH_MAX);
        let mut deliveries = Vec::new();
        let until = clock::monotonic() + wait.min(WAIT_MAX);
        let mut behind = self.first(until, &mut deliveries).await?;
        // One request for one message answers at once when there is one; what waits behind it is known then.
        let rest = usize::try_from(behind).unwrap_or(usize::MAX).min(max - 1);
        if rest > 0 && !deliveries.is_empty() {
            // What came is kept whatever happens to the rest.
            let outcome = self
                .pull(rest, REST_WAIT, &mut deliveries, &mut behind)
                .await;
            if let Err(error) = outcome {
                tracing::debug!(%error, "rest of a fetch");
            }
        }
        Ok(deliveries)
    }
}

#[derive(Debug)]
struct NatsAcknowledger {
    connection: Arc<Connection>,
    stream: StreamName,
    subject: String,
}

#[async_trait]
impl Acknowledger for NatsAcknowledger {
    async fn ack(&self) -> Result<(), EventLogError> {
        let outcome = self.connection.confirm(&self.subject, ACK).await;
        outcome.map_err(|failure| failed("ack", &self.stream, failure))
    }

    async fn nak(&self, delay: Duration) -> Result<(), EventLogError> {
        let nanoseconds = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let body = match nanoseconds {
            0 => "-NAK".to_owned(),
            delay => format!("-NAK {{\"delay\":{delay}}}"),
        };
        let outcome = self.connection.confirm(&self.subject, body.into()).await;
        outcome.map_err(|failure| failed("nak", &self.stream, failure))
    }
}
