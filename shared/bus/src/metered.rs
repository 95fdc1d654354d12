//! Numbers about every call, in one place for all implementations: wrappers that time the three traits.
//!
//! `switchboard_bus_seconds{op,outcome}` (histogram). No label names a subject, session or tenant.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use crate::event_log::{
    Appended, Consumer, ConsumerSpec, EventLog, EventLogError, LogRecord, StreamSpec,
};
use crate::kv::{Entry, Kv, KvError, Revision, WatchStream};
use crate::rpc::{RequestStream, Rpc, RpcError};
use crate::{Bucket, ConsumerName, Key, KeyPrefix, StreamName, Subject, SubjectFilter, clock};

/// An implementation whose calls are timed.
#[derive(Debug)]
pub(crate) struct Metered<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Metered<T> {
    pub(crate) fn new(inner: Arc<T>) -> Arc<Self> {
        Arc::new(Self(inner))
    }
}

/// The word for an error in the label `outcome`.
trait Outcome {
    fn word(&self) -> &'static str;
}

impl Outcome for RpcError {
    fn word(&self) -> &'static str {
        match self {
            Self::NoResponders { .. } => "no_responders",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Disconnected { .. } => "disconnected",
            Self::Busy { .. } => "busy",
            Self::Abandoned { .. } => "abandoned",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Outcome for KvError {
    fn word(&self) -> &'static str {
        match self {
            Self::WrongRevision { .. } => "wrong_revision",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Disconnected { .. } => "disconnected",
            Self::RolledBack { .. } => "rolled_back",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Outcome for EventLogError {
    fn word(&self) -> &'static str {
        match self {
            Self::WrongSequence { .. } => "wrong_sequence",
            Self::NoStream { .. } => "no_stream",
            Self::Conflict { .. } => "conflict",
            Self::BadId { .. } => "bad_id",
            Self::TooLarge { .. } => "too_large",
            Self::Full { .. } => "full",
            Self::Timeout { .. } => "timeout",
            Self::Disconnected { .. } => "disconnected",
            Self::Failed { .. } => "failed",
        }
    }
}

/// Runs `call` and records how long it took and how it ended.
async fn timed<T, E: Outcome>(
    op: &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let start: Instant = clock::monotonic();
    let outcome = call.await;
    let word = outcome.as_ref().err().map_or("ok", Outcome::word);
    metrics::histogram!("switchboard_bus_seconds", "op" => op, "outcome" => word)
        .record(start.elapsed());
    outcome
}

#[async_trait]
impl Rpc for Metered<dyn Rpc> {
    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, RpcError> {
        timed("request", self.0.request(subject, payload, deadline)).await
    }

    async fn serve(&self, subject: &Subject) -> Result<RequestStream, RpcError> {
        timed("serve", self.0.serve(subject)).await
    }
}

#[async_trait]
impl Kv for Metered<dyn Kv> {
    async fn create(&self, bucket: &Bucket, key: &Key, value: Bytes) -> Result<Revision, KvError> {
        timed("kv_create", self.0.create(bucket, key, value)).await
    }

    async fn update(
        &self,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        timed("kv_update", self.0.update(bucket, key, value, expected)).await
    }

    async fn get(&self, bucket: &Bucket, key: &Key) -> Result<Option<Entry>, KvError> {
        timed("kv_get", self.0.get(bucket, key)).await
    }

    async fn delete(
        &self,
        bucket: &Bucket,
        key: &Key,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        timed("kv_delete", self.0.delete(bucket, key, expected)).await
    }

    async fn watch(&self, bucket: &Bucket, prefix: &KeyPrefix) -> Result<WatchStream, KvError> {
        timed("kv_watch", self.0.watch(bucket, prefix)).await
    }
}

#[async_trait]
impl EventLog for Metered<dyn EventLog> {
    async fn open(&self, spec: &StreamSpec) -> Result<(), EventLogError> {
        timed("log_open", self.0.open(spec)).await
    }

    async fn append(
        &self,
        stream: &StreamName,
        subject: &Subject,
        id: &str,
        payload: Bytes,
        expected_last: Option<u64>,
    ) -> Result<Appended, EventLogError> {
        timed(
            "log_append",
            self.0.append(stream, subject, id, payload, expected_last),
        )
        .await
    }

    async fn last(
        &self,
        stream: &StreamName,
        subject: &Subject,
    ) -> Result<Option<u64>, EventLogError> {
        timed("log_last", self.0.last(stream, subject)).await
    }

    async fn read(
        &self,
        stream: &StreamName,
        subject: &Subject,
        after: u64,
        max: usize,
    ) -> Result<Vec<LogRecord>, EventLogError> {
        timed("log_read", self.0.read(stream, subject, after, max)).await
    }

    /// The handle is not wrapped: a fetch mostly waits, so its time says nothing.
    async fn consumer(
        &self,
        stream: &StreamName,
        spec: &ConsumerSpec,
    ) -> Result<Box<dyn Consumer>, EventLogError> {
        timed("log_consumer", self.0.consumer(stream, spec)).await
    }

    async fn remove_consumer(
        &self,
        stream: &StreamName,
        name: &ConsumerName,
    ) -> Result<(), EventLogError> {
        timed("log_remove_consumer", self.0.remove_consumer(stream, name)).await
    }

    async fn purge(
        &self,
        stream: &StreamName,
        filter: &SubjectFilter,
        up_to: u64,
    ) -> Result<u64, EventLogError> {
        timed("log_purge", self.0.purge(stream, filter, up_to)).await
    }
}
