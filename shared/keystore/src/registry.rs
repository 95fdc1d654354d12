//! What the running store knows of its trees, in memory.
//!
//! Owns the map from namespace to tree and each tree's progress. Must not do I/O.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{OnceCell, watch};

use crate::catalog::Record;
use crate::engine::TreeId;
use crate::error::Error;
use crate::ledger::{Ledger, TreeRef};
use crate::namespace::Namespace;
use crate::seal::DataKey;
use crate::store::Epoch;

/// One tree.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) ns: Namespace,
    pub(crate) tree: TreeId,
    pub(crate) key: DataKey,
    progress: Mutex<Progress>,
    /// Set when the tree was dropped or replaced; whoever still holds the slot must let go.
    retired: AtomicBool,
    /// Set once the tree was compared with its ledger in this run.
    pub(crate) checked: OnceCell<()>,
}

/// What changes about a tree. Only the committer writes it, but for the first check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// `None` until the tree was checked.
    pub(crate) ledger: Option<Ledger>,
    /// Whether the catalog has a record of it.
    pub(crate) recorded: bool,
    /// Whether that record says that the first batch was applied.
    pub(crate) settled: bool,
}

impl Slot {
    /// A tree that does not exist yet.
    pub(crate) fn fresh(ns: Namespace, tree: TreeId, key: DataKey) -> Self {
        let progress = Progress {
            ledger: Some(Ledger::default()),
            recorded: false,
            settled: false,
        };
        Self::with(ns, tree, key, progress, OnceCell::new_with(Some(())))
    }

    /// A tree found in the catalog.
    pub(crate) fn found(ns: Namespace, tree: TreeId, key: DataKey, settled: bool) -> Self {
        let progress = Progress {
            ledger: None,
            recorded: true,
            settled,
        };
        Self::with(ns, tree, key, progress, OnceCell::new())
    }

    fn with(
        ns: Namespace,
        tree: TreeId,
        key: DataKey,
        progress: Progress,
        checked: OnceCell<()>,
    ) -> Self {
        let progress = Mutex::new(progress);
        Self {
            ns,
            tree,
            key,
            progress,
            retired: AtomicBool::new(false),
            checked,
        }
    }

    pub(crate) fn tree_ref(&self) -> TreeRef<'_> {
        TreeRef {
            id: self.tree,
            name: self.ns.as_str(),
            key: &self.key,
        }
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    /// # Errors
    /// [`Error::Retired`] when the tree is gone.
    pub(crate) fn alive(&self) -> Result<(), Error> {
        if self.retired.load(Ordering::SeqCst) {
            return Err(Error::Retired(self.ns.to_string()));
        }
        Ok(())
    }
}

/// A tree that is imported.
#[derive(Debug, Clone)]
pub(crate) struct Staging {
    pub(crate) slot: Arc<Slot>,
    pub(crate) epoch: Epoch,
    pub(crate) complete: bool,
}

/// All trees.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) live: HashMap<Namespace, Arc<Slot>>,
    pub(crate) staging: HashMap<Namespace, Staging>,
    pub(crate) tombstones: HashMap<Namespace, Epoch>,
}

impl Registry {
    /// Takes the catalog's records; gives the trees that must go.
    pub(crate) fn load(records: Vec<Record>) -> (Self, Vec<TreeId>) {
        let (mut registry, mut graves) = (Self::default(), Vec::new());
        for record in records {
            match record {
                Record::Live {
                    ns,
                    tree,
                    key,
                    settled,
                } => {
                    let slot = Arc::new(Slot::found(ns.clone(), tree, key, settled));
                    registry.live.insert(ns, slot);
                }
                Record::Staging {
                    ns,
                    tree,
                    key,
                    epoch,
                    complete,
                } => {
                    let slot = Arc::new(Slot::found(ns.clone(), tree, key, complete));
                    registry.staging.insert(
                        ns,
                        Staging {
                            slot,
                            epoch,
                            complete,
                        },
                    );
                }
                Record::Grave { tree } => graves.push(tree),
                Record::Tombstone { ns, epoch } => {
                    registry.tombstones.insert(ns, epoch);
                }
            }
        }
        (registry, graves)
    }

    /// A live tree that the catalog knows.
    pub(crate) fn recorded(&self, ns: &Namespace) -> Option<Arc<Slot>> {
        self.live
            .get(ns)
            .filter(|slot| slot.progress().recorded)
            .cloned()
    }
}

/// What the callers and the committer share.
#[derive(Debug)]
pub(crate) struct State {
    registry: RwLock<Registry>,
    poison: watch::Sender<Option<String>>,
    pub(crate) orphans: usize,
    pub(crate) groups: AtomicU64,
    pub(crate) batches: AtomicU64,
}

impl State {
    pub(crate) fn new(registry: Registry, orphans: usize) -> Self {
        Self {
            registry: RwLock::new(registry),
            poison: watch::Sender::new(None),
            orphans,
            groups: AtomicU64::new(0),
            batches: AtomicU64::new(0),
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the store for good. The first reason stays.
    pub(crate) fn poison(&self, why: &str) {
        self.poison.send_if_modified(|reason| {
            let first = reason.is_none();
            if first {
                *reason = Some(why.to_owned());
            }
            first
        });
    }

    pub(crate) fn poisoned(&self) -> Option<String> {
        self.poison.borrow().clone()
    }

    pub(crate) fn watch_poison(&self) -> watch::Receiver<Option<String>> {
        self.poison.subscribe()
    }

    /// # Errors
    /// [`Error::Poisoned`] once a write or sync has failed.
    pub(crate) fn healthy(&self) -> Result<(), Error> {
        match self.poisoned() {
            Some(why) => Err(Error::Poisoned(why)),
            None => Ok(()),
        }
    }
}
