//! sled 0.34.7 under its guard rails: R-1 (own flushing, bounded cache), R-2 (its `flush` does not
//! reach the disk on Linux, so `fdatasync` on an own handle follows), R-4 (no unfinished snapshot).
//!
//! Owns sled's directory. Must not know what the trees mean.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use self::group::SledGroup;
use super::{
    Applied, Engine, GroupWork, OpenFailure, ReadWork, TreeId, View, Visit, without_panic,
};
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::layout::{RawRange, is_empty_range};

mod group;

const TREE_PREFIX: &[u8] = b"tree-";
/// A handle dropped a moment ago keeps sled's lock until its threads let go of the file. Whoever
/// calls holds the store's own lock, so waiting is enough.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(10);
const LOCK_WAIT_STEP: Duration = Duration::from_millis(5);

#[derive(Debug)]
struct SledTree {
    tree: sled::Tree,
    /// Held for writing while a batch is applied, so that a read of several keys sees all of a
    /// batch or none.
    gate: RwLock<()>,
}

/// The engine.
pub(crate) struct SledEngine {
    db: sled::Db,
    /// Own handle of sled's log, only for `fdatasync`.
    log: File,
    trees: RwLock<HashMap<TreeId, Arc<SledTree>>>,
}

impl std::fmt::Debug for SledEngine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SledEngine(..)")
    }
}

impl SledEngine {
    /// Opens or creates the database in `dir`. The caller syncs the files of a new one.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, OpenFailure> {
        remove_unfinished_snapshots(dir)
            .map_err(|error| OpenFailure::Machine(error.to_string()))?;
        let waiting = Stopwatch::start();
        let db = loop {
            match open_once(dir, cache_bytes) {
                Err(error) if is_locked(&error) && waiting.elapsed() < LOCK_WAIT_MAX => {
                    thread::park_timeout(LOCK_WAIT_STEP);
                }
                Err(error) => return Err(failure(&error)),
                Ok(db) => break db,
            }
        };
        // sled renames its new snapshot without syncing the directory, and relies on it from now on.
        let named = File::open(dir).and_then(|dir| dir.sync_all());
        named.map_err(|error| OpenFailure::Machine(error.to_string()))?;
        let log = File::open(dir.join("db")).map_err(|error| OpenFailure::of_io(&error))?;
        let mut trees = HashMap::new();
        for name in db.tree_names() {
            if let Some(id) = tree_of(&name) {
                let tree = db.open_tree(&name).map_err(|error| failure(&error))?;
                trees.insert(
                    id,
                    Arc::new(SledTree {
                        tree,
                        gate: RwLock::new(()),
                    }),
                );
            }
        }
        Ok(Self {
            db,
            log,
            trees: RwLock::new(trees),
        })
    }

    fn tree(&self, id: TreeId) -> Option<Arc<SledTree>> {
        self.trees
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    fn tree_or_new(&self, id: TreeId) -> Result<Arc<SledTree>, Error> {
        if let Some(tree) = self.tree(id) {
            return Ok(tree);
        }
        let tree = self
            .db
            .open_tree(name_of(id))
            .map_err(|error| engine("open a tree", &error))?;
        let tree = Arc::new(SledTree {
            tree,
            gate: RwLock::new(()),
        });
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(trees.entry(id).or_insert(tree)))
    }
}

impl Engine for SledEngine {
    fn name(&self) -> &'static str {
        "sled"
    }

    fn group(&self, work: GroupWork<'_>) -> Result<Applied, Error> {
        guarded("commit", || {
            let mut group = SledGroup::new(self);
            work(&mut group)?;
            Ok(if group.finish()? {
                Applied::Unsynced
            } else {
                Applied::Durable(Duration::ZERO)
            })
        })
    }

    fn sync(&self) -> Result<Duration, Error> {
        guarded("sync", || {
            let watch = Stopwatch::start();
            self.db.flush().map_err(|error| engine("flush", &error))?;
            self.log.sync_data().map_err(|error| Error::Engine {
                action: "fdatasync",
                cause: error.to_string(),
            })?;
            Ok(watch.elapsed())
        })
    }

    fn read(&self, tree: TreeId, work: ReadWork<'_>) -> Result<(), Error> {
        guarded("read", || {
            let handle = self.tree(tree);
            let _gate = handle
                .as_ref()
                .map(|handle| handle.gate.read().unwrap_or_else(PoisonError::into_inner));
            work(&SledView { engine: self })
        })
    }

    fn drop_tree(&self, tree: TreeId) -> Result<(), Error> {
        guarded("drop a tree", || {
            let handle = self
                .trees
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&tree);
            let _gate = handle
                .as_ref()
                .map(|handle| handle.gate.write().unwrap_or_else(PoisonError::into_inner));
            if self
                .db
                .drop_tree(name_of(tree))
                .map_err(|error| engine("drop a tree", &error))?
            {
                self.sync()?;
            }
            Ok(())
        })
    }

    fn trees(&self) -> Result<Vec<TreeId>, Error> {
        Ok(self
            .db
            .tree_names()
            .iter()
            .filter_map(|name| tree_of(name))
            .collect())
    }

    fn file_bytes(&self) -> u64 {
        self.log.metadata().map(|data| data.len()).unwrap_or(0)
    }
}

