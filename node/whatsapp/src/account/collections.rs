//! Reads collections of the synchronised state that the library did not read by itself.

use std::sync::Arc;
use std::time::Duration;

use wacore::appstate::patch_decode::WAPatchName;
use wacore::store::traits::AppSyncStore as _;
use whatsapp_rust::Client;
use whatsapp_rust::sync_task::MajorSyncTask;

use super::Session;
use super::live::Live;
use crate::owed::Debt;
use crate::task;

/// How often a login is looked for before a collection is read.
const LOGIN_PAUSE: Duration = Duration::from_secs(1);

impl Session {
    /// Reads what is owed, for ever.
    pub(super) async fn pump_collections(&self, live: &Live) {
        loop {
            let debt = self.owed.next().await;
            if !live.client.is_logged_in() {
                tokio::time::sleep(LOGIN_PAUSE).await;
                continue;
            }
            if !debt.is_skipped && self.has(live, &debt).await {
                continue;
            }
            let name = debt.name.as_str();
            if !self.owed.begin(debt.name) {
                tracing::warn!(session = %self.namespace, name, "a changed collection could not be read: the next change must bring it");
                continue;
            }
            tracing::debug!(session = %self.namespace, name, version = debt.version, "reading a collection that the library skipped");
            read(&live.client, debt.name).await;
            if debt.version == 0 {
                self.owed.paid(debt.name, 0);
            } else {
                self.has(live, &debt).await;
            }
        }
    }

    /// Whether the store has what is owed.
    async fn has(&self, live: &Live, debt: &Debt) -> bool {
        let stands = match live.backend.get_version(debt.name.as_str()).await {
            Ok(state) => state.version,
            Err(error) => {
                tracing::debug!(session = %self.namespace, %error, "the version of a collection could not be read");
                return false;
            }
        };
        self.owed.paid(debt.name, stands);
        stands >= debt.version
    }
}

/// Reads a collection, after whoever reads or writes it now; what fails the library tries again a few times.
///
/// Not dropped with the connection: between the version that is kept and the changes that are told, that would lose them.
pub(crate) async fn read(client: &Arc<Client>, name: WAPatchName) {
    let client = Arc::clone(client);
    task::detached(async move {
        let reading = MajorSyncTask::AppStateSync {
            name,
            full_sync: false,
        };
        Box::pin(client.process_sync_task(reading)).await;
    })
    .await;
}
