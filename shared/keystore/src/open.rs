//! Opening a store: lock, creation that a crash cannot spoil (R-3), damage that moves aside and
//! never away (R-4), the check of the master key, and what an earlier run left unfinished.
//!
//! ```text
//! <dir>/lock                     one process at a time
//! <dir>/sled/ or <dir>/redb/     the engine's files
//! <dir>/sled.witness             how far the store has come, see `witness`
//! <dir>/sled.new/                a creation that was cut off; removed, it never served
//! <dir>/sled.aside-<unix ms>/    damaged, kept for the operator
//! ```
//! Owns the directory. Must not know what comes after.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use crate::catalog::{Catalog, Edit, LoadError, Record};
use crate::committer::Committer;
use crate::engine::redb::RedbEngine;
use crate::engine::sled::SledEngine;
use crate::engine::{CATALOG, Engine, OpenFailure, TreeId};
use crate::registry::{Registry, State};
use crate::running::{Inner, QUEUE_KIB_MAX, QUEUE_REQUESTS_MAX, Running};
use crate::store::KeyStore;
use crate::witness::Witness;

mod aside;
mod config;

use aside::{sync_all, sync_dir};
pub use config::{Config, EngineKind, Error, MovedAside, OnBroken, Opened};

/// Tries to lock the directory. A process that was killed a moment ago, or one that is just being started and still
/// carries the files of its parent, keeps the lock a little longer than it seems.
const LOCK_TRIES_MAX: u32 = 40;
/// Pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Opens or creates a store.
///
/// # Errors
/// See [`Error`]. Nothing is ever deleted but snapshot files of sled (R-4), creations cut off
/// before they served, and trees whose removal an earlier run had already recorded.
pub async fn open(config: Config) -> Result<Opened, Error> {
    let dir = config.dir.clone();
    tokio::task::spawn_blocking(move || open_blocking(config))
        .await
        .unwrap_or_else(|error| {
            Err(Error::Machine {
                action: "finish opening",
                dir,
                cause: error.to_string(),
            })
        })
}

/// [`open`] for callers outside a runtime. Takes seconds on a large sled store.
///
/// # Errors
/// As [`open`].
#[expect(
    clippy::needless_pass_by_value,
    reason = "the master key goes with it, so no copy stays"
)]
pub fn open_blocking(config: Config) -> Result<Opened, Error> {
    if config.master.is_blank() {
        return Err(Error::BlankMasterKey);
    }
    let Some(name) = config.engine.directory() else {
        return open_memory(&config);
    };
    let machine = |action| {
        let dir = config.dir.clone();
        move |error: io::Error| Error::Machine {
            action,
            dir,
            cause: error.to_string(),
        }
    };
    fs::create_dir_all(&config.dir).map_err(machine("create the directory"))?;
    let lock = lock(&config.dir)?;
    refuse_other_engine(&config)?;
    let live = config.dir.join(name);
    let found = if live.exists() {
        find(&config, &live)?
    } else {
        // A start that was cut off between moving aside and creating must not look like a first one.
        Found::Nothing(aside::list(&live).pop().map(|path| MovedAside {
            path,
            cause: "moved aside by an earlier start".to_owned(),
        }))
    };
    let (loaded, created, moved_aside, mended) = match found {
        Found::Whole(loaded) => (loaded, false, None, None),
        Found::Mended(loaded, original) => (loaded, false, None, Some(original)),
        Found::Nothing(moved_aside) => {
            create(&config, &live)?;
            let loaded = load(&config, &live).map_err(|failure| failure.into_error(&config))?;
            (loaded, true, moved_aside, None)
        }
    };
    let aside = aside::list(&live);
    let store = start(loaded, &config, Some(lock))?;
    Ok(Opened {
        store,
        created,
        moved_aside,
        mended,
        aside,
    })
}

