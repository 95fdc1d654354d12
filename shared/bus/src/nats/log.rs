//! Streams of events in JetStream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, ReplayPolicy};
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, PurgeResponse, RawMessage, StorageType,
};
use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;

use super::connection::{Connection, EXPECTED_LAST, Failure, code, json};
use super::consumer::NatsConsumer;
use super::direct;
use crate::event_log::{
    Appended, Consumer, ConsumerSpec, EventLog, EventLogError, LogRecord, Overflow, StreamSpec,
    check_event,
};
use crate::limits::{FETCH_MAX, HEADER_BYTES_MAX, READ_BYTES_MAX};
use crate::{ConsumerName, StreamName, Subject, SubjectFilter};

/// The event id, by which JetStream removes duplicates. Source: NATS documentation, JetStream headers.
pub(super) const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The stream that must take the message. Source: as above.
const EXPECTED_STREAM: &str = "Nats-Expected-Stream";

/// [`EventLog`] over JetStream.
#[derive(Debug)]
pub(super) struct NatsLog {
    connection: Arc<Connection>,
    /// Questions for many messages are answered. Cleared for good by the first one that is not: an older server, or a missing
    /// right.
    batches: AtomicBool,
}

/// The answer to a consumer request, as far as it is needed.
#[derive(Deserialize)]
struct ConsumerInfo {
    config: ConsumerConfig,
}

#[derive(Deserialize)]
struct ConsumerConfig {
    #[serde(default)]
    filter_subject: String,
}

#[derive(Deserialize)]
struct Stored {
    message: RawMessage,
}

#[derive(Deserialize)]
struct Success {}

/// Names the operation of a failure.
pub(super) fn failed(op: &'static str, stream: &StreamName, failure: Failure) -> EventLogError {
    let stream = stream.clone();
    match failure {
        Failure::Timeout(deadline) => EventLogError::Timeout {
            op,
            stream,
            deadline,
        },
        Failure::Disconnected | Failure::Nobody => EventLogError::Disconnected { op, stream },
        Failure::Api(error) => match error.err_code {
            code::STREAM_NOT_FOUND | code::STREAM_MISMATCH => {
                EventLogError::NoStream { op, stream }
            }
            code::SUBJECTS_OVERLAP => EventLogError::Conflict {
                op,
                stream,
                reason: error.description,
            },
            _ => EventLogError::Failed {
                op,
                stream,
                source: error.into(),
            },
        },
        Failure::Lost(_) => {
            // Only an append is refused so, and it looks for it itself.
            let source = "unexpected refusal of a write".into();
            EventLogError::Failed { op, stream, source }
        }
        Failure::SameId => {
            let source = "an append with the same id is still under way".into();
            EventLogError::Failed { op, stream, source }
        }
        Failure::Other(source) => EventLogError::Failed { op, stream, source },
    }
}

