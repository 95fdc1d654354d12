//! Where the rows of a session come from when its batches are in the replicated log: any node can have them.
//!
//! Owns the way from the machine's word for a source to the log's calls, and the old folders that operators named.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use switchboard_keystore::{Epoch as StoreEpoch, KeyStore, MasterKey, Namespace};
use switchboard_ownership::DataFrom;
use switchboard_replica::{
    BoxError, How, LossySource, ReplicaError, ReplicatedStore, TakenOver, open_folder,
};
use switchboard_vocab::{Epoch, SessionRef};
use zeroize::Zeroizing;

use super::data::{DataSource, LocalData, Missing, missing, namespace};
use crate::session::Connect;

/// Old folders that wait for their session to be restored; one more pushes out none and is refused.
const FOLDERS_MAX: usize = 16;

/// Data of the replicated log, with the node's own store as what is there already.
pub(crate) struct ReplicatedData {
    pub(crate) log: Arc<ReplicatedStore>,
    pub(crate) local: LocalData,
    /// [`switchboard_ownership::Rule::RestoreFromLog`].
    pub(crate) restores: bool,
    /// Knows what of old data must not be used again.
    pub(crate) connect: Arc<dyn Connect>,
    /// Opens old folders.
    pub(crate) master: Zeroizing<[u8; 32]>,
    pub(crate) scratch: PathBuf,
    pub(crate) folders: Mutex<HashMap<SessionRef, PathBuf>>,
}

impl fmt::Debug for ReplicatedData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicatedData")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// What a failed take-over means for the session.
fn failed(error: &ReplicaError) -> Missing {
    match error {
        ReplicaError::Store { source, .. } => match missing(source) {
            Missing::Lost(_) => Missing::Lost(spoken(error)),
            Missing::NotNow(_) => Missing::NotNow(spoken(error)),
        },
        // The log has room again when something of it went. Whoever let go wants it no more; asking again finds out.
        ReplicaError::Full { .. }
        | ReplicaError::LetGo { .. }
        | ReplicaError::Bus { .. }
        | ReplicaError::Busy { .. } => Missing::NotNow(spoken(error)),
        ReplicaError::NotASession(_)
        | ReplicaError::Superseded { .. }
        | ReplicaError::Behind { .. }
        | ReplicaError::Diverged { .. }
        | ReplicaError::Damaged { .. }
        | ReplicaError::Nothing { .. }
        | ReplicaError::Strip { .. }
        | ReplicaError::Internal { .. } => Missing::Lost(spoken(error)),
    }
}

/// The error with its causes, for an operator.
fn spoken(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl ReplicatedData {
    async fn take_over(&self, ns: &Namespace, epoch: Epoch) -> Result<TakenOver, Missing> {
        let taken = self.log.take_over(ns, StoreEpoch(epoch.0)).await;
        taken.map_err(|error| failed(&error))
    }

    async fn lossy(
        &self,
        ns: &Namespace,
        epoch: Epoch,
        source: &LossySource,
    ) -> Result<(), Missing> {
        let connect = Arc::clone(&self.connect);
        let strip = any_store(move |store, ns, epoch| {
            let connect = Arc::clone(&connect);
            async move {
                let stripped = connect.strip(store, ns, epoch).await;
                stripped.map_err(|error| Box::new(error) as BoxError)
            }
            .boxed()
        });
        let taken = self
            .log
            .take_over_lossy(ns, StoreEpoch(epoch.0), source, &strip)
            .await;
        taken.map(drop).map_err(|error| failed(&error))
    }

    async fn restore_folder(
        &self,
        session: &SessionRef,
        ns: &Namespace,
        epoch: Epoch,
    ) -> Result<(), Missing> {
        let path = {
            let folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.get(session).cloned()
        };
        let path = path.ok_or_else(|| {
            Missing::Lost(
                "the node that was to restore it has forgotten the folder: order it again"
                    .to_owned(),
            )
        })?;
        let opened = open_folder(&path, &self.scratch, MasterKey::new(*self.master)).await;
        let old = opened.map_err(|error| Missing::Lost(spoken(&error)))?;
        let source = LossySource::Folder(Arc::clone(&old.store));
        let result = self.lossy(ns, epoch, &source).await;
        drop(source);
        if let Err(error) = old.close().await {
            tracing::warn!(%session, error = spoken(&error), "the copy of an old folder was not removed");
        }
        if !matches!(result, Err(Missing::NotNow(_))) {
            let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.remove(session);
        }
        result
    }
}

/// Says of a closure that it takes any lifetime, which a closure does not say by itself.
const fn any_store<F>(strip: F) -> F
where
    F: for<'a> Fn(
            &'a dyn KeyStore,
            &'a Namespace,
            StoreEpoch,
        ) -> BoxFuture<'a, Result<(), BoxError>>
        + Send
        + Sync,
{
    strip
}