fn open_memory(config: &Config) -> Result<Opened, Error> {
    let machine = |cause| Error::Machine {
        action: "open",
        dir: PathBuf::new(),
        cause,
    };
    let engine = RedbEngine::in_memory(config.cache_bytes)
        .map_err(|failure| machine(failure.to_string()))?;
    let mut catalog = Catalog::new(&config.master);
    engine
        .durably(&mut |group| catalog.birth(group))
        .map_err(|error| machine(error.to_string()))?;
    let loaded = Loaded {
        engine: Arc::new(engine),
        catalog,
        records: Vec::new(),
    };
    let store = start(loaded, config, None)?;
    Ok(Opened {
        store,
        created: true,
        moved_aside: None,
        mended: None,
        aside: Vec::new(),
    })
}

struct Loaded {
    engine: Arc<dyn Engine>,
    catalog: Catalog,
    records: Vec<Record>,
}

enum LoadFailure {
    Broken(String),
    Fatal(Error),
}

impl LoadFailure {
    fn into_error(self, config: &Config) -> Error {
        match self {
            Self::Fatal(error) => error,
            Self::Broken(cause) => Error::Broken {
                dir: config.dir.clone(),
                cause,
            },
        }
    }
}

/// What was in the place of the store.
enum Found {
    Whole(Loaded),
    /// Opened, but only as a copy without its snapshot.
    Mended(Loaded, MovedAside),
    /// Nothing, or nothing any more.
    Nothing(Option<MovedAside>),
}

/// Opens what is there. Damaged files end up aside (R-4); sled's may still open as a copy without
/// their snapshot, and catalog and witness tell whether that is the whole store.
fn find(config: &Config, live: &Path) -> Result<Found, Error> {
    let machine = |action| {
        let dir = config.dir.clone();
        move |error: io::Error| Error::Machine {
            action,
            dir,
            cause: error.to_string(),
        }
    };
    let cause = match load(config, live) {
        Ok(loaded) => return Ok(Found::Whole(loaded)),
        Err(LoadFailure::Broken(cause)) if config.on_broken == OnBroken::MoveAside => cause,
        Err(failure) => return Err(failure.into_error(config)),
    };
    // A full disk must be noticed before anything is moved.
    let copied = aside::copy_without_snapshots(config.engine, live, &beside(live, ".new"))
        .map_err(machine("copy damaged files"))?;
    let witness = fs::read(Witness::path(live)).ok();
    let path = aside::move_aside(live).map_err(machine("move damaged files aside"))?;
    tracing::error!(?path, cause, "key store is damaged and was moved aside");
    let moved = MovedAside { path, cause };
    if !copied {
        return Ok(Found::Nothing(Some(moved)));
    }
    fs::rename(beside(live, ".new"), live)
        .and_then(|()| witness.map_or(Ok(()), |text| fs::write(Witness::path(live), text)))
        .and_then(|()| sync_dir(&config.dir))
        .map_err(machine("put the copy in place"))?;
    match load(config, live) {
        Ok(loaded) => Ok(Found::Mended(loaded, moved)),
        Err(LoadFailure::Fatal(error)) => Err(error),
        Err(LoadFailure::Broken(again)) => {
            tracing::error!(again, "key store is damaged beyond its snapshot");
            // The copy has never served; the original is aside.
            fs::remove_dir_all(live).map_err(machine("remove the useless copy"))?;
            Ok(Found::Nothing(Some(moved)))
        }
    }
}

/// `live` with something appended to its name.
fn beside(live: &Path, end: &str) -> PathBuf {
    let mut path = live.as_os_str().to_owned();
    path.push(end);
    PathBuf::from(path)
}

fn engine(config: &Config, dir: &Path) -> Result<Arc<dyn Engine>, OpenFailure> {
    Ok(match config.engine {
        EngineKind::Sled => Arc::new(SledEngine::open(dir, config.cache_bytes)?),
        EngineKind::Redb => Arc::new(RedbEngine::open(dir, config.cache_bytes)?),
        EngineKind::Memory => Arc::new(RedbEngine::in_memory(config.cache_bytes)?),
    })
}

