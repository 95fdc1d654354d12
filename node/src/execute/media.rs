//! Operations on files.

use switchboard_vocab::content::Body;
use switchboard_vocab::media::{MediaTarget, Open, Store, StoredMedia};
use switchboard_vocab::{ErrorCode, OpError};

use super::Execute;
use crate::ports::Wanted;
use crate::session::context::SessionCx;

impl Execute for Open {
    async fn execute(self, cx: SessionCx) -> Result<StoredMedia, OpError> {
        let media = match self.target {
            MediaTarget::Media(media) => media,
            MediaTarget::Message(id) => {
                let not_found = |text: String| OpError::new(ErrorCode::NotFound, text);
                let found = cx.journal().message(&id).await?;
                let found = found
                    .ok_or_else(|| not_found(format!("there is no message {id} in the log")))?;
                match found.message.body {
                    Body::Media(media) => media.id,
                    Body::Text(_)
                    | Body::Location(_)
                    | Body::Contacts { .. }
                    | Body::Reaction { .. }
                    | Body::Edited { .. }
                    | Body::Revoked { .. }
                    | Body::Other { .. } => {
                        return Err(not_found(format!("message {id} has no file")));
                    }
                }
            }
        };
        cx.session.open_media(&media).await
    }
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
