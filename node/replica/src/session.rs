//! One session: the batches that wait for the log, in order, and the right to write it.
//!
//! Owns the queue and who may touch log and tree at a time. Must not know what is done with them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_bus::Subject;
use switchboard_keystore::{BATCH_OPS_MAX, Durable, Epoch, Error, Namespace, Op};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::numbers::Tail;
use crate::position::At;
use crate::record::Base;

/// Bytes that may wait, in KiB (a semaphore's unit); further callers wait for a place.
const QUEUE_KIB_MAX: usize = 64 << 10;
/// Most batches in one record.
const GROUP_BATCHES_MAX: usize = 1_024;
/// What an operation takes in a record beside its keys and values, at most.
const OP_BYTES: usize = 24;

/// One session of this node.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) ns: Namespace,
    pub(crate) wal: Subject,
    pub(crate) copies: Subject,
    queue: Mutex<Queue>,
    room: Arc<Semaphore>,
    /// Whoever holds it may write the log and the tree; `None`: nothing was taken over.
    pub(crate) order: tokio::sync::Mutex<Option<Tenure>>,
    /// A snapshot is being written.
    pub(crate) copying: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<(Item, CancellationToken)>,
    working: bool,
    /// Ends the tenure of now, and with it what was put in since that began: a batch of before must not be written by the next one,
    /// when the ones before it were not.
    leave: CancellationToken,
}

/// The right to write a session, from taking it over on.
#[derive(Debug)]
pub(crate) struct Tenure {
    pub(crate) epoch: Epoch,
    pub(crate) at: At,
    pub(crate) tail: Tail,
    /// No snapshot before the tail is this long.
    pub(crate) copy_from: u64,
    pub(crate) leave: CancellationToken,
}

impl Tenure {
    pub(crate) fn new(epoch: Epoch, at: At, leave: CancellationToken) -> Self {
        Self {
            epoch,
            at,
            tail: Tail::new(at.tail),
            copy_from: 0,
            leave,
        }
    }

    pub(crate) fn move_to(&mut self, at: At) {
        self.at = at;
        self.tail.set(at.tail);
    }
}

/// Where the answer to a batch goes. A caller that went away does not matter.
pub(crate) type Answer = oneshot::Sender<Result<Durable, Error>>;

/// What waits for the log.
pub(crate) enum Item {
    Batch(Batch),
    /// The record of a complete snapshot.
    Base(Epoch, BaseItem),
}

pub(crate) struct Batch {
    pub(crate) epoch: Epoch,
    pub(crate) ops: Vec<Op>,
    pub(crate) bytes: usize,
    pub(crate) answer: Answer,
    /// Its share of what may wait.
    pub(crate) room: OwnedSemaphorePermit,
}

pub(crate) struct BaseItem {
    pub(crate) base: Base,
    /// Where the tree stood when the snapshot began.
    pub(crate) covered: At,
    pub(crate) answer: oneshot::Sender<Result<(), Error>>,
}

/// What is written as one record.
#[derive(Debug)]
pub(crate) enum Group {
    Batches(Epoch, Vec<Batch>),
    Base(Epoch, BaseItem),
}

/// A record's content, and the end of the tenure that it was put in under.
pub(crate) type Due = (Group, CancellationToken);

impl fmt::Debug for Item {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(batch) => batch.fmt(out),
            Self::Base(epoch, base) => write!(out, "{epoch:?} {base:?}"),
        }
    }
}

impl fmt::Debug for Batch {
    /// Never shows values.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Batch({} operations, {} B)",
            self.ops.len(),
            self.bytes
        )
    }
}

impl fmt::Debug for BaseItem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.base.fmt(out)
    }
}

impl Batch {
    fn weight(&self) -> usize {
        self.bytes + self.ops.len() * OP_BYTES
    }
}

impl Session {
    pub(crate) fn new(ns: Namespace, wal: Subject, copies: Subject) -> Self {
        Self {
            ns,
            wal,
            copies,
            queue: Mutex::default(),
            room: Arc::new(Semaphore::new(QUEUE_KIB_MAX)),
            order: tokio::sync::Mutex::new(None),
            copying: AtomicBool::new(false),
        }
    }

    /// What everything sealed for this session is bound to.
    pub(crate) fn place(&self) -> &str {
        self.ns.as_str()
    }

    /// Room for a batch of so many bytes, once there is.
    pub(crate) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let kib = u32::try_from(bytes.div_ceil(1024).clamp(1, QUEUE_KIB_MAX)).unwrap_or(u32::MAX);
        // Without a wait as long as there is room: the order of commits is that of their first steps.
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(kib) {
            return Ok(room);
        }
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await;
        room.map_err(|_closed| Error::Closed)
    }

    /// Puts something into the queue. True: nobody works on it, the caller must see to that.
    #[must_use]
    pub(crate) fn push(&self, item: Item) -> bool {
        let mut queue = self.queue();
        let leave = queue.leave.clone();
        queue.items.push_back((item, leave));
        !std::mem::replace(&mut queue.working, true)
    }

    /// The next record's content, of several batches where they fit into one message. `None`: nothing waits, and whoever puts something in must start the work again.
    pub(crate) fn next_group(&self, bytes_max: usize) -> Option<Due> {
        let mut queue = self.queue();
        match queue.items.pop_front() {
            None => {
                queue.working = false;
                None
            }
            Some((Item::Base(epoch, base), leave)) => Some((Group::Base(epoch, base), leave)),
            Some((Item::Batch(first), leave)) => {
                let (epoch, mut ops, mut weight) = (first.epoch, first.ops.len(), first.weight());
                let mut batches = vec![first];
                while batches.len() < GROUP_BATCHES_MAX
                    && let Some((Item::Batch(next), of)) = queue.items.front()
                    && next.epoch == epoch
                    && of.is_cancelled() == leave.is_cancelled()
                    && ops + next.ops.len() < BATCH_OPS_MAX
                    && weight + next.weight() <= bytes_max
                    && let Some((Item::Batch(next), _)) = queue.items.pop_front()
                {
                    ops += next.ops.len();
                    weight += next.weight();
                    batches.push(next);
                }
                Some((Group::Batches(epoch, batches), leave))
            }
        }
    }

    /// The work on the queue ended before its end: nothing that waits will be answered.
    pub(crate) fn abandon(&self) {
        let mut queue = self.queue();
        queue.working = false;
        queue.items.clear();
    }

    /// Ends what was taken over: whatever still waits for the bus stops waiting.
    pub(crate) fn leave(&self) {
        self.queue().leave.cancel();
    }

    /// The same, and gives the token by which the next one is ended.
    pub(crate) fn leave_and_begin(&self) -> CancellationToken {
        let mut queue = self.queue();
        queue.leave.cancel();
        queue.leave = CancellationToken::new();
        queue.leave.clone()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
