//! What the values look like.
//!
//! Opaque bytes of the library stay as they are. Rows that we lay out are bincode behind a schema byte: each has its
//! own struct here, because the library's structs leave out fields and bincode cannot. The device row, which is the
//! library's own and large, is JSON behind the same byte, so that a release of the library may add fields.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wacore::appstate::hash::HashState;
use wacore::store::Device;
use wacore::store::error::{Result, StoreError};
use wacore::store::traits::{
    AppStateSyncKey, DeviceInfo, DeviceListRecord, LidPnMappingEntry, TcTokenEntry,
};

/// First byte of every row of this module.
const SCHEMA: u8 = 1;

fn body<'a>(value: &'a [u8], what: &'static str) -> Result<&'a [u8]> {
    match value.split_first() {
        Some((&SCHEMA, body)) => Ok(body),
        Some((other, _)) => Err(StoreError::Validation(format!(
            "read {what}: schema {other} is not known to this release"
        ))),
        None => Err(StoreError::Validation(format!(
            "read {what}: the row is empty"
        ))),
    }
}

fn foreign(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Serialization(Box::new(error))
}

/// A row of ours as bytes.
pub(super) fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>> {
    let mut out = vec![SCHEMA];
    bincode::serde::encode_into_std_write(row, &mut out, bincode::config::standard())
        .map_err(foreign)?;
    Ok(out)
}

/// The row that [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(value: &[u8], what: &'static str) -> Result<T> {
    let body = body(value, what)?;
    let (row, length) =
        bincode::serde::decode_from_slice(body, bincode::config::standard()).map_err(foreign)?;
    if length == body.len() {
        Ok(row)
    } else {
        Err(StoreError::Validation(format!(
            "read {what}: {} bytes are left over",
            body.len() - length
        )))
    }
}

/// The device row as bytes.
pub(super) fn encode_device(device: &Device) -> Result<Vec<u8>> {
    let mut out = vec![SCHEMA];
    serde_json::to_writer(&mut out, device).map_err(foreign)?;
    Ok(out)
}

/// The device row.
pub(super) fn decode_device(value: &[u8]) -> Result<Device> {
    serde_json::from_slice(body(value, "device row")?).map_err(foreign)
}

#[derive(Serialize, Deserialize)]
pub(super) struct SyncKeyRow {
    key: Vec<u8>,
    fingerprint: Vec<u8>,
    at: i64,
}

impl From<AppStateSyncKey> for SyncKeyRow {
    fn from(key: AppStateSyncKey) -> Self {
        Self {
            key: key.key_data,
            fingerprint: key.fingerprint,
            at: key.timestamp,
        }
    }
}

impl From<SyncKeyRow> for AppStateSyncKey {
    fn from(row: SyncKeyRow) -> Self {
        Self {
            key_data: row.key,
            fingerprint: row.fingerprint,
            timestamp: row.at,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct VersionRow {
    version: u64,
    hash: Vec<u8>,
    index: Vec<(String, Vec<u8>)>,
    fatal: bool,
}

impl From<HashState> for VersionRow {
    fn from(state: HashState) -> Self {
        Self {
            version: state.version,
            hash: state.hash.to_vec(),
            index: state.index_value_map.into_iter().collect(),
            fatal: state.mac_mismatch_fatal,
        }
    }
}

impl TryFrom<VersionRow> for HashState {
    type Error = StoreError;
    fn try_from(row: VersionRow) -> Result<Self> {
        let hash = <[u8; 128]>::try_from(row.hash).map_err(|hash| {
            StoreError::Validation(format!(
                "read app-state version: hash of {} bytes",
                hash.len()
            ))
        })?;
        Ok(Self {
            version: row.version,
            hash,
            index_value_map: row.index.into_iter().collect::<HashMap<_, _>>(),
            mac_mismatch_fatal: row.fatal,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct MappingRow {
    lid: String,
    pub(super) phone: String,
    created_at: i64,
    updated_at: i64,
    source: String,
}

impl From<&LidPnMappingEntry> for MappingRow {
    fn from(entry: &LidPnMappingEntry) -> Self {
        Self {
            lid: entry.lid.clone(),
            phone: entry.phone_number.clone(),
            created_at: entry.created_at,
            updated_at: entry.updated_at,
            source: entry.learning_source.clone(),
        }
    }
}

impl From<MappingRow> for LidPnMappingEntry {
    fn from(row: MappingRow) -> Self {
        Self {
            lid: row.lid,
            phone_number: row.phone,
            created_at: row.created_at,
            updated_at: row.updated_at,
            learning_source: row.source,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct DevicesRow {
    user: String,
    devices: Vec<(u32, Option<u32>, bool)>,
    at: i64,
    phash: Option<String>,
    raw_id: Option<u32>,
}

impl From<DeviceListRecord> for DevicesRow {
    fn from(record: DeviceListRecord) -> Self {
        Self {
            user: record.user,
            devices: record
                .devices
                .into_iter()
                .map(|device| (device.device_id, device.key_index, device.is_hosted))
                .collect(),
            at: record.timestamp,
            phash: record.phash,
            raw_id: record.raw_id,
        }
    }
}

impl From<DevicesRow> for DeviceListRecord {
    fn from(row: DevicesRow) -> Self {
        Self {
            user: row.user,
            devices: row
                .devices
                .into_iter()
                .map(|(id, key_index, hosted)| DeviceInfo::new(id, key_index).with_hosting(hosted))
                .collect(),
            timestamp: row.at,
            phash: row.phash,
            raw_id: row.raw_id,
        }
    }
}

/// A trusted-contact token with the address it is for: long addresses stand in keys as digests only.
#[derive(Serialize, Deserialize)]
pub(super) struct TokenRow {
    pub(super) address: String,
    token: Vec<u8>,
    at: i64,
    sent_at: Option<i64>,
}

impl TokenRow {
    pub(super) fn new(address: &str, entry: &TcTokenEntry) -> Self {
        Self {
            address: address.to_owned(),
            token: entry.token.clone(),
            at: entry.token_timestamp,
            sent_at: entry.sender_timestamp,
        }
    }

    /// Whether neither the token nor the note of our own sending is worth keeping.
    pub(super) fn is_dead(&self, token_cutoff: i64, sender_cutoff: i64) -> bool {
        let token_lives = !self.token.is_empty() && self.at >= token_cutoff;
        let note_lives = self.sent_at.is_some_and(|at| at >= sender_cutoff);
        !token_lives && !note_lives
    }
}

impl From<TokenRow> for TcTokenEntry {
    fn from(row: TokenRow) -> Self {
        Self {
            token: row.token,
            token_timestamp: row.at,
            sender_timestamp: row.sent_at,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct SenderKeyDeviceRow {
    pub(super) device: String,
    pub(super) has_key: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SecretRow {
    pub(super) secret: Vec<u8>,
    pub(super) expires_at: i64,
    pub(super) message_at: i64,
}
