//! What an open store consists of, and the steps that its calls share.
//!
//! Owns looking up trees, the first check of a tree, and asking the committer. Must not know the
//! trait.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{QUEUE_KIB_MAX, blocking};
use crate::committer::{Ack, Commit, Control, Request};
use crate::disk::{self, Admission, Disk, Watermarks};
use crate::engine::{Engine, TreeId, View};
use crate::error::Error;
use crate::ledger::RawOp;
use crate::namespace::Namespace;
use crate::registry::{Registry, Slot, State};
use crate::seal::DataKey;
use crate::store::{Durable, Epoch};

/// What an open store consists of. Shared with exports and imports under way.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) state: Arc<State>,
    pub(crate) engine: RwLock<Option<Arc<dyn Engine>>>,
    pub(crate) engine_name: &'static str,
    pub(crate) id: String,
    pub(crate) queue: mpsc::Sender<Request>,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) closed: AtomicBool,
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
    /// Held as long as the store is open; `None` in memory.
    pub(crate) lock: Mutex<Option<Arc<File>>>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) watermarks: Watermarks,
}

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

    pub(super) fn open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::SeqCst) {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    /// Compares the tree with its ledger, once per run.
    pub(super) async fn check(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<(), Error> {
        slot.checked
            .get_or_try_init(|| async {
                let (inner, slot) = (Arc::clone(self), Arc::clone(slot));
                blocking(move || inner.check_now(&slot)).await
            })
            .await
            .map(|_checked| ())
    }

    pub(super) fn check_now(&self, slot: &Slot) -> Result<(), Error> {
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
    pub(super) async fn live_or_new(self: &Arc<Self>, ns: &Namespace) -> Result<Arc<Slot>, Error> {
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

    pub(super) async fn ask(&self, request: impl FnOnce(Ack) -> Request) -> Result<Durable, Error> {
        self.state.healthy()?;
        let (ack, answer) = oneshot::channel();
        if self.queue.send(request(ack)).await.is_err() {
            return Err(self.gone());
        }
        answer.await.unwrap_or_else(|_dropped| Err(self.gone()))
    }

    /// Why the committer does not answer.
    pub(super) fn gone(&self) -> Error {
        match self.state.healthy() {
            Err(poisoned) => poisoned,
            Ok(()) => Error::Closed,
        }
    }

    pub(super) fn disk(&self) -> Option<Disk> {
        let dir = self.dir.as_ref()?;
        disk::measure(dir)
            .inspect_err(|error| tracing::warn!(%error, "cannot measure the disk of the key store"))
            .ok()
    }

    /// A disk that cannot be measured is treated as a full one; memory is not a disk.
    pub(super) fn judge(&self, disk: Option<Disk>) -> Admission {
        match (disk, &self.dir) {
            (Some(disk), _) => self.watermarks.judge(disk),
            (None, Some(_)) => Admission::NoSends,
            (None, None) => Admission::Ok,
        }
    }

    /// Waits for the committer's end and lets go of the files.
    pub(super) fn release(&self) {
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

/// A number no tree has. 64 random bits, so a number is never used twice in the life of a store.
fn new_tree(registry: &Registry) -> TreeId {
    loop {
        let tree = TreeId(rand::random::<u64>() >> 1);
        if tree.0 != 0 && !registry.live.values().any(|slot| slot.tree == tree) {
            return tree;
        }
    }
}
