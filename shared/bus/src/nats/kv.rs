//! Records in JetStream key-value buckets.
//!
//! A bucket's stream is made by hand: the client library's own way needs account fields that nats-server 2.9.10 does
//! not send. The layout is that of every other NATS client, so `nats kv` can read the buckets.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RawMessage, StorageType};
use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;

use super::connection::{ApiError, Connection, Failure, code, json};
use super::watch;
use crate::kv::{Entry, Kv, KvError, NO_REVISION, Revision, WatchStream};
use crate::subjects::nats::{kv_filter, kv_stream, kv_subject};
use crate::{Bucket, Key, KeyPrefix};

/// Marks a message that is no value. Source: NATS ADR-8.
pub(super) const OPERATION: &str = "KV-Operation";
const DELETE: &str = "DEL";

/// [`Kv`] over JetStream.
#[derive(Debug)]
pub(super) struct NatsKv {
    buckets: Arc<Buckets>,
}

/// Which buckets are known to exist.
#[derive(Debug)]
pub(super) struct Buckets {
    pub(super) connection: Arc<Connection>,
    known: Mutex<HashSet<Bucket>>,
}

#[derive(Deserialize)]
struct Stored {
    message: RawMessage,
}

/// The last change of a key.
struct Last {
    revision: Revision,
    /// `None`: deleted.
    value: Option<Bytes>,
}

impl NatsKv {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self {
            buckets: Arc::new(Buckets {
                connection,
                known: Mutex::default(),
            }),
        }
    }

    /// Publishes a change that replaces the change `expected`.
    async fn put(
        &self,
        op: &'static str,
        bucket: &Bucket,
        key: &Key,
        value: Option<Bytes>,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        let connection = &self.buckets.connection;
        self.buckets.ensure(op, bucket).await?;
        let mut headers = HeaderMap::new();
        if value.is_none() {
            headers.insert(OPERATION, DELETE);
        }
        let (stream, subject) = (kv_stream(bucket), kv_subject(bucket, key));
        let value = value.unwrap_or_default();
        match connection
            .swap(&stream, &subject, headers, value, expected)
            .await
        {
            Ok(ack) => Ok(ack.seq),
            Err(Failure::Lost(current)) => {
                let current = current.filter(|current| *current != NO_REVISION);
                let (bucket, key) = (bucket.clone(), key.clone());
                Err(KvError::WrongRevision {
                    op,
                    bucket,
                    key,
                    current,
                })
            }
            Err(failure) => Err(self.buckets.failed(op, bucket, failure)),
        }
    }

    fn check_size(
        &self,
        op: &'static str,
        bucket: &Bucket,
        key: &Key,
        value: &Bytes,
    ) -> Result<(), KvError> {
        let connection = &self.buckets.connection;
        let room = connection
            .payload_bytes_max()
            .saturating_sub(crate::limits::HEADER_BYTES_MAX);
        let (size, max) = (value.len(), connection.limits.value_bytes_max.min(room));
        if size <= max {
            return Ok(());
        }
        Err(KvError::TooLarge {
            op,
            bucket: bucket.clone(),
            key: key.clone(),
            size,
            max,
        })
    }

    /// The key's last change, as the bucket's leader knows it.
    async fn last(
        &self,
        op: &'static str,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Option<Last>, KvError> {
        self.buckets.ensure(op, bucket).await?;
        let subject = format!("STREAM.MSG.GET.{}", kv_stream(bucket));
        let body = serde_json::json!({ "last_by_subj": kv_subject(bucket, key) });
        let stored: Stored = match self
            .buckets
            .connection
            .api(&subject, body.to_string().into())
            .await
        {
            Ok(stored) => stored,
            Err(Failure::Api(error)) if error.err_code == code::NO_MESSAGE => return Ok(None),
            Err(failure) => return Err(self.buckets.failed(op, bucket, failure)),
        };
        let message = StreamMessage::try_from(stored.message)
            .map_err(|error| self.buckets.failed(op, bucket, Failure::Other(error)))?;
        let deleted = message.headers.get(OPERATION).is_some();
        let value = (!deleted).then_some(message.payload);
        Ok(Some(Last {
            revision: message.sequence,
            value,
        }))
    }
}

#[async_trait]
impl Kv for NatsKv {
    async fn create(&self, bucket: &Bucket, key: &Key, value: Bytes) -> Result<Revision, KvError> {
        self.check_size("create", bucket, key, &value)?;
        let first = self
            .put("create", bucket, key, Some(value.clone()), NO_REVISION)
            .await;
        let Err(KvError::WrongRevision { .. }) = &first else {
            return first;
        };
        // A deleted key has a last change too: only that one may be replaced.
        match self.last("create", bucket, key).await? {
            Some(Last {
                revision,
                value: None,
            }) => self.put("create", bucket, key, Some(value), revision).await,
            Some(Last { value: Some(_), .. }) | None => first,
        }
    }

