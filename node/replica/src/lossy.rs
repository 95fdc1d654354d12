//! A lossy restore: a session from data that is known to be older than what ran, by an operator's order.
//!
//! Until its last step nothing of it is believed: a mark beside the tree says that it is unfinished, the log still is what it
//! was, and a crash leaves both so.
//!
//! Owns that order. Must not know what has to be taken out of old data; the caller's function does.

use switchboard_keystore::{Epoch, KeyStore, Namespace, TransferKey};

use crate::api::{How, LossySource, ReplicaError, Strip};
use crate::chain::Chain;
use crate::judge::Local;
use crate::position::{Known, Mark};
use crate::seal::random;
use crate::take_over::{Done, TakeOver};

/// How often the log may change meanwhile.
const TRIES_MAX: usize = 3;

impl TakeOver<'_> {
    pub(crate) async fn lossy(
        &self,
        source: &LossySource,
        strip: &Strip<'_>,
    ) -> Result<Done, ReplicaError> {
        let (store, ns) = (self.core.local.as_ref(), &self.session.ns);
        for _ in 0..TRIES_MAX {
            let chain = self.read(None).await?;
            if chain.highest().1 > self.epoch.0 {
                return Err(ReplicaError::Superseded {
                    namespace: ns.to_string(),
                    given: self.epoch,
                    newer: Epoch(chain.highest().1),
                });
            }
            self.check_source(source, &chain).await?;
            self.begin_unfinished().await?;
            let batches = self.lay_source(source, &chain).await?;
            strip(store, ns, self.epoch)
                .await
                .map_err(|source| ReplicaError::Strip {
                    namespace: ns.to_string(),
                    source,
                })?;
            if let Some(done) = self.seed(&chain, How::Lossy).await? {
                let finished = Mark::default().write(store, ns).await;
                self.stored("finish a restore", finished)?;
                return Ok(Done { batches, ..done });
            }
        }
        Err(ReplicaError::Busy {
            namespace: ns.to_string(),
            tries: TRIES_MAX,
        })
    }

    /// Nothing is touched where there is nothing to restore.
    async fn check_source(&self, source: &LossySource, chain: &Chain) -> Result<(), ReplicaError> {
        match source {
            LossySource::Log if chain.plan().is_none() => Err(self.nothing("the log")),
            LossySource::Log => Ok(()),
            LossySource::Folder(old) => {
                let found = old.namespaces().await;
                let found = self.stored("look into the old folder", found)?;
                if found.contains(&self.session.ns) {
                    Ok(())
                } else {
                    Err(self.nothing("the old folder"))
                }
            }
        }
    }

    /// Notes that the tree is not to be believed from here on, and how far the session had come.
    async fn begin_unfinished(&self) -> Result<(), ReplicaError> {
        let (store, ns) = (self.core.local.as_ref(), &self.session.ns);
        let local = self.look().await?;
        let here = match &local {
            Local::At(at) => Known {
                epoch: at.epoch,
                number: at.number,
            },
            Local::Seeding { epoch, number, .. } => Known {
                epoch: *epoch,
                number: *number,
            },
            Local::Unmarked(epoch) => Known {
                epoch: *epoch,
                number: 0,
            },
            Local::Nothing => Known::default(),
        };
        let mark = Mark {
            known: self.known(&local).await?.max(here),
            unfinished: true,
        };
        self.stored("begin a restore", mark.write(store, ns).await)
    }

    async fn lay_source(&self, source: &LossySource, chain: &Chain) -> Result<u64, ReplicaError> {
        match source {
            LossySource::Log => {
                let plan = chain.plan().ok_or_else(|| self.nothing("the log"))?;
                let (at, rest, _) = self.lay(&plan).await?;
                let (_, batches) = self.apply_entries(at, rest).await?;
                // A log without a batch leaves no tree to go on from.
                let touched = self
                    .core
                    .local
                    .commit(&self.session.ns, self.epoch, Vec::new());
                self.stored("make the tree", touched.await)?;
                Ok(batches)
            }
            LossySource::Folder(old) => {
                let copied = self.copy_from(old.as_ref(), &self.session.ns).await;
                self.stored("restore from the old folder", copied)?;
                Ok(0)
            }
        }
    }

    async fn copy_from(
        &self,
        old: &dyn KeyStore,
        ns: &Namespace,
    ) -> Result<(), switchboard_keystore::Error> {
        let store = self.core.local.as_ref();
        let transfer = TransferKey::new(random());
        let mut export = old.export(ns, &transfer).await?;
        let mut import = store.import(ns, self.epoch, &transfer).await?;
        while let Some(frame) = export.next().await? {
            import.write(&frame).await?;
        }
        import.finish().await?;
        store.promote(ns).await.map(drop)
    }
}