fn load(config: &Config, dir: &Path) -> Result<Loaded, LoadFailure> {
    let engine = engine(config, dir).map_err(|failure| match failure {
        OpenFailure::Broken(cause) => LoadFailure::Broken(cause),
        OpenFailure::Machine(cause) => LoadFailure::Fatal(Error::Machine {
            action: "open the engine",
            dir: config.dir.clone(),
            cause,
        }),
    })?;
    let mut loaded = None;
    let read = engine.read(CATALOG, &mut |view| {
        loaded = Some(Catalog::load(view, &config.master));
        Ok(())
    });
    match (read, loaded) {
        (Ok(()), Some(Ok((catalog, records)))) => {
            let (found, noted) = (catalog.group(), testified(&catalog, dir));
            if found < noted {
                return Err(LoadFailure::Broken(format!(
                    "store fell back from group {noted}, noted in its witness, to group {found}"
                )));
            }
            Ok(Loaded {
                engine,
                catalog,
                records,
            })
        }
        (Ok(()), Some(Err(LoadError::WrongKey))) => {
            Err(LoadFailure::Fatal(Error::WrongMasterKey {
                dir: config.dir.clone(),
            }))
        }
        (Ok(()), Some(Err(damaged @ LoadError::Damaged(_)))) => {
            Err(LoadFailure::Broken(damaged.to_string()))
        }
        (Err(error), _) => Err(LoadFailure::Broken(error.to_string())),
        (Ok(()), None) => Err(LoadFailure::Broken("catalog was not read".to_owned())),
    }
}

/// The group that the witness of `live` speaks of; 0 when there is none of this store.
fn testified(catalog: &Catalog, live: &Path) -> u64 {
    match fs::read(Witness::path(live)) {
        Ok(testimony) => catalog.testified(&testimony).unwrap_or(0),
        Err(_) => 0,
    }
}

/// Makes the store beside its place, syncs everything, and renames it: a crash leaves nothing or
/// a whole store (R-3).
fn create(config: &Config, live: &Path) -> Result<(), Error> {
    let machine = |action, cause: String| Error::Machine {
        action,
        dir: config.dir.clone(),
        cause,
    };
    let fresh = beside(live, ".new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)
            .map_err(|error| machine("remove an unfinished creation", error.to_string()))?;
    }
    let engine = engine(config, &fresh)
        .map_err(|failure| machine("create the engine", failure.to_string()))?;
    let mut catalog = Catalog::new(&config.master);
    engine
        .durably(&mut |group| catalog.birth(group))
        .map_err(|error| machine("write the catalog", error.to_string()))?;
    drop(engine);
    sync_all(&fresh)
        .and_then(|()| fs::rename(&fresh, live))
        .and_then(|()| sync_dir(&config.dir))
        .and_then(|()| config.dir.parent().map_or(Ok(()), sync_dir))
        .map_err(|error| machine("sync the new files", error.to_string()))
}

