//! The bus inside one process: the embedded default, and what simulations run on.
//!
//! Owns the state behind the three traits. Must not know NATS. Requests go through bounded channels and never
//! touch the disk; records and events live in memory and in a [`Storage`], which the node backs
//! with its own store.

mod engine;
mod kv;
mod kv_state;
mod log;
mod log_state;
mod rpc;
mod storage;

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Bus, Health, Limits};

pub use storage::{MemoryStorage, Op, Storage, StorageError};

/// Why the in-process bus could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The storage could not be read.
    #[error("load the in-process bus")]
    Storage(#[from] StorageError),
    /// A stored row is not one that this release can read.
    #[error("load the in-process bus: row {row} is malformed")]
    Malformed {
        /// The row's key, printable.
        row: String,
    },
}

/// Opens the bus over what `storage` holds.
///
/// When a commit fails the bus stops for good: every later call of `Kv` and `EventLog` fails and [`Bus::health`]
/// is `Closed`, because a storage that lost one batch cannot be trusted with the next.
///
/// # Errors
/// See [`Error`].
pub async fn open(storage: Arc<dyn Storage>, limits: Limits) -> Result<Bus, Error> {
    let mut records = kv_state::State::default();
    let mut streams = log_state::State::default();
    for (key, value) in storage.load().await? {
        let known = records.load(&key, &value) || streams.load(&key, &value);
        if !known {
            return Err(Error::Malformed {
                row: key.escape_ascii().to_string(),
            });
        }
    }
    streams.loaded();
    let (health, health_changes) = watch::channel(Health::Connected);
    let health = Arc::new(health);
    let kv = kv::InProcessKv::new(
        engine::start(records, Arc::clone(&storage), Arc::clone(&health)),
        limits.clone(),
    );
    let log = log::InProcessLog::new(
        engine::start(streams, storage, Arc::clone(&health)),
        limits.clone(),
    );
    let rpc = rpc::InProcessRpc::new(limits, health);
    Ok(Bus::new(
        Arc::new(rpc),
        Arc::new(kv),
        Arc::new(log),
        health_changes,
    ))
}

/// Opens a bus that forgets everything when it is dropped.
///
/// # Errors
/// None in practice; the signature is that of [`open`].
pub async fn open_in_memory(limits: Limits) -> Result<Bus, Error> {
    open(Arc::new(MemoryStorage::default()), limits).await
}