struct SledView<'a> {
    engine: &'a SledEngine,
}

impl View for SledView<'_> {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        get(self.engine, tree, key)
    }

    fn range(
        &self,
        tree: TreeId,
        range: &RawRange,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        walk(self.engine, tree, range, reverse, visit)
    }
}

fn get(store: &SledEngine, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let Some(handle) = store.tree(tree) else {
        return Ok(None);
    };
    let found = handle
        .tree
        .get(key)
        .map_err(|error| engine("get", &error))?;
    Ok(found.map(|value| value.to_vec()))
}

fn walk(
    store: &SledEngine,
    tree: TreeId,
    range: &RawRange,
    reverse: bool,
    visit: Visit<'_>,
) -> Result<(), Error> {
    let Some(handle) = store.tree(tree) else {
        return Ok(());
    };
    if is_empty_range(range) {
        return Ok(());
    }
    let mut iter = handle
        .tree
        .range::<Vec<u8>, (Bound<Vec<u8>>, Bound<Vec<u8>>)>(range.clone());
    while let Some(entry) = if reverse {
        iter.next_back()
    } else {
        iter.next()
    } {
        let (key, value) = entry.map_err(|error| engine("scan", &error))?;
        if visit(&key, &value)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn open_once(dir: &Path, cache_bytes: u64) -> Result<sled::Db, sled::Error> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(cache_bytes)
        .flush_every_ms(None)
        .mode(sled::Mode::HighThroughput);
    without_panic(|| config.open()).unwrap_or_else(|panic| Err(sled::Error::ReportableBug(panic)))
}

/// sled 0.34.7 gives its failed lock no kind of its own.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(cause) if cause.to_string().contains("could not acquire lock"))
}

fn failure(error: &sled::Error) -> OpenFailure {
    match error {
        sled::Error::Io(cause) => OpenFailure::of_io(cause),
        sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. } => OpenFailure::Broken(error.to_string()),
    }
}

/// Snapshot files that were never finished: they prevent opening and mean nothing.
fn remove_unfinished_snapshots(dir: &Path) -> io::Result<()> {
    snapshots(dir)?
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "generating"))
        .try_for_each(fs::remove_file)
}

/// Removes the finished snapshots too; says whether there were any.
///
/// Only ever a last resort, on files that a copy was made of. A snapshot is *not* a mere
/// accelerator: when it opens, sled zeroes every segment without live pages, also the one before
/// the active one, and after that a recovery from the log alone takes the log for torn at its
/// start and gives an empty database, even after a clean close.
pub(crate) fn remove_snapshots(dir: &Path) -> io::Result<bool> {
    let found = snapshots(dir)?;
    found.iter().try_for_each(fs::remove_file)?;
    Ok(!found.is_empty())
}

fn snapshots(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn name_of(tree: TreeId) -> Vec<u8> {
    let mut name = TREE_PREFIX.to_vec();
    name.extend_from_slice(&tree.0.to_be_bytes());
    name
}

fn tree_of(name: &[u8]) -> Option<TreeId> {
    let id: [u8; 8] = name.strip_prefix(TREE_PREFIX)?.try_into().ok()?;
    Some(TreeId(u64::from_be_bytes(id)))
}

fn engine(action: &'static str, error: &sled::Error) -> Error {
    Error::Engine {
        action,
        cause: error.to_string(),
    }
}

/// sled panics on some damaged pages.
fn guarded<T>(action: &'static str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    without_panic(work).unwrap_or_else(|cause| Err(Error::Engine { action, cause }))
}
