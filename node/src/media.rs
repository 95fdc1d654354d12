//! The media store of a node: uploads under way, files of own and others' messages, links fetched from outside.
//!
//! Owns the files below its folder: `files/<tenant>/<session>/<id>` with a description beside each, and `staged/` for
//! uploads and `arriving/` for copies from other nodes, which a start empties. Where there is a bucket, new files go there, and the
//! folder keeps what was in it before. Must not know actors, the journal or WhatsApp's encryption.

mod bucket;
mod fetch;
mod files;
mod kept;
mod look;
mod staging;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use rand::Rng;
use switchboard_vocab::envelope::CHUNK_LEN_MAX;
use switchboard_vocab::media::{
    LIST_LIMIT_MAX, List, ListedMedia, MediaList, MediaSource, StoredMedia,
};
use switchboard_vocab::{ErrorCode, MediaId, OpError, SessionRef, Timestamp, UploadId};

use crate::egress::Guard;
use crate::ports::{Downloader, KnownMedia, MediaPort, Resolved, STORED_MAX, SessionScope, Wanted};

use self::bucket::Bucket;
pub use self::bucket::BucketConfig;
use self::fetch::Fetcher;
use self::files::Files;
pub(crate) use self::files::private_folder;
use self::kept::Kept;
use self::staging::Staging;

/// Limits of the media store.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// Largest file, in bytes.
    pub file_bytes_max: u64,
    /// What media links may reach.
    pub guard: Guard,
    /// Where files are kept that all nodes share; each node keeps its own when `None`.
    pub bucket: Option<BucketConfig>,
    /// Files are removed when they are older than this; never when `None`. Not in a bucket, which has rules of its own for it.
    pub age_max: Option<Duration>,
    /// The oldest files of a session are removed when it has more bytes than this; never when `None`. Not in a bucket.
    pub session_bytes_max: Option<u64>,
}

/// How often files are looked through for those that may go.
const SWEEP_PERIOD: Duration = Duration::from_secs(15 * 60);

/// Descriptions of files that one list reads at once.
const DESCRIBED_AT_ONCE_MAX: usize = 16;

/// The media store in a local folder, or in a bucket with a folder for what is under way.
#[derive(Debug)]
pub struct MediaStore {
    kept: Kept,
    staging: Staging,
    /// Copies of files of other nodes under way, by the file's id.
    arriving: Staging,
    fetcher: Fetcher,
    file_bytes_max: u64,
    age_max: Option<Duration>,
    session_bytes_max: Option<u64>,
}

impl MediaStore {
    /// Opens the store in `folder`, making it if need be; uploads of an earlier run are removed.
    ///
    /// # Errors
    /// When the folders cannot be made, the machine's TLS roots cannot be read, or the bucket's settings cannot be.
    pub fn open(folder: &Path, config: MediaConfig) -> Result<Self, OpError> {
        let failed = |e: std::io::Error| {
            OpError::internal(format!("open the media store {}: {e}", folder.display()))
        };
        let bucket = config.bucket;
        let bucket = bucket.map(|bucket| Bucket::new(bucket, config.file_bytes_max));
        Ok(Self {
            kept: Kept {
                files: Files::open(folder.join("files")).map_err(failed)?,
                bucket: bucket.transpose()?,
            },
            staging: Staging::open(folder.join("staged"), config.file_bytes_max).map_err(failed)?,
            arriving: Staging::open(folder.join("arriving"), config.file_bytes_max)
                .map_err(failed)?,
            fetcher: Fetcher::new(config.guard, config.file_bytes_max)?,
            file_bytes_max: config.file_bytes_max,
            age_max: config.age_max,
            session_bytes_max: config.session_bytes_max,
        })
    }

    /// Asks for the bucket, if there is one: a node runs without it, but whoever starts it should know.
    ///
    /// # Errors
    /// [`ErrorCode::Unavailable`] when the bucket cannot be reached or does not let this node in.
    pub async fn check(&self) -> Result<(), OpError> {
        match &self.kept.bucket {
            Some(bucket) => bucket.check().await,
            None => Ok(()),
        }
    }

