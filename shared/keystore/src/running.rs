//! A store that is open: the [`KeyStore`] trait over an engine and its committer.
//!
//! Owns the way of a call: limits, sealing, queueing, and reads on the caller's thread. Must not
//! write to the engine itself.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::committer::{Control, Request, known_epoch};
use crate::disk::Admission;
use crate::engine::View;
use crate::error::Error;
use crate::namespace::Namespace;
use crate::reads;
use crate::receiving::Receiver;
use crate::registry::Slot;
use crate::seal::{MasterKey, TransferKey};
use crate::sending::Sender;
use crate::store::{
    Durable, Epoch, KeyStore, Kind, Op, Page, Remains, ScanRange, Staged, Stats, Verified,
};
use crate::transfer::{Export, Import};

mod inner;

pub(crate) use inner::Inner;

/// Requests that may wait for the committer.
pub(crate) const QUEUE_REQUESTS_MAX: usize = 4_096;
/// Sealed bytes that may wait for the committer, in KiB (a semaphore's unit).
pub(crate) const QUEUE_KIB_MAX: usize = 256 << 10;
/// Batches above this size are sealed on a blocking thread.
const INLINE_SEAL_BYTES_MAX: usize = 256 << 10;
/// Scans for more entries than this run on a blocking thread.
const INLINE_SCAN_ENTRIES_MAX: usize = 256;
/// How often a read looks again when the tree was replaced under it.
const READ_TRIES_MAX: usize = 3;

/// The store that [`crate::open()`] gives.
#[derive(Debug, Clone)]
pub(crate) struct Running(pub(crate) Arc<Inner>);

impl Running {
    /// Reads from the live tree, again when it was replaced meanwhile. `None` without a tree.
    async fn read<T>(
        &self,
        ns: &Namespace,
        work: impl Fn(&Slot, &dyn View) -> Result<T, Error> + Send,
    ) -> Result<Option<T>, Error> {
        let mut tries = 0;
        loop {
            let Some(slot) = self.0.live(ns).await? else {
                return Ok(None);
            };
            tries += 1;
            match self.0.look(&slot, |view| work(&slot, view)) {
                Err(Error::Retired(_)) if tries < READ_TRIES_MAX => {}
                result => return result.map(Some),
            }
        }
    }
}

#[async_trait]
impl KeyStore for Running {
    async fn commit(&self, ns: &Namespace, epoch: Epoch, ops: Vec<Op>) -> Result<Durable, Error> {
        let bytes = reads::measure(&ops)?;
        let slot = self.0.live_or_new(ns).await?;
        let ops = if bytes > INLINE_SEAL_BYTES_MAX {
            let slot = Arc::clone(&slot);
            blocking(move || reads::seal_ops(&slot, ops)).await?
        } else {
            reads::seal_ops(&slot, ops)?
        };
        self.0.submit(slot, epoch, ops, bytes).await
    }

    async fn get(&self, ns: &Namespace, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let found = self
            .read(ns, |slot, view| {
                reads::get(&slot.tree_ref(), view, kind, key)
            })
            .await;
        found.map(Option::flatten)
    }

    async fn multi_get(
        &self,
        ns: &Namespace,
        kind: Kind,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        reads::measure_keys(keys)?;
        let found = self
            .read(ns, |slot, view| {
                keys.iter()
                    .map(|key| reads::get(&slot.tree_ref(), view, kind, key))
                    .collect()
            })
            .await?;
        Ok(found.unwrap_or_else(|| vec![None; keys.len()]))
    }

    async fn scan(&self, ns: &Namespace, kind: Kind, range: ScanRange) -> Result<Page, Error> {
        if range.limit <= INLINE_SCAN_ENTRIES_MAX {
            let page = self
                .read(ns, |slot, view| {
                    reads::scan(&slot.tree_ref(), view, kind, &range)
                })
                .await;
            return page.map(Option::unwrap_or_default);
        }
        let Some(slot) = self.0.live(ns).await? else {
            return Ok(Page::default());
        };
        let inner = Arc::clone(&self.0);
        blocking(move || {
            inner.look(&slot, |view| {
                reads::scan(&slot.tree_ref(), view, kind, &range)
            })
        })
        .await
    }

    async fn epoch(&self, ns: &Namespace) -> Result<Option<Epoch>, Error> {
        let slot = self.0.live(ns).await?;
        let tree = slot
            .and_then(|slot| slot.progress().ledger)
            .map(|ledger| Epoch(ledger.epoch));
        Ok(tree.max(self.0.state.read().tombstones.get(ns).copied()))
    }

    async fn verify(&self, ns: &Namespace) -> Result<Verified, Error> {
        let slot = self.0.live(ns).await?;
        let slot = slot.ok_or_else(|| Error::UnknownNamespace(ns.to_string()))?;
        let inner = Arc::clone(&self.0);
        blocking(move || inner.look(&slot, |view| reads::verify(&slot.tree_ref(), view))).await
    }