impl NatsLog {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            batches: AtomicBool::new(true),
        }
    }

    /// Messages of a subject by one question, where the server answers it.
    async fn batch(
        &self,
        stream: &StreamName,
        subject: &Subject,
        after: u64,
        max: usize,
    ) -> Vec<LogRecord> {
        if !self.batches.load(Ordering::Relaxed) {
            return Vec::new();
        }
        match direct::read(&self.connection, stream, subject, after, max).await {
            Ok(batch) => {
                if !batch.is_known {
                    self.batches.store(false, Ordering::Relaxed);
                }
                batch.records
            }
            // No leader or no connection: the messages are asked for one by one, which says so or waits.
            Err(Failure::Disconnected | Failure::Nobody) => Vec::new(),
            Err(failure) => {
                tracing::warn!(%stream, ?failure, "many messages cannot be read at once, so they are read one by one: see that this user may publish to $JS.API.DIRECT.GET.{stream}");
                self.batches.store(false, Ordering::Relaxed);
                Vec::new()
            }
        }
    }

    /// The last stored message of a subject, as the stream's leader knows it.
    async fn last_message(
        &self,
        op: &'static str,
        stream: &StreamName,
        subject: &Subject,
    ) -> Result<Option<RawMessage>, EventLogError> {
        let which = serde_json::json!({ "last_by_subj": subject.as_str() });
        self.message(op, stream, &which).await
    }

    /// One stored message, from the stream's leader: direct gets may be answered by a copy that is behind.
    async fn message(
        &self,
        op: &'static str,
        stream: &StreamName,
        body: &serde_json::Value,
    ) -> Result<Option<RawMessage>, EventLogError> {
        let api = format!("STREAM.MSG.GET.{stream}");
        match self
            .connection
            .api::<Stored>(&api, body.to_string().into())
            .await
        {
            Ok(stored) => Ok(Some(stored.message)),
            Err(Failure::Api(error)) if error.err_code == code::NO_MESSAGE => Ok(None),
            Err(failure) => Err(failed(op, stream, failure)),
        }
    }

    /// A stream that does not take the subject is silent like one that nobody has heard of yet; ask which it is.
    async fn check_takes(
        &self,
        stream: &StreamName,
        subject: &Subject,
    ) -> Result<(), EventLogError> {
        let info = format!("STREAM.INFO.{stream}");
        let info: Info = self
            .connection
            .api(&info, Bytes::new())
            .await
            .map_err(|failure| failed("append", stream, failure))?;
        let mut filters = info.config.subjects.iter();
        if filters.any(|filter| SubjectFilter::from_wire(filter).matches(subject)) {
            return Ok(());
        }
        Err(EventLogError::NoStream {
            op: "append",
            stream: stream.clone(),
        })
    }

    /// An append that lost may be the retry of one that won: a clustered server compares before it looks for
    /// duplicates.
    async fn lost(
        &self,
        stream: &StreamName,
        subject: &Subject,
        id: &str,
        current: Option<u64>,
    ) -> Result<Appended, EventLogError> {
        let last = self.last_message("append", stream, subject).await?;
        let seq = last.as_ref().map(|last| last.sequence);
        let last_id = last.and_then(|last| id_of(&StreamMessage::try_from(last).ok()?));
        match seq {
            Some(seq) if last_id.as_deref() == Some(id) => Ok(Appended {
                seq,
                duplicate: true,
            }),
            _ => Err(EventLogError::WrongSequence {
                subject: subject.clone(),
                current: current.filter(|current| *current != 0).or(seq),
            }),
        }
    }
}

fn id_of(message: &StreamMessage) -> Option<String> {
    Some(message.headers.get(MESSAGE_ID)?.as_str().to_owned())
}

fn config(spec: &StreamSpec, replicas: usize) -> Config {
    let window = spec.duplicate_window;
    Config {
        name: spec.name.as_str().to_owned(),
        subjects: vec![spec.subjects.as_str().to_owned()],
        max_bytes: i64::try_from(spec.bytes_max).unwrap_or(i64::MAX),
        // Zero is without end.
        max_age: spec.age_max.unwrap_or_default(),
        // The server refuses a window longer than the age.
        duplicate_window: spec.age_max.map_or(window, |age| window.min(age)),
        max_messages: -1,
        max_messages_per_subject: -1,
        discard: match spec.overflow {
            Overflow::DropOldest => DiscardPolicy::Old,
            Overflow::Refuse => DiscardPolicy::New,
        },
        storage: StorageType::File,
        num_replicas: replicas,
        allow_direct: true,
        ..Config::default()
    }
}

