//! Which devices have a group's sender key, with an index by device.

use switchboard_keystore::Op;
use wacore::store::error::{Result, StoreError};

use super::rows::SenderKeyDeviceRow;
use super::{Backend, keys, kinds, rows};

const WHAT: &str = "sender-key device";

impl Backend {
    pub(super) async fn devices_with_key(&self, group: &str) -> Result<Vec<(String, bool)>> {
        let mut all = Vec::new();
        self.walk(
            kinds::SENDER_KEY_DEVICE,
            &keys::prefix(&[group.as_bytes()]),
            &mut |_, row| {
                let row = rows::decode::<SenderKeyDeviceRow>(&row, WHAT)?;
                all.push((row.device, row.has_key));
                Ok(true)
            },
        )
        .await?;
        Ok(all)
    }

    pub(super) async fn note_devices_with_key(
        &self,
        group: &str,
        entries: &[(&str, bool)],
    ) -> Result<()> {
        let mut ops = Vec::with_capacity(entries.len() * 2);
        for (device, has_key) in entries {
            let row = SenderKeyDeviceRow {
                device: (*device).to_owned(),
                has_key: *has_key,
            };
            ops.push(Op::Put {
                kind: kinds::SENDER_KEY_DEVICE,
                key: keys::tuple(&[group.as_bytes(), device.as_bytes()]),
                value: rows::encode(&row)?,
            });
            ops.push(Op::Put {
                kind: kinds::SENDER_KEY_GROUP,
                key: keys::tuple(&[device.as_bytes(), group.as_bytes()]),
                value: keys::tuple(&[group.as_bytes(), device.as_bytes()]),
            });
        }
        self.commit(ops).await
    }

    pub(super) async fn forget_group_devices(&self, group: &str) -> Result<()> {
        let from = keys::prefix(&[group.as_bytes()]);
        let mut ops = Vec::new();
        self.walk(kinds::SENDER_KEY_DEVICE, &from, &mut |_, row| {
            let device = rows::decode::<SenderKeyDeviceRow>(&row, WHAT)?.device;
            let key = keys::tuple(&[device.as_bytes(), group.as_bytes()]);
            ops.push(Op::Delete {
                kind: kinds::SENDER_KEY_GROUP,
                key,
            });
            Ok(true)
        })
        .await?;
        if ops.is_empty() {
            return Ok(());
        }
        let to = keys::after(&from);
        // First, so that a call too large for one batch leaves index entries and no rows behind.
        ops.insert(
            0,
            Op::DeleteRange {
                kind: kinds::SENDER_KEY_DEVICE,
                from,
                to,
            },
        );
        self.commit(ops).await
    }

    pub(super) async fn forget_devices(&self, devices: &[&str]) -> Result<()> {
        let mut ops = Vec::new();
        for device in devices {
            self.walk(
                kinds::SENDER_KEY_GROUP,
                &keys::prefix(&[device.as_bytes()]),
                &mut |key, row| {
                    if row.is_empty() {
                        return Err(StoreError::Validation(format!(
                            "read {WHAT}: the index entry is empty"
                        )));
                    }
                    ops.push(Op::Delete {
                        kind: kinds::SENDER_KEY_DEVICE,
                        key: row,
                    });
                    ops.push(Op::Delete {
                        kind: kinds::SENDER_KEY_GROUP,
                        key,
                    });
                    Ok(true)
                },
            )
            .await?;
        }
        self.commit(ops).await
    }

    pub(super) async fn forget_all_devices(&self) -> Result<()> {
        let range = |kind| Op::DeleteRange {
            kind,
            from: Vec::new(),
            to: keys::last(),
        };
        self.commit(vec![
            range(kinds::SENDER_KEY_DEVICE),
            range(kinds::SENDER_KEY_GROUP),
        ])
        .await
    }
}