    async fn export(
        &self,
        ns: &Namespace,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Export>, Error> {
        let slot = self.0.live(ns).await?;
        let slot = slot.ok_or_else(|| Error::UnknownNamespace(ns.to_string()))?;
        Ok(Box::new(Sender::new(Arc::clone(&self.0), slot, transfer)?))
    }

    async fn import(
        &self,
        ns: &Namespace,
        epoch: Epoch,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Import>, Error> {
        self.0.open()?;
        self.0.state.healthy()?;
        let known = {
            let engine = self.0.engine.read().unwrap_or_else(PoisonError::into_inner);
            known_epoch(
                &self.0.state,
                engine.as_ref().ok_or(Error::Closed)?.as_ref(),
                ns,
            )
        };
        if epoch < known {
            let namespace = ns.to_string();
            return Err(Error::StaleEpoch {
                namespace,
                given: epoch,
                stored: known,
            });
        }
        Ok(Box::new(Receiver::new(
            Arc::clone(&self.0),
            ns.clone(),
            epoch,
            transfer.clone(),
        )))
    }

    async fn promote(&self, ns: &Namespace) -> Result<Durable, Error> {
        self.0.control(Control::Promote(ns.clone())).await
    }

    async fn discard_staging(&self, ns: &Namespace) -> Result<(), Error> {
        self.0
            .control(Control::Discard(ns.clone()))
            .await
            .map(|_done| ())
    }

    async fn staged(&self) -> Result<Vec<Staged>, Error> {
        self.0.open()?;
        let registry = self.0.state.read();
        let complete = registry
            .staging
            .iter()
            .filter(|(_, staging)| staging.complete);
        let mut staged: Vec<Staged> = complete
            .map(|(ns, staging)| Staged {
                namespace: ns.clone(),
                epoch: staging.epoch,
            })
            .collect();
        staged.sort_by(|one, other| one.namespace.cmp(&other.namespace));
        Ok(staged)
    }

    async fn drop_namespace(&self, ns: &Namespace, remains: Remains) -> Result<(), Error> {
        self.0
            .control(Control::Drop(ns.clone(), remains))
            .await
            .map(|_done| ())
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        self.0.open()?;
        let registry = self.0.state.read();
        let recorded = registry
            .live
            .iter()
            .filter(|(_, slot)| slot.progress().recorded);
        let mut names: Vec<Namespace> = recorded.map(|(ns, _)| ns.clone()).collect();
        names.sort();
        Ok(names)
    }

    async fn tombstones(&self) -> Result<Vec<(Namespace, Epoch)>, Error> {
        self.0.open()?;
        let registry = self.0.state.read();
        let mut tombstones: Vec<(Namespace, Epoch)> = registry
            .tombstones
            .iter()
            .map(|(ns, epoch)| (ns.clone(), *epoch))
            .collect();
        tombstones.sort();
        Ok(tombstones)
    }

    async fn rotate_master(&self, new: MasterKey) -> Result<(), Error> {
        if new.is_blank() {
            return Err(Error::BlankMasterKey);
        }
        self.0.control(Control::Rotate(new)).await.map(|_done| ())
    }

    fn id(&self) -> &str {
        &self.0.id
    }

    fn stats(&self) -> Stats {
        let inner = &self.0;
        let (namespaces, staged) = {
            let registry = inner.state.read();
            (
                registry
                    .live
                    .values()
                    .filter(|slot| slot.progress().recorded)
                    .count(),
                registry
                    .staging
                    .values()
                    .filter(|staging| staging.complete)
                    .count(),
            )
        };
        let engine = inner.engine.read().unwrap_or_else(PoisonError::into_inner);
        let disk = inner.disk();
        Stats {
            engine: inner.engine_name,
            poisoned: inner.state.poisoned(),
            namespaces,
            staged,
            orphans: inner.state.orphans,
            queued: inner
                .queue
                .max_capacity()
                .saturating_sub(inner.queue.capacity()),
            groups: inner.state.groups.load(Ordering::Relaxed),
            batches: inner.state.batches.load(Ordering::Relaxed),
            store_bytes: engine.as_ref().map_or(0, |engine| engine.file_bytes()),
            disk,
            admission: inner.judge(disk),
        }
    }

    fn admission(&self) -> Admission {
        self.0.judge(self.0.disk())
    }

    async fn poisoned(&self) -> String {
        let mut watch = self.0.state.watch_poison();
        let reason = match watch.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone(),
            Err(_closed) => None,
        };
        match reason {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    async fn close(&self) -> Result<(), Error> {
        if !self.0.closed.swap(true, Ordering::SeqCst) {
            let (ack, answer) = oneshot::channel();
            if self.0.queue.send(Request::Close(ack)).await.is_ok() {
                let _answered = answer.await;
            }
            let inner = Arc::clone(&self.0);
            blocking(move || {
                inner.release();
                Ok(())
            })
            .await?;
        }
        self.0.state.healthy()
    }
}

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(Error::Engine {
                action: "finish a blocking read",
                cause: error.to_string(),
            })
        })
}
