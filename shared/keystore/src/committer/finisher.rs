//! What follows the applying of a group: its sync, its testimony, its answers.
//!
//! Runs on a thread of its own beside the committer, one group at a time and in their order. Owns when a commit is said to be
//! durable: after a sync that began when it was applied, never before.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Histogram};

use super::Commit;
use crate::engine::{Engine, without_panic};
use crate::error::Error;
use crate::registry::State;
use crate::store::Durable;
use crate::witness::Witness;

/// A group that is applied.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) commits: Vec<Commit>,
    /// What each commit is told if the sync succeeds; those that are missing came to nothing.
    pub(super) answers: Vec<Result<Durable, Error>>,
    /// What the witness repeats, if the group changed anything.
    pub(super) testimony: Option<Vec<u8>>,
}

/// What the committer hands on.
#[derive(Debug)]
pub(super) enum Handed {
    Round(Round),
    /// Tell when everything before is answered.
    Settle(SyncSender<()>),
}

/// What both threads end groups with.
#[derive(Debug, Clone)]
pub(super) struct Finisher {
    engine: Arc<dyn Engine>,
    state: Arc<State>,
    /// `None` in memory.
    witness: Arc<Mutex<Option<Witness>>>,
    group: Histogram,
    sync: Histogram,
    batches: Counter,
    refused: Counter,
}

impl Finisher {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        state: Arc<State>,
        witness: Option<Witness>,
    ) -> Self {
        let name = engine.name();
        Self {
            engine,
            state,
            witness: Arc::new(Mutex::new(witness)),
            group: metrics::histogram!("switchboard_keystore_group_batches", "engine" => name),
            sync: metrics::histogram!("switchboard_keystore_sync_seconds", "engine" => name),
            batches: metrics::counter!("switchboard_keystore_batches_total", "engine" => name),
            refused: metrics::counter!("switchboard_keystore_refused_total", "engine" => name),
        }
    }

    /// Syncs and answers what it is handed, until nobody hands anything any more.
    pub(super) fn run(&self, handed: &Receiver<Handed>) {
        while let Ok(handed) = handed.recv() {
            match handed {
                Handed::Round(round) => {
                    let healthy = self.state.healthy();
                    let synced = healthy.and_then(|()| {
                        without_panic(|| self.engine.sync()).unwrap_or_else(|cause| {
                            let action = "sync";
                            Err(Error::Engine { action, cause })
                        })
                    });
                    self.answer(round, synced);
                }
                // The committer waits for it.
                Handed::Settle(done) => drop(done.send(())),
            }
        }
    }

    /// Answers a group whose sync took so long, or failed.
    pub(super) fn answer(&self, round: Round, synced: Result<Duration, Error>) {
        let Round {
            commits,
            mut answers,
            testimony,
        } = round;
        match synced {
            Ok(sync) => {
                self.testify(testimony.as_deref());
                self.count(&answers, sync);
            }
            Err(error) => {
                let why = self.fail(&error);
                answers
                    .iter_mut()
                    .filter(|answer| answer.is_ok())
                    .for_each(|answer| *answer = Err(why.clone()));
                answers.resize(commits.len(), Err(why));
            }
        }
        for (commit, answer) in commits.into_iter().zip(answers) {
            drop(commit.room);
            let _gone = commit.ack.send(answer);
        }
    }

    /// Tells the witness of a group that is durable.
    pub(super) fn testify(&self, testimony: Option<&[u8]>) {
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(witness), Some(testimony)) = (&mut *witness, testimony) {
            witness.note(testimony);
        }
    }

    /// A failed write or sync is final: what is on disk is unknown, and retrying a sync lies.
    pub(super) fn fail(&self, error: &Error) -> Error {
        let why = if let Error::Poisoned(why) = error {
            why.clone()
        } else {
            tracing::error!(%error, "key store is poisoned");
            error.to_string()
        };
        self.state.poison(&why);
        Error::Poisoned(why)
    }

    /// The last group was answered.
    pub(super) fn close(&self) {
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(witness) = &mut *witness {
            witness.sync();
        }
    }

    fn count(&self, answers: &[Result<Durable, Error>], sync: Duration) {
        let stored = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        self.state.groups.fetch_add(1, Ordering::Relaxed);
        self.state.batches.fetch_add(stored, Ordering::Relaxed);
        self.batches.increment(stored);
        let refused = (answers.len() as u64).saturating_sub(stored);
        self.refused.increment(refused);
        self.group
            .record(f64::from(u32::try_from(stored).unwrap_or(u32::MAX)));
        self.sync.record(sync.as_secs_f64());
    }
}
