//! Files of sessions on the local disk: bytes in one file, the description beside them.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{ErrorCode, MediaId, OpError, SessionRef, Timestamp};

/// Files of every session of the node.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn open(root: PathBuf) -> std::io::Result<Self> {
        private_folder(&root)?;
        Ok(Self { root })
    }

    fn folder(&self, session: &SessionRef) -> PathBuf {
        // Ids are tokens of letters, digits, '_' and '-': they cannot climb out of the root.
        self.root
            .join(session.tenant.as_str())
            .join(session.session.as_str())
    }

    fn path(&self, session: &SessionRef, media: &MediaId) -> PathBuf {
        self.folder(session).join(media.as_str())
    }

    /// Stores a file; whole or not at all.
    pub(super) async fn put(
        &self,
        session: &SessionRef,
        meta: &StoredMedia,
        bytes: Bytes,
    ) -> Result<(), OpError> {
        let folder = self.folder(session);
        let path = self.path(session, &meta.id);
        let described = serde_json::to_vec(meta)
            .map_err(|e| OpError::internal(format!("describe media: {e}")))?;
        blocking("store media", move || {
            private_folder(&folder)?;
            write_whole(&path, &bytes)?;
            // The description comes last: a file without one does not exist for readers.
            write_whole(&described_path(&path), &described)
        })
        .await
    }

    /// Stores a file that lies elsewhere on the same disk; it is moved.
    pub(super) async fn adopt(
        &self,
        session: &SessionRef,
        meta: &StoredMedia,
        from: PathBuf,
    ) -> Result<(), OpError> {
        let folder = self.folder(session);
        let path = self.path(session, &meta.id);
        let described = serde_json::to_vec(meta)
            .map_err(|e| OpError::internal(format!("describe media: {e}")))?;
        blocking("take a copy of media", move || {
            private_folder(&folder)?;
            // The node that sent it erases its own once the session has moved, so this one must survive a loss of power.
            std::fs::File::open(&from)?.sync_all()?;
            std::fs::rename(&from, &path)?;
            write_whole(&described_path(&path), &described)?;
            std::fs::File::open(described_path(&path))?.sync_all()?;
            std::fs::File::open(&folder)?.sync_all()
        })
        .await
    }

    /// Ids of a session's files with when they were stored, those stored last first, at most `count_max`.
    pub(super) async fn newest_first(
        &self,
        session: &SessionRef,
        count_max: usize,
    ) -> Result<Vec<(Timestamp, MediaId)>, OpError> {
        let folder = self.folder(session);
        blocking("list media", move || {
            let Some(entries) = absent_is_none(std::fs::read_dir(folder))? else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            for entry in entries.take(count_max.saturating_mul(2)) {
                let entry = entry?;
                let name = entry.file_name();
                let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
                if let Some(id) = id.and_then(|id| MediaId::parse(id).ok()) {
                    found.push((written_at(&entry.metadata()?)?, id));
                }
            }
            found.sort_by(|one, other| other.cmp(one));
            found.truncate(count_max);
            Ok(found)
        })
        .await
    }

    /// Removes a file; whether there was one.
    pub(super) async fn remove(
        &self,
        session: &SessionRef,
        media: &MediaId,
    ) -> Result<bool, OpError> {
        let path = self.path(session, media);
        blocking("remove media", move || remove_whole(&path)).await
    }

    /// Removes of every session what is older than `oldest`, and the oldest files of sessions that have more than
    /// `bytes_max`. Returns how many files went.
    pub(super) async fn sweep(
        &self,
        oldest: Option<Timestamp>,
        bytes_max: Option<u64>,
    ) -> Result<u64, OpError> {
        let root = self.root.clone();
        blocking("sweep media", move || {
            let mut gone = 0;
            for tenant in folders(&root)? {
                for session in folders(&tenant)? {
                    gone += sweep_session(&session, oldest, bytes_max)?;
                }
            }
            Ok(gone)
        })
        .await
    }

    /// What is known of a file; `None` when it is not stored.
    pub(super) async fn describe(
        &self,
        session: &SessionRef,
        media: &MediaId,
    ) -> Result<Option<StoredMedia>, OpError> {
        let path = described_path(&self.path(session, media));
        let text = blocking("describe media", move || {
            absent_is_none(std::fs::read(path))
        })
        .await?;
        let parse = |text: Vec<u8>| {
            serde_json::from_slice(&text)
                .map_err(|e| OpError::internal(format!("a media description is damaged: {e}")))
        };
        text.map(parse).transpose()
    }

    /// All bytes of a file.
    pub(super) async fn whole(
        &self,
        session: &SessionRef,
        media: &MediaId,
    ) -> Result<Option<Bytes>, OpError> {
        let path = self.path(session, media);
        blocking("read media", move || {
            absent_is_none(std::fs::read(path)).map(|found| found.map(Bytes::from))
        })
        .await
    }

    /// A piece of a file; empty behind its end.
    pub(super) async fn piece(
        &self,
        session: &SessionRef,
        media: &MediaId,
        offset: u64,
        len: usize,
    ) -> Result<Option<Bytes>, OpError> {
        let path = self.path(session, media);
        blocking("read media", move || {
            let Some(mut file) = absent_is_none(std::fs::File::open(path))? else {
                return Ok(None);
            };
            file.seek(SeekFrom::Start(offset))?;
            let mut piece = Vec::with_capacity(len);
            file.take(u64::try_from(len).unwrap_or(u64::MAX))
                .read_to_end(&mut piece)?;
            Ok(Some(piece.into()))
        })
        .await
    }

    /// Removes every file of a session.
    pub(super) async fn erase(&self, session: &SessionRef) -> Result<(), OpError> {
        let folder = self.folder(session);
        blocking("erase media", move || {
            absent_is_none(std::fs::remove_dir_all(folder)).map(drop)
        })
        .await
    }
}

