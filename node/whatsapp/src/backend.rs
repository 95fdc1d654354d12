//! The client library's storage traits on the node's key store: one object per session and ownership.
//!
//! Owns where each of the library's values stands and how it is written. Every call is one durable commit (rule R-2);
//! only a call too large for one batch is several, and what [`riders`] says rides with the next one. Must not know what the values
//! mean, or any network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use switchboard_keystore::{
    BATCH_BYTES_MAX, BATCH_OPS_MAX, Epoch, Error as KeyStoreError, KeyStore, Kind, MULTI_GET_MAX,
    Namespace, Op, ScanRange,
};
use tokio::sync::{Mutex, RwLock};
use wacore::store::error::{Result, StoreError};

mod app_sync;
mod ballots;
mod device;
mod keys;
mod kinds;
mod lossy;
mod mappings;
mod pending;
mod prekeys;
mod protocol;
mod riders;
mod rows;
mod secrets;
mod sender_keys;
mod sent;
mod signal;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use ballots::Ballot;
pub use lossy::{Stripped, strip_for_lossy_restore};
use riders::Riders;

/// Most expired rows one sweep removes; the library sweeps again with the next keepalive.
const EXPIRED_ROWS_MAX: usize = 2_000;
/// Entries of one page of a scan.
const PAGE_ENTRIES: usize = 1_000;
/// Most rows a call may collect, so that a damaged or foreign store cannot fill the memory.
const SCAN_ROWS_MAX: usize = 1_000_000;
/// Bytes kept free in a batch for what the store adds to each operation.
const BATCH_BYTES_WANTED: usize = BATCH_BYTES_MAX / 2;

/// One session's storage under one ownership.
pub(crate) struct Backend {
    store: Arc<dyn KeyStore>,
    namespace: Namespace,
    epoch: Epoch,
    /// Set once a commit was refused because a later owner exists: nothing may leave any more.
    superseded: Arc<AtomicBool>,
    /// Set when the client that used it is gone: what its tasks still write comes too late.
    closed: AtomicBool,
    /// Held shared by each write under way, and by itself to wait for them. One for all objects of a session.
    writes: Arc<RwLock<()>>,
    failures: AtomicU64,
    locks: Locks,
    riders: Riders,
}

/// How long rows wait for a commit that takes them along; it may be twice that until one is paid for.
const RIDE_WAIT_MAX: Duration = Duration::from_millis(200);

/// Held by calls that read a row in order to write it. Each area has its own, so that only calls that could meet wait
/// for each other.
#[derive(Default)]
struct Locks {
    prekeys: Mutex<()>,
    sync_keys: Mutex<()>,
    mappings: Mutex<()>,
    tokens: Mutex<()>,
    sent: Mutex<()>,
    secrets: Mutex<()>,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Backend({} at epoch {})", self.namespace, self.epoch.0)
    }
}

impl Backend {
    /// Storage of one session. `superseded` is set when the store says that a later owner exists; whoever holds
    /// `writes` alone knows that no write is under way.
    pub(crate) fn new(
        store: Arc<dyn KeyStore>,
        namespace: Namespace,
        epoch: Epoch,
        superseded: Arc<AtomicBool>,
        writes: Arc<RwLock<()>>,
    ) -> Self {
        Self {
            store,
            namespace,
            epoch,
            superseded,
            closed: AtomicBool::new(false),
            writes,
            failures: AtomicU64::new(0),
            locks: Locks::default(),
            riders: Riders::default(),
        }
    }

    /// Removes everything the library keeps of the session, durably and at once.
    pub(crate) async fn erase(&self) -> Result<()> {
        self.riders.clear();
        let ops = (kinds::FIRST..=kinds::LAST)
            .map(|kind| Op::DeleteRange {
                kind: Kind(kind),
                from: Vec::new(),
                to: keys::last(),
            })
            .collect();
        self.commit(ops).await
    }

    /// Refuses every later write of this object.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// The phone's platform as WhatsApp named it at pairing.
    pub(crate) async fn platform(&self) -> Result<Option<String>> {
        let row = self.get(kinds::PLATFORM, b"").await?;
        row.map(|row| rows::decode(&row, "platform")).transpose()
    }

    /// Keeps the phone's platform: the library does not.
    pub(crate) async fn keep_platform(&self, platform: &str) -> Result<()> {
        self.put(kinds::PLATFORM, Vec::new(), rows::encode(&platform)?)
            .await
    }

