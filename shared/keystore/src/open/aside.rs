//! Damaged directories: where they go, and the copy that may still open.
//!
//! Owns renaming, copying and syncing of whole directories. Must not judge what is in them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{EngineKind, beside};
use crate::clock;
use crate::engine::sled;
use crate::witness::Witness;

/// Renames `live` and its witness to a name with the time, durably.
pub(super) fn move_aside(live: &Path) -> io::Result<PathBuf> {
    let path = beside(live, &format!(".aside-{}", clock::unix_ms()));
    fs::rename(live, &path)?;
    if Witness::path(live).exists() {
        fs::rename(Witness::path(live), Witness::path(&path))?;
    }
    live.parent().map_or(Ok(()), sync_dir)?;
    Ok(path)
}

/// Directories that were moved aside and not removed since, oldest first.
pub(super) fn list(live: &Path) -> Vec<PathBuf> {
    let Some(name) = live.file_name() else {
        return Vec::new();
    };
    let prefix = format!("{}.aside-", name.to_string_lossy());
    let entries = live.parent().and_then(|parent| fs::read_dir(parent).ok());
    let mut found: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// Copies a sled directory and leaves its snapshots out; false when that would change nothing.
pub(super) fn copy_without_snapshots(
    engine: EngineKind,
    from: &Path,
    to: &Path,
) -> io::Result<bool> {
    if engine != EngineKind::Sled {
        return Ok(false);
    }
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    copy(from, to)?;
    if sled::remove_snapshots(to)? {
        sync_all(to)?;
        return Ok(true);
    }
    fs::remove_dir_all(to)?;
    Ok(false)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

/// Syncs every file and directory below `dir`, and `dir` itself.
pub(super) fn sync_all(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(dir)
}

/// Syncs the names in a directory.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    File::open(dir)?.sync_all()
}