    /// Removes what may go, now and from time to time, until the store is dropped. The message that a file belonged to stays,
    /// and its file is downloaded again when somebody asks, as long as WhatsApp has it.
    pub fn keep_swept(self: &Arc<Self>) {
        if self.age_max.is_none() && self.session_bytes_max.is_none() {
            return;
        }
        let store = Arc::downgrade(self);
        drop(crate::task::start(async move {
            let mut ticks = tokio::time::interval(SWEEP_PERIOD);
            loop {
                ticks.tick().await;
                let Some(store) = store.upgrade() else { break };
                match store.sweep(crate::clock::now()).await {
                    Ok(0) => {}
                    Ok(gone) => tracing::info!(gone, "media files were removed by retention"),
                    Err(error) => {
                        tracing::warn!(internal = ?error.internal, "media files could not be looked through");
                    }
                }
            }
        }));
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, OpError> {
        let oldest = self.age_max.map(|age| {
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            Timestamp::from_millis(now.as_millis().saturating_sub(age))
        });
        self.kept.files.sweep(oldest, self.session_bytes_max).await
    }

    /// The bytes behind a source, and what else came with them.
    async fn bring(&self, scope: &SessionScope, source: &MediaSource) -> Result<Brought, OpError> {
        match source {
            MediaSource::Url(url) => {
                let fetched = self.fetcher.fetch(url).await?;
                Ok(Brought {
                    bytes: fetched.bytes,
                    mime_type: fetched.mime_type,
                    file_name: fetched.file_name,
                    id: None,
                })
            }
            MediaSource::Staged { upload, .. } => Ok(Brought {
                bytes: self.staging.take(&scope.session, upload).await?,
                mime_type: None,
                file_name: None,
                id: None,
            }),
            MediaSource::Stored(media) => {
                let meta = self.kept.describe(scope, media).await?;
                let meta = meta.ok_or_else(|| unknown(media))?;
                let bytes = self.kept.whole(scope, media).await?;
                Ok(Brought {
                    bytes: bytes.ok_or_else(|| unknown(media))?,
                    mime_type: Some(meta.mime_type),
                    file_name: meta.file_name,
                    id: Some(media.clone()),
                })
            }
            MediaSource::Inline(_) => Err(OpError::internal(
                "bytes inside a call reached the owner: they travel as uploads",
            )),
        }
    }
}

/// Bytes at hand.
struct Brought {
    bytes: Bytes,
    mime_type: Option<String>,
    file_name: Option<String>,
    /// The id of a file that is stored already.
    id: Option<MediaId>,
}

#[async_trait]
impl MediaPort for MediaStore {
    async fn stage(
        &self,
        scope: &SessionScope,
        upload: &UploadId,
        offset: u64,
        total: u64,
        piece: Bytes,
    ) -> Result<(), OpError> {
        self.staging
            .keep(&scope.session, upload, offset, total, piece)
            .await
    }

    async fn resolve(&self, scope: &SessionScope, wanted: Wanted<'_>) -> Result<Resolved, OpError> {
        let brought = self.bring(scope, wanted.source).await?;
        let id = brought.id.map_or_else(fresh_id, Ok)?;
        let declared = wanted.mime_type.map(str::to_owned);
        let named = wanted.file_name.map(str::to_owned);
        look::at(look::Given {
            id,
            bytes: brought.bytes,
            kind: wanted.kind,
            mime_type: declared.or(brought.mime_type),
            file_name: named.or(brought.file_name),
        })
        .await
    }

    async fn portrait(&self, scope: &SessionScope, source: &MediaSource) -> Result<Bytes, OpError> {
        look::portrait(self.bring(scope, source).await?.bytes).await
    }

