//! Uploads from routers: pieces in any order, each upload used once or forgotten.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use switchboard_vocab::{ErrorCode, OpError, SessionRef, UploadId};
use tokio::time::Instant;

use super::files::{blocking, private_folder};

/// Most uploads under way on a node.
const UPLOADS_MAX: usize = 1_024;
/// How long an upload waits for its next piece or its call.
const UPLOAD_WAIT_MAX: Duration = Duration::from_secs(300);

type Name = (SessionRef, UploadId);

/// Uploads under way.
#[derive(Debug)]
pub(super) struct Staging {
    root: PathBuf,
    bytes_max: u64,
    under_way: Mutex<HashMap<Name, Upload>>,
}

#[derive(Debug)]
struct Upload {
    path: PathBuf,
    total: u64,
    /// Start and end of what has arrived, not overlapping.
    arrived: BTreeMap<u64, u64>,
    touched: Instant,
}

impl Upload {
    fn is_whole(&self) -> bool {
        self.total == 0 || self.arrived.first_key_value() == Some((&0, &self.total))
    }

    /// Adds a range and joins it with its neighbours.
    fn add(&mut self, mut start: u64, mut end: u64) {
        let touching: Vec<u64> = self
            .arrived
            .range(..=end)
            .filter(|(_, other_end)| **other_end >= start)
            .map(|(at, _)| *at)
            .collect();
        for at in touching {
            if let Some(other_end) = self.arrived.remove(&at) {
                start = start.min(at);
                end = end.max(other_end);
            }
        }
        self.arrived.insert(start, end);
    }
}

impl Staging {
    pub(super) fn open(root: PathBuf, bytes_max: u64) -> std::io::Result<Self> {
        super::files::absent_is_none(std::fs::remove_dir_all(&root))?;
        private_folder(&root)?;
        Ok(Self {
            root,
            bytes_max,
            under_way: Mutex::default(),
        })
    }

    /// Keeps one piece.
    pub(super) async fn keep(
        &self,
        session: &SessionRef,
        upload: &UploadId,
        offset: u64,
        total: u64,
        piece: Bytes,
    ) -> Result<(), OpError> {
        if total > self.bytes_max {
            let message = format!(
                "the file has {total} bytes, at most {} are allowed",
                self.bytes_max
            );
            return Err(OpError::new(ErrorCode::TooLarge, message));
        }
        let end = offset.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if end > total {
            return Err(OpError::invalid(
                "a piece of the upload lies behind its end",
            ));
        }
        self.forget_old().await;
        let name = (session.clone(), upload.clone());
        let path = self.enter(&name, total)?;
        blocking("stage media", move || {
            let file = std::fs::File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            file.write_all_at(&piece, offset)
        })
        .await?;
        if let Some(upload) = self.lock().get_mut(&name) {
            upload.add(offset, end);
        }
        Ok(())
    }

    /// Takes a whole upload; it is gone afterwards.
    pub(super) async fn take(
        &self,
        session: &SessionRef,
        upload: &UploadId,
    ) -> Result<Bytes, OpError> {
        let name = (session.clone(), upload.clone());
        let found = self.lock().remove(&name);
        let found = found.ok_or_else(|| {
            OpError::new(
                ErrorCode::NotFound,
                "the upload is not known; send the call again",
            )
        })?;
        let whole = found.is_whole();
        let path = found.path;
        let bytes = blocking("read an upload", move || {
            let bytes = if whole {
                std::fs::read(&path)?
            } else {
                Vec::new()
            };
            std::fs::remove_file(&path)?;
            Ok(bytes)
        })
        .await?;
        if !whole {
            return Err(OpError::invalid(
                "the upload is not complete; send the call again",
            ));
        }
        Ok(bytes.into())
    }

    /// Gives the file of an upload away once it is whole; nobody else gets it then.
    pub(super) fn release_whole(&self, session: &SessionRef, upload: &UploadId) -> Option<PathBuf> {
        let name = (session.clone(), upload.clone());
        let mut under_way = self.lock();
        if !under_way.get(&name)?.is_whole() {
            return None;
        }
        under_way.remove(&name).map(|upload| upload.path)
    }

    /// Forgets every upload of a session.
    pub(super) async fn erase(&self, session: &SessionRef) {
        self.remove_where(|(owner, _), _| owner == session).await;
    }

    async fn forget_old(&self) {
        self.remove_where(|_, upload| upload.touched.elapsed() > UPLOAD_WAIT_MAX)
            .await;
    }

    async fn remove_where(&self, which: impl Fn(&Name, &Upload) -> bool) {
        let gone: Vec<PathBuf> = {
            let mut under_way = self.lock();
            under_way
                .extract_if(|name, upload| which(name, upload))
                .map(|(_, upload)| upload.path)
                .collect()
        };
        for path in gone {
            if let Err(error) = tokio::fs::remove_file(&path).await {
                tracing::warn!(%error, "remove an unused upload");
            }
        }
    }

    /// The file of an upload, entering the upload when it is new.
    fn enter(&self, name: &Name, total: u64) -> Result<PathBuf, OpError> {
        let mut under_way = self.lock();
        if let Some(upload) = under_way.get_mut(name) {
            if upload.total != total {
                return Err(OpError::invalid(
                    "the pieces of the upload disagree about its size",
                ));
            }
            upload.touched = Instant::now();
            return Ok(upload.path.clone());
        }
        if under_way.len() >= UPLOADS_MAX {
            return Err(OpError::new(
                ErrorCode::Busy,
                "too many uploads are under way",
            ));
        }
        let (session, upload) = name;
        let path = self
            .root
            .join(format!("{}.{}.{upload}", session.tenant, session.session));
        let entry = Upload {
            path: path.clone(),
            total,
            arrived: BTreeMap::new(),
            touched: Instant::now(),
        };
        under_way.insert(name.clone(), entry);
        Ok(path)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Name, Upload>> {
        // The map is changed in single steps, so a panic elsewhere leaves it sound.
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
