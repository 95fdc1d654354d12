//! The in-process [`Kv`]: the trait over the state and its committer.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use tokio::sync::watch;

use super::engine::{self, Engine};
use super::kv_state::{Expect, State};
use crate::kv::{Entry, Kv, KvError, NO_REVISION, Revision, WatchEvent, WatchStream};
use crate::{Bucket, Key, KeyPrefix, Limits};

/// The in-process [`Kv`].
#[derive(Debug)]
pub(super) struct InProcessKv {
    engine: Engine<State>,
    limits: Limits,
}

impl InProcessKv {
    pub(super) fn new(engine: Engine<State>, limits: Limits) -> Self {
        Self { engine, limits }
    }

    fn failed(&self, op: &'static str, bucket: &Bucket, error: engine::Error) -> KvError {
        let bucket = bucket.clone();
        match error {
            engine::Error::Timeout => KvError::Timeout {
                op,
                bucket,
                deadline: self.limits.operation_deadline,
            },
            engine::Error::Stopped(source) => KvError::Failed { op, bucket, source },
        }
    }

    async fn write(
        &self,
        op: &'static str,
        bucket: &Bucket,
        key: &Key,
        value: Option<Bytes>,
        expect: Expect,
    ) -> Result<Revision, KvError> {
        let size = value.as_ref().map_or(0, Bytes::len);
        let max = self.limits.value_bytes_max;
        let (in_bucket, of_key) = (bucket.clone(), key.clone());
        if size > max {
            return Err(KvError::TooLarge {
                op,
                bucket: in_bucket,
                key: of_key,
                size,
                max,
            });
        }
        let outcome = self
            .engine
            .call(self.limits.operation_deadline, move |state, batch| {
                state.write(&in_bucket, &of_key, value, expect, batch)
            })
            .await
            .map_err(|error| self.failed(op, bucket, error))?;
        let (bucket, key) = (bucket.clone(), key.clone());
        outcome.map_err(|current| KvError::WrongRevision {
            op,
            bucket,
            key,
            current,
        })
    }
}

#[async_trait]
impl Kv for InProcessKv {
    async fn create(&self, bucket: &Bucket, key: &Key, value: Bytes) -> Result<Revision, KvError> {
        self.write("create", bucket, key, Some(value), Expect::Absent)
            .await
    }

    async fn update(
        &self,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.write("update", bucket, key, Some(value), Expect::Last(expected))
            .await
    }

    async fn get(&self, bucket: &Bucket, key: &Key) -> Result<Option<Entry>, KvError> {
        let (in_bucket, of_key) = (bucket.clone(), key.clone());
        self.engine
            .call(self.limits.operation_deadline, move |state, _| {
                state.get(&in_bucket, &of_key)
            })
            .await
            .map_err(|error| self.failed("get", bucket, error))
    }

    async fn delete(
        &self,
        bucket: &Bucket,
        key: &Key,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.write("delete", bucket, key, None, Expect::Last(expected))
            .await
    }

    async fn watch(&self, bucket: &Bucket, prefix: &KeyPrefix) -> Result<WatchStream, KvError> {
        let in_bucket = bucket.clone();
        let (committed, current_at) = self
            .engine
            .call(self.limits.operation_deadline, move |state, _| {
                (state.subscribe(&in_bucket), state.last(&in_bucket))
            })
            .await
            .map_err(|error| self.failed("watch", bucket, error))?;
        let watcher = Watcher {
            kv: Self {
                engine: self.engine.clone(),
                limits: self.limits.clone(),
            },
            bucket: bucket.clone(),
            prefix: prefix.clone(),
            committed,
            current_at: Some(current_at),
            seen: NO_REVISION,
            ready: VecDeque::new(),
        };
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
}

/// One watch. It has no queue of changes: it remembers how far it has seen and asks for what came after, so a slow
/// watcher costs nothing and gets the last value of each key.
struct Watcher {
    kv: InProcessKv,
    bucket: Bucket,
    prefix: KeyPrefix,
    committed: watch::Receiver<Revision>,
    /// The revision at which everything that existed has been delivered; `None` once it was.
    current_at: Option<Revision>,
    seen: Revision,
    ready: VecDeque<WatchEvent>,
}

impl Watcher {
    async fn next(&mut self) -> Result<WatchEvent, KvError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            self.committed.mark_unchanged();
            let at_end = self.look().await?;
            let wait = at_end && self.ready.is_empty();
            if wait && self.committed.changed().await.is_err() {
                let source = "the in-process bus has stopped".into();
                return Err(self
                    .kv
                    .failed("watch", &self.bucket, engine::Error::Stopped(source)));
            }
        }
    }

    /// Fetches what came after `seen` and puts it, and the `Current` mark in its place, into `ready`.
    /// True if there is nothing more to see now.
    async fn look(&mut self) -> Result<bool, KvError> {
        let (bucket, prefix, seen) = (self.bucket.clone(), self.prefix.clone(), self.seen);
        let changes = self
            .kv
            .engine
            .call(self.kv.limits.operation_deadline, move |state, _| {
                state.changes(&bucket, &prefix, seen)
            })
            .await
            .map_err(|error| self.kv.failed("watch", &self.bucket, error))?;
        self.seen = changes.seen;
        for event in changes.events {
            let existed = self.current_at.is_some_and(|at| event.revision() <= at);
            if !existed {
                self.mark_current();
            }
            // What was deleted before the watch began never existed for it.
            if !(existed && matches!(event, WatchEvent::Delete { .. })) {
                self.ready.push_back(event);
            }
        }
        if self.current_at.is_some_and(|at| self.seen >= at) {
            self.mark_current();
        }
        Ok(self.seen == changes.last)
    }

    fn mark_current(&mut self) {
        if self.current_at.take().is_some() {
            self.ready.push_back(WatchEvent::Current);
        }
    }
}
