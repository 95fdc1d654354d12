//! An old copy of a store's folder, opened for lossy restores without being changed.
//!
//! Owns the copy that is really opened: opening a store writes to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use switchboard_keystore::{Config, EngineKind, KeyStore, MasterKey, OnBroken, OpenError, open};

use crate::core::hex;
use crate::seal::random;

/// Deepest nesting of folders in a store's; the engines have one level.
const DEPTH_MAX: usize = 4;
/// The engine's cache. The store is read once.
const CACHE_BYTES: u64 = 32 << 20;

/// Why an old folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It holds neither engine's files.
    #[error("{0:?} is not a folder of a key store: it has neither a sled nor a redb folder in it")]
    NotAStore(PathBuf),
    /// It cannot be copied.
    #[error("copy {from:?} to {to:?}")]
    Copy {
        /// The folder.
        from: PathBuf,
        /// Where a copy was to be made.
        to: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The copy does not open.
    #[error("open a copy of {folder:?}")]
    Open {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// The runtime is ending.
    #[error("copy {0:?}: the work was cancelled")]
    Cancelled(PathBuf),
}

/// An old folder, opened. Close the store, then remove the copy.
#[derive(Debug)]
pub struct OldFolder {
    /// Its store.
    pub store: Arc<dyn KeyStore>,
    copy: PathBuf,
}

impl OldFolder {
    /// Closes the store and removes the copy.
    ///
    /// # Errors
    /// When the copy cannot be removed.
    pub async fn close(self) -> io::Result<()> {
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "an old store did not close");
        }
        drop(self.store);
        let copy = self.copy;
        tokio::task::spawn_blocking(move || fs::remove_dir_all(copy))
            .await
            .map_err(io::Error::other)?
    }
}

/// Opens an old copy of a store's folder for [`crate::LossySource::Folder`]. The folder itself is only read: what is opened
/// is a copy of it in a new folder below `scratch`, which [`OldFolder::close`] removes.
///
/// # Errors
/// See [`FolderError`].
pub async fn open_folder(
    folder: &Path,
    scratch: &Path,
    master: MasterKey,
) -> Result<OldFolder, FolderError> {
    let engines = [("sled", EngineKind::Sled), ("redb", EngineKind::Redb)];
    let found = engines
        .into_iter()
        .find(|(name, _)| folder.join(name).is_dir());
    let (_, engine) = found.ok_or_else(|| FolderError::NotAStore(folder.to_owned()))?;
    let copy = scratch.join(format!("old-store-{}", hex(&random::<8>())));
    let (from, to) = (folder.to_owned(), copy.clone());
    tokio::task::spawn_blocking(move || {
        copy_tree(&from, &to, 0).map_err(|source| FolderError::Copy { from, to, source })
    })
    .await
    .map_err(|_cancelled| FolderError::Cancelled(folder.to_owned()))??;
    let config = Config {
        cache_bytes: CACHE_BYTES,
        on_broken: OnBroken::Refuse,
        ..Config::new(&copy, engine, master)
    };
    match open(config).await {
        Ok(opened) => Ok(OldFolder {
            store: opened.store,
            copy,
        }),
        Err(source) => {
            let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(copy)).await;
            drop(removed);
            Err(FolderError::Open {
                folder: folder.to_owned(),
                source,
            })
        }
    }
}

/// Copies files and folders; anything else is left out.
fn copy_tree(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("the folders are nested too deep"));
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_tree(&entry.path(), &to, depth + 1)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
