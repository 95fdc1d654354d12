//! What the store needs of an engine: ordered trees of bytes, atomic batches, one durable point.
//!
//! Owns the seam between the store and its engines. Engines see raw keys and sealed values only;
//! they must not know namespaces, epochs, sealing or large values.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::error::Error;
use crate::layout::RawRange;

pub(crate) mod redb;
pub(crate) mod sled;

/// Number of a tree. Names map to numbers in the catalog, so that a rename is one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TreeId(pub(crate) u64);

/// The tree that holds the catalog.
pub(crate) const CATALOG: TreeId = TreeId(0);

/// Net effect of one batch: value or removal per raw key.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
/// Called with each entry of a range; `Break` ends it.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error>;

/// Reads of one moment.
pub(crate) trait View {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;
    /// Entries in key order, or the reverse. A tree that does not exist is empty.
    fn range(
        &self,
        tree: TreeId,
        range: &RawRange,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), Error>;
}

/// A group of batches under way. Reads see the batches applied so far.
pub(crate) trait Group: View {
    /// Applies one batch atomically. Creates the tree when needed.
    fn apply(&mut self, tree: TreeId, changes: Changes) -> Result<(), Error>;
}

/// What runs inside [`Engine::group`].
pub(crate) type GroupWork<'a> = &'a mut dyn FnMut(&mut dyn Group) -> Result<(), Error>;
/// What runs inside [`Engine::read`].
pub(crate) type ReadWork<'a> = &'a mut dyn FnMut(&dyn View) -> Result<(), Error>;

/// What a group still needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Nothing: there was nothing to write, or the engine synced by itself, which took so long.
    Durable(Duration),
    /// An [`Engine::sync`].
    Unsynced,
}

/// An engine. Only the committer calls `group` and `drop_tree`.
pub(crate) trait Engine: fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;
    /// Runs `work`, which may apply batches. After an error nothing is known about what is stored.
    fn group(&self, work: GroupWork<'_>) -> Result<Applied, Error>;
    /// Makes everything durable that was applied before the call; gives the time it took. Another thread may apply meanwhile.
    fn sync(&self) -> Result<Duration, Error>;
    /// [`Engine::group`] and, where it is needed, [`Engine::sync`]; gives the time of the sync.
    fn durably(&self, work: GroupWork<'_>) -> Result<Duration, Error> {
        match self.group(work)? {
            Applied::Durable(took) => Ok(took),
            Applied::Unsynced => self.sync(),
        }
    }
    /// Runs `work` on one moment of `tree`.
    fn read(&self, tree: TreeId, work: ReadWork<'_>) -> Result<(), Error>;
    /// Removes a tree durably; nothing happens when there is none.
    fn drop_tree(&self, tree: TreeId) -> Result<(), Error>;
    fn trees(&self) -> Result<Vec<TreeId>, Error>;
    /// Size of the files in bytes; 0 when unknown.
    fn file_bytes(&self) -> u64;
}

/// Why an engine does not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFailure {
    /// Its files are damaged: moving them aside helps.
    #[error("files are damaged: {0}")]
    Broken(String),
    /// The machine says no (disk full, rights, lock): moving anything aside would be wrong.
    #[error("{0}")]
    Machine(String),
}

impl OpenFailure {
    /// Judges an I/O error met while opening: only the kinds that a damaged file causes count as
    /// damage.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        let damage = [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::InvalidData,
            io::ErrorKind::InvalidInput,
        ];
        if damage.contains(&error.kind()) {
            Self::Broken(error.to_string())
        } else {
            Self::Machine(error.to_string())
        }
    }
}

/// Runs engine code that may panic on damaged files, and turns the panic into words.
pub(crate) fn without_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_text(panic.as_ref()))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.as_deref().unwrap_or("unknown"))
}
