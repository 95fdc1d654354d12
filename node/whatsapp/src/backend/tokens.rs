//! Trusted-contact tokens. Two writers share a row, so every change reads it under a lock.

use switchboard_keystore::Op;
use wacore::store::error::Result;
use wacore::store::traits::TcTokenEntry;

use super::rows::TokenRow;
use super::{Backend, EXPIRED_ROWS_MAX, keys, kinds, rows};

const WHAT: &str = "trusted-contact token";

impl Backend {
    pub(super) async fn token(&self, address: &str) -> Result<Option<TcTokenEntry>> {
        let row = self.get(kinds::TC_TOKEN, &keys::one(address)).await?;
        let row = row
            .map(|row| rows::decode::<TokenRow>(&row, WHAT))
            .transpose()?;
        Ok(row.map(TcTokenEntry::from))
    }

    async fn write_token(&self, address: &str, entry: &TcTokenEntry) -> Result<()> {
        let row = rows::encode(&TokenRow::new(address, entry))?;
        self.put(kinds::TC_TOKEN, keys::one(address), row).await
    }

    pub(super) async fn put_token(&self, address: &str, entry: &TcTokenEntry) -> Result<()> {
        let _order = self.locks.tokens.lock().await;
        self.write_token(address, entry).await
    }

    pub(super) async fn delete_token(&self, address: &str) -> Result<()> {
        let _order = self.locks.tokens.lock().await;
        self.delete_if_there(kinds::TC_TOKEN, keys::one(address))
            .await
    }

    pub(super) async fn token_addresses(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        self.walk(kinds::TC_TOKEN, b"", &mut |_, row| {
            all.push(rows::decode::<TokenRow>(&row, WHAT)?.address);
            Ok(true)
        })
        .await?;
        Ok(all)
    }

    pub(super) async fn expire_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let _order = self.locks.tokens.lock().await;
        let mut ops = Vec::new();
        self.walk(kinds::TC_TOKEN, b"", &mut |key, row| {
            if rows::decode::<TokenRow>(&row, WHAT)?.is_dead(token_cutoff, sender_cutoff) {
                ops.push(Op::Delete {
                    kind: kinds::TC_TOKEN,
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

    pub(super) async fn note_token_sent(&self, address: &str, at: i64) -> Result<()> {
        let _order = self.locks.tokens.lock().await;
        let entry = match self.token(address).await? {
            Some(entry) => {
                let at = entry.sender_timestamp.map_or(at, |earlier| earlier.max(at));
                TcTokenEntry {
                    sender_timestamp: Some(at),
                    ..entry
                }
            }
            None => TcTokenEntry {
                token: Vec::new(),
                token_timestamp: at,
                sender_timestamp: Some(at),
            },
        };
        self.write_token(address, &entry).await
    }

    pub(super) async fn note_token_received(
        &self,
        address: &str,
        token: &[u8],
        at: i64,
    ) -> Result<()> {
        let _order = self.locks.tokens.lock().await;
        let stored = self.token(address).await?;
        let is_newer = |entry: &TcTokenEntry| !entry.token.is_empty() && at < entry.token_timestamp;
        if stored.as_ref().is_some_and(is_newer) {
            return Ok(());
        }
        let entry = TcTokenEntry {
            token: token.to_vec(),
            token_timestamp: at,
            sender_timestamp: stored.and_then(|entry| entry.sender_timestamp),
        };
        self.write_token(address, &entry).await
    }
}