    async fn list(&self, scope: &SessionScope, wanted: &List) -> Result<MediaList, OpError> {
        let mut all = self.kept.newest_first(scope, STORED_MAX).await?;
        all.retain(|(at, _)| {
            wanted.from.is_none_or(|from| *at >= from)
                && wanted.until.is_none_or(|until| *at <= until)
        });
        if wanted.oldest_first {
            all.reverse();
        }
        let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let skip = usize::try_from(wanted.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(wanted.limit.min(LIST_LIMIT_MAX)).unwrap_or(0);
        let page = all.into_iter().skip(skip).take(limit);
        let describe = async |(stored_at, id): (Timestamp, MediaId)| {
            let found = self.kept.describe(scope, &id).await?;
            Ok::<_, OpError>(found.map(|media| ListedMedia { media, stored_at }))
        };
        let described: Vec<_> = futures::stream::iter(page)
            .map(describe)
            .buffered(DESCRIBED_AT_ONCE_MAX)
            .try_collect()
            .await?;
        // One that retention took meanwhile is left out.
        let files = described.into_iter().flatten().collect();
        Ok(MediaList { files, total })
    }

    async fn remove(&self, scope: &SessionScope, media: &MediaId) -> Result<bool, OpError> {
        self.kept.remove(scope, media).await
    }

    async fn page(&self, link: &str, bytes_max: usize) -> Result<Bytes, OpError> {
        self.fetcher.page(link, bytes_max).await
    }

    async fn put(
        &self,
        scope: &SessionScope,
        meta: &StoredMedia,
        bytes: Bytes,
    ) -> Result<(), OpError> {
        self.kept.put(scope, meta, bytes).await
    }

    async fn open(
        &self,
        scope: &SessionScope,
        media: &MediaId,
        known: Option<KnownMedia>,
        downloader: &dyn Downloader,
    ) -> Result<StoredMedia, OpError> {
        if let Some(meta) = self.kept.describe(scope, media).await? {
            return Ok(meta);
        }
        let known = known.ok_or_else(|| unknown(media))?;
        let keys = known.keys.ok_or_else(|| unknown(media))?;
        let bytes = downloader.download(&keys, self.file_bytes_max).await?;
        let mut meta = known.meta;
        meta.id = media.clone();
        meta.size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.kept.put(scope, &meta, bytes).await?;
        Ok(meta)
    }

    async fn read(
        &self,
        scope: &SessionScope,
        media: &MediaId,
        offset: u64,
        len: u32,
    ) -> Result<Bytes, OpError> {
        let len = usize::try_from(len)
            .unwrap_or(CHUNK_LEN_MAX)
            .min(CHUNK_LEN_MAX);
        self.kept
            .piece(scope, media, offset, len)
            .await?
            .ok_or_else(|| unknown(media))
    }

    async fn stored(&self, session: &SessionRef) -> Result<Vec<MediaId>, OpError> {
        let found = self.kept.files.newest_first(session, STORED_MAX).await?;
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    async fn describe(
        &self,
        session: &SessionRef,
        media: &MediaId,
    ) -> Result<Option<StoredMedia>, OpError> {
        self.kept.files.describe(session, media).await
    }

    async fn copy_out(
        &self,
        session: &SessionRef,
        media: &MediaId,
        offset: u64,
        len: u32,
    ) -> Result<Bytes, OpError> {
        let len = usize::try_from(len)
            .unwrap_or(CHUNK_LEN_MAX)
            .min(CHUNK_LEN_MAX);
        self.kept
            .files
            .piece(session, media, offset, len)
            .await?
            .ok_or_else(|| unknown(media))
    }

    async fn copy_in(
        &self,
        session: &SessionRef,
        meta: &StoredMedia,
        offset: u64,
        piece: Bytes,
    ) -> Result<bool, OpError> {
        if self.kept.files.describe(session, &meta.id).await?.is_some() {
            return Ok(true);
        }
        let upload = UploadId::parse(meta.id.as_str())
            .map_err(|e| OpError::invalid(format!("the file's id is no name for a copy: {e}")))?;
        self.arriving
            .keep(session, &upload, offset, meta.size, piece)
            .await?;
        match self.arriving.release_whole(session, &upload) {
            Some(path) => self
                .kept
                .files
                .adopt(session, meta, path)
                .await
                .map(|()| true),
            None => Ok(false),
        }
    }

    async fn release(&self, session: &SessionRef) -> Result<(), OpError> {
        self.staging.erase(session).await;
        self.arriving.erase(session).await;
        self.kept.files.erase(session).await
    }

    async fn erase(&self, session: &SessionRef, uuid: &str) -> Result<(), OpError> {
        self.release(session).await?;
        match &self.kept.bucket {
            Some(bucket) => bucket.erase(session, uuid).await,
            None => Ok(()),
        }
    }
}

fn unknown(media: &MediaId) -> OpError {
    OpError::new(ErrorCode::NotFound, format!("there is no media {media}"))
}

/// A fresh media id: 128 random bits.
fn fresh_id() -> Result<MediaId, OpError> {
    let mut bytes = [0u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    MediaId::parse(&hex::encode(bytes)).map_err(|e| OpError::internal(e.to_string()))
}

#[cfg(test)]
mod tests;