#[async_trait]
impl DataSource for ReplicatedData {
    async fn provide(
        &self,
        session: &SessionRef,
        epoch: Epoch,
        from: DataFrom,
    ) -> Result<(), Missing> {
        let ns = namespace(session)?;
        // Without its rule a session that comes from elsewhere begins with nothing.
        let from = if from == DataFrom::Log && !self.restores {
            DataFrom::Nothing
        } else {
            from
        };
        match from {
            DataFrom::Fresh => self.take_over(&ns, epoch).await.map(drop),
            DataFrom::Log => {
                let taken = self.take_over(&ns, epoch).await?;
                if taken.how == How::Fresh {
                    self.log.let_go(&ns);
                    return Err(Missing::Lost(
                        "it ran before, and neither the log nor this node's store knows it: start the node that ran it last, or restore it from a folder, or give the data up and pair again".to_owned(),
                    ));
                }
                Ok(())
            }
            // The record says that this store has them: from before keys were replicated.
            DataFrom::Here => {
                let adopted = self.log.adopt(&ns, StoreEpoch(epoch.0)).await;
                adopted.map(drop).map_err(|error| failed(&error))
            }
            DataFrom::Staged(_) => {
                self.local.provide(session, epoch, from).await?;
                self.take_over(&ns, epoch).await.map(drop)
            }
            DataFrom::LossyLog => self.lossy(&ns, epoch, &LossySource::Log).await,
            DataFrom::LossyFolder => self.restore_folder(session, &ns, epoch).await,
            DataFrom::Nothing => {
                self.local.provide(session, epoch, from).await?;
                self.log
                    .forget(&ns, StoreEpoch(epoch.0))
                    .await
                    .map_err(|error| failed(&error))?;
                self.take_over(&ns, epoch).await.map(drop)
            }
        }
    }

    async fn renew(&self, session: &SessionRef, epoch: Epoch) -> Result<(), Missing> {
        let ns = namespace(session)?;
        self.take_over(&ns, epoch).await.map(drop)
    }

    fn let_go(&self, session: &SessionRef) {
        if let Ok(ns) = namespace(session) {
            self.log.let_go(&ns);
        }
    }

    async fn know_folder(&self, session: &SessionRef, path: PathBuf) -> Result<(), String> {
        if !path.is_absolute() || !path.is_dir() {
            return Err(format!(
                "{} is not a folder of this node: give the absolute path of a copy of a store's folder",
                path.display()
            ));
        }
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if folders.len() >= FOLDERS_MAX && !folders.contains_key(session) {
            return Err(format!(
                "{FOLDERS_MAX} restores from folders are under way already"
            ));
        }
        folders.insert(session.clone(), path);
        Ok(())
    }
}

/// The log's own key, the same on every node of the cluster.
pub(crate) fn log_key(master: &[u8; 32]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(master)
        .unwrap_or_else(|_| unreachable!("hmac takes keys of any length"));
    mac.update(b"switchboard replicated log 1");
    mac.finalize().into_bytes().into()
}
