//! The media store of a node: uploads under way, files of own and others' messages, links fetched from outside.
//!
//! Owns the files below its folder: `files/<tenant>/<session>/<id>` with a description beside each, and `staged/` for
//! uploads and `arriving/` for copies from other nodes, which a start empties. Must not know actors, the journal or WhatsApp's encryption.

mod fetch;
mod files;
mod look;
mod staging;

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use rand::Rng;
use switchboard_vocab::envelope::CHUNK_LEN_MAX;
use switchboard_vocab::media::{MediaSource, StoredMedia};
use switchboard_vocab::{ErrorCode, MediaId, OpError, SessionRef, UploadId};

use crate::egress::Guard;
use crate::ports::{Downloader, KnownMedia, MediaPort, Resolved, STORED_MAX, SessionScope, Wanted};

use self::fetch::Fetcher;
use self::files::Files;
use self::staging::Staging;

/// Limits of the media store.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// Largest file, in bytes.
    pub file_bytes_max: u64,
    /// What media links may reach.
    pub guard: Guard,
}

/// The media store in a local folder.
#[derive(Debug)]
pub struct MediaStore {
    files: Files,
    staging: Staging,
    /// Copies of files of other nodes under way, by the file's id.
    arriving: Staging,
    fetcher: Fetcher,
    file_bytes_max: u64,
}

impl MediaStore {
    /// Opens the store in `folder`, making it if need be; uploads of an earlier run are removed.
    ///
    /// # Errors
    /// When the folders cannot be made, or the machine's TLS roots cannot be read.
    pub fn open(folder: &Path, config: MediaConfig) -> Result<Self, OpError> {
        let failed = |e: std::io::Error| {
            OpError::internal(format!("open the media store {}: {e}", folder.display()))
        };
        Ok(Self {
            files: Files::open(folder.join("files")).map_err(failed)?,
            staging: Staging::open(folder.join("staged"), config.file_bytes_max).map_err(failed)?,
            arriving: Staging::open(folder.join("arriving"), config.file_bytes_max)
                .map_err(failed)?,
            fetcher: Fetcher::new(config.guard, config.file_bytes_max)?,
            file_bytes_max: config.file_bytes_max,
        })
    }
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
        let mut mime_type = wanted.mime_type.map(str::to_owned);
        let mut file_name = wanted.file_name.map(str::to_owned);
        let mut id = None;
        let bytes = match wanted.source {
            MediaSource::Url(url) => {
                let fetched = self.fetcher.fetch(url).await?;
                mime_type = mime_type.or(fetched.mime_type);
                file_name = file_name.or(fetched.file_name);
                fetched.bytes
            }
            MediaSource::Staged { upload, .. } => self.staging.take(&scope.session, upload).await?,
            MediaSource::Stored(media) => {
                let meta = self
                    .files
                    .describe(&scope.session, media)
                    .await?
                    .ok_or_else(|| unknown(media))?;
                mime_type = mime_type.or(Some(meta.mime_type));
                file_name = file_name.or(meta.file_name);
                id = Some(media.clone());
                self.files
                    .whole(&scope.session, media)
                    .await?
                    .ok_or_else(|| unknown(media))?
            }
            MediaSource::Inline(_) => {
                return Err(OpError::internal(
                    "bytes inside a call reached the owner: they travel as uploads",
                ));
            }
        };
        let id = id.map_or_else(fresh_id, Ok)?;
        look::at(look::Given {
            id,
            bytes,
            kind: wanted.kind,
            mime_type,
            file_name,
        })
        .await
    }

    async fn put(
        &self,
        scope: &SessionScope,
        meta: &StoredMedia,
        bytes: Bytes,
    ) -> Result<(), OpError> {
        self.files.put(&scope.session, meta, bytes).await
    }

    async fn open(
        &self,
        scope: &SessionScope,
        media: &MediaId,
        known: Option<KnownMedia>,
        downloader: &dyn Downloader,
    ) -> Result<StoredMedia, OpError> {
        if let Some(meta) = self.files.describe(&scope.session, media).await? {
            return Ok(meta);
        }
        let known = known.ok_or_else(|| unknown(media))?;
        let keys = known.keys.ok_or_else(|| unknown(media))?;
        let bytes = downloader.download(&keys, self.file_bytes_max).await?;
        let mut meta = known.meta;
        meta.id = media.clone();
        meta.size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.files.put(&scope.session, &meta, bytes).await?;
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
        self.files
            .piece(&scope.session, media, offset, len)
            .await?
            .ok_or_else(|| unknown(media))
    }

    async fn stored(&self, session: &SessionRef) -> Result<Vec<MediaId>, OpError> {
        self.files.newest_first(session, STORED_MAX).await
    }

    async fn describe(
        &self,
        session: &SessionRef,
        media: &MediaId,
    ) -> Result<Option<StoredMedia>, OpError> {
        self.files.describe(session, media).await
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
        self.files
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
        if self.files.describe(session, &meta.id).await?.is_some() {
            return Ok(true);
        }
        let upload = UploadId::parse(meta.id.as_str())
            .map_err(|e| OpError::invalid(format!("the file's id is no name for a copy: {e}")))?;
        self.arriving
            .keep(session, &upload, offset, meta.size, piece)
            .await?;
        match self.arriving.release_whole(session, &upload) {
            Some(path) => self.files.adopt(session, meta, path).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn erase(&self, session: &SessionRef) -> Result<(), OpError> {
        self.staging.erase(session).await;
        self.arriving.erase(session).await;
        self.files.erase(session).await
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
