//! Where a session's rows come from before it runs here.
//!
//! Owns making them live in this node's store. Must not decide which source it is: the ownership machine does.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use switchboard_keystore::{Error, KeyStore, Namespace, Remains};
use switchboard_ownership::DataFrom;
use switchboard_vocab::{Epoch, SessionRef};

use crate::ports::MediaPort;

/// Why a session's data is not here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Missing {
    /// It will not come by itself; the text says why and what helps.
    #[error("its data is lost: {0}")]
    Lost(String),
    /// Not now: what holds it is away.
    #[error("its data cannot be had now: {0}")]
    NotNow(String),
}

/// Makes a session's data live on this node.
#[async_trait]
pub(crate) trait DataSource: Send + Sync + fmt::Debug {
    /// Returns when the session can be run at `epoch`. Harmless when repeated.
    ///
    /// # Errors
    /// See [`Missing`].
    async fn provide(
        &self,
        session: &SessionRef,
        epoch: Epoch,
        from: DataFrom,
    ) -> Result<(), Missing>;

    /// The session starts again under the same ownership, after a crash or an erasure.
    ///
    /// # Errors
    /// See [`Missing`].
    async fn renew(&self, session: &SessionRef, epoch: Epoch) -> Result<(), Missing> {
        let _ = (session, epoch);
        Ok(())
    }

    /// The session does not run here any more: a commit that still waits for another machine fails now.
    fn let_go(&self, session: &SessionRef) {
        let _ = session;
    }

    /// Remembers an old copy of a store's folder, for [`DataFrom::LossyFolder`].
    ///
    /// # Errors
    /// Says why it cannot be used.
    async fn know_folder(&self, session: &SessionRef, path: PathBuf) -> Result<(), String> {
        Err(format!(
            "{session} cannot be restored from {}: this node does not replicate, so that nothing tells what the copy lacks; replace the store's folder while the node is stopped",
            path.display()
        ))
    }
}

/// Data of this node's own store, and copies that were staged there.
#[derive(Debug)]
pub(crate) struct LocalData {
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) media: Arc<dyn MediaPort>,
}

/// What a failed call of the store means for the session.
pub(crate) fn missing(error: &Error) -> Missing {
    match error {
        Error::Damaged { .. } => Missing::Lost(format!(
            "its rows on this node are damaged ({error}): restore a backup of the store's folder, or give the data up and pair again"
        )),
        Error::StaleEpoch { .. }
        | Error::Fenced(_)
        | Error::TooLarge { .. }
        | Error::UnknownNamespace(_)
        | Error::NotStaged(_)
        | Error::BadImport { .. }
        | Error::BlankMasterKey => Missing::Lost(error.to_string()),
        Error::Retired(_)
        | Error::ChangedDuringExport(_)
        | Error::Unreplicated { .. }
        | Error::Poisoned(_)
        | Error::Engine { .. }
        | Error::Closed => Missing::NotNow(error.to_string()),
    }
}

/// The namespace of a session.
pub(crate) fn namespace(session: &SessionRef) -> Result<Namespace, Missing> {
    Namespace::session(&session.to_string()).map_err(|e| Missing::Lost(e.to_string()))
}

impl LocalData {
    async fn promote(&self, ns: &Namespace, of: Epoch) -> Result<(), Missing> {
        match self.store.promote(ns).await {
            Ok(_) => Ok(()),
            Err(Error::NotStaged(_)) => {
                // It was made live before, by a life of this node that ended before it could run it for long. What is older
                // was here before the copy came, and the copy is gone.
                let live = self.store.epoch(ns).await.map_err(|e| missing(&e))?;
                let is_copy = live.is_some_and(|live| live.0 >= of.0);
                if is_copy && self.store.verify(ns).await.is_ok() {
                    return Ok(());
                }
                Err(Missing::Lost(
                    "the copy that was sent here is gone: restore a backup, or give the data up and pair again".to_owned(),
                ))
            }
            Err(error) => Err(missing(&error)),
        }
    }

