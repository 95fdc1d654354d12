//! The one thread that writes: takes everything queued, applies it, syncs once, acknowledges.
//!
//! Owns the order of all changes and the fence by epoch. Must not seal values (callers do, in
//! parallel) and must not wait for anything but its queue and the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::catalog::{Catalog, Edit, Record};
use crate::engine::{Engine, Group, without_panic};
use crate::error::Error;
use crate::ledger::{RawOp, plan};
use crate::namespace::Namespace;
use crate::registry::{Slot, Staging, State};
use crate::seal::MasterKey;
use crate::store::{Durable, Epoch, Remains};
use crate::witness::Witness;

mod controls;

/// Most batches that share one sync. Source: R-5, measured.
pub(crate) const GROUP_BATCHES_MAX: usize = 1_024;

/// Where the answer to a request goes. A caller that went away does not matter.
pub(crate) type Ack = oneshot::Sender<Result<Durable, Error>>;

/// What the committer can be asked.
#[derive(Debug)]
pub(crate) enum Request {
    Commit(Commit),
    Control(Control, Ack),
    /// Ends the thread after everything queued before it.
    Close(Ack),
}

/// One sealed batch.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) slot: Arc<Slot>,
    pub(crate) epoch: Epoch,
    pub(crate) ops: Vec<RawOp>,
    pub(crate) ack: Ack,
    /// Its share of the bytes that may be queued; given back when the batch is answered.
    pub(crate) room: OwnedSemaphorePermit,
}

/// A change of the catalog.
#[derive(Debug)]
pub(crate) enum Control {
    Stage(Staging),
    FinishStaging(Arc<Slot>),
    Promote(Namespace),
    Discard(Namespace),
    Drop(Namespace, Remains),
    Rotate(MasterKey),
}

#[derive(Debug)]
struct Numbers {
    queue: Gauge,
    group: Histogram,
    sync: Histogram,
    batches: Counter,
    refused: Counter,
}

impl Numbers {
    fn new(engine: &'static str) -> Self {
        Self {
            queue: metrics::gauge!("switchboard_keystore_queue_length", "engine" => engine),
            group: metrics::histogram!("switchboard_keystore_group_batches", "engine" => engine),
            sync: metrics::histogram!("switchboard_keystore_sync_seconds", "engine" => engine),
            batches: metrics::counter!("switchboard_keystore_batches_total", "engine" => engine),
            refused: metrics::counter!("switchboard_keystore_refused_total", "engine" => engine),
        }
    }
}

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Committer {
    engine: Arc<dyn Engine>,
    state: Arc<State>,
    catalog: Catalog,
    queue: mpsc::Receiver<Request>,
    /// `None` in memory.
    witness: Option<Witness>,
    numbers: Numbers,
}

impl Committer {
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        state: Arc<State>,
        catalog: Catalog,
        queue: mpsc::Receiver<Request>,
        witness: Option<Witness>,
    ) -> Self {
        let numbers = Numbers::new(engine.name());
        Self {
            engine,
            state,
            catalog,
            queue,
            witness,
            numbers,
        }
    }

    /// Works until it is closed or every sender is gone.
    pub(crate) fn run(mut self) {
        let state = Arc::clone(&self.state);
        let worked = without_panic(|| {
            self.rounds();
            if let Some(witness) = &mut self.witness {
                witness.sync();
            }
        });
        if let Err(why) = worked {
            tracing::error!(why, "key store committer panicked");
            state.poison(&format!("committer {why}"));
        }
    }

    fn rounds(&mut self) {
        let mut inbox = Vec::with_capacity(GROUP_BATCHES_MAX);
        while self.queue.blocking_recv_many(&mut inbox, GROUP_BATCHES_MAX) > 0 {
            self.numbers.queue.set(f64::from(
                u32::try_from(self.queue.len()).unwrap_or(u32::MAX),
            ));
            let mut commits = Vec::with_capacity(inbox.len());
            for request in inbox.drain(..) {
                match request {
                    Request::Commit(commit) => commits.push(commit),
                    Request::Control(control, ack) => {
                        self.group(std::mem::take(&mut commits));
                        let _gone = ack.send(self.control(control));
                    }
                    Request::Close(ack) => {
                        self.group(std::mem::take(&mut commits));
                        let done = Durable {
                            epoch: Epoch::default(),
                            sequence: 0,
                        };
                        let _gone = ack.send(self.state.healthy().map(|()| done));
                        return;
                    }
                }
            }
            self.group(commits);
        }
    }

    /// Applies commits in order, syncs once, answers all.
    fn group(&mut self, mut commits: Vec<Commit>) {
        if commits.is_empty() {
            return;
        }
        let mut answers = Vec::with_capacity(commits.len());
        let state = Arc::clone(&self.state);
        let result = state.healthy().and_then(|()| {
            self.durably(&mut |catalog, group| {
                for commit in &mut commits {
                    let answer = apply(&state, catalog, group, commit);
                    if let Err(error @ Error::Engine { .. }) = answer {
                        return Err(error);
                    }
                    answers.push(answer);
                }
                Ok(answers.iter().any(Result::is_ok))
            })
        });
        match result {
            Ok(sync) => self.count(&answers, sync),
            Err(error) => {
                let why = self.fail(&error);
                answers
                    .iter_mut()
                    .filter(|answer| answer.is_ok())
                    .for_each(|answer| {
                        *answer = Err(why.clone());
                    });
                answers.resize(commits.len(), Err(why));
            }
        }
        for (commit, answer) in commits.into_iter().zip(answers) {
            drop(commit.room);
            let _gone = commit.ack.send(answer);
        }
    }

    /// Runs `work` as one group, numbers it if it says that it changed anything, and tells the
    /// witness after the sync.
    fn durably(
        &mut self,
        work: &mut dyn FnMut(&mut Catalog, &mut dyn Group) -> Result<bool, Error>,
    ) -> Result<Duration, Error> {
        let catalog = &mut self.catalog;
        let before = catalog.group();
        let sync = self.engine.group(&mut |group| {
            let changed = work(catalog, group)?;
            if changed { catalog.tick(group) } else { Ok(()) }
        })?;
        if let Some(witness) = &mut self.witness
            && catalog.group() != before
        {
            witness.note(&catalog.testimony()?);
        }
        Ok(sync)
    }

    fn count(&self, answers: &[Result<Durable, Error>], sync: Duration) {
        let stored = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        self.state.groups.fetch_add(1, Ordering::Relaxed);
        self.state.batches.fetch_add(stored, Ordering::Relaxed);
        self.numbers.batches.increment(stored);
        self.numbers
            .refused
            .increment((answers.len() as u64).saturating_sub(stored));
        self.numbers
            .group
            .record(f64::from(u32::try_from(stored).unwrap_or(u32::MAX)));
        self.numbers.sync.record(sync.as_secs_f64());
    }

    /// A failed write or sync is final: what is on disk is unknown, and retrying a sync lies.
    fn fail(&self, error: &Error) -> Error {
        let why = if let Error::Poisoned(why) = error {
            why.clone()
        } else {
            tracing::error!(%error, "key store is poisoned");
            error.to_string()
        };
        self.state.poison(&why);
        Error::Poisoned(why)
    }

    fn control(&mut self, control: Control) -> Result<Durable, Error> {
        self.state.healthy()?;
        match control {
            Control::Stage(staging) => self.stage(staging),
            Control::FinishStaging(slot) => self.finish_staging(&slot),
            Control::Promote(ns) => self.promote(&ns),
            Control::Discard(ns) => self.discard(&ns),
            Control::Drop(ns, remains) => self.drop_namespace(&ns, remains),
            Control::Rotate(master) => {
                let done = self
                    .durably(&mut |catalog, group| catalog.rotate(group, &master).map(|()| true));
                done.map_err(|error| self.fail(&error))?;
                Ok(Durable {
                    epoch: Epoch::default(),
                    sequence: 0,
                })
            }
        }
    }
}

