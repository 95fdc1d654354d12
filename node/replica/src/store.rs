//! The store itself: sessions' batches go through the log, everything else straight to the node's own store.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use switchboard_bus::{EventLog, Names};
use switchboard_keystore::{
    Admission, Durable, Epoch, Error, Export, Import, KeyStore, Kind, MasterKey, Namespace, Op,
    Page, Remains, ScanRange, Staged, Stats, TransferKey, Verified,
};

use crate::api::{Config, LossySource, ReplicaError, ReplicaKey, Strip, TakenOver};

/// A [`KeyStore`] whose sessions any node can take over.
///
/// A session can be written only after [`ReplicatedStore::take_over`], at that epoch.
#[derive(Debug)]
pub struct ReplicatedStore {
    local: Arc<dyn KeyStore>,
}

impl ReplicatedStore {
    /// Opens the streams on the bus, making them where they do not exist. `key` must be the same on every node.
    ///
    /// # Errors
    /// [`ReplicaError::Bus`].
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn open(
        local: Arc<dyn KeyStore>,
        _log: Arc<dyn EventLog>,
        _names: Names,
        _key: ReplicaKey,
        _config: Config,
    ) -> Result<Arc<Self>, ReplicaError> {
        Ok(Arc::new(Self { local }))
    }

    /// The node's own store: what is committed there is in no log.
    #[must_use]
    pub fn local(&self) -> &Arc<dyn KeyStore> {
        &self.local
    }

    /// Makes this node the only writer of a session and brings the store to the state of the log. Ends what was taken over
    /// before. It may be called again with the same epoch, after a commit failed for example.
    ///
    /// # Errors
    /// See [`ReplicaError`]. The store still has what it had, unless the error came from the store.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn take_over(
        &self,
        ns: &Namespace,
        _epoch: Epoch,
    ) -> Result<TakenOver, ReplicaError> {
        Err(ReplicaError::Internal {
            action: "take over",
            namespace: ns.to_string(),
            what: "not built yet".to_owned(),
        })
    }

    /// The same where the owner record says that the keys are kept by this node's store: whatever the log has is replaced by
    /// what the store has.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub async fn adopt(&self, ns: &Namespace, epoch: Epoch) -> Result<TakenOver, ReplicaError> {
        self.take_over(ns, epoch).await
    }

    /// Takes over what is known to be older than what ran, by an operator's order: restores `source` over whatever the store
    /// has, lets `strip` take out what must not be used again, and writes the log anew.
    ///
    /// # Errors
    /// See [`ReplicaError`]. After an error, or a crash, nothing of it is believed: order it again.
    pub async fn take_over_lossy(
        &self,
        ns: &Namespace,
        epoch: Epoch,
        _source: &LossySource,
        _strip: &Strip<'_>,
    ) -> Result<TakenOver, ReplicaError> {
        self.take_over(ns, epoch).await
    }

    /// Ends what was taken over: commits under way that still wait for the bus fail now, later ones at once.
    pub fn let_go(&self, _ns: &Namespace) {}

    /// [`ReplicatedStore::let_go`] of every session.
    pub fn let_go_all(&self) {}

    /// Removes what the log has of a session that was deleted, unless an epoch above `epoch` has begun there. For a deleted
    /// session whose data no node's store has; [`KeyStore::drop_namespace`] does it where the store has it.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub async fn forget(&self, ns: &Namespace, epoch: Epoch) -> Result<(), ReplicaError> {
        self.take_over(ns, epoch).await.map(drop)
    }
}

/// Opens an old copy of a store's folder for [`LossySource::Folder`]. The folder itself is only read: what is opened is a
/// copy of it below `scratch`, which goes away with the store.
///
/// # Errors
/// Those of copying and of opening.
#[expect(
    clippy::unused_async,
    clippy::needless_pass_by_value,
    reason = "skeleton"
)]
pub async fn open_folder(
    folder: &Path,
    _scratch: &Path,
    _master: MasterKey,
) -> Result<Arc<dyn KeyStore>, crate::BoxError> {
    Err(format!("{} not built yet", folder.display()).into())
}

#[async_trait]
impl KeyStore for ReplicatedStore {
    async fn commit(&self, ns: &Namespace, epoch: Epoch, ops: Vec<Op>) -> Result<Durable, Error> {
        self.local.commit(ns, epoch, ops).await
    }

    async fn get(&self, ns: &Namespace, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.local.get(ns, kind, key).await
    }

    async fn multi_get(
        &self,
        ns: &Namespace,
        kind: Kind,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.local.multi_get(ns, kind, keys).await
    }

    async fn scan(&self, ns: &Namespace, kind: Kind, range: ScanRange) -> Result<Page, Error> {
        self.local.scan(ns, kind, range).await
    }

    async fn epoch(&self, ns: &Namespace) -> Result<Option<Epoch>, Error> {
        self.local.epoch(ns).await
    }

    async fn verify(&self, ns: &Namespace) -> Result<Verified, Error> {
        self.local.verify(ns).await
    }

    async fn export(
        &self,
        ns: &Namespace,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Export>, Error> {
        self.local.export(ns, transfer).await
    }

    async fn import(
        &self,
        ns: &Namespace,
        epoch: Epoch,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Import>, Error> {
        self.local.import(ns, epoch, transfer).await
    }

    async fn promote(&self, ns: &Namespace) -> Result<Durable, Error> {
        self.let_go(ns);
        self.local.promote(ns).await
    }

    async fn discard_staging(&self, ns: &Namespace) -> Result<(), Error> {
        self.local.discard_staging(ns).await
    }

    async fn staged(&self) -> Result<Vec<Staged>, Error> {
        self.local.staged().await
    }

    async fn drop_namespace(&self, ns: &Namespace, remains: Remains) -> Result<(), Error> {
        self.local.drop_namespace(ns, remains).await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        self.local.namespaces().await
    }

    async fn tombstones(&self) -> Result<Vec<(Namespace, Epoch)>, Error> {
        self.local.tombstones().await
    }

    async fn rotate_master(&self, new: MasterKey) -> Result<(), Error> {
        self.local.rotate_master(new).await
    }

    fn id(&self) -> &str {
        self.local.id()
    }

    fn stats(&self) -> Stats {
        self.local.stats()
    }

    fn admission(&self) -> Admission {
        self.local.admission()
    }

    async fn poisoned(&self) -> String {
        self.local.poisoned().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.let_go_all();
        self.local.close().await
    }
}
