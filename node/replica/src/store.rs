//! The store itself: sessions' batches go through the log, everything else straight to the node's own store.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use switchboard_bus::{EventLog, Names};
use switchboard_keystore::{
    Admission, BATCH_BYTES_MAX, BATCH_OPS_MAX, Durable, Epoch, Error, Export, Import, KeyStore,
    Kind, MasterKey, Namespace, Op, Page, Remains, ScanRange, Staged, Stats, TransferKey, Verified,
    measure,
};

use crate::api::{Config, LossySource, ReplicaError, ReplicaKey, Strip, TakenOver};
use crate::core::Core;
use crate::judge::Local;
use crate::position::{Known, Mark, POSITION};
use crate::seal::Sealer;
use crate::session::{Session, Tenure};
use crate::take_over::{Mode, TakeOver};
use crate::{clock, numbers, writer};

/// Bytes of a batch that are the position's.
const POSITION_BYTES: usize = 1_024;

/// A [`KeyStore`] whose sessions any node can take over.
///
/// A session can be written only after [`ReplicatedStore::take_over`], at that epoch. Once a commit of it has failed with
/// anything but [`Error::TooLarge`], it has to be taken over again, because nobody knows what the log has.
pub struct ReplicatedStore {
    core: Arc<Core>,
    sessions: Mutex<HashMap<Namespace, Arc<Session>>>,
}

impl fmt::Debug for ReplicatedStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ReplicatedStore")
            .field("local", &self.core.local)
            .finish_non_exhaustive()
    }
}

impl ReplicatedStore {
    /// Opens the streams on the bus, making them where they do not exist. `key` must be the same on every node.
    ///
    /// # Errors
    /// [`ReplicaError::Bus`].
    pub async fn open(
        local: Arc<dyn KeyStore>,
        log: Arc<dyn EventLog>,
        names: Names,
        key: ReplicaKey,
        config: Config,
    ) -> Result<Arc<Self>, ReplicaError> {
        let core = Core::new(local, log, names, Sealer::new(&key), config);
        core.open_streams()
            .await
            .map_err(|source| ReplicaError::Bus {
                action: "open the log",
                namespace: core.names.cluster().to_owned(),
                source,
            })?;
        Ok(Arc::new(Self {
            core: Arc::new(core),
            sessions: Mutex::default(),
        }))
    }

    /// The node's own store: what is committed there is in no log.
    #[must_use]
    pub fn local(&self) -> &Arc<dyn KeyStore> {
        &self.core.local
    }

    /// Makes this node the only writer of a session and brings the store to the state of the log. Ends what was taken over
    /// before. It may be called again with the same epoch, after a commit failed for example.
    ///
    /// # Errors
    /// See [`ReplicaError`]. The store still has what it had, unless the error came from the store.
    pub async fn take_over(&self, ns: &Namespace, epoch: Epoch) -> Result<TakenOver, ReplicaError> {
        self.take(ns, epoch, async |take_over| {
            take_over.run(Mode::Normal).await
        })
        .await
    }

