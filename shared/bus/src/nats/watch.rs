//! A watch of a bucket: an ordered consumer, the `Current` mark, and the check that the store did not go back.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use async_nats::jetstream;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig, OrderedErrorKind};
use async_nats::jetstream::stream::ConsumerErrorKind;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::watch;

use super::connection::{Failure, RETRY_PAUSE_MAX, code};
use super::kv::{Buckets, OPERATION};
use crate::kv::{Entry, KvError, NO_REVISION, Revision, WatchEvent, WatchStream};
use crate::subjects::nats::{kv_key, kv_stream};
use crate::{Bucket, Key};

/// One watch. It lives in the stream, not in a task: who does not poll it lets the subscription fill up, and the
/// ordered consumer then starts again after the last message seen.
struct Watcher {
    buckets: Arc<Buckets>,
    bucket: Bucket,
    changes: Ordered,
    connects: watch::Receiver<u64>,
    /// When the stream was made: another stream of the same name is another history.
    created: String,
    /// The last change of the watched keys when the watch began; `None` once all up to it has been delivered.
    current_at: Option<Revision>,
    /// The keys listed so far, until all are: a consumer at a server that is behind lists keys that are deleted.
    listed: HashSet<Key>,
    seen: Revision,
    ready: VecDeque<WatchEvent>,
}

/// What is asked of a stream.
#[derive(serde::Deserialize)]
struct StreamInfo {
    created: String,
    state: StreamState,
}

#[derive(serde::Deserialize)]
struct StreamState {
    last_seq: Revision,
}

/// Begins a watch of the keys that match `filter`.
pub(super) async fn watch(
    buckets: Arc<Buckets>,
    bucket: Bucket,
    filter: String,
) -> Result<WatchStream, KvError> {
    let failed = |failure| buckets.failed("watch", &bucket, failure);
    let connects = buckets.connection.connects();
    let created = info(&buckets, &bucket).await.map_err(failed)?.created;
    // The leader's word on what exists: the consumer may sit at a server that is behind.
    let last = buckets
        .connection
        .last_sequence(&kv_stream(&bucket), &filter)
        .await
        .map_err(failed)?;
    let changes = consume(&buckets, &bucket, filter).await?;
    let mut watcher = Watcher {
        changes,
        connects,
        created,
        current_at: Some(last),
        listed: HashSet::new(),
        seen: 0,
        ready: VecDeque::new(),
        buckets,
        bucket,
    };
    if last == NO_REVISION {
        watcher.mark_current();
    }
    Ok(Box::pin(stream::unfold(
        Some(watcher),
        |watcher| async move {
            let mut watcher = watcher?;
            match watcher.next().await {
                Ok(event) => Some((Ok(event), Some(watcher))),
                Err(error) => Some((Err(error), None)),
            }
        },
    )))
}

async fn info(buckets: &Buckets, bucket: &Bucket) -> Result<StreamInfo, Failure> {
    buckets
        .connection
        .api(&format!("STREAM.INFO.{}", kv_stream(bucket)), Bytes::new())
        .await
}