    async fn update(
        &self,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.check_size("update", bucket, key, &value)?;
        never_zero("update", bucket, key, expected)?;
        self.put("update", bucket, key, Some(value), expected).await
    }

    async fn get(&self, bucket: &Bucket, key: &Key) -> Result<Option<Entry>, KvError> {
        let last = self.last("get", bucket, key).await?;
        Ok(last.and_then(|last| {
            Some(Entry {
                value: last.value?,
                revision: last.revision,
            })
        }))
    }

    async fn delete(
        &self,
        bucket: &Bucket,
        key: &Key,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        never_zero("delete", bucket, key, expected)?;
        self.put("delete", bucket, key, None, expected).await
    }

    async fn watch(&self, bucket: &Bucket, prefix: &KeyPrefix) -> Result<WatchStream, KvError> {
        self.buckets.ensure("watch", bucket).await?;
        watch::watch(
            Arc::clone(&self.buckets),
            bucket.clone(),
            kv_filter(bucket, prefix),
        )
        .await
    }
}

/// To JetStream 0 means "no message yet", which is `create`.
fn never_zero(
    op: &'static str,
    bucket: &Bucket,
    key: &Key,
    expected: Revision,
) -> Result<(), KvError> {
    if expected != NO_REVISION {
        return Ok(());
    }
    Err(KvError::WrongRevision {
        op,
        bucket: bucket.clone(),
        key: key.clone(),
        current: None,
    })
}

impl Buckets {
    /// Makes the bucket unless it is known to exist.
    async fn ensure(&self, op: &'static str, bucket: &Bucket) -> Result<(), KvError> {
        if self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(bucket)
        {
            return Ok(());
        }
        match self.find_or_make(bucket).await {
            Ok(()) => {}
            Err(failure) => return Err(self.failed(op, bucket, failure)),
        }
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(bucket.clone());
        Ok(())
    }

    async fn find_or_make(&self, bucket: &Bucket) -> Result<(), Failure> {
        let name = kv_stream(bucket);
        match self.find(&name).await {
            Err(Failure::Api(error)) if error.err_code == code::STREAM_NOT_FOUND => {
                self.make(bucket, &name).await?;
            }
            other => other?,
        }
        self.connection.settle(&name).await
    }

    async fn make(&self, bucket: &Bucket, name: &str) -> Result<(), Failure> {
        let config = Config {
            subjects: vec![kv_filter(bucket, &KeyPrefix::all())],
            max_messages_per_subject: 1,
            max_bytes: -1,
            max_messages: -1,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: self.connection.replicas,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            name: name.to_owned(),
            ..Config::default()
        };
        let create = format!("STREAM.CREATE.{name}");
        match self.connection.setup::<Info>(&create, json(&config)?).await {
            Ok(_) => Ok(()),
            // Another process was faster.
            Err(Failure::Api(error)) if error.err_code == code::STREAM_NAME_IN_USE => {
                self.find(name).await
            }
            Err(failure) => Err(failure),
        }
    }

    async fn find(&self, name: &str) -> Result<(), Failure> {
        let subject = format!("STREAM.INFO.{name}");
        let info: Info = self.connection.setup(&subject, Bytes::new()).await?;
        self.connection.check_copies(name, info.config.num_replicas)
    }

    /// Names the operation of a failure, and looks at the bucket again next time if it may be gone.
    pub(super) fn failed(&self, op: &'static str, bucket: &Bucket, failure: Failure) -> KvError {
        let bucket = bucket.clone();
        match failure {
            Failure::Timeout(deadline) => KvError::Timeout {
                op,
                bucket,
                deadline,
            },
            Failure::Disconnected | Failure::Nobody => {
                self.forget(&bucket);
                KvError::Disconnected { op, bucket }
            }
            Failure::Api(error) => {
                if is_gone(&error) {
                    self.forget(&bucket);
                }
                KvError::Failed {
                    op,
                    bucket,
                    source: error.into(),
                }
            }
            Failure::Lost(_) | Failure::SameId => {
                // Only a write is refused so, and it looks for it itself; none carries an id.
                let source = "unexpected refusal of a write".into();
                KvError::Failed { op, bucket, source }
            }
            Failure::Other(source) => KvError::Failed { op, bucket, source },
        }
    }

    fn forget(&self, bucket: &Bucket) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(bucket);
    }
}

fn is_gone(error: &ApiError) -> bool {
    error.err_code == code::STREAM_NOT_FOUND
}