    /// The same where the owner record says that the keys are kept by this node's store: whatever the log has is replaced by
    /// what the store has.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub async fn adopt(&self, ns: &Namespace, epoch: Epoch) -> Result<TakenOver, ReplicaError> {
        self.take(ns, epoch, async |take_over| {
            take_over.run(Mode::Adopt).await
        })
        .await
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
        source: &LossySource,
        strip: &Strip<'_>,
    ) -> Result<TakenOver, ReplicaError> {
        self.take(ns, epoch, async |take_over| {
            let done = take_over.lossy(source, strip).await?;
            Ok(take_over.finish(done))
        })
        .await
    }

    async fn take<W>(
        &self,
        ns: &Namespace,
        epoch: Epoch,
        work: W,
    ) -> Result<TakenOver, ReplicaError>
    where
        W: AsyncFnOnce(TakeOver<'_>) -> Result<(Tenure, TakenOver), ReplicaError>,
    {
        let started = clock::monotonic();
        let session = self.session(ns)?;
        let leave = session.leave_and_begin();
        let mut order = session.order.lock().await;
        *order = None;
        // Never closed.
        let _permit = self.core.taking_over.acquire().await;
        let core = self.core.as_ref();
        let take_over = TakeOver {
            core,
            session: &session,
            epoch,
            leave,
        };
        let outcome = work(take_over).await;
        let word = outcome
            .as_ref()
            .map_or("failed", |(_, taken)| numbers::how(taken.how));
        numbers::taken_over(word, clock::monotonic() - started);
        let (tenure, taken) = outcome?;
        *order = Some(tenure);
        tracing::info!(
            session = %ns, epoch = epoch.0, how = word, batches = taken.batches, bytes = taken.bytes,
            "a session was taken over"
        );
        Ok(taken)
    }

    /// Ends what was taken over: commits under way that still wait for the bus fail now, later ones at once.
    pub fn let_go(&self, ns: &Namespace) {
        let mut sessions = self.sessions();
        if let Some(session) = sessions.get(ns) {
            session.leave();
            // Nobody else has it, so nobody can mind that another one takes its place.
            if Arc::strong_count(session) == 1 {
                sessions.remove(ns);
            }
        }
    }

    /// [`ReplicatedStore::let_go`] of every session.
    pub fn let_go_all(&self) {
        for session in self.sessions().values() {
            session.leave();
        }
    }

    /// Removes what the log has of a session that was deleted, unless an epoch above `epoch` has begun there. For a deleted
    /// session whose data no node's store has; [`KeyStore::drop_namespace`] does it where the store has it.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub async fn forget(&self, ns: &Namespace, epoch: Epoch) -> Result<(), ReplicaError> {
        let session = self.session(ns)?;
        let bus = |source| ReplicaError::Bus {
            action: "remove the log",
            namespace: ns.to_string(),
            source,
        };
        let last = self.core.peek(&session).await.map_err(bus)?;
        if let Some(last) = last.filter(|last| last.epoch > epoch.0) {
            return Err(ReplicaError::Superseded {
                namespace: ns.to_string(),
                given: epoch,
                newer: Epoch(last.epoch),
            });
        }
        self.purge(&session).await.map_err(bus)
    }

    /// The batches first: without them the snapshots mean nothing.
    async fn purge(&self, session: &Session) -> Result<(), switchboard_bus::EventLogError> {
        let core = &self.core;
        for (stream, subject) in [
            (&core.wal, &session.wal),
            (&core.snapshots, &session.copies),
        ] {
            let last = core.log.last(stream, subject).await?.unwrap_or(0);
            core.purge(stream, subject, last).await?;
        }
        Ok(())
    }

    fn session(&self, ns: &Namespace) -> Result<Arc<Session>, ReplicaError> {
        let parts = ns.session_name().and_then(|name| name.split_once('/'));
        let (tenant, name) = parts.ok_or_else(|| ReplicaError::NotASession(ns.to_string()))?;
        if let Some(session) = self.sessions().get(ns) {
            return Ok(Arc::clone(session));
        }
        let names = &self.core.names;
        let bad = |error: switchboard_bus::subjects::Error| ReplicaError::Internal {
            action: "name the log",
            namespace: ns.to_string(),
            what: error.to_string(),
        };
        let wal = names.wal(tenant, name).map_err(bad)?;
        let copies = names.snapshots(tenant, name).map_err(bad)?;
        let fresh = || Arc::new(Session::new(ns.clone(), wal, copies));
        let mut sessions = self.sessions();
        Ok(Arc::clone(sessions.entry(ns.clone()).or_insert_with(fresh)))
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<Namespace, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a session's tree goes: what must be remembered of it, or removed with it.
    async fn before_drop(&self, session: &Session, remains: Remains) -> Result<(), Error> {
        session.leave();
        let mut order = session.order.lock().await;
        *order = None;
        let look = TakeOver {
            core: &self.core,
            session,
            epoch: Epoch(u64::MAX),
            leave: session.leave_and_begin(),
        };
        let unreplicated = |error: ReplicaError| {
            if let ReplicaError::Store { source, .. } = error {
                source
            } else {
                writer::unreplicated(session, error)
            }
        };
        let local = look.look().await.map_err(unreplicated)?;
        let store = self.local().as_ref();
        let mark = Mark::read(store, &session.ns).await?;
        let mark = match (remains, local) {
            (Remains::Tombstone(_), Local::At(at)) => {
                // Within the tombstone's epoch the record counts too.
                let (epoch, number) = (at.epoch, at.number);
                Mark {
                    known: mark.known.max(Known { epoch, number }),
                    ..mark
                }
            }
            (Remains::Tombstone(_), _) => mark,
            (Remains::Nothing, Local::At(at)) => {
                // Only the log that this tree belongs to: another life of the name may have begun.
                let chain = self.core.read_chain(session, Some(&at)).await;
                let chain = chain.map_err(|error| writer::unreplicated(session, error))?;
                if chain.following(at.id).is_some() {
                    let purged = self.purge(session).await;
                    purged.map_err(|error| writer::unreplicated(session, error))?;
                }
                Mark::default()
            }
            (Remains::Nothing, _) => Mark::default(),
        };
        mark.write(store, &session.ns).await
    }
}

