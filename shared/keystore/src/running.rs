//! A store that is open: the [`KeyStore`] trait over an engine and its committer.
//!
//! Owns the way of a call: limits, sealing, queueing, and reads on the caller's thread. Must not
//! write to the engine itself.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::committer::{Ack, Commit, Control, Request, known_epoch};
use crate::disk::{self, Admission, Disk, Watermarks};
use crate::engine::{Engine, TreeId, View};
use crate::error::Error;
use crate::ledger::RawOp;
use crate::namespace::Namespace;
use crate::reads;
use crate::receiving::Receiver;
use crate::registry::{Registry, Slot, State};
use crate::seal::{DataKey, MasterKey, TransferKey};
use crate::sending::Sender;
use crate::store::{
    Durable, Epoch, KeyStore, Kind, Op, Page, Remains, ScanRange, Staged, Stats, Verified,
};
use crate::transfer::{Export, Import};

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

/// What an open store consists of. Shared with exports and imports under way.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) state: Arc<State>,
    pub(crate) engine: RwLock<Option<Arc<dyn Engine>>>,
    pub(crate) engine_name: &'static str,
    pub(crate) queue: mpsc::Sender<Request>,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) closed: AtomicBool,
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
    /// Held as long as the store is open; `None` in memory.
    pub(crate) lock: Mutex<Option<Arc<File>>>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) watermarks: Watermarks,
}

/// The store that [`crate::open`] gives.
#[derive(Debug, Clone)]
pub(crate) struct Running(pub(crate) Arc<Inner>);

impl Inner {
    /// Runs `work` on one moment of a tree.
    pub(crate) fn look<T>(
        &self,
        slot: &Slot,
        work: impl Fn(&dyn View) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = engine.as_ref().ok_or(Error::Closed)?;
        slot.alive()?;
        let mut out = None;
        engine.read(slot.tree, &mut |view| {
            out = Some(work(view)?);
            Ok(())
        })?;
        // A tree that was dropped during the read looks empty.
        slot.alive()?;
        out.ok_or_else(|| Error::Retired(slot.ns.to_string()))
    }

    fn open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::SeqCst) {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    /// Compares the tree with its ledger, once per run.
    async fn check(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<(), Error> {
        slot.checked
            .get_or_try_init(|| async {
                let (inner, slot) = (Arc::clone(self), Arc::clone(slot));
                blocking(move || inner.check_now(&slot)).await
            })
            .await
            .map(|_checked| ())
    }

    fn check_now(&self, slot: &Slot) -> Result<(), Error> {
        let (ledger, _verified) = self.look(slot, |view| {
            let stored = slot.tree_ref().ledger(view)?;
            if stored.is_none() && slot.progress().settled {
                return Err(slot.tree_ref().damaged("its ledger is missing"));
            }
            slot.tree_ref().check(view)
        })?;
        slot.progress().ledger = Some(ledger);
        Ok(())
    }

    /// The live tree of a namespace, checked.
    pub(crate) async fn live(self: &Arc<Self>, ns: &Namespace) -> Result<Option<Arc<Slot>>, Error> {
        self.open()?;
        let slot = self.state.read().recorded(ns);
        if let Some(slot) = &slot {
            self.check(slot).await?;
        }
        Ok(slot)
    }

    /// The live tree of a namespace for a commit: made up when there is none. The committer
    /// records it with its first batch.
    async fn live_or_new(self: &Arc<Self>, ns: &Namespace) -> Result<Arc<Slot>, Error> {
        self.open()?;
        let found = self.state.read().live.get(ns).cloned();
        let slot = found.unwrap_or_else(|| {
            let mut registry = self.state.write();
            let tree = new_tree(&registry);
            let fresh = || Arc::new(Slot::fresh(ns.clone(), tree, DataKey::random()));
            Arc::clone(registry.live.entry(ns.clone()).or_insert_with(fresh))
        });
        self.check(&slot).await?;
        Ok(slot)
    }

    /// A slot for an import.
    pub(crate) fn staging_slot(&self, ns: &Namespace, key: DataKey) -> Arc<Slot> {
        let tree = new_tree(&self.state.read());
        Arc::new(Slot::fresh(ns.clone(), tree, key))
    }

    /// Queues a sealed batch and waits for its answer.
    pub(crate) async fn submit(
        &self,
        slot: Arc<Slot>,
        epoch: Epoch,
        ops: Vec<RawOp>,
        bytes: usize,
    ) -> Result<Durable, Error> {
        let kib = u32::try_from(bytes.div_ceil(1024).clamp(1, QUEUE_KIB_MAX)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await;
        let room = room.map_err(|_closed| Error::Closed)?;
        self.ask(|ack| {
            Request::Commit(Commit {
                slot,
                epoch,
                ops,
                ack,
                room,
            })
        })
        .await
    }

    pub(crate) async fn control(&self, control: Control) -> Result<Durable, Error> {
        self.ask(|ack| Request::Control(control, ack)).await
    }

    async fn ask(&self, request: impl FnOnce(Ack) -> Request) -> Result<Durable, Error> {
        self.state.healthy()?;
        let (ack, answer) = oneshot::channel();
        if self.queue.send(request(ack)).await.is_err() {
            return Err(self.gone());
        }
        answer.await.unwrap_or_else(|_dropped| Err(self.gone()))
    }

    /// Why the committer does not answer.
    fn gone(&self) -> Error {
        match self.state.healthy() {
            Err(poisoned) => poisoned,
            Ok(()) => Error::Closed,
        }
    }

    fn disk(&self) -> Option<Disk> {
        let dir = self.dir.as_ref()?;
        disk::measure(dir)
            .inspect_err(|error| tracing::warn!(%error, "cannot measure the disk of the key store"))
            .ok()
    }

    /// A disk that cannot be measured is treated as a full one; memory is not a disk.
    fn judge(&self, disk: Option<Disk>) -> Admission {
        match (disk, &self.dir) {
            (Some(disk), _) => self.watermarks.judge(disk),
            (None, Some(_)) => Admission::NoSends,
            (None, None) => Admission::Ok,
        }
    }

    /// Waits for the committer's end and lets go of the files.
    fn release(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            self.state.poison("committer panicked");
        }
        drop(
            self.engine
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        drop(
            self.lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

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

    async fn rotate_master(&self, new: MasterKey) -> Result<(), Error> {
        if new.is_blank() {
            return Err(Error::BlankMasterKey);
        }
        self.0.control(Control::Rotate(new)).await.map(|_done| ())
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

/// A number no tree has. 64 random bits, so a number is never used twice in the life of a store.
fn new_tree(registry: &Registry) -> TreeId {
    loop {
        let tree = TreeId(rand::random::<u64>() >> 1);
        if tree.0 != 0 && !registry.live.values().any(|slot| slot.tree == tree) {
            return tree;
        }
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