async fn consume(buckets: &Buckets, bucket: &Bucket, filter: String) -> Result<Ordered, KvError> {
    let jetstream = &buckets.connection.jetstream;
    let config = OrderedConfig {
        deliver_subject: jetstream.client().new_inbox(),
        filter_subject: filter,
        deliver_policy: DeliverPolicy::LastPerSubject,
        ..OrderedConfig::default()
    };
    let start = async {
        loop {
            let consumer = jetstream
                .create_consumer_on_stream(config.clone(), kv_stream(bucket))
                .await;
            match consumer {
                Ok(consumer) => return Ok(consumer.messages().await?),
                // The cluster is electing. What was made without our knowledge ends by itself.
                Err(error) if is_temporary(&error.kind()) => {
                    tokio::time::sleep(RETRY_PAUSE_MAX).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    let deadline = buckets.connection.setup_deadline;
    let outcome: Result<_, crate::BoxError> = tokio::time::timeout(deadline, start)
        .await
        .unwrap_or_else(|late| Err(late.into()));
    outcome.map_err(|source| buckets.failed("watch", bucket, Failure::Other(source)))
}

fn is_temporary(kind: &ConsumerErrorKind) -> bool {
    match kind {
        ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request => true,
        ConsumerErrorKind::JetStream(error) => error.code() == 503,
        ConsumerErrorKind::InvalidConsumerType
        | ConsumerErrorKind::InvalidName
        | ConsumerErrorKind::Other => false,
    }
}

impl Watcher {
    async fn next(&mut self) -> Result<WatchEvent, KvError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            tokio::select! {
                biased;
                // The sender lives as long as the connection.
                Ok(()) = self.connects.changed() => self.check_history().await?,
                change = self.changes.next() => match change {
                    Some(Ok(message)) => self.take(&message)?,
                    // It begins anew behind the last change by itself; the server may be another one by then.
                    Some(Err(error)) if error.kind() == OrderedErrorKind::MissingHeartbeat => {
                        self.check_history().await?;
                    }
                    Some(Err(error)) => return Err(self.failed(error.into())),
                    None => return Err(self.failed("the consumer has ended".into())),
                },
            }
        }
    }

    /// After a reconnect the server may be one with an older or another history.
    async fn check_history(&mut self) -> Result<(), KvError> {
        let subject = format!("STREAM.INFO.{}", kv_stream(&self.bucket));
        let found = match self
            .buckets
            .connection
            .setup::<StreamInfo>(&subject, Bytes::new())
            .await
        {
            Ok(info) if info.created == self.created => info.state.last_seq,
            Ok(_) => 0,
            Err(Failure::Api(error)) if error.err_code == code::STREAM_NOT_FOUND => 0,
            Err(failure) => return Err(self.buckets.failed("watch", &self.bucket, failure)),
        };
        if found >= self.seen && found > 0 || self.seen == 0 {
            return Ok(());
        }
        Err(KvError::RolledBack {
            bucket: self.bucket.clone(),
            seen: self.seen,
            found,
        })
    }

    fn take(&mut self, message: &jetstream::Message) -> Result<(), KvError> {
        let revision = match message.info() {
            Ok(info) => info.stream_sequence,
            Err(error) => return Err(self.failed(error)),
        };
        let key = kv_key(&self.bucket, &message.subject).unwrap_or_default();
        self.seen = revision;
        let existed = self.current_at.is_some_and(|at| revision <= at);
        if !existed {
            self.mark_current();
        }
        match Key::from_wire(key) {
            Ok(key) => self.take_change(key, revision, message, existed),
            // Put there by somebody else; nothing of ours can ask for it.
            Err(error) => tracing::warn!(%error, bucket = %self.bucket, "foreign key skipped"),
        }
        if self.current_at.is_some_and(|at| revision >= at) {
            self.mark_current();
        }
        Ok(())
    }

    fn take_change(
        &mut self,
        key: Key,
        revision: Revision,
        message: &jetstream::Message,
        existed: bool,
    ) {
        let headers = message.headers.as_ref();
        let deleted = headers.is_some_and(|headers| headers.get(OPERATION).is_some());
        if !deleted {
            if existed {
                self.listed.insert(key.clone());
            }
            let entry = Entry {
                value: message.payload.clone(),
                revision,
            };
            self.ready.push_back(WatchEvent::Put { key, entry });
        } else if !existed || self.listed.contains(&key) {
            // What was deleted before the watch began, and not listed, never existed for it.
            self.ready.push_back(WatchEvent::Delete { key, revision });
        }
    }

    fn mark_current(&mut self) {
        if self.current_at.take().is_some() {
            self.listed = HashSet::new();
            self.ready.push_back(WatchEvent::Current);
        }
    }

    fn failed(&self, source: crate::BoxError) -> KvError {
        self.buckets
            .failed("watch", &self.bucket, Failure::Other(source))
    }
}
