//! The one task that writes a session's journal: requests in, durable commits out.
//!
//! Owns grouping and what happens when the store fails. Must not know what a change means for its rows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_keystore::{Epoch, KeyStore, Namespace};
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::messages::Message;
use switchboard_vocab::settings::Settings;
use switchboard_vocab::{ChatId, EventId, MessageId, OpError, Timestamp, UserId};
use switchboard_whatsapp::{Dispatched, Fact, Incoming, Receipt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::layout::Step;
use super::learn::Piece;
use super::recent::{Recent, Tail};
use super::rows::CheckedRow;
use super::txn::{Finished, Memory, Txn};
use super::{Acked, Claim, Claimed, Emptying, Error, Limits, rows};
use crate::ports::{SessionScope, WebhookBook};
use crate::session::kinds;
use crate::session::lifecycle::Saved;

/// Most requests that share a commit.
const GROUP_MAX: usize = 64;
/// A group ends once it has this many rows; one request adds at most some hundreds.
const GROUP_ROWS_MAX: usize = 4_096;
/// A group ends once it has this many bytes. Source: half of the store's limit for one batch.
const GROUP_BYTES_MAX: usize = switchboard_keystore::BATCH_BYTES_MAX / 2;

/// How often the log is looked through for messages that are too old.
const TRIM_EVERY: Duration = Duration::from_secs(600);
/// How long rows and events of the last steps are kept in memory when nothing happens.
const FORGET_AFTER: Duration = Duration::from_secs(2);
/// The wait where one look left some.
const TRIM_AGAIN: Duration = Duration::from_millis(200);

/// What is to be written.
pub(super) enum Change {
    Open,
    Flush,
    /// Brings some rows of an earlier release into the layout of this one.
    Migrate(Step),
    Take(Vec<Incoming>),
    Learn(Vec<Fact>),
    History {
        facts: Vec<Fact>,
        messages: Vec<Incoming>,
        piece: Piece,
    },
    /// Removes some messages of a conversation.
    Clear {
        chat: ChatId,
        until: Option<Timestamp>,
        what: Emptying,
    },
    /// They are gone, so many.
    Cleared {
        chat: ChatId,
        until: Option<Timestamp>,
        gone: u64,
    },
    /// Removes some messages that are older than this.
    Trim {
        before: Option<Timestamp>,
    },
    /// Messages of others were read here.
    Read(Vec<MessageId>),
    /// A whole conversation was.
    ReadAll(ChatId),
    Block {
        user: UserId,
        blocked: bool,
    },
    Checked(Vec<CheckedRow>),
    Settings(Box<Settings>),
    /// The search index has these as they are now.
    Indexed(Vec<u64>),
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
    /// How many, and whether there are more.
    Step(u64, bool),
    /// What to go on with.
    Next(Option<Step>),
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
    pub(super) tail: Arc<Mutex<Tail>>,
    pub(super) recent: Recent,
    /// When rows and events of the last steps are forgotten.
    pub(super) forget_at: Instant,
    pub(super) last_sequence: watch::Sender<u64>,
    pub(super) stop: CancellationToken,
    /// When the log is next looked through for what is too old.
    pub(super) next_trim: Instant,
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
                () = tokio::time::sleep_until(self.next_trim) => Some(self.trim_request()),
                () = tokio::time::sleep_until(self.forget_at), if self.remembers() => {
                    self.recent.clear();
                    self.tail().clear();
                    continue;
                }
            };
            let Some(first) = first else { return };
            if let Err(error) = self.group(first, &mut queue).await {
                tracing::error!(session = %self.scope.session, %error, "the journal ends");
                return;
            }
        }
    }

    /// Whether anything of the last steps is still in memory.
    fn remembers(&self) -> bool {
        !self.recent.is_empty() || !self.tail().is_empty()
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next step of what goes by its age. Steps follow each other at a distance, so that calls come between them.
    fn trim_request(&mut self) -> Request {
        self.next_trim = Instant::now() + TRIM_EVERY;
        let age = self.limits.age_max.map(|age| {
            let now = crate::clock::now().as_millis();
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            Timestamp::from_millis(now.saturating_sub(age))
        });
        Request {
            change: Change::Trim { before: age },
            reply: None,
        }
    }

    async fn group(
        &mut self,
        first: Request,
        queue: &mut mpsc::Receiver<Request>,
    ) -> Result<(), Error> {
        let (store, namespace) = (Arc::clone(&self.store), self.namespace.clone());
        let recent = std::mem::take(&mut self.recent);
        let mut txn = Txn::new(&store, &namespace, &recent, self.memory.clone());
        let mut answers = Answers::new();
        let mut force = false;
        let mut next = Some(first);
        while let Some(Request { change, reply }) = next {
            force |= matches!(change, Change::Open);
            let result = Box::pin(apply(&mut txn, change, &self.scope, self.limits)).await;
            match &result {
                Ok(reply) => {
                    if matches!(reply, Reply::Step(0, true)) {
                        self.next_trim = Instant::now() + TRIM_AGAIN;
                    }
                    txn.accept();
                }
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
        let finished = txn.finish(&self.memory);
        self.recent = recent;
        self.forget_at = Instant::now() + FORGET_AFTER;
        let outcome = match finished {
            Ok(finished) => self.commit(finished, force).await,
            Err(error) => Err(error),
        };
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

    async fn commit(&mut self, finished: Finished, force: bool) -> Result<(), Error> {
        let Finished {
            mut ops,
            memory,
            events,
        } = finished;
        if force {
            ops.push(switchboard_keystore::Op::Put {
                kind: kinds::HEAD,
                key: Vec::new(),
                value: rows::encode("head", &memory.head)?,
            });
        }
        if !ops.is_empty() {
            // Should it fail, nothing is read any more.
            self.recent.changed(&ops);
            self.store.commit(&self.namespace, self.epoch, ops).await?;
        }
        let sequence = memory.head.last_sequence;
        self.tail().push(events, memory.head.first_sequence);
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
    let mut write = Write {
        txn,
        scope,
        limits,
        quiet: false,
    };
    let reply = write.change(change).await?;
    write.trim().await?;
    write.bound_events().await?;
    Ok(reply)
}

/// One request's view of the transaction.
pub(super) struct Write<'t, 's> {
    pub(super) txn: &'t mut Txn<'s>,
    pub(super) scope: &'t SessionScope,
    pub(super) limits: Limits,
    /// Nothing is told: the history is taken in.
    pub(super) quiet: bool,
}

impl Write<'_, '_> {
    async fn change(&mut self, change: Change) -> Result<Reply, Error> {
        let at = crate::clock::now();
        match change {
            Change::Open | Change::Flush => {}
            Change::Migrate(step) => return Ok(Reply::Next(self.migrate(step).await?)),
            Change::Take(batch) => drop(self.take(batch).await?),
            Change::Learn(facts) => self.learn(facts, at).await?,
            Change::History {
                facts,
                messages,
                piece,
            } => self.history(facts, messages, piece, at).await?,
            Change::Clear { chat, until, what } => {
                let (count, more) = self.clear_step(&chat, until, what).await?;
                return Ok(Reply::Step(count, more));
            }
            Change::Cleared { chat, until, gone } => self.cleared(&chat, until, gone, at).await?,
            Change::Trim { before } => {
                let old = match before {
                    Some(before) => self.trim_before(before).await?,
                    None => false,
                };
                let more = self.trim().await?;
                self.sweep_checked(at).await?;
                return Ok(Reply::Step(0, old || more));
            }
            Change::Read(ids) => self.read(&ids, at).await?,
            Change::ReadAll(chat) => self.read_all(&chat, at).await?,
            Change::Block { user, blocked } => self.block_one(&user, blocked, at).await?,
            Change::Checked(found) => self.checked(&found, at).await?,
            Change::Settings(settings) => {
                let row = rows::encode("settings", &*settings)?;
                self.txn.put(kinds::SETTINGS, Vec::new(), row);
            }
            Change::Indexed(numbers) => {
                for number in numbers {
                    self.txn.delete(kinds::UNINDEXED, rows::number_key(number));
                }
            }
            Change::Claim(claimed) => {
                let claim = self.claim(*claimed).await?;
                return Ok(Reply::Claim(Box::new(claim)));
            }
            Change::Dispatched(dispatched) => {
                let message = self.dispatched(*dispatched).await?;
                return Ok(Reply::Message(Box::new(message)));
            }
            Change::NotSent { id, error, at } => self.not_sent(&id, *error, at).await?,
            Change::Acked(acked) => self.acked(acked).await?,
            Change::Receipt(receipt) => self.receipt(receipt).await?,
            Change::Happened { at, event } => self.emit(at, *event)?,
            Change::Saved(saved) => {
                let row = rows::encode("saved state", &*saved)?;
                self.txn.put(kinds::SAVED, Vec::new(), row);
                self.txn.memory.me = saved.identity;
            }
            Change::Webhooks(book) => {
                let row = rows::encode("webhooks", &book)?;
                self.txn.put(kinds::WEBHOOKS, Vec::new(), row);
                self.txn.memory.webhooks = Arc::new(book);
            }
            Change::Pass { sink, sequence } => self.pass(sink, sequence)?,
            Change::Forget { sink } => self.forget(&sink),
        }
        Ok(Reply::Done)
    }

    /// Messages of others were read.
    async fn read(&mut self, ids: &[MessageId], at: Timestamp) -> Result<(), Error> {
        for id in ids {
            for stored in self.with_id(id).await? {
                if !stored.message.from_me {
                    self.read_up_to(&stored.message, at).await?;
                }
            }
        }
        Ok(())
    }

    /// Gives the event the next sequence, and keeps it when some sink still has to see it.
    pub(super) fn emit(&mut self, at: Timestamp, event: Event) -> Result<(), Error> {
        let memory = &self.txn.memory;
        if self.quiet || (!memory.sinks.is_empty() && !memory.wants(event.class())) {
            return Ok(());
        }
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
        let before = self.txn.memory.head.event_bytes;
        let row = rows::encode_event(&envelope, before)?;
        let weight = row.len();
        let len = u64::try_from(weight).unwrap_or(u64::MAX);
        self.txn.memory.head.event_bytes = before.saturating_add(len);
        self.txn.put(kinds::OUTBOX, rows::number_key(sequence), row);
        self.txn.tell((envelope, weight));
        let head = &mut self.txn.memory.head;
        if head.events() > self.limits.events_max {
            let dropped = head.events() - self.limits.events_max;
            head.first_sequence += dropped;
            metrics::counter!("switchboard_outbox_dropped_total").increment(dropped);
        }
        Ok(())
    }
}
