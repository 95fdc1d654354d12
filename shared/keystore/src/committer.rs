//! The one thread that writes: takes everything queued, applies it, and hands it on to be synced and acknowledged.
//!
//! While one group is synced the next is applied, so that neither the disk nor this thread waits for the other; at most one
//! group waits for its sync. Owns the order of all changes and the fence by epoch. Must not seal values (callers do, in
//! parallel) and must not wait for anything but its queue and the disk.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::catalog::{Catalog, Edit, Record};
use crate::engine::{Applied, Engine, Group, without_panic};
use crate::error::Error;
use crate::ledger::{RawOp, plan};
use crate::namespace::Namespace;
use crate::registry::{Slot, Staging, State};
use crate::seal::MasterKey;
use crate::store::{Durable, Epoch, Remains};
use crate::witness::Witness;

use self::finisher::{Finisher, Handed, Round};

mod controls;
mod finisher;

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

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Committer {
    engine: Arc<dyn Engine>,
    state: Arc<State>,
    catalog: Catalog,
    queue: mpsc::Receiver<Request>,
    finisher: Finisher,
    length: Gauge,
}

impl Committer {
    /// `witness` is `None` in memory.
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        state: Arc<State>,
        catalog: Catalog,
        queue: mpsc::Receiver<Request>,
        witness: Option<Witness>,
    ) -> Self {
        let name = engine.name();
        Self {
            finisher: Finisher::new(Arc::clone(&engine), Arc::clone(&state), witness),
            engine,
            state,
            catalog,
            queue,
            length: metrics::gauge!("switchboard_keystore_queue_length", "engine" => name),
        }
    }

    /// Works until it is closed or every sender is gone.
    pub(crate) fn run(mut self) {
        let state = Arc::clone(&self.state);
        let finisher = self.finisher.clone();
        // Without room: whoever hands a group on waits until the one before is durable.
        let (hand, handed) = sync_channel(0);
        let worked = without_panic(|| {
            thread::scope(|scope| {
                let finish = {
                    let finisher = finisher.clone();
                    move || finisher.run(&handed)
                };
                let thread = thread::Builder::new().name("keystore-sync".to_owned());
                if let Err(error) = thread.spawn_scoped(scope, finish) {
                    state.poison(&format!("start the thread that syncs: {error}"));
                }
                self.rounds(&hand);
                drop(hand);
            });
            finisher.close();
        });
        if let Err(why) = worked {
            tracing::error!(why, "key store committer panicked");
            state.poison(&format!("committer {why}"));
        }
    }

    fn rounds(&mut self, hand: &SyncSender<Handed>) {
        let mut inbox = Vec::with_capacity(GROUP_BATCHES_MAX);
        while self.queue.blocking_recv_many(&mut inbox, GROUP_BATCHES_MAX) > 0 {
            self.length.set(f64::from(
                u32::try_from(self.queue.len()).unwrap_or(u32::MAX),
            ));
            let mut commits = Vec::with_capacity(inbox.len());
            for request in inbox.drain(..) {
                match request {
                    Request::Commit(commit) => commits.push(commit),
                    Request::Control(control, ack) => {
                        self.group(std::mem::take(&mut commits), hand);
                        settle(hand);
                        let _gone = ack.send(self.control(control));
                    }
                    Request::Close(ack) => {
                        self.group(std::mem::take(&mut commits), hand);
                        settle(hand);
                        let done = Durable {
                            epoch: Epoch::default(),
                            sequence: 0,
                        };
                        let _gone = ack.send(self.state.healthy().map(|()| done));
                        return;
                    }
                }
            }
            self.group(commits, hand);
        }
    }

    /// Applies commits in order; they are answered once they are durable.
    fn group(&mut self, mut commits: Vec<Commit>, hand: &SyncSender<Handed>) {
        if commits.is_empty() {
            return;
        }
        let mut answers = Vec::with_capacity(commits.len());
        let state = Arc::clone(&self.state);
        let applied = state.healthy().and_then(|()| {
            self.apply(&mut |catalog, group| {
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
        let round = |testimony| Round {
            commits,
            answers,
            testimony,
        };
        match applied {
            Ok((Applied::Unsynced, testimony)) => {
                if let Err(failed) = hand.send(Handed::Round(round(testimony)))
                    && let Handed::Round(round) = failed.0
                {
                    let why = "the thread that syncs has ended".to_owned();
                    self.finisher.answer(round, Err(Error::Poisoned(why)));
                }
            }
            Ok((Applied::Durable(sync), testimony)) => {
                self.finisher.answer(round(testimony), Ok(sync));
            }
            Err(error) => self.finisher.answer(round(None), Err(error)),
        }
    }

    /// Runs `work` as one group and numbers it if it says that it changed anything; gives what the witness repeats of it after
    /// the sync.
    fn apply(
        &mut self,
        work: &mut dyn FnMut(&mut Catalog, &mut dyn Group) -> Result<bool, Error>,
    ) -> Result<(Applied, Option<Vec<u8>>), Error> {
        let catalog = &mut self.catalog;
        let before = catalog.group();
        let applied = self.engine.group(&mut |group| {
            let changed = work(catalog, group)?;
            if changed { catalog.tick(group) } else { Ok(()) }
        })?;
        let changed = self.catalog.group() != before;
        let testimony = changed.then(|| self.catalog.testimony()).transpose()?;
        Ok((applied, testimony))
    }

    /// [`Committer::apply`], durable when it returns. Nothing else may wait for a sync.
    fn durably(
        &mut self,
        work: &mut dyn FnMut(&mut Catalog, &mut dyn Group) -> Result<bool, Error>,
    ) -> Result<Duration, Error> {
        let (applied, testimony) = self.apply(work)?;
        let sync = match applied {
            Applied::Durable(sync) => sync,
            Applied::Unsynced => self.engine.sync()?,
        };
        self.finisher.testify(testimony.as_deref());
        Ok(sync)
    }

    fn fail(&self, error: &Error) -> Error {
        self.finisher.fail(error)
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

/// Waits until everything that was handed on is answered.
fn settle(hand: &SyncSender<Handed>) {
    let (done, settled) = sync_channel(1);
    // Where the other thread has ended nothing waits any more.
    if hand.send(Handed::Settle(done)).is_ok() {
        let _ended = settled.recv();
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
