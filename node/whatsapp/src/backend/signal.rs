//! Identities, sessions, prekeys and sender keys.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_keystore::{Kind, Op, ScanRange};
use wacore::store::error::{Result, StoreError};
use wacore::store::traits::SignalStore;

use super::{Backend, keys, kinds};

/// First byte of a prekey row: not yet on the server.
const PREKEY_LOCAL: u8 = 0;
/// First byte of a prekey row: offered to the server.
const PREKEY_UPLOADED: u8 = 1;

fn prekey_op(id: u32, record: &[u8], uploaded: bool) -> Op {
    let mut value = Vec::with_capacity(record.len() + 1);
    value.push(if uploaded {
        PREKEY_UPLOADED
    } else {
        PREKEY_LOCAL
    });
    value.extend_from_slice(record);
    Op::Put {
        kind: kinds::PREKEY,
        key: id.to_be_bytes().to_vec(),
        value,
    }
}

fn prekey_record(row: Vec<u8>) -> Result<Bytes> {
    if row.is_empty() {
        return Err(StoreError::Validation(
            "read prekey: the row is empty".to_owned(),
        ));
    }
    Ok(Bytes::from(row).slice(1..))
}

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
        let _order = self.locks.prekeys.lock().await;
        self.commit(vec![prekey_op(id, record, uploaded)]).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], uploaded: bool) -> Result<()> {
        let _order = self.locks.prekeys.lock().await;
        self.commit(
            keys.iter()
                .map(|(id, record)| prekey_op(*id, record, uploaded))
                .collect(),
        )
        .await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        self.get(kinds::PREKEY, &id.to_be_bytes())
            .await?
            .map(prekey_record)
            .transpose()
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| id.to_be_bytes().to_vec()).collect();
        let rows = self.get_all(kinds::PREKEY, &keys).await?;
        let found = ids
            .iter()
            .zip(rows)
            .filter_map(|(id, row)| Some((*id, row?)));
        found
            .map(|(id, row)| Ok((id, prekey_record(row)?)))
            .collect()
    }

    async fn mark_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        // A key that was used up meanwhile must stay away: reading and writing may not be torn apart.
        let _order = self.locks.prekeys.lock().await;
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| id.to_be_bytes().to_vec()).collect();
        let rows = self.get_all(kinds::PREKEY, &keys).await?;
        let mut ops = Vec::new();
        for (key, row) in keys.into_iter().zip(rows) {
            let Some(mut value) = row else { continue };
            match value.first_mut() {
                Some(mark) if *mark == PREKEY_LOCAL => *mark = PREKEY_UPLOADED,
                Some(_) | None => continue,
            }
            ops.push(Op::Put {
                kind: kinds::PREKEY,
                key,
                value,
            });
        }
        self.commit(ops).await
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        let _order = self.locks.prekeys.lock().await;
        self.delete(kinds::PREKEY, id.to_be_bytes().to_vec()).await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        let range = ScanRange {
            reverse: true,
            ..ScanRange::all(1)
        };
        let page = self
            .store
            .scan(&self.namespace, kinds::PREKEY, range)
            .await
            .map_err(|error| self.failed(error))?;
        page.entries.first().map_or(Ok(0), |(key, _)| id_of(key))
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
