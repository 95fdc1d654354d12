//! The device row: the login itself.

use async_trait::async_trait;
use wacore::store::Device;
use wacore::store::error::Result;
use wacore::store::traits::DeviceStore;

use super::{Backend, kinds, rows};

/// The number the library gets for the one device of a namespace.
const DEVICE_NUMBER: i32 = 1;

#[async_trait]
impl DeviceStore for Backend {
    async fn save(&self, device: &Device) -> Result<()> {
        self.put(kinds::DEVICE, Vec::new(), rows::encode_device(device)?)
            .await
    }

    async fn load(&self) -> Result<Option<Device>> {
        self.get(kinds::DEVICE, b"")
            .await?
            .map(|row| rows::decode_device(&row))
            .transpose()
    }

    async fn exists(&self) -> Result<bool> {
        Ok(self.get(kinds::DEVICE, b"").await?.is_some())
    }

    async fn create(&self) -> Result<i32> {
        if !self.exists().await? {
            self.save(&Device::new()).await?;
        }
        Ok(DEVICE_NUMBER)
    }

    async fn snapshot_db(&self, _name: &str, _extra_content: Option<&[u8]>) -> Result<()> {
        // A copy of a sealed store would leave the keys' protection; the store's own export is the way.
        Ok(())
    }

    #[expect(
        clippy::field_reassign_with_default,
        reason = "the library allows no other way to make the report"
    )]
    async fn resource_report(&self) -> wacore::stats::StorageResourceReport {
        // The engine's cache belongs to the node, not to the session.
        let mut report = wacore::stats::StorageResourceReport::default();
        report.memory_bytes = Some(0);
        report
    }
}
