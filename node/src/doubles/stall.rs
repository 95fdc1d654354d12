//! Records of the cluster that stop answering when the test says so.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use switchboard_bus::{Bucket, Entry, Key, KeyPrefix, Kv, KvError, Revision, WatchStream};
use tokio::sync::watch;

/// Records that can be made to answer nothing, as a bus whose bytes stall.
#[derive(Debug)]
pub(crate) struct Stall {
    kv: Arc<dyn Kv>,
    stalled: watch::Sender<bool>,
    /// The bucket whose changes are shown to nobody.
    hidden: watch::Sender<Option<Bucket>>,
}

impl Stall {
    pub(crate) fn new(kv: Arc<dyn Kv>) -> Arc<Self> {
        Arc::new(Self {
            kv,
            stalled: watch::Sender::new(false),
            hidden: watch::Sender::new(None),
        })
    }

    pub(crate) fn set(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// Shows nothing of a bucket to whoever watches it; writes and reads go on.
    pub(crate) fn hide(&self, bucket: Option<Bucket>) {
        self.hidden.send_replace(bucket);
    }

    async fn flows(&self) {
        let mut stalled = self.stalled.subscribe();
        stalled.wait_for(|stalled| !*stalled).await.unwrap();
    }
}

#[async_trait]
impl Kv for Stall {
    async fn create(&self, bucket: &Bucket, key: &Key, value: Bytes) -> Result<Revision, KvError> {
        self.flows().await;
        self.kv.create(bucket, key, value).await
    }

    async fn update(
        &self,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.flows().await;
        self.kv.update(bucket, key, value, expected).await
    }

    async fn get(&self, bucket: &Bucket, key: &Key) -> Result<Option<Entry>, KvError> {
        self.flows().await;
        self.kv.get(bucket, key).await
    }

    async fn delete(
        &self,
        bucket: &Bucket,
        key: &Key,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.flows().await;
        self.kv.delete(bucket, key, expected).await
    }

    async fn watch(&self, bucket: &Bucket, prefix: &KeyPrefix) -> Result<WatchStream, KvError> {
        self.flows().await;
        let changes = self.kv.watch(bucket, prefix).await?;
        let (stalled, hidden) = (self.stalled.subscribe(), self.hidden.subscribe());
        let bucket = bucket.clone();
        let flowing = changes.then(move |change| {
            let (mut stalled, mut hidden) = (stalled.clone(), hidden.clone());
            let bucket = bucket.clone();
            async move {
                stalled.wait_for(|stalled| !*stalled).await.unwrap();
                let is_shown = |hidden: &Option<Bucket>| hidden.as_ref() != Some(&bucket);
                hidden.wait_for(is_shown).await.unwrap();
                change
            }
        });
        Ok(flowing.boxed())
    }
}