/// Starts the committer, after finishing what an earlier run had begun.
fn start(
    mut loaded: Loaded,
    config: &Config,
    lock: Option<File>,
) -> Result<Arc<dyn KeyStore>, Error> {
    let machine = |action, cause: String| Error::Machine {
        action,
        dir: config.dir.clone(),
        cause,
    };
    let records = std::mem::take(&mut loaded.records);
    let (mut registry, mut graves) = Registry::load(records);
    let mut edits = Vec::new();
    registry.staging.retain(|ns, staging| {
        if !staging.complete {
            edits.push(Edit::RemoveStaging(ns.clone()));
            edits.push(Edit::Put(Record::Grave {
                tree: staging.slot.tree,
            }));
            graves.push(staging.slot.tree);
        }
        staging.complete
    });
    let finish = |error: crate::error::Error| machine("finish earlier work", error.to_string());
    tidy(&mut loaded, edits, &graves).map_err(finish)?;
    let orphans = count_orphans(&loaded, &registry).map_err(finish)?;
    if orphans > 0 {
        tracing::error!(orphans, dir = ?config.dir, "key store holds trees that no record names");
    }
    let state = Arc::new(State::new(registry, orphans));
    let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
    let engine = loaded.engine;
    let engine_name = engine.name();
    let live = config.engine.directory().map(|name| config.dir.join(name));
    let witness = live
        .map(|live| Witness::open(&Witness::path(&live)))
        .transpose()
        .map_err(|error| machine("open the witness", error.to_string()))?;
    let id = loaded.catalog.store_id();
    let committer = Committer::new(
        Arc::clone(&engine),
        Arc::clone(&state),
        loaded.catalog,
        requests,
        witness,
    );
    let lock = lock.map(Arc::new);
    let held = lock.clone();
    let thread = thread::Builder::new()
        .name("keystore-commit".to_owned())
        .spawn(move || {
            // Without a close the files belong to this thread until it ends.
            let _held = held;
            committer.run();
        });
    let thread = thread.map_err(|error| machine("start the committer", error.to_string()))?;
    Ok(Arc::new(Running(Arc::new(Inner {
        state,
        engine: RwLock::new(Some(engine)),
        engine_name,
        id,
        queue,
        room: Arc::new(Semaphore::new(QUEUE_KIB_MAX)),
        closed: AtomicBool::new(false),
        thread: Mutex::new(Some(thread)),
        lock: Mutex::new(lock),
        dir: config.engine.directory().map(|_name| config.dir.clone()),
        watermarks: config.watermarks,
    }))))
}

/// Removes buried trees and unfinished imports.
fn tidy(
    loaded: &mut Loaded,
    edits: Vec<Edit>,
    graves: &[TreeId],
) -> Result<(), crate::error::Error> {
    if graves.is_empty() {
        return Ok(());
    }
    let (engine, catalog) = (&loaded.engine, &mut loaded.catalog);
    let mut edits = Some(edits);
    engine.durably(&mut |group| catalog.edit(group, edits.take().unwrap_or_default()))?;
    graves.iter().try_for_each(|tree| engine.drop_tree(*tree))?;
    let removed: Vec<Edit> = graves.iter().map(|tree| Edit::RemoveGrave(*tree)).collect();
    let mut removed = Some(removed);
    engine.durably(&mut |group| catalog.edit(group, removed.take().unwrap_or_default()))?;
    Ok(())
}

fn count_orphans(loaded: &Loaded, registry: &Registry) -> Result<usize, crate::error::Error> {
    let named: HashSet<TreeId> = registry
        .live
        .values()
        .map(|slot| slot.tree)
        .chain(registry.staging.values().map(|staging| staging.slot.tree))
        .chain([CATALOG])
        .collect();
    Ok(loaded
        .engine
        .trees()?
        .iter()
        .filter(|tree| !named.contains(tree))
        .count())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lock has no event, and this thread is for blocking"
)]
fn lock(dir: &Path) -> Result<File, Error> {
    let machine = |error: io::Error| Error::Machine {
        action: "lock",
        dir: dir.to_owned(),
        cause: error.to_string(),
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("lock"))
        .map_err(machine)?;
    for _ in 0..LOCK_TRIES_MAX {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(machine(error)),
        }
    }
    Err(Error::Busy {
        dir: dir.to_owned(),
    })
}

fn refuse_other_engine(config: &Config) -> Result<(), Error> {
    for other in [EngineKind::Sled, EngineKind::Redb] {
        if let Some(found) = other.directory()
            && other != config.engine
            && config.dir.join(found).exists()
        {
            return Err(Error::OtherEngine {
                dir: config.dir.clone(),
                found,
            });
        }
    }
    Ok(())
}
