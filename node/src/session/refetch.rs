//! Files from WhatsApp's media host, and from the phone where the host has them no more.
//!
//! Owns what follows a file that is gone: one request to the account's phone, a bounded wait, one more download. Must not
//! know where files are kept.

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_vocab::OpError;
use switchboard_whatsapp::{Account, Error, Target};

use super::account::remote;
use super::context::Session;
use crate::ports::Downloader;

/// Downloads one file.
pub(crate) struct Refetch<'a> {
    pub(crate) session: &'a Session,
    /// Number of the message that carries it. The phone finds a file by its message only.
    pub(crate) message: Option<u64>,
}

#[async_trait]
impl Downloader for Refetch<'_> {
    async fn download(&self, keys: &[u8], size_max: u64) -> Result<Bytes, OpError> {
        let opened = self.session.account.open().await.map_err(|e| remote(&e))?;
        let account = &*opened.account;
        let error = match account.download(keys, size_max).await {
            Ok(bytes) => return Ok(bytes),
            Err(error @ Error::Gone(_)) => error,
            Err(error) => return Err(remote(&error)),
        };
        let Some(fresh) = self.uploaded_again(account, keys).await? else {
            return Err(remote(&error));
        };
        let found = account.download(&fresh, size_max).await;
        found.map_err(|e| remote(&e))
    }
}

impl Refetch<'_> {
    /// The keys under which the phone uploaded the file again; nothing where the log has no message to name.
    async fn uploaded_again(
        &self,
        account: &dyn Account,
        keys: &[u8],
    ) -> Result<Option<Vec<u8>>, OpError> {
        let Some(number) = self.message else {
            return Ok(None);
        };
        let found = self.session.journal.numbered(&[number]).await?;
        let Some(message) = found.into_iter().next() else {
            return Ok(None);
        };
        metrics::counter!("switchboard_media_reuploads_total").increment(1);
        let target = Target {
            id: message.id,
            from_me: message.from_me,
            sender: Some(message.sender),
        };
        let fresh = account.reupload(&message.chat, &target, keys).await;
        fresh.map(Some).map_err(|e| remote(&e))
    }
}
