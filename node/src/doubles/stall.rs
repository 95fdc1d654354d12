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
}

impl Stall {
    pub(crate) fn new(kv: Arc<dyn Kv>) -> Arc<Self> {
        Arc::new(Self {
            kv,
            stalled: watch::Sender::new(false),
        })
    }

    pub(crate) fn set(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
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
        let stalled = self.stalled.subscribe();
        let flowing = changes.then(move |change| {
            let mut stalled = stalled.clone();
            async move {
                stalled.wait_for(|stalled| !*stalled).await.unwrap();
                change
            }
        });
        Ok(flowing.boxed())
    }
}