/// Applies one commit inside a group. An engine error is the end of the group, any other error
/// refuses this commit alone.
fn apply(
    state: &State,
    catalog: &mut Catalog,
    group: &mut dyn Group,
    commit: &mut Commit,
) -> Result<Durable, Error> {
    let slot = &commit.slot;
    slot.alive()?;
    let before = *slot.progress();
    let tree = slot.tree_ref();
    let mut ledger = before
        .ledger
        .ok_or_else(|| tree.damaged("it was not checked"))?;
    let tombstone = state
        .read()
        .tombstones
        .get(&slot.ns)
        .copied()
        .unwrap_or_default();
    fence(&slot.ns, commit.epoch, Epoch(ledger.epoch).max(tombstone))?;
    ledger.epoch = commit.epoch.0;
    let changes = plan(group, &tree, &mut ledger, std::mem::take(&mut commit.ops))?;
    let record = |settled| {
        let (ns, tree, key) = (slot.ns.clone(), slot.tree, slot.key.clone());
        vec![Edit::Put(Record::Live {
            ns,
            tree,
            key,
            settled,
        })]
    };
    // From here on the batch is half applied, so nothing may look like a mere refusal.
    let fatal = |error: Error| Error::Engine {
        action: "record a namespace",
        cause: error.to_string(),
    };
    if !before.recorded {
        catalog.edit(group, record(false)).map_err(fatal)?;
    }
    // The new sequence must be visible before the new data: an export reads data, then sequence.
    slot.progress().ledger = Some(ledger);
    group.apply(slot.tree, changes)?;
    if !before.settled {
        catalog.edit(group, record(true)).map_err(fatal)?;
    }
    let mut progress = slot.progress();
    progress.recorded = true;
    progress.settled = true;
    Ok(Durable {
        epoch: commit.epoch,
        sequence: ledger.sequence,
    })
}

fn fence(ns: &Namespace, given: Epoch, stored: Epoch) -> Result<(), Error> {
    if given < stored {
        return Err(Error::StaleEpoch {
            namespace: ns.to_string(),
            given,
            stored,
        });
    }
    Ok(())
}

/// Highest epoch of a namespace. A tree whose ledger cannot be read does not count: it must still
/// be possible to drop or replace it.
pub(crate) fn known_epoch(state: &State, engine: &dyn Engine, ns: &Namespace) -> Epoch {
    let (slot, tombstone) = {
        let registry = state.read();
        (
            registry.live.get(ns).cloned(),
            registry.tombstones.get(ns).copied().unwrap_or_default(),
        )
    };
    let Some(slot) = slot else { return tombstone };
    let known = slot.progress().ledger;
    let ledger = known.or_else(|| {
        let mut read = None;
        let done = engine.read(slot.tree, &mut |view| {
            read = slot.tree_ref().ledger(view)?;
            Ok(())
        });
        done.ok().and(read)
    });
    tombstone.max(Epoch(ledger.unwrap_or_default().epoch))
}