#[async_trait]
impl EventLog for NatsLog {
    async fn open(&self, spec: &StreamSpec) -> Result<(), EventLogError> {
        let name = &spec.name;
        let connection = &self.connection;
        let fail = |failure| failed("open", name, failure);
        let found = match connection
            .setup::<Info>(&format!("STREAM.INFO.{name}"), Bytes::new())
            .await
        {
            Ok(info) => info,
            Err(Failure::Api(error)) if error.err_code == code::STREAM_NOT_FOUND => {
                let wanted = config(spec, connection.replicas);
                match connection
                    .setup(
                        &format!("STREAM.CREATE.{name}"),
                        json(&wanted).map_err(fail)?,
                    )
                    .await
                {
                    Ok(info) => info,
                    // Another process was faster; what it made is judged below.
                    Err(Failure::Api(error)) if error.err_code == code::STREAM_NAME_IN_USE => {
                        connection
                            .setup(&format!("STREAM.INFO.{name}"), Bytes::new())
                            .await
                            .map_err(fail)?
                    }
                    Err(failure) => return Err(fail(failure)),
                }
            }
            Err(failure) => return Err(fail(failure)),
        };
        connection
            .check_copies(name.as_str(), found.config.num_replicas)
            .map_err(fail)?;
        connection.settle(name.as_str()).await.map_err(fail)?;
        // Copies are the operator's business once the stream exists.
        let wanted = config(spec, found.config.num_replicas);
        if found.config.subjects != wanted.subjects {
            return Err(EventLogError::Conflict {
                op: "open",
                stream: name.clone(),
                reason: format!(
                    "the stream exists with subjects {:?}",
                    found.config.subjects
                ),
            });
        }
        let same = found.config.max_bytes == wanted.max_bytes
            && found.config.discard == wanted.discard
            && found.config.max_age == wanted.max_age
            && found.config.duplicate_window == wanted.duplicate_window;
        if !same {
            let update = format!("STREAM.UPDATE.{name}");
            connection
                .setup::<Info>(&update, json(&wanted).map_err(fail)?)
                .await
                .map_err(fail)?;
        }
        Ok(())
    }

    async fn append(
        &self,
        stream: &StreamName,
        subject: &Subject,
        id: &str,
        payload: Bytes,
        expected_last: Option<u64>,
    ) -> Result<Appended, EventLogError> {
        let room = self
            .connection
            .payload_bytes_max()
            .saturating_sub(HEADER_BYTES_MAX);
        check_event(subject, id, payload.len(), room)?;
        let mut headers = HeaderMap::new();
        headers.insert(MESSAGE_ID, id);
        headers.insert(EXPECTED_STREAM, stream.as_str());
        let (text, connection) = (subject.as_str(), &self.connection);
        let mut first = headers.clone();
        if let Some(expected) = expected_last {
            first.insert(EXPECTED_LAST, expected.to_string());
        }
        let mut outcome = connection.publish(text, first, payload.clone()).await;
        if let Err(Failure::Nobody) = outcome {
            self.check_takes(stream, subject).await?;
        }
        if let Err(Failure::Nobody | Failure::SameId | Failure::Lost(None)) = outcome {
            outcome = match expected_last {
                Some(last) => {
                    connection
                        .swap(stream.as_str(), text, headers, payload, last)
                        .await
                }
                None => connection.publish_to_known(text, headers, payload).await,
            };
        }
        match outcome {
            Ok(ack) => Ok(Appended {
                seq: ack.seq,
                duplicate: ack.duplicate,
            }),
            Err(Failure::Lost(current)) => self.lost(stream, subject, id, current).await,
            Err(Failure::Api(error)) if error.is_full() => Err(EventLogError::Full {
                subject: subject.clone(),
            }),
            Err(failure) => Err(failed("append", stream, failure)),
        }
    }

    async fn last(
        &self,
        stream: &StreamName,
        subject: &Subject,
    ) -> Result<Option<u64>, EventLogError> {
        Ok(self
            .last_message("last", stream, subject)
            .await?
            .map(|last| last.sequence))
    }

