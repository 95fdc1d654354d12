//! Decrypted messages that the intake has not taken yet. They are few, so expiry reads them all.

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
        let op = |row: &PendingInboundRow<'_>| Op::Put {
            kind: kinds::PENDING_INBOUND,
            key: pending_key(row.chat, row.sender, row.id),
            value: keys::timed(at, row.message),
        };
        self.commit(rows.iter().map(op).collect()).await
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
        let wanted: Vec<Vec<u8>> = wanted
            .iter()
            .map(|key| pending_key(key.chat, key.sender, key.id))
            .collect();
        let rows = self.get_all(kinds::PENDING_INBOUND, &wanted).await?;
        let there = wanted
            .into_iter()
            .zip(rows)
            .filter(|(_, row)| row.is_some());
        let op = |(key, _)| Op::Delete {
            kind: kinds::PENDING_INBOUND,
            key,
        };
        self.commit(there.map(op).collect()).await
    }

    pub(super) async fn expire_pending(&self, cutoff: i64) -> Result<u32> {
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