    async fn give_up(&self, session: &SessionRef, ns: &Namespace) -> Result<(), Missing> {
        // Not even a mark: a replicated log goes with it, and the new life's first commit brings the epoch back.
        let dropped = self.store.drop_namespace(ns, Remains::Nothing).await;
        dropped.map_err(|e| missing(&e))?;
        let released = self.media.release(session).await;
        released.map_err(|e| Missing::NotNow(e.internal.unwrap_or(e.public)))
    }
}

#[async_trait]
impl DataSource for LocalData {
    async fn provide(&self, session: &SessionRef, _: Epoch, from: DataFrom) -> Result<(), Missing> {
        let ns = namespace(session)?;
        match from {
            // No rows are no fault here: a session that has never stored any has none, and the machine has compared
            // the store's id.
            DataFrom::Fresh | DataFrom::Here => {
                self.store.epoch(&ns).await.map(drop).map_err(|e| missing(&e))
            }
            DataFrom::Staged(of) => self.promote(&ns, of).await,
            DataFrom::Nothing => self.give_up(session, &ns).await,
            DataFrom::Log | DataFrom::LossyLog => Err(Missing::Lost(
                "its keys would be in the replicated log, which this node does not keep: set store.durability to replicated".to_owned(),
            )),
            DataFrom::LossyFolder => Err(Missing::Lost(
                "this node does not restore from folders".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_keystore::{EngineKind, Epoch as StoreEpoch, Kind, MasterKey, Op, TransferKey};

    use super::*;
    use crate::doubles::NoMedia;

    async fn store(of: u8) -> Arc<dyn KeyStore> {
        let mut key = [of; 32];
        key[0] = 1;
        let config = switchboard_keystore::Config::new("", EngineKind::Memory, MasterKey::new(key));
        switchboard_keystore::open(config).await.unwrap().store
    }

    async fn put(store: &dyn KeyStore, ns: &Namespace, epoch: u64, value: &[u8]) {
        let put = Op::Put {
            kind: Kind(1),
            key: b"k".to_vec(),
            value: value.to_vec(),
        };
        store
            .commit(ns, StoreEpoch(epoch), vec![put])
            .await
            .unwrap();
    }

    /// Stages what `from` has at `to`, for that epoch.
    async fn stage(from: &dyn KeyStore, to: &dyn KeyStore, ns: &Namespace, epoch: u64) {
        let key = TransferKey::new([9; 32]);
        let mut export = from.export(ns, &key).await.unwrap();
        let mut import = to.import(ns, StoreEpoch(epoch), &key).await.unwrap();
        while let Some(frame) = export.next().await.unwrap() {
            import.write(&frame).await.unwrap();
        }
        import.finish().await.unwrap();
    }

    #[tokio::test]
    async fn only_the_copy_itself_passes_for_a_copy_that_is_not_staged_any_more() {
        let session: SessionRef = "default/s".parse().unwrap();
        let ns = namespace(&session).unwrap();
        let (there, here) = (store(2).await, store(3).await);
        put(&*here, &ns, 2, b"old").await;
        put(&*there, &ns, 3, b"new").await;
        let data = LocalData {
            store: Arc::clone(&here),
            media: Arc::new(NoMedia::default()),
        };
        let staged = DataFrom::Staged(Epoch(4));
        stage(&*there, &*here, &ns, 4).await;
        here.discard_staging(&ns).await.unwrap();
        let lost = data.provide(&session, Epoch(4), staged).await;
        assert!(matches!(lost, Err(Missing::Lost(_))), "{lost:?}");
        stage(&*there, &*here, &ns, 4).await;
        data.provide(&session, Epoch(4), staged).await.unwrap();
        // Once more, after the life that made it live was fenced.
        data.provide(&session, Epoch(5), staged).await.unwrap();
        let row = here.get(&ns, Kind(1), b"k").await.unwrap();
        assert_eq!(row.as_deref(), Some(b"new".as_slice()));
    }
}
