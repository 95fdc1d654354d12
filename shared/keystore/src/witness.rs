//! A second place that knows how far the store has come.
//!
//! A damaged sled log opens as if it had ended at the damage, and a damaged redb header as the state
//! before the last commit: whole, authentic and older, which ratchets must never become. So the last
//! batch of every group stores the group's number, and after the sync a small file beside the
//! engine's files repeats it. A store that opens with a lower number than its witness has lost
//! acknowledged batches and counts as damaged.
//!
//! The file is written after every group and synced every [`SYNC_EVERY`] groups and on close: a
//! killed process leaves it exact, a power cut at most that much behind, and it is never ahead. A
//! witness that is missing or does not open proves nothing and is ignored.
//!
//! Owns the file. Must not decide what a fallen-back store means.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Groups between two syncs of the file.
const SYNC_EVERY: u32 = 256;

/// The file. Failing to write it is logged and otherwise harmless: it only says less.
#[derive(Debug)]
pub(crate) struct Witness {
    file: File,
    unsynced: u32,
    failed: bool,
}

impl Witness {
    /// Where the witness of the engine directory `live` is.
    pub(crate) fn path(live: &Path) -> PathBuf {
        let mut path = live.as_os_str().to_owned();
        path.push(".witness");
        PathBuf::from(path)
    }

    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        Ok(Self {
            file,
            unsynced: 0,
            failed: false,
        })
    }

    /// Replaces the testimony. It is shorter than a sector, so it is never torn.
    pub(crate) fn note(&mut self, testimony: &[u8]) {
        let written = self.file.write_all_at(testimony, 0);
        self.report(written);
        self.unsynced += 1;
        if self.unsynced >= SYNC_EVERY {
            self.sync();
        }
    }

    pub(crate) fn sync(&mut self) {
        let synced = self.file.sync_data();
        self.report(synced);
        self.unsynced = 0;
    }

    fn report(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && !self.failed
        {
            self.failed = true;
            tracing::warn!(%error, "cannot write the witness of the key store");
        }
    }
}
