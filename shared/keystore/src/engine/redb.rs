//! redb 4.4: one file, one table, the tree's number in front of every key; and the same in memory
//! for tests that need no disk.
//!
//! Owns redb's file. Must not know what the trees mean.

use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageError,
    Table, TableDefinition, backends::InMemoryBackend,
};

use super::{
    Applied, Changes, Engine, Group, GroupWork, OpenFailure, ReadWork, TreeId, View, Visit,
    without_panic,
};
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::layout::{RawRange, is_empty_range};

/// The file inside the engine's directory.
pub(crate) const FILE: &str = "store.redb";

const DATA: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("data");

/// The engine.
pub(crate) struct RedbEngine {
    db: Database,
    /// `None` in memory.
    path: Option<PathBuf>,
}

impl std::fmt::Debug for RedbEngine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "RedbEngine({:?})", self.path)
    }
}

impl RedbEngine {
    /// Opens or creates the database in `dir`. The caller syncs the files of a new one.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, OpenFailure> {
        fs::create_dir_all(dir).map_err(|error| OpenFailure::of_io(&error))?;
        let path = dir.join(FILE);
        let cache = usize::try_from(cache_bytes).unwrap_or(usize::MAX);
        let db = without_panic(|| Builder::new().set_cache_size(cache).create(&path))
            .map_err(OpenFailure::Broken)?
            .map_err(|error| failure(&error))?;
        Self {
            db,
            path: Some(path),
        }
        .with_table()
    }

    /// A store that is gone with the process.
    pub(crate) fn in_memory(cache_bytes: u64) -> Result<Self, OpenFailure> {
        let cache = usize::try_from(cache_bytes).unwrap_or(usize::MAX);
        let db = Builder::new()
            .set_cache_size(cache)
            .create_with_backend(InMemoryBackend::new())
            .map_err(|error| failure(&error))?;
        Self { db, path: None }.with_table()
    }

    /// Makes sure that the table exists, so that reads need not care.
    fn with_table(self) -> Result<Self, OpenFailure> {
        let exists = without_panic(|| {
            self.db
                .begin_read()
                .map_err(|error| engine("read", error))
                .map(|reading| reading.open_table(DATA).is_ok())
        });
        let exists = exists.map_err(OpenFailure::Broken)?;
        if !exists.map_err(|error| OpenFailure::Broken(error.to_string()))? {
            self.write(|_table| Ok(()))
                .map_err(|error| OpenFailure::Broken(error.to_string()))?;
        }
        Ok(self)
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&mut Table<'_, &'static [u8], &'static [u8]>) -> Result<T, Error>,
    ) -> Result<(T, Duration), Error> {
        guarded("commit", || {
            let writing = self
                .db
                .begin_write()
                .map_err(|error| engine("begin a write", error))?;
            let out = {
                let mut table = writing
                    .open_table(DATA)
                    .map_err(|error| engine("open the table", error))?;
                work(&mut table)?
            };
            let watch = Stopwatch::start();
            // Durability::Immediate is redb's default: commit returns after its fdatasync.
            writing.commit().map_err(|error| engine("commit", error))?;
            Ok((out, watch.elapsed()))
        })
    }

    fn table(&self) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, Error> {
        let reading = self
            .db
            .begin_read()
            .map_err(|error| engine("begin a read", error))?;
        reading
            .open_table(DATA)
            .map_err(|error| engine("open the table", error))
    }
}

impl Engine for RedbEngine {
    fn name(&self) -> &'static str {
        if self.path.is_some() {
            "redb"
        } else {
            "memory"
        }
    }

    fn group(&self, work: GroupWork<'_>) -> Result<Applied, Error> {
        self.write(|table| work(&mut RedbGroup { table }))
            .map(|((), sync)| Applied::Durable(sync))
    }

    fn sync(&self) -> Result<Duration, Error> {
        Ok(Duration::ZERO)
    }

    fn read(&self, _tree: TreeId, work: ReadWork<'_>) -> Result<(), Error> {
        guarded("read", || {
            work(&RedbView {
                table: self.table()?,
            })
        })
    }

    fn drop_tree(&self, tree: TreeId) -> Result<(), Error> {
        self.write(|table| {
            let (from, to) = whole(tree);
            table
                .retain_in::<&[u8], _>(from.as_slice()..to.as_slice(), |_key, _value| false)
                .map_err(|error| engine("drop a tree", error))
        })
        .map(|((), _sync)| ())
    }

    fn trees(&self) -> Result<Vec<TreeId>, Error> {
        guarded("list the trees", || {
            let (table, mut found, mut from) = (self.table()?, Vec::new(), 0_u64);
            loop {
                let start = from.to_be_bytes();
                let mut rest = table
                    .range::<&[u8]>(start.as_slice()..)
                    .map_err(|error| engine("scan", error))?;
                let Some(entry) = rest.next() else {
                    return Ok(found);
                };
                let (key, _value) = entry.map_err(|error| engine("scan", error))?;
                let Some(id) = key.value().first_chunk::<8>() else {
                    return Ok(found);
                };
                let id = u64::from_be_bytes(*id);
                found.push(TreeId(id));
                let Some(next) = id.checked_add(1) else {
                    return Ok(found);
                };
                from = next;
            }
        })
    }

    fn file_bytes(&self) -> u64 {
        self.path
            .as_ref()
            .and_then(|path| fs::metadata(path).ok())
            .map_or(0, |data| data.len())
    }
}

