//! Where a file is: in the node's folder, or in the bucket that all nodes share.
//!
//! With a bucket every new file goes there; the folder keeps what it had before, and what nodes without a bucket send along with
//! a session, until it is removed by retention or leaves with its session. Must not know uploads or links.

use bytes::Bytes;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{MediaId, OpError, Timestamp};

use crate::ports::SessionScope;

use super::bucket::Bucket;
use super::files::Files;

/// Stored files.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) files: Files,
    pub(super) bucket: Option<Bucket>,
}

impl Kept {
    /// Stores a file; whole or not at all.
    pub(super) async fn put(
        &self,
        scope: &SessionScope,
        meta: &StoredMedia,
        bytes: Bytes,
    ) -> Result<(), OpError> {
        let Some(bucket) = &self.bucket else {
            return self.files.put(&scope.session, meta, bytes).await;
        };
        bucket.put(scope, meta, bytes).await?;
        // One of the same id from before would hide it.
        self.files.remove(&scope.session, &meta.id).await.map(drop)
    }

    /// Ids of a session's files with when they were stored, those stored last first, at most `count_max`.
    pub(super) async fn newest_first(
        &self,
        scope: &SessionScope,
        count_max: usize,
    ) -> Result<Vec<(Timestamp, MediaId)>, OpError> {
        let mut found = self.files.newest_first(&scope.session, count_max).await?;
        if let Some(bucket) = &self.bucket {
            found.extend(bucket.newest_first(scope, count_max).await?);
            found.sort_by(|one, other| other.cmp(one));
            found.truncate(count_max);
        }
        Ok(found)
    }

    /// Removes a file; whether there was one.
    pub(super) async fn remove(
        &self,
        scope: &SessionScope,
        media: &MediaId,
    ) -> Result<bool, OpError> {
        let here = self.files.remove(&scope.session, media).await?;
        match &self.bucket {
            Some(bucket) => Ok(bucket.remove(scope, media).await? || here),
            None => Ok(here),
        }
    }

    /// What is known of a file; `None` when it is not stored.
    pub(super) async fn describe(
        &self,
        scope: &SessionScope,
        media: &MediaId,
    ) -> Result<Option<StoredMedia>, OpError> {
        match (
            self.files.describe(&scope.session, media).await?,
            &self.bucket,
        ) {
            (None, Some(bucket)) => bucket.describe(scope, media).await,
            (here, _) => Ok(here),
        }
    }

    /// All bytes of a file.
    pub(super) async fn whole(
        &self,
        scope: &SessionScope,
        media: &MediaId,
    ) -> Result<Option<Bytes>, OpError> {
        match (self.files.whole(&scope.session, media).await?, &self.bucket) {
            (None, Some(bucket)) => bucket.whole(scope, media).await,
            (here, _) => Ok(here),
        }
    }

    /// A piece of a file; empty behind its end.
    pub(super) async fn piece(
        &self,
        scope: &SessionScope,
        media: &MediaId,
        offset: u64,
        len: usize,
    ) -> Result<Option<Bytes>, OpError> {
        let here = self.files.piece(&scope.session, media, offset, len).await?;
        match (here, &self.bucket) {
            (None, Some(bucket)) => bucket.piece(scope, media, offset, len).await,
            (here, _) => Ok(here),
        }
    }
}
