//! Identities, sessions, signed prekeys and sender keys; one-time prekeys have a module of their own.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_keystore::{Kind, Op};
use wacore::store::error::{Result, StoreError};
use wacore::store::traits::SignalStore;

use super::{Backend, keys, kinds};

fn id_of(key: &[u8]) -> Result<u32> {
    <[u8; 4]>::try_from(key)
        .map(u32::from_be_bytes)
        .map_err(|_| StoreError::Validation(format!("read key id: {} bytes", key.len())))
}

fn put_op(kind: Kind, address: &str, value: &[u8]) -> Op {
    Op::Put {
        kind,
        key: keys::one(address),
        value: value.to_vec(),
    }
}

#[async_trait]
impl SignalStore for Backend {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        self.commit(vec![put_op(kinds::IDENTITY, address, &key)])
            .await
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        let op = |(address, key): &(Arc<str>, [u8; 32])| put_op(kinds::IDENTITY, address, key);
        self.commit(identities.iter().map(op).collect()).await
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let Some(row) = self.get(kinds::IDENTITY, &keys::one(address)).await? else {
            return Ok(None);
        };
        <[u8; 32]>::try_from(row).map(Some).map_err(|row| {
            StoreError::Validation(format!("read identity: {} bytes instead of 32", row.len()))
        })
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.delete(kinds::IDENTITY, keys::one(address)).await
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        self.get_bytes(kinds::SESSION, &keys::one(address)).await
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        self.commit(vec![put_op(kinds::SESSION, address, session)])
            .await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        let op = |(address, session): &(Arc<str>, Bytes)| put_op(kinds::SESSION, address, session);
        self.commit(sessions.iter().map(op).collect()).await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        self.delete(kinds::SESSION, keys::one(address)).await
    }

    async fn has_session(&self, address: &str) -> Result<bool> {
        Ok(self
            .get(kinds::SESSION, &keys::one(address))
            .await?
            .is_some())
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        for kind in [kinds::SESSION, kinds::IDENTITY] {
            for mark in ['@', ':'] {
                if self.any(kind, format!("{user}{mark}").as_bytes()).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], uploaded: bool) -> Result<()> {
        let key = (id, Bytes::copy_from_slice(record));
        self.put_prekeys(std::iter::once(key), uploaded).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], uploaded: bool) -> Result<()> {
        self.put_prekeys(keys.iter().cloned(), uploaded).await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        let found = self.prekeys(&[id]).await?;
        Ok(found.into_iter().next().map(|(_, record)| record))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        self.prekeys(ids).await
    }

    async fn mark_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        self.note_prekeys_uploaded(ids).await
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        self.delete_prekey(id).await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        self.last_prekey().await
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        self.put(
            kinds::SIGNED_PREKEY,
            id.to_be_bytes().to_vec(),
            record.to_vec(),
        )
        .await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        self.get(kinds::SIGNED_PREKEY, &id.to_be_bytes()).await
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let mut all = Vec::new();
        self.walk(kinds::SIGNED_PREKEY, b"", &mut |key, record| {
            all.push((id_of(&key)?, record));
            Ok(true)
        })
        .await?;
        Ok(all)
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        self.delete(kinds::SIGNED_PREKEY, id.to_be_bytes().to_vec())
            .await
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        self.commit(vec![put_op(kinds::SENDER_KEY, address, record)])
            .await
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        let op = |(address, record): &(Arc<str>, Bytes)| put_op(kinds::SENDER_KEY, address, record);
        self.commit(sender_keys.iter().map(op).collect()).await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        self.get(kinds::SENDER_KEY, &keys::one(address)).await
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.delete(kinds::SENDER_KEY, keys::one(address)).await
    }
}
