//! Decrypted messages that the intake has not taken yet. They are few, so expiry reads them all.
//!
//! A row must be there once the ratchet that went on for its message is durable: it rides with that. Where the intake was quicker it
//! is never written. One that is left behind is delivered again, which the intake knows.

use switchboard_keystore::Op;
use wacore::store::error::{Result, StoreError};
use wacore::store::traits::{PendingInboundKey, PendingInboundRow};

use super::{Backend, EXPIRED_ROWS_MAX, keys, kinds};
use crate::clock;

fn pending_key(chat: &str, sender: &str, id: &str) -> Vec<u8> {
    keys::tuple(&[chat.as_bytes(), sender.as_bytes(), id.as_bytes()])
}

fn split(row: &[u8]) -> Result<(u64, &[u8])> {
    keys::split_timed(row).ok_or_else(|| {
        StoreError::Validation("read pending message: the row is too short".to_owned())
    })
}

impl Backend {
    pub(super) async fn put_pending(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        let at = clock::now_secs();
        let row = |row: &PendingInboundRow<'_>| {
            let key = pending_key(row.chat, row.sender, row.id);
            (kinds::PENDING_INBOUND, key, keys::timed(at, row.message))
        };
        self.put_later(rows.iter().map(row).collect()).await
    }

    pub(super) async fn pending(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
    ) -> Result<Option<Vec<u8>>> {
        let row = self
            .get(kinds::PENDING_INBOUND, &pending_key(chat, sender, id))
            .await?;
        row.map(|row| Ok(split(&row)?.1.to_vec())).transpose()
    }

    pub(super) async fn delete_pending(&self, wanted: &[PendingInboundKey<'_>]) -> Result<()> {
        let key = |key: &PendingInboundKey<'_>| pending_key(key.chat, key.sender, key.id);
        let keys = wanted.iter().map(key).collect();
        self.delete_later(kinds::PENDING_INBOUND, keys).await
    }

    pub(super) async fn expire_pending(&self, cutoff: i64) -> Result<u32> {
        self.write_riders().await?;
        let cutoff = u64::try_from(cutoff).unwrap_or(0);
        let mut ops = Vec::new();
        self.walk(kinds::PENDING_INBOUND, b"", &mut |key, row| {
            if split(&row)?.0 < cutoff {
                ops.push(Op::Delete {
                    kind: kinds::PENDING_INBOUND,
                    key,
                });
            }
            Ok(ops.len() < EXPIRED_ROWS_MAX)
        })
        .await?;
        let count = ops.len();
        self.commit(ops).await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}
