//! Secrets of messages, by which later votes, edits and reactions are read. They ride with the Signal state that went on for their
//! messages; what polls and events need is written at once, see [`super::ballots`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use switchboard_keystore::Op;
use wacore::store::error::{Result, StoreError};
use wacore::store::traits::{
    MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry, merge_msg_secret_message_ts,
};

use super::rows::SecretRow;
use super::{Backend, EXPIRED_ROWS_MAX, keys, kinds, rows};

const WHAT: &str = "message secret";

fn secret_key(chat: &str, sender: &str, id: &str) -> Vec<u8> {
    keys::tuple(&[chat.as_bytes(), sender.as_bytes(), id.as_bytes()])
}

#[async_trait]
impl MsgSecretStore for Backend {
    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        let count = entries.len();
        let _order = self.locks.secrets.lock().await;
        let wanted: Vec<Vec<u8>> = entries
            .iter()
            .map(|entry| secret_key(&entry.chat, &entry.sender, &entry.msg_id))
            .collect();
        let stored = self.get_all(kinds::MESSAGE_SECRET, &wanted).await?;
        let mut rows = BTreeMap::<Vec<u8>, SecretRow>::new();
        let (mut later, mut moved) = (Vec::with_capacity(count * 2), Vec::new());
        for ((key, entry), old) in wanted.into_iter().zip(entries).zip(stored) {
            let mut row = SecretRow {
                secret: entry.secret.to_vec(),
                expires_at: entry.expires_at,
                message_at: entry.message_ts,
            };
            let old = match (rows.remove(&key), old) {
                (Some(old), _) => Some(old),
                (None, Some(old)) => Some(rows::decode::<SecretRow>(&old, WHAT)?),
                (None, None) => None,
            };
            if let Some(old) = old {
                row.expires_at = merge_msg_secret_expiry(old.expires_at, row.expires_at);
                row.message_at = merge_msg_secret_message_ts(old.message_at, row.message_at);
                if old.expires_at != 0 && old.expires_at != row.expires_at {
                    moved.push(keys::timed(old.expires_at, &key));
                }
            }
            rows.insert(key, row);
        }
        for (key, row) in rows {
            if row.expires_at != 0 {
                let index = keys::timed(row.expires_at, &key);
                later.push((kinds::SECRET_BY_EXPIRY, index, Vec::new()));
            }
            later.push((kinds::MESSAGE_SECRET, key, rows::encode(&row)?));
        }
        self.delete_later(kinds::SECRET_BY_EXPIRY, moved).await?;
        self.put_later(later).await?;
        Ok(count)
    }

    async fn get_msg_secret(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<Vec<u8>>> {
        Ok(self
            .get_msg_secret_with_ts(chat, sender, msg_id)
            .await?
            .map(|(secret, _)| secret))
    }

    async fn get_msg_secret_with_ts(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<(Vec<u8>, i64)>> {
        let row = self
            .get(kinds::MESSAGE_SECRET, &secret_key(chat, sender, msg_id))
            .await?;
        let row = row
            .map(|row| rows::decode::<SecretRow>(&row, WHAT))
            .transpose()?;
        Ok(row.map(|row| (row.secret, row.message_at)))
    }

    async fn delete_expired_msg_secrets(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.write_riders().await?;
        let _order = self.locks.secrets.lock().await;
        let cutoff = u64::try_from(cutoff_timestamp).unwrap_or(0);
        let mut ops = Vec::new();
        self.walk(kinds::SECRET_BY_EXPIRY, b"", &mut |key, _| {
            let (expires_at, secret) = keys::split_timed(&key).ok_or_else(|| {
                StoreError::Validation("read expiry index: key too short".to_owned())
            })?;
            if expires_at > cutoff {
                return Ok(false);
            }
            ops.push(Op::Delete {
                kind: kinds::MESSAGE_SECRET,
                key: secret.to_vec(),
            });
            ops.push(Op::Delete {
                kind: kinds::SECRET_BY_EXPIRY,
                key,
            });
            Ok(ops.len() < 2 * EXPIRED_ROWS_MAX)
        })
        .await?;
        let count = ops.len() / 2;
        self.commit(ops).await?;
        self.expire_ballots(cutoff).await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}
