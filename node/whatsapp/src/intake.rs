//! The library's inbound durability hook in front of the node's [`Intake`].

use std::sync::Arc;

use async_trait::async_trait;
use wacore::types::events::InboundMessage;
use whatsapp_rust::{Client, InboundDurabilityHook, anyhow};

use crate::api::{Incoming, Intake};
use crate::backend::Backend;
use crate::gate::Gate;
use crate::incoming;

/// Turns each batch into our words and waits until the node has it on disk.
pub(crate) struct Hook {
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) backend: Arc<Backend>,
}

#[async_trait]
impl InboundDurabilityHook for Hook {
    async fn on_messages(
        &self,
        client: Arc<Client>,
        batch: &[InboundMessage],
    ) -> anyhow::Result<()> {
        if !self.gate.is_open() {
            anyhow::bail!("take in {} messages: the session is fenced", batch.len());
        }
        let batch = convert(&client, &self.backend, batch).await;
        if batch.is_empty() {
            return Ok(());
        }
        Ok(self.intake.take(batch).await?)
    }
}

/// The messages of a batch that are messages to us.
pub(crate) async fn convert(
    client: &Client,
    backend: &Backend,
    batch: &[InboundMessage],
) -> Vec<Incoming> {
    let mut all = Vec::with_capacity(batch.len());
    for item in batch {
        all.extend(incoming::take(client, backend, &item.message, &item.info).await);
    }
    all
}
