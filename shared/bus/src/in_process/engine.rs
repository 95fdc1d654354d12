//! Group commit: one task owns a state, applies what waits, commits it as one batch, then answers.
//!
//! Nobody sees a change before it is durable: commands read and write the state in order, and the answers of a
//! group, reads included, leave after its commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::storage::{Op, Storage, StorageError};
use crate::{BoxError, Health, task};

/// Commands that wait for the task; further callers wait for a place.
const QUEUE_MAX: usize = 1024;
/// The most commands in one commit. Source: group size of the key store's committer.
const GROUP_MAX: usize = 1024;

/// A state that a task can own.
pub(super) trait Machine: Send + 'static {
    /// Everything applied so far is durable now: wake whoever waits for changes.
    fn committed(&mut self);
}

/// What is left to do for a command once its changes are durable.
pub(super) type Answer = Box<dyn FnOnce() + Send>;
/// A command: changes the state, adds the rows to write, and returns its answer.
type Command<S> = Box<dyn FnOnce(&mut S, &mut Vec<Op>) -> Answer + Send>;

/// A handle on the task. The task ends when the last handle is dropped.
pub(super) struct Engine<S> {
    commands: mpsc::Sender<Command<S>>,
}

impl<S> Clone for Engine<S> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
        }
    }
}

impl<S> std::fmt::Debug for Engine<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Why a command has no result.
#[derive(Debug)]
pub(super) enum Error {
    /// It did not get its turn, or the disk did not answer, in time.
    Timeout,
    /// The storage failed, at this commit or an earlier one.
    Stopped(BoxError),
}

/// Starts the task over `state`.
pub(super) fn start<S: Machine>(
    state: S,
    storage: Arc<dyn Storage>,
    health: Arc<watch::Sender<Health>>,
) -> Engine<S> {
    let (commands, queue) = mpsc::channel(QUEUE_MAX);
    task::start(run(state, queue, storage, health));
    Engine { commands }
}

impl<S: Machine> Engine<S> {
    /// Runs `command` on the state and returns its result once its changes are durable.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        deadline: Duration,
        command: impl FnOnce(&mut S, &mut Vec<Op>) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (reply, result) = oneshot::channel();
        let command: Command<S> = Box::new(move |state, batch| {
            let outcome = command(state, batch);
            // The caller may have given up; the change stands all the same.
            Box::new(move || drop(reply.send(outcome)))
        });
        let exchange = async {
            self.commands.send(command).await.map_err(|_| stopped())?;
            result.await.map_err(|_| stopped())
        };
        match tokio::time::timeout(deadline, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout),
        }
    }
}

fn stopped() -> Error {
    Error::Stopped("the storage of the in-process bus has failed, the bus has stopped".into())
}

async fn run<S: Machine>(
    mut state: S,
    mut queue: mpsc::Receiver<Command<S>>,
    storage: Arc<dyn Storage>,
    health: Arc<watch::Sender<Health>>,
) {
    let mut group = Vec::new();
    while queue.recv_many(&mut group, GROUP_MAX).await > 0 {
        let mut batch = Vec::new();
        let answers: Vec<Answer> = group
            .drain(..)
            .map(|command| command(&mut state, &mut batch))
            .collect();
        if let Err(error) = commit(storage.as_ref(), batch).await {
            // Dropping the queue and the answers tells every caller, now and later.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the in-process bus stops"
            );
            health.send_replace(Health::Closed);
            return;
        }
        state.committed();
        for answer in answers {
            answer();
        }
    }
}

async fn commit(storage: &dyn Storage, batch: Vec<Op>) -> Result<(), StorageError> {
    if batch.is_empty() {
        Ok(())
    } else {
        storage.commit(batch).await
    }
}