    /// How many commits and reads failed since this object was made, refusals after its end included.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    fn failed(&self, error: KeyStoreError) -> StoreError {
        self.failures.fetch_add(1, Ordering::AcqRel);
        if matches!(
            error,
            KeyStoreError::StaleEpoch { .. } | KeyStoreError::Fenced(_)
        ) {
            self.superseded.store(true, Ordering::Release);
        }
        StoreError::Database(Box::new(error))
    }

    /// Commits all operations with what rides along; nothing is done when there are none.
    async fn commit(&self, ops: Vec<Op>) -> Result<()> {
        if ops.is_empty() {
            return Ok(());
        }
        self.write(ops).await
    }

    /// Commits what waits for a ride.
    pub(crate) async fn write_riders(&self) -> Result<()> {
        self.write(Vec::new()).await
    }

    async fn write(&self, ops: Vec<Op>) -> Result<()> {
        let _under_way = self.writes.read().await;
        let (mut all, ride) = self.riders.board();
        all.extend(ops);
        for batch in batches(all) {
            self.check_owner()?;
            self.store
                .commit(&self.namespace, self.epoch, batch)
                .await
                .map_err(|error| self.failed(error))?;
        }
        self.riders.arrived(ride);
        Ok(())
    }

    /// Writes what no commit took along for a while, for ever.
    pub(crate) async fn write_late_riders(&self) {
        loop {
            self.riders.late(RIDE_WAIT_MAX).await;
            if let Err(error) = self.write_riders().await {
                tracing::warn!(session = %self.namespace, %error, "rows that found no ride were not written");
                return;
            }
        }
    }

    /// Lets rows wait for the next commit. Single rows are read as if they were written.
    async fn put_later(&self, rows: Vec<(Kind, Vec<u8>, Vec<u8>)>) -> Result<()> {
        self.check_owner()?;
        let mut is_full = false;
        for (kind, key, value) in rows {
            is_full = self.riders.put(kind, key, value);
        }
        if is_full {
            self.write_riders().await?;
        }
        Ok(())
    }

    /// Lets the removal of rows wait for the next commit.
    async fn delete_later(&self, kind: Kind, keys: Vec<Vec<u8>>) -> Result<()> {
        self.check_owner()?;
        let stored: Vec<Vec<u8>> = keys
            .into_iter()
            .filter(|key| !self.riders.take_off(kind, key))
            .collect();
        let rows = self.get_all(kind, &stored).await?;
        let mut is_full = false;
        for (key, row) in stored.into_iter().zip(rows) {
            if row.is_some() {
                is_full = self.riders.delete(kind, key);
            }
        }
        if is_full {
            self.write_riders().await?;
        }
        Ok(())
    }

    /// # Errors
    /// When this object's owner gave the session up, or its client is gone.
    fn check_owner(&self) -> Result<()> {
        if self.superseded.load(Ordering::Acquire) || self.closed.load(Ordering::Acquire) {
            self.failures.fetch_add(1, Ordering::AcqRel);
            return Err(StoreError::Validation(format!(
                "write to {}: this owner gave the session up",
                self.namespace
            )));
        }
        Ok(())
    }

    async fn put(&self, kind: Kind, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.commit(vec![Op::Put { kind, key, value }]).await
    }

    async fn delete(&self, kind: Kind, key: Vec<u8>) -> Result<()> {
        self.commit(vec![Op::Delete { kind, key }]).await
    }

    /// Deletes a row that is often not there: no sync is paid for nothing.
    async fn delete_if_there(&self, kind: Kind, key: Vec<u8>) -> Result<()> {
        if self.get(kind, &key).await?.is_some() {
            self.delete(kind, key).await?;
        }
        Ok(())
    }

    async fn get(&self, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(waiting) = self.riders.get(kind, key) {
            return Ok(waiting);
        }
        self.store
            .get(&self.namespace, kind, key)
            .await
            .map_err(|error| self.failed(error))
    }

    async fn get_bytes(&self, kind: Kind, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.get(kind, key).await?.map(Bytes::from))
    }

    /// Values in the order of `keys`.
    async fn get_all(&self, kind: Kind, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut values = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(MULTI_GET_MAX) {
            // Asked first: what arrives meanwhile is in the store by then.
            let waiting: Vec<_> = chunk.iter().map(|key| self.riders.get(kind, key)).collect();
            let page = self
                .store
                .multi_get(&self.namespace, kind, chunk)
                .await
                .map_err(|error| self.failed(error))?;
            let shown = waiting.into_iter().zip(page);
            values.extend(shown.map(|(waiting, row)| waiting.unwrap_or(row)));
        }
        Ok(values)
    }

    /// Whether any key begins with `prefix`.
    async fn any(&self, kind: Kind, prefix: &[u8]) -> Result<bool> {
        let page = self
            .store
            .scan(&self.namespace, kind, ScanRange::prefix(prefix, 1))
            .await
            .map_err(|error| self.failed(error))?;
        Ok(!page.entries.is_empty())
    }

    /// Walks over the entries whose keys begin with `prefix`, lowest first, until `visit` says false.
    async fn walk(
        &self,
        kind: Kind,
        prefix: &[u8],
        visit: &mut (dyn FnMut(Vec<u8>, Vec<u8>) -> Result<bool> + Send),
    ) -> Result<()> {
        let mut range = ScanRange::prefix(prefix, PAGE_ENTRIES);
        let mut seen = 0_usize;
        loop {
            let page = self
                .store
                .scan(&self.namespace, kind, range.clone())
                .await
                .map_err(|error| self.failed(error))?;
            seen += page.entries.len();
            let last = page.entries.last().map(|(key, _)| key.clone());
            for (key, value) in page.entries {
                if !visit(key, value)? {
                    return Ok(());
                }
            }
            match last {
                Some(last) if page.more && seen < SCAN_ROWS_MAX => {
                    range.from = std::ops::Bound::Excluded(last);
                }
                Some(_) if page.more => {
                    return Err(StoreError::Validation(format!(
                        "scan kind {:#04x}: more than {SCAN_ROWS_MAX} rows",
                        kind.0
                    )));
                }
                Some(_) | None => return Ok(()),
            }
        }
    }
}

/// Cuts operations into batches the store takes. Nearly always there is one.
fn batches(ops: Vec<Op>) -> Vec<Vec<Op>> {
    let mut all = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for op in ops {
        let size = match &op {
            Op::Put { key, value, .. } => key.len() + value.len(),
            Op::Delete { key, .. } => key.len(),
            Op::DeleteRange { from, to, .. } => from.len() + to.len(),
        };
        if !batch.is_empty() && (batch.len() >= BATCH_OPS_MAX || bytes + size > BATCH_BYTES_WANTED)
        {
            all.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += size;
        batch.push(op);
    }
    if !batch.is_empty() {
        all.push(batch);
    }
    all
}