struct RedbView {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

struct RedbGroup<'a, 'txn> {
    table: &'a mut Table<'txn, &'static [u8], &'static [u8]>,
}

impl View for RedbView {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        get(&self.table, tree, key)
    }

    fn range(
        &self,
        tree: TreeId,
        range: &RawRange,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        walk(&self.table, tree, range, reverse, visit)
    }
}

impl View for RedbGroup<'_, '_> {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        get(self.table, tree, key)
    }

    fn range(
        &self,
        tree: TreeId,
        range: &RawRange,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        walk(self.table, tree, range, reverse, visit)
    }
}

impl Group for RedbGroup<'_, '_> {
    fn apply(&mut self, tree: TreeId, changes: Changes) -> Result<(), Error> {
        for (key, value) in changes {
            let key = full_key(tree, &key);
            match value {
                Some(value) => self.table.insert(key.as_slice(), value.as_slice()),
                None => self.table.remove(key.as_slice()),
            }
            .map_err(|error| engine("apply a batch", error))?;
        }
        Ok(())
    }
}

fn get(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    tree: TreeId,
    key: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let found = table
        .get(full_key(tree, key).as_slice())
        .map_err(|error| engine("get", error))?;
    Ok(found.map(|value| value.value().to_vec()))
}

fn walk(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    tree: TreeId,
    range: &RawRange,
    reverse: bool,
    visit: Visit<'_>,
) -> Result<(), Error> {
    if is_empty_range(range) {
        return Ok(());
    }
    let (first, end) = whole(tree);
    let place = |bound: &Bound<Vec<u8>>, open: Bound<Vec<u8>>| match bound {
        Bound::Included(key) => Bound::Included(full_key(tree, key)),
        Bound::Excluded(key) => Bound::Excluded(full_key(tree, key)),
        Bound::Unbounded => open,
    };
    let from = place(&range.0, Bound::Included(first));
    let to = place(&range.1, Bound::Excluded(end));
    let mut iter = table
        .range::<&[u8]>((
            from.as_ref().map(Vec::as_slice),
            to.as_ref().map(Vec::as_slice),
        ))
        .map_err(|error| engine("scan", error))?;
    while let Some(entry) = if reverse {
        iter.next_back()
    } else {
        iter.next()
    } {
        let (key, value) = entry.map_err(|error| engine("scan", error))?;
        let raw = key.value().get(8..).unwrap_or_default();
        if visit(raw, value.value())?.is_break() {
            break;
        }
    }
    Ok(())
}

fn full_key(tree: TreeId, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(8 + key.len());
    full.extend_from_slice(&tree.0.to_be_bytes());
    full.extend_from_slice(key);
    full
}

/// First key of a tree and first key after it.
fn whole(tree: TreeId) -> (Vec<u8>, Vec<u8>) {
    (
        full_key(tree, &[]),
        full_key(TreeId(tree.0.saturating_add(1)), &[]),
    )
}

fn failure(error: &DatabaseError) -> OpenFailure {
    let broken = matches!(
        error,
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::RepairAborted
    );
    if let DatabaseError::Storage(StorageError::Io(cause)) = error {
        OpenFailure::of_io(cause)
    } else if broken {
        OpenFailure::Broken(error.to_string())
    } else {
        OpenFailure::Machine(error.to_string())
    }
}

fn engine(action: &'static str, error: impl std::fmt::Display) -> Error {
    Error::Engine {
        action,
        cause: error.to_string(),
    }
}

fn guarded<T>(action: &'static str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    without_panic(work).unwrap_or_else(|cause| Err(Error::Engine { action, cause }))
}