/// The folders in a folder; none where it is gone meanwhile.
fn folders(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let Some(entries) = absent_is_none(std::fs::read_dir(path))? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn sweep_session(
    folder: &Path,
    oldest: Option<Timestamp>,
    bytes_max: Option<u64>,
) -> std::io::Result<u64> {
    let Some(entries) = absent_is_none(std::fs::read_dir(folder))? else {
        return Ok(0);
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        // The bytes have no extension; a description goes with its bytes.
        if path.extension().is_none()
            && let Some(facts) = absent_is_none(entry.metadata())?
        {
            files.push((written_at(&facts)?, facts.len(), path));
        }
    }
    files.sort_by(|one, other| other.cmp(one));
    let (mut kept, mut gone) = (0u64, 0);
    for (at, len, path) in files {
        kept = kept.saturating_add(len);
        let too_old = oldest.is_some_and(|oldest| at < oldest);
        if too_old || bytes_max.is_some_and(|max| kept > max) {
            gone += u64::from(remove_whole(&path)?);
        }
    }
    Ok(gone)
}

/// Removes a file with its description, which goes first: a file without one does not exist for readers.
fn remove_whole(path: &Path) -> std::io::Result<bool> {
    let described = absent_is_none(std::fs::remove_file(described_path(path)))?;
    let bytes = absent_is_none(std::fs::remove_file(path))?;
    Ok(described.is_some() || bytes.is_some())
}

fn written_at(facts: &std::fs::Metadata) -> std::io::Result<Timestamp> {
    let since = facts.modified()?.duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Ok(Timestamp::from_millis(
        u64::try_from(millis).unwrap_or(u64::MAX),
    ))
}

fn described_path(path: &Path) -> PathBuf {
    // A media id has no dot, so no other file can have this name.
    path.with_extension("json")
}

/// A folder that only this user can enter.
pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path
        .parent()
        .ok_or_else(|| std::io::Error::from(ErrorKind::InvalidInput))?;
    let mut name = [0u8; 8];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut name);
    let beside = folder.join(format!("{}.part", hex::encode(name)));
    let written = std::fs::File::create_new(&beside).and_then(|mut file| file.write_all(bytes));
    let placed = written.and_then(|()| std::fs::rename(&beside, path));
    if placed.is_err() {
        // Whatever is left of a failed write is worth nothing.
        drop(std::fs::remove_file(&beside));
    }
    placed
}

pub(super) fn absent_is_none<T>(result: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Runs file work off the runtime's workers and names its errors.
pub(super) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, OpError> {
    let done = tokio::task::spawn_blocking(work).await;
    let result = done.map_err(|e| OpError::internal(format!("{what}: {e}")))?;
    result.map_err(|e| {
        let is_full = matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        if is_full {
            OpError::new(ErrorCode::StorageFull, "the gateway's disk is full")
                .with_internal(format!("{what}: {e}"))
        } else {
            OpError::internal(format!("{what}: {e}"))
        }
    })
}