    async fn read(
        &self,
        stream: &StreamName,
        subject: &Subject,
        after: u64,
        max: usize,
    ) -> Result<Vec<LogRecord>, EventLogError> {
        let (mut found, mut bytes, mut after) = (Vec::new(), 0, after);
        let last = self.last(stream, subject).await?.unwrap_or(0);
        // Asking beyond the last one would make the server look through the rest of the stream.
        let max = max.clamp(1, FETCH_MAX);
        if after < last && max > 1 {
            for record in self.batch(stream, subject, after, max).await {
                // A copy's limit of bytes need not be this one.
                if bytes >= READ_BYTES_MAX {
                    break;
                }
                after = record.seq;
                bytes += record.payload.len();
                found.push(record);
            }
        }
        // Whatever a batch did not bring is asked for where it is sure to be; but what it brought is enough for now.
        let is_enough = !found.is_empty() && self.batches.load(Ordering::Relaxed);
        while !is_enough && after < last && found.len() < max && bytes < READ_BYTES_MAX {
            let which = serde_json::json!({ "seq": after + 1, "next_by_subj": subject.as_str() });
            let Some(message) = self.message("read", stream, &which).await? else {
                break;
            };
            after = message.sequence;
            let message =
                StreamMessage::try_from(message).map_err(|error| EventLogError::Failed {
                    op: "read",
                    stream: stream.clone(),
                    source: error,
                })?;
            bytes += message.payload.len();
            found.push(LogRecord {
                seq: after,
                id: id_of(&message),
                payload: message.payload,
            });
        }
        Ok(found)
    }

    async fn consumer(
        &self,
        stream: &StreamName,
        spec: &ConsumerSpec,
    ) -> Result<Box<dyn Consumer>, EventLogError> {
        let (name, fail) = (&spec.name, |failure| failed("consumer", stream, failure));
        let info = format!("CONSUMER.INFO.{stream}.{name}");
        match self
            .connection
            .setup::<ConsumerInfo>(&info, Bytes::new())
            .await
        {
            Ok(found) if found.config.filter_subject != spec.filter.as_str() => {
                let found = found.config.filter_subject;
                let reason = format!("consumer {name} exists with filter {found}");
                return Err(EventLogError::Conflict {
                    op: "consumer",
                    stream: stream.clone(),
                    reason,
                });
            }
            Ok(_) => {}
            Err(Failure::Api(error)) if error.err_code == code::CONSUMER_NOT_FOUND => {}
            Err(failure) => return Err(fail(failure)),
        }
        let config = pull::Config {
            durable_name: Some(name.as_str().to_owned()),
            deliver_policy: DeliverPolicy::All,
            replay_policy: ReplayPolicy::Instant,
            ack_policy: AckPolicy::Explicit,
            ack_wait: spec.ack_wait,
            max_deliver: spec.deliveries_max.map_or(-1, i64::from),
            filter_subject: spec.filter.as_str().to_owned(),
            max_ack_pending: i64::from(spec.unacknowledged_max),
            ..pull::Config::default()
        };
        let body = serde_json::json!({ "stream_name": stream.as_str(), "config": config });
        let create = format!("CONSUMER.DURABLE.CREATE.{stream}.{name}");
        self.connection
            .setup::<ConsumerInfo>(&create, body.to_string().into())
            .await
            .map_err(fail)?;
        Ok(Box::new(NatsConsumer::new(
            Arc::clone(&self.connection),
            stream.clone(),
            name.clone(),
        )))
    }

    async fn remove_consumer(
        &self,
        stream: &StreamName,
        name: &ConsumerName,
    ) -> Result<(), EventLogError> {
        let delete = format!("CONSUMER.DELETE.{stream}.{name}");
        match self.connection.api::<Success>(&delete, Bytes::new()).await {
            Ok(Success {}) => Ok(()),
            Err(Failure::Api(error)) if error.err_code == code::CONSUMER_NOT_FOUND => Ok(()),
            Err(failure) => Err(failed("remove consumer", stream, failure)),
        }
    }

    async fn purge(
        &self,
        stream: &StreamName,
        filter: &SubjectFilter,
        up_to: u64,
    ) -> Result<u64, EventLogError> {
        // JetStream's bound is exclusive.
        let body = serde_json::json!({
            "filter": filter.as_str(),
            "seq": up_to.saturating_add(1),
        });
        let purge = format!("STREAM.PURGE.{stream}");
        let answer = self
            .connection
            .api::<PurgeResponse>(&purge, body.to_string().into())
            .await;
        answer
            .map(|answer| answer.purged)
            .map_err(|failure| failed("purge", stream, failure))
    }
}