/// The reserved kind is nobody's but the position's.
fn check(ns: &Namespace, ops: &[Op]) -> Result<usize, Error> {
    let reserved = ops.iter().any(|op| match op {
        Op::Put { kind, .. } | Op::Delete { kind, .. } | Op::DeleteRange { kind, .. } => {
            *kind == POSITION
        }
    });
    if reserved {
        return Err(Error::Unreplicated {
            namespace: ns.to_string(),
            why: format!("kind {} is the log's own", POSITION.0),
        });
    }
    let bytes = measure(ops)?;
    let limits = [
        ("batch operations", ops.len(), BATCH_OPS_MAX - 1),
        ("batch bytes", bytes, BATCH_BYTES_MAX - POSITION_BYTES),
    ];
    for (what, size, limit) in limits {
        if size > limit {
            return Err(Error::TooLarge { what, size, limit });
        }
    }
    Ok(bytes)
}

#[async_trait]
impl KeyStore for ReplicatedStore {
    async fn commit(&self, ns: &Namespace, epoch: Epoch, ops: Vec<Op>) -> Result<Durable, Error> {
        if ns.session_name().is_none() {
            return self.core.local.commit(ns, epoch, ops).await;
        }
        let bytes = check(ns, &ops)?;
        let session = self.session(ns).map_err(|error| Error::Unreplicated {
            namespace: ns.to_string(),
            why: error.to_string(),
        })?;
        writer::commit(&self.core, &session, epoch, ops, bytes).await
    }

    async fn get(&self, ns: &Namespace, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.core.local.get(ns, kind, key).await
    }

    async fn multi_get(
        &self,
        ns: &Namespace,
        kind: Kind,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.core.local.multi_get(ns, kind, keys).await
    }

    async fn scan(&self, ns: &Namespace, kind: Kind, range: ScanRange) -> Result<Page, Error> {
        self.core.local.scan(ns, kind, range).await
    }

    async fn epoch(&self, ns: &Namespace) -> Result<Option<Epoch>, Error> {
        self.core.local.epoch(ns).await
    }

    async fn verify(&self, ns: &Namespace) -> Result<Verified, Error> {
        self.core.local.verify(ns).await
    }

    async fn export(
        &self,
        ns: &Namespace,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Export>, Error> {
        self.core.local.export(ns, transfer).await
    }

    async fn import(
        &self,
        ns: &Namespace,
        epoch: Epoch,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Import>, Error> {
        self.core.local.import(ns, epoch, transfer).await
    }

    async fn promote(&self, ns: &Namespace) -> Result<Durable, Error> {
        self.let_go(ns);
        let store = self.local().as_ref();
        let promoted = store.promote(ns).await?;
        // Whatever was restored by halves is gone.
        let mark = Mark::read(store, ns).await?;
        if mark.unfinished {
            let unfinished = false;
            Mark { unfinished, ..mark }.write(store, ns).await?;
        }
        Ok(promoted)
    }

    async fn discard_staging(&self, ns: &Namespace) -> Result<(), Error> {
        self.core.local.discard_staging(ns).await
    }

    async fn staged(&self) -> Result<Vec<Staged>, Error> {
        self.core.local.staged().await
    }

    async fn drop_namespace(&self, ns: &Namespace, remains: Remains) -> Result<(), Error> {
        if ns.session_name().is_some() {
            let session = self.session(ns).map_err(|error| Error::Unreplicated {
                namespace: ns.to_string(),
                why: error.to_string(),
            })?;
            self.before_drop(&session, remains).await?;
        }
        self.core.local.drop_namespace(ns, remains).await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        self.core.local.namespaces().await
    }

    async fn tombstones(&self) -> Result<Vec<(Namespace, Epoch)>, Error> {
        self.core.local.tombstones().await
    }

    async fn rotate_master(&self, new: MasterKey) -> Result<(), Error> {
        self.core.local.rotate_master(new).await
    }

    fn id(&self) -> &str {
        self.core.local.id()
    }

    fn stats(&self) -> Stats {
        self.core.local.stats()
    }

    fn admission(&self) -> Admission {
        self.core.local.admission()
    }

    async fn poisoned(&self) -> String {
        self.core.local.poisoned().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.let_go_all();
        self.core.tasks.ended().await;
        self.core.local.close().await
    }
}
