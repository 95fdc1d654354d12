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
    async fn promote(&self, ns: &Namespace) -> Result<(), Missing> {
        match self.store.promote(ns).await {
            Ok(_) => Ok(()),
            Err(Error::NotStaged(_)) => {
                // It was made live before, by a life of this node that ended before it could run it for long.
                if self.store.verify(ns).await.is_ok() {
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
        let erased = self.media.erase(session).await;
        erased.map_err(|e| Missing::NotNow(e.internal.unwrap_or(e.public)))
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
            DataFrom::Staged => self.promote(&ns).await,
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
