//! Operations on files.

use sha2::{Digest, Sha256};
use switchboard_vocab::media::{
    Delete, List, MediaKeys, MediaList, MediaTarget, Open, Removed, Store, StoredMedia,
};
use switchboard_vocab::{ErrorCode, MediaId, OpError};

use super::Execute;
use super::page::fit;
use crate::ports::{KnownMedia, Wanted};
use crate::session::context::SessionCx;
use crate::session::media_of;
use crate::session::refetch::Refetch;

impl Execute for Open {
    async fn execute(self, cx: SessionCx) -> Result<StoredMedia, OpError> {
        let not_found = |text: String| OpError::new(ErrorCode::NotFound, text);
        let media = match self.target {
            MediaTarget::Media(media) => media,
            MediaTarget::Message(id) => {
                let found = cx.journal().message(&id).await?;
                let found = found
                    .ok_or_else(|| not_found(format!("there is no message {id} in the log")))?;
                let media = media_of(&found.message.body).map(|media| media.id.clone());
                media.ok_or_else(|| not_found(format!("message {id} has no file")))?
            }
            MediaTarget::Keys(keys) => return open_by_keys(*keys, &cx).await,
        };
        cx.session.open_media(&media).await
    }
}

/// Opens a file that no message of the log names. Its id follows from its key, so that a second call finds the first one's file.
async fn open_by_keys(keys: MediaKeys, cx: &SessionCx) -> Result<StoredMedia, OpError> {
    let account = cx.account().await?;
    let opaque = account
        .media_keys(&keys)
        .map_err(|e| OpError::invalid(e.to_string()))?;
    let digest = hex::encode(Sha256::digest(
        keys.media_key.to_ascii_lowercase().as_bytes(),
    ));
    let id = MediaId::parse(digest.get(..32).unwrap_or(&digest));
    let id = id.map_err(|e| OpError::internal(e.to_string()))?;
    let known = KnownMedia {
        meta: StoredMedia {
            id: id.clone(),
            kind: keys.kind,
            mime_type: keys
                .mime_type
                .unwrap_or_else(|| "application/octet-stream".to_owned()),
            size: keys.size.unwrap_or_default(),
            sha256: keys.sha256.unwrap_or_default(),
            file_name: None,
        },
        keys: Some(opaque),
        message: None,
    };
    let session = &cx.session;
    let downloader = Refetch {
        session,
        message: None,
    };
    session
        .ports
        .media
        .open(&session.scope, &id, Some(known), &downloader)
        .await
}

impl Execute for Store {
    async fn execute(self, cx: SessionCx) -> Result<StoredMedia, OpError> {
        cx.check_disk()?;
        let wanted = Wanted {
            source: &self.source,
            kind: None,
            mime_type: self.mime_type.as_deref(),
            file_name: self.file_name.as_deref(),
        };
        let file = cx.ports().media.resolve(cx.scope(), wanted).await?;
        cx.ports()
            .media
            .put(cx.scope(), &file.meta, file.bytes)
            .await?;
        Ok(file.meta)
    }
}

impl Execute for List {
    async fn execute(self, cx: SessionCx) -> Result<MediaList, OpError> {
        let mut list = cx.ports().media.list(cx.scope(), &self).await?;
        fit(&mut list.files)?;
        Ok(list)
    }
}

impl Execute for Delete {
    async fn execute(self, cx: SessionCx) -> Result<Removed, OpError> {
        let removed = cx.ports().media.remove(cx.scope(), &self.id).await?;
        if !removed {
            let text = format!("there is no media {}", self.id);
            return Err(OpError::new(ErrorCode::NotFound, text));
        }
        Ok(Removed {})
    }
}
