//! The gate of one incarnation: open while its lease holds, and once shut, shut for good (design rules ).
//!
//! Owns the one question "may anything of this life still act". Must not know who renews a lease or what a session is. A
//! session keeps the gate it was started under for ever, so that nothing of an earlier life is revived by a later lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use switchboard_keystore::{
    Admission, Durable, Epoch, Error, Export, Import, KeyStore, Kind, MasterKey, Namespace, Op,
    Page, Remains, ScanRange, Staged, Stats, TransferKey, Verified,
};
use switchboard_ownership::{Position, Rule, Rules};
use switchboard_vocab::cluster::Incarnation;
use switchboard_whatsapp::Fence;
use tokio_util::sync::CancellationToken;

use crate::clock::LeaseClock;

/// The gate of one incarnation. It reads the clock itself, so that it is shut at the right moment even where nobody runs
/// that could shut it.
#[derive(Debug)]
pub(crate) struct Gate {
    incarnation: Incarnation,
    clock: LeaseClock,
    /// In nanoseconds of the clock.
    until: AtomicU64,
    closed: AtomicBool,
    shut: CancellationToken,
    /// [`Rule::SelfFence`].
    stops: bool,
    /// [`Rule::TransportFence`].
    silences: bool,
}

fn nanos(at: Position) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

impl Gate {
    /// A gate that is open until `until`.
    pub(crate) fn new(
        incarnation: Incarnation,
        clock: LeaseClock,
        rules: &Rules,
        until: Position,
    ) -> Self {
        Self {
            incarnation,
            clock,
            until: AtomicU64::new(nanos(until)),
            closed: AtomicBool::new(false),
            shut: CancellationToken::new(),
            stops: rules.has(Rule::SelfFence),
            silences: rules.has(Rule::TransportFence),
        }
    }

    /// Whose gate it is.
    pub(crate) fn incarnation(&self) -> &Incarnation {
        &self.incarnation
    }

    /// The lease was renewed. `false` when the gate was shut before: then nothing opens it again.
    pub(crate) fn extend(&self, until: Position) -> bool {
        let still = self.holds();
        self.until.fetch_max(nanos(until), Ordering::SeqCst);
        still && !self.closed.load(Ordering::SeqCst)
    }

    /// Shuts it for good; `true` for the call that did.
    pub(crate) fn close(&self) -> bool {
        let first = !self.closed.swap(true, Ordering::SeqCst);
        self.shut.cancel();
        first
    }

    /// Whether the lease is valid at a moment, and the gate was not shut.
    fn is_valid(&self, now: Position) -> bool {
        !self.closed.load(Ordering::SeqCst) && nanos(now) < self.until.load(Ordering::SeqCst)
    }

    /// Whether anything of this life may go on. Shuts the gate where the lease has run out.
    pub(crate) fn holds(&self) -> bool {
        if self.is_valid(self.clock.now()) {
            return true;
        }
        if self.stops {
            self.close();
            return false;
        }
        // Without the rule only somebody else's word ends a life.
        !self.closed.load(Ordering::SeqCst)
    }

    /// Whether anything of this life could act now; for the witness, which must see what a missing rule lets pass.
    pub(crate) fn is_open_now(&self) -> bool {
        let rest = !self.stops && !self.closed.load(Ordering::SeqCst);
        self.is_valid(self.clock.now()) || !self.silences || rest
    }

    /// How long the lease still holds.
    pub(crate) fn left(&self) -> Duration {
        let until = Duration::from_nanos(self.until.load(Ordering::SeqCst));
        if self.closed.load(Ordering::SeqCst) {
            return Duration::ZERO;
        }
        until.saturating_sub(self.clock.now())
    }

    /// Wakes when the gate is shut.
    pub(crate) fn shut(&self) -> &CancellationToken {
        &self.shut
    }
}

impl Fence for Gate {
    fn is_open(&self) -> bool {
        !self.silences || self.is_valid(self.clock.now())
    }
}

/// The key store as one life of a session may use it: what is written asks the gate first.
///
/// Every commit of a session goes through one of these: its journal and its client get nothing else.
#[derive(Debug)]
pub(crate) struct GatedStore {
    store: Arc<dyn KeyStore>,
    gate: Arc<Gate>,
    /// [`Rule::StoreEpoch`].
    checks_epochs: bool,
}

impl GatedStore {
    pub(crate) fn new(store: Arc<dyn KeyStore>, gate: Arc<Gate>, rules: &Rules) -> Self {
        let checks_epochs = rules.has(Rule::StoreEpoch);
        Self {
            store,
            gate,
            checks_epochs,
        }
    }

    fn may_write(&self, ns: &Namespace) -> Result<(), Error> {
        if self.gate.holds() {
            Ok(())
        } else {
            Err(Error::Fenced(ns.to_string()))
        }
    }
}

#[async_trait]
impl KeyStore for GatedStore {
    async fn commit(&self, ns: &Namespace, epoch: Epoch, ops: Vec<Op>) -> Result<Durable, Error> {
        self.may_write(ns)?;
        if self.checks_epochs {
            return self.store.commit(ns, epoch, ops).await;
        }
        let stored = self.store.epoch(ns).await?.unwrap_or(epoch);
        self.store.commit(ns, epoch.max(stored), ops).await
    }

    async fn get(&self, ns: &Namespace, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.store.get(ns, kind, key).await
    }

    async fn multi_get(
        &self,
        ns: &Namespace,
        kind: Kind,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.store.multi_get(ns, kind, keys).await
    }

    async fn scan(&self, ns: &Namespace, kind: Kind, range: ScanRange) -> Result<Page, Error> {
        self.store.scan(ns, kind, range).await
    }

    async fn epoch(&self, ns: &Namespace) -> Result<Option<Epoch>, Error> {
        self.store.epoch(ns).await
    }

    async fn verify(&self, ns: &Namespace) -> Result<Verified, Error> {
        self.store.verify(ns).await
    }

    async fn export(
        &self,
        ns: &Namespace,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Export>, Error> {
        self.store.export(ns, transfer).await
    }

    async fn import(
        &self,
        ns: &Namespace,
        epoch: Epoch,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Import>, Error> {
        self.may_write(ns)?;
        self.store.import(ns, epoch, transfer).await
    }

    async fn promote(&self, ns: &Namespace) -> Result<Durable, Error> {
        self.may_write(ns)?;
        self.store.promote(ns).await
    }

    async fn discard_staging(&self, ns: &Namespace) -> Result<(), Error> {
        self.may_write(ns)?;
        self.store.discard_staging(ns).await
    }

    async fn staged(&self) -> Result<Vec<Staged>, Error> {
        self.store.staged().await
    }

    async fn drop_namespace(&self, ns: &Namespace, remains: Remains) -> Result<(), Error> {
        self.may_write(ns)?;
        self.store.drop_namespace(ns, remains).await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        self.store.namespaces().await
    }

    async fn tombstones(&self) -> Result<Vec<(Namespace, Epoch)>, Error> {
        self.store.tombstones().await
    }

    async fn rotate_master(&self, new: MasterKey) -> Result<(), Error> {
        self.store.rotate_master(new).await
    }

    fn id(&self) -> &str {
        self.store.id()
    }

    fn stats(&self) -> Stats {
        self.store.stats()
    }

    fn admission(&self) -> Admission {
        self.store.admission()
    }

    async fn poisoned(&self) -> String {
        self.store.poisoned().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.store.close().await
    }
}

#[cfg(test)]
mod tests;
