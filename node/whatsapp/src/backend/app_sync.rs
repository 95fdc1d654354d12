//! App-state keys, versions and MACs.

use std::collections::HashMap;

use async_trait::async_trait;
use switchboard_keystore::Op;
use wacore::appstate::hash::HashState;
use wacore::appstate::patch_decode::WAPatchName;
use wacore::appstate::processor::AppStateMutationMAC;
use wacore::store::error::Result;
use wacore::store::traits::{AppStateSyncKey, AppSyncStore};

use super::{Backend, keys, kinds, rows};

fn mac_key(collection: &str, index_mac: &[u8]) -> Vec<u8> {
    keys::tuple(&[collection.as_bytes(), index_mac])
}

impl Backend {
    /// Every value MAC of a collection, by index MAC.
    pub(crate) async fn all_mutation_macs(
        &self,
        collection: &str,
    ) -> Result<HashMap<Vec<u8>, Vec<u8>>> {
        let prefix = keys::prefix(&[collection.as_bytes()]);
        let mut all = HashMap::new();
        self.walk(kinds::MUTATION_MAC, &prefix, &mut |key, value| {
            if let Some(index_mac) = key.get(prefix.len()..) {
                all.insert(index_mac.to_vec(), value);
            }
            Ok(true)
        })
        .await?;
        Ok(all)
    }
}

/// Every collection that WhatsApp has.
const COLLECTIONS: [WAPatchName; 5] = [
    WAPatchName::CriticalBlock,
    WAPatchName::CriticalUnblockLow,
    WAPatchName::RegularLow,
    WAPatchName::RegularHigh,
    WAPatchName::Regular,
];

impl Backend {
    /// Writes down, beside the next commit, that another device made this version. Whether it was read, the version that stands
    /// tells; so the row stays.
    pub(crate) fn note_told(&self, name: WAPatchName, version: u64) {
        if let Ok(row) = rows::encode(&version) {
            // What finds no ride is written after a while, and these are too few to be many.
            let _ = self
                .riders
                .put(kinds::TOLD_VERSION, keys::one(name.as_str()), row);
        }
    }

    /// Collections of which a higher version was told than stands, with that version: the process ended before it was read.
    pub(crate) async fn behind(&self) -> Result<Vec<(WAPatchName, u64)>> {
        let names = COLLECTIONS.map(|name| keys::one(name.as_str()));
        let told = self.get_all(kinds::TOLD_VERSION, &names).await?;
        let mut behind = Vec::new();
        for (name, row) in COLLECTIONS.into_iter().zip(told) {
            let Some(row) = row else { continue };
            let told: u64 = rows::decode(&row, "told version")?;
            if self.get_version(name.as_str()).await?.version < told {
                behind.push((name, told));
            }
        }
        Ok(behind)
    }
}

#[async_trait]
impl AppSyncStore for Backend {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        let row = self.get(kinds::SYNC_KEY, &keys::one_bytes(key_id)).await?;
        let row = row
            .map(|row| rows::decode::<rows::SyncKeyRow>(&row, "app-state key"))
            .transpose()?;
        Ok(row.map(AppStateSyncKey::from))
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        let _order = self.locks.sync_keys.lock().await;
        self.commit(vec![
            Op::Put {
                kind: kinds::SYNC_KEY,
                key: keys::one_bytes(key_id),
                value: rows::encode(&rows::SyncKeyRow::from(key))?,
            },
            Op::Put {
                kind: kinds::LATEST_SYNC_KEY,
                key: Vec::new(),
                value: key_id.to_vec(),
            },
        ])
        .await
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        match self.get(kinds::APP_VERSION, &keys::one(name)).await? {
            Some(row) => rows::decode::<rows::VersionRow>(&row, "app-state version")?.try_into(),
            None => Ok(HashState::default()),
        }
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        let row = rows::encode(&rows::VersionRow::from(state))?;
        self.put(kinds::APP_VERSION, keys::one(name), row).await
    }

    async fn put_mutation_macs(
        &self,
        name: &str,
        _version: u64,
        mutations: &[AppStateMutationMAC],
    ) -> Result<()> {
        let op = |mac: &AppStateMutationMAC| Op::Put {
            kind: kinds::MUTATION_MAC,
            key: mac_key(name, &mac.index_mac),
            value: mac.value_mac.clone(),
        };
        self.commit(mutations.iter().map(op).collect()).await
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get(kinds::MUTATION_MAC, &mac_key(name, index_mac))
            .await
    }

    async fn get_mutation_macs(
        &self,
        name: &str,
        index_macs: &[[u8; 32]],
    ) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let keys: Vec<Vec<u8>> = index_macs.iter().map(|mac| mac_key(name, mac)).collect();
        let values = self.get_all(kinds::MUTATION_MAC, &keys).await?;
        let pairs = index_macs
            .iter()
            .zip(values)
            .filter_map(|(mac, value)| Some((*mac, value?)));
        Ok(pairs.collect())
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        let op = |mac: &Vec<u8>| Op::Delete {
            kind: kinds::MUTATION_MAC,
            key: mac_key(name, mac),
        };
        self.commit(index_macs.iter().map(op).collect()).await
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        let from = keys::prefix(&[name.as_bytes()]);
        if !self.any(kinds::MUTATION_MAC, &from).await? {
            return Ok(());
        }
        let to = keys::after(&from);
        self.commit(vec![Op::DeleteRange {
            kind: kinds::MUTATION_MAC,
            from,
            to,
        }])
        .await
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        self.get(kinds::LATEST_SYNC_KEY, b"").await
    }
}
