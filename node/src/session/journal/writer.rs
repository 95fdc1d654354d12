//! The one task that writes a session's journal: requests in, durable commits out.
//!
//! Owns grouping and what happens when the store fails. Must not know what a change means for its rows.

use std::sync::{Arc, Mutex, PoisonError};

use switchboard_keystore::{Epoch, KeyStore, Namespace};
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::messages::Message;
use switchboard_vocab::{EventId, MessageId, OpError, Timestamp};
use switchboard_whatsapp::{Dispatched, Incoming, Receipt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::txn::{Memory, Txn};
use super::{Acked, Claim, Claimed, Error, Limits, rows};
use crate::ports::{SessionScope, WebhookBook};
use crate::session::kinds;
use crate::session::lifecycle::Saved;

/// Most requests that share a commit.
const GROUP_MAX: usize = 64;
/// A group ends once it has this many rows; one request adds at most some hundreds.
const GROUP_ROWS_MAX: usize = 4_096;
/// A group ends once it has this many bytes. Source: half of the store's limit for one batch.
const GROUP_BYTES_MAX: usize = switchboard_keystore::BATCH_BYTES_MAX / 2;

/// What is to be written.
pub(super) enum Change {
    Open,
    Flush,
    Take(Vec<Incoming>),
    Claim(Box<Claimed>),
    Dispatched(Box<Dispatched>),
    NotSent {
        id: MessageId,
        error: Box<OpError>,
        at: Timestamp,
    },
    Acked(Acked),
    Receipt(Receipt),
    Happened {
        at: Timestamp,
        event: Box<Event>,
    },
    Saved(Box<Saved>),
    Webhooks(WebhookBook),
    Pass {
        sink: String,
        sequence: u64,
    },
    Forget {
        sink: String,
    },
}

/// What a request gets back once its rows are durable.
#[derive(Debug)]
pub(super) enum Reply {
    Done,
    Claim(Box<Claim>),
    Message(Box<Message>),
}

pub(super) struct Request {
    pub(super) change: Change,
    /// Absent where nobody waits.
    pub(super) reply: Option<oneshot::Sender<Result<Reply, Error>>>,
}

pub(super) struct Writer {
    pub(super) scope: SessionScope,
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) namespace: Namespace,
    pub(super) epoch: Epoch,
    pub(super) limits: Limits,
    pub(super) memory: Memory,
    pub(super) shared: Arc<Mutex<Memory>>,
    pub(super) last_sequence: watch::Sender<u64>,
    pub(super) stop: CancellationToken,
}

type Answers = Vec<(
    Option<oneshot::Sender<Result<Reply, Error>>>,
    Result<Reply, Error>,
)>;

impl Writer {
    /// Runs until the journal is closed or a commit fails. After a failed commit it is unknown what is stored, so
    /// nothing more is written by this writer: the next one reads what is there.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        loop {
            let first = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                first = queue.recv() => first,
            };
            let Some(first) = first else { return };
            if let Err(error) = self.group(first, &mut queue).await {
                tracing::error!(session = %self.scope.session, %error, "the journal ends");
                return;
            }
        }
    }

    async fn group(
        &mut self,
        first: Request,
        queue: &mut mpsc::Receiver<Request>,
    ) -> Result<(), Error> {
        let (store, namespace) = (Arc::clone(&self.store), self.namespace.clone());
        let mut txn = Txn::new(&store, &namespace, self.memory.clone());
        let mut answers = Answers::new();
        let mut force = false;
        let mut next = Some(first);
        while let Some(Request { change, reply }) = next {
            force |= matches!(change, Change::Open);
            let result = Box::pin(apply(&mut txn, change, &self.scope, self.limits)).await;
            match &result {
                Ok(_) => txn.accept(),
                Err(error) => {
                    if reply.is_none() {
                        tracing::error!(session = %self.scope.session, %error, "a row was not written");
                    }
                    txn.discard();
                }
            }
            answers.push((reply, result));
            let (rows, bytes) = txn.weight();
            let full =
                answers.len() >= GROUP_MAX || rows >= GROUP_ROWS_MAX || bytes >= GROUP_BYTES_MAX;
            next = if full { None } else { queue.try_recv().ok() };
        }
        let outcome = self.commit(txn, force).await;
        for (reply, result) in answers {
            let Some(reply) = reply else { continue };
            let result = match &outcome {
                Ok(()) => result,
                Err(error) => Err(error.clone()),
            };
            // The requester may have given up; its rows are durable all the same.
            let _ = reply.send(result);
        }
        outcome
    }

    async fn commit(&mut self, txn: Txn<'_>, force: bool) -> Result<(), Error> {
        let (mut ops, memory) = txn.finish(&self.memory)?;
        if force {
            ops.push(switchboard_keystore::Op::Put {
                kind: kinds::HEAD,
                key: Vec::new(),
                value: rows::encode("head", &memory.head)?,
            });
        }
        if !ops.is_empty() {
            self.store.commit(&self.namespace, self.epoch, ops).await?;
        }
        let sequence = memory.head.last_sequence;
        self.memory = memory.clone();
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = memory;
        self.last_sequence.send_if_modified(|last| {
            let changed = *last != sequence;
            *last = sequence;
            changed
        });
        Ok(())
    }
}

