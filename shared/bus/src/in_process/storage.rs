//! What the in-process bus needs of a disk, and an implementation without one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::BoxError;

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes a row.
    Put {
        /// Its key.
        key: Vec<u8>,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a row; one that does not exist is no error.
    Delete {
        /// Its key.
        key: Vec<u8>,
    },
}

/// A place for the rows of the in-process bus. It holds nothing else.
#[async_trait]
pub trait Storage: Send + Sync + fmt::Debug {
    /// Every row. Called once, before any commit.
    ///
    /// # Errors
    /// When the rows cannot be read.
    async fn load(&self) -> Result<Vec<(Vec<u8>, Bytes)>, StorageError>;

    /// Applies the changes in order, all or none. When it returns they survive a loss of power. Two
    /// commits may run at once; they never touch the same row.
    ///
    /// # Errors
    /// When it is not certain that all of it is durable. It is not called again after an error.
    async fn commit(&self, batch: Vec<Op>) -> Result<(), StorageError>;
}

/// A storage failed.
#[derive(Debug, thiserror::Error)]
#[error("{op} of the bus storage failed")]
pub struct StorageError {
    /// `load` or `commit`.
    pub op: &'static str,
    /// What the layer below said.
    #[source]
    pub source: BoxError,
}

/// Rows in memory: for tests, simulations and a bus that may forget. A second bus opened on the same value
/// finds what the first has committed, as after a restart.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    rows: Mutex<BTreeMap<Vec<u8>, Bytes>>,
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn load(&self) -> Result<Vec<(Vec<u8>, Bytes)>, StorageError> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rows
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    async fn commit(&self, batch: Vec<Op>) -> Result<(), StorageError> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for op in batch {
            match op {
                Op::Put { key, value } => {
                    rows.insert(key, value);
                }
                Op::Delete { key } => {
                    rows.remove(&key);
                }
            }
        }
        Ok(())
    }
}
