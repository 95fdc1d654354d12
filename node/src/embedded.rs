//! The in-process bus's rows on the node's own store: records and events of an installation without NATS.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_bus::in_process::{Op, Storage, StorageError};
use switchboard_keystore::{
    Epoch, KeyStore, Kind, Namespace, Op as StoreOp, PAGE_ENTRIES_MAX, ScanRange,
};

/// The namespace of the bus's rows.
const NAMESPACE: &str = "bus";
/// The one key space in it.
const ROWS: Kind = Kind(0x01);
/// Nobody competes for the node's own rows.
const EPOCH: Epoch = Epoch(1);

/// Rows of the in-process bus in a key store.
pub struct BusStorage {
    store: Arc<dyn KeyStore>,
    namespace: Namespace,
}

impl fmt::Debug for BusStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusStorage")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl BusStorage {
    /// The bus's rows of a node's store.
    ///
    /// # Errors
    /// None in practice: the name of the namespace is a constant.
    pub fn new(store: Arc<dyn KeyStore>) -> Result<Self, StorageError> {
        let namespace = Namespace::node(NAMESPACE).map_err(|e| failed("open", e))?;
        Ok(Self { store, namespace })
    }
}

fn failed(
    op: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> StorageError {
    StorageError {
        op,
        source: Box::new(source),
    }
}

#[async_trait]
impl Storage for BusStorage {
    async fn load(&self) -> Result<Vec<(Vec<u8>, Bytes)>, StorageError> {
        let mut rows = Vec::new();
        let mut from = Bound::Unbounded;
        loop {
            let limit = PAGE_ENTRIES_MAX;
            let range = ScanRange {
                from,
                to: Bound::Unbounded,
                reverse: false,
                limit,
            };
            let page = self.store.scan(&self.namespace, ROWS, range).await;
            let page = page.map_err(|e| failed("load", e))?;
            let last = page.entries.last().map(|(key, _)| key.clone());
            rows.extend(
                page.entries
                    .into_iter()
                    .map(|(key, value)| (key, Bytes::from(value))),
            );
            match last {
                Some(key) if page.more => from = Bound::Excluded(key),
                Some(_) | None => return Ok(rows),
            }
        }
    }

    async fn commit(&self, batch: Vec<Op>) -> Result<(), StorageError> {
        let ops = batch.into_iter().map(|op| match op {
            Op::Put { key, value } => StoreOp::Put {
                kind: ROWS,
                key,
                value: value.into(),
            },
            Op::Delete { key } => StoreOp::Delete { kind: ROWS, key },
        });
        let done = self
            .store
            .commit(&self.namespace, EPOCH, ops.collect())
            .await;
        done.map(drop).map_err(|e| failed("commit", e))
    }
}