async fn apply(
    txn: &mut Txn<'_>,
    change: Change,
    scope: &SessionScope,
    limits: Limits,
) -> Result<Reply, Error> {
    let mut write = Write { txn, scope, limits };
    match change {
        Change::Open | Change::Flush => {}
        Change::Take(batch) => write.take(batch).await?,
        Change::Claim(claimed) => {
            let claim = write.claim(*claimed).await?;
            return Ok(Reply::Claim(Box::new(claim)));
        }
        Change::Dispatched(dispatched) => {
            let message = write.dispatched(*dispatched).await?;
            return Ok(Reply::Message(Box::new(message)));
        }
        Change::NotSent { id, error, at } => write.not_sent(&id, *error, at).await?,
        Change::Acked(acked) => write.acked(acked).await?,
        Change::Receipt(receipt) => write.receipt(receipt).await?,
        Change::Happened { at, event } => write.emit(at, *event)?,
        Change::Saved(saved) => {
            let row = rows::encode("saved state", &*saved)?;
            write.txn.put(kinds::SAVED, Vec::new(), row);
        }
        Change::Webhooks(book) => {
            let row = rows::encode("webhooks", &book)?;
            write.txn.put(kinds::WEBHOOKS, Vec::new(), row);
        }
        Change::Pass { sink, sequence } => write.pass(sink, sequence)?,
        Change::Forget { sink } => write.forget(&sink),
    }
    Ok(Reply::Done)
}

/// One request's view of the transaction.
pub(super) struct Write<'t, 's> {
    pub(super) txn: &'t mut Txn<'s>,
    pub(super) scope: &'t SessionScope,
    pub(super) limits: Limits,
}

impl Write<'_, '_> {
    /// Gives the event the next sequence, and keeps it when some sink still has to see it.
    pub(super) fn emit(&mut self, at: Timestamp, event: Event) -> Result<(), Error> {
        let head = &mut self.txn.memory.head;
        head.last_sequence += 1;
        let sequence = head.last_sequence;
        if self.txn.memory.sinks.is_empty() {
            self.txn.memory.head.first_sequence = sequence + 1;
            return Ok(());
        }
        let envelope = Envelope {
            id: EventId::new(&self.scope.uuid, self.scope.epoch, sequence),
            session: self.scope.session.clone(),
            epoch: self.scope.epoch,
            sequence,
            at,
            event,
        };
        let row = rows::encode("event", &envelope)?;
        self.txn.put(kinds::OUTBOX, rows::number_key(sequence), row);
        let head = &mut self.txn.memory.head;
        if head.events() > self.limits.events_max {
            let dropped = head.events() - self.limits.events_max;
            head.first_sequence += dropped;
            metrics::counter!("switchboard_outbox_dropped_total").increment(dropped);
        }
        Ok(())
    }
}
