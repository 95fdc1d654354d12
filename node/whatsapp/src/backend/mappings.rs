//! Which phone number belongs to which LID.

use std::collections::BTreeMap;

use switchboard_keystore::Op;
use wacore::store::error::Result;
use wacore::store::traits::LidPnMappingEntry;

use super::rows::MappingRow;
use super::{Backend, keys, kinds, rows};

const WHAT: &str = "lid mapping";

impl Backend {
    pub(super) async fn mapping_of_lid(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        let row = self.get(kinds::LID_MAPPING, &keys::one(lid)).await?;
        let row = row
            .map(|row| rows::decode::<MappingRow>(&row, WHAT))
            .transpose()?;
        Ok(row.map(LidPnMappingEntry::from))
    }

    pub(super) async fn mapping_of_phone(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        let Some(lid_key) = self.get(kinds::PHONE_MAPPING, &keys::one(phone)).await? else {
            return Ok(None);
        };
        let row = self.get(kinds::LID_MAPPING, &lid_key).await?;
        let row = row
            .map(|row| rows::decode::<MappingRow>(&row, WHAT))
            .transpose()?;
        Ok(row.map(LidPnMappingEntry::from))
    }

    pub(super) async fn put_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let _order = self.locks.mappings.lock().await;
        // The last entry of a LID counts; the reverse entry of a number it leaves goes away.
        let newest: BTreeMap<&str, &LidPnMappingEntry> = entries
            .iter()
            .map(|entry| (entry.lid.as_str(), entry))
            .collect();
        let lid_keys: Vec<Vec<u8>> = newest.keys().map(|lid| keys::one(lid)).collect();
        let stored = self.get_all(kinds::LID_MAPPING, &lid_keys).await?;
        let mut ops = Vec::with_capacity(newest.len() * 2);
        for ((entry, lid_key), old) in newest.values().zip(&lid_keys).zip(stored) {
            let Some(old) = old else { continue };
            let phone = rows::decode::<MappingRow>(&old, WHAT)?.phone;
            if phone == entry.phone_number {
                continue;
            }
            let phone_key = keys::one(&phone);
            if self.get(kinds::PHONE_MAPPING, &phone_key).await?.as_ref() == Some(lid_key) {
                ops.push(Op::Delete {
                    kind: kinds::PHONE_MAPPING,
                    key: phone_key,
                });
            }
        }
        for (entry, lid_key) in newest.values().zip(lid_keys) {
            let value = rows::encode(&MappingRow::from(*entry))?;
            ops.push(Op::Put {
                kind: kinds::LID_MAPPING,
                key: lid_key.clone(),
                value,
            });
            let key = keys::one(&entry.phone_number);
            ops.push(Op::Put {
                kind: kinds::PHONE_MAPPING,
                key,
                value: lid_key,
            });
        }
        self.commit(ops).await
    }

    pub(super) async fn all_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        let mut all = Vec::new();
        self.walk(kinds::LID_MAPPING, b"", &mut |_, row| {
            all.push(rows::decode::<MappingRow>(&row, WHAT)?.into());
            Ok(true)
        })
        .await?;
        Ok(all)
    }
}
