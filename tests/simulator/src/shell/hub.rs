//! The one place where the core is locked: an input goes in, its effects are carried out before the
//! lock is released, so that every connection sees stanzas in the order the core decided.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::media::MediaStore;
use super::tls::Identity;
use crate::clock::SharedClock;
use crate::core::ids::{AccountId, ConnId};
use crate::core::keys::ServerKeys;
use crate::core::phones::{Done, Work};
use crate::core::server::{Effect, Server, Timer};

/// Most stanzas that wait for one socket. A client that reads so slowly is cut off; what it has not
/// acknowledged stays in its queue.
pub(crate) const OUTBOX_MAX: usize = 32_768;

/// Something for the task of a connection.
#[derive(Debug)]
pub(crate) enum Out {
    /// Encrypt and send, not before the instant.
    Stanza(Bytes, Option<Instant>),
    /// Close after what came before.
    Close,
}

#[derive(Debug)]
struct Outbox {
    sender: mpsc::Sender<Out>,
    abort: CancellationToken,
}

#[derive(Debug)]
struct Inner {
    server: Server,
    outboxes: HashMap<ConnId, Outbox>,
    timers: BTreeMap<(Instant, u64), Timer>,
    timer_number: u64,
    /// Accounts whose phone has work. An account stands here at most once, see `phone_scheduled`.
    phones: VecDeque<AccountId>,
}

/// The core with everything needed to carry out its effects.
#[derive(Debug)]
pub(crate) struct Hub {
    inner: Mutex<Inner>,
    pub(crate) timers_changed: Notify,
    pub(crate) phones_wake: Notify,
    pub(crate) keys: Arc<ServerKeys>,
    pub(crate) clock: SharedClock,
    pub(crate) media: MediaStore,
    pub(crate) identity: Option<Identity>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// A registered connection, as its task sees it.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) conn: ConnId,
    pub(crate) outbox: mpsc::Receiver<Out>,
    pub(crate) abort: CancellationToken,
}

impl Hub {
    pub(crate) fn new(
        server: Server,
        keys: Arc<ServerKeys>,
        clock: SharedClock,
        media: MediaStore,
        identity: Option<Identity>,
    ) -> Self {
        Self {
            inner: Mutex::new(Inner {
                server,
                outboxes: HashMap::new(),
                timers: BTreeMap::new(),
                timer_number: 0,
                phones: VecDeque::new(),
            }),
            timers_changed: Notify::new(),
            phones_wake: Notify::new(),
            keys,
            clock,
            media,
            identity,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// A panic in the core leaves it in a state that is still worth looking at.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the core an input and carries out what follows.
    pub(crate) fn with<R>(&self, input: impl FnOnce(&mut Server) -> R) -> R {
        let mut inner = self.lock();
        let result = input(&mut inner.server);
        self.carry_out(&mut inner);
        result
    }

    /// Makes room for a new connection.
    pub(crate) fn register(&self) -> Registered {
        let mut inner = self.lock();
        let conn = inner.server.new_conn();
        let (sender, outbox) = mpsc::channel(OUTBOX_MAX);
        let abort = CancellationToken::new();
        inner.outboxes.insert(
            conn,
            Outbox {
                sender,
                abort: abort.clone(),
            },
        );
        Registered {
            conn,
            outbox,
            abort,
        }
    }

    /// The task of a connection ended.
    pub(crate) fn gone(&self, conn: ConnId) {
        let mut inner = self.lock();
        inner.outboxes.remove(&conn);
        inner.server.closed(conn);
        self.carry_out(&mut inner);
    }

    fn carry_out(&self, inner: &mut Inner) {
        loop {
            let effects: Vec<Effect> = inner.server.take_effects().collect();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.carry_out_one(inner, effect);
            }
        }
    }

    fn carry_out_one(&self, inner: &mut Inner, effect: Effect) {
        match effect {
            Effect::Send {
                conn,
                bytes,
                delay_ms,
            } => {
                let after =
                    (delay_ms > 0).then(|| Instant::now() + Duration::from_millis(delay_ms));
                post(inner, conn, Out::Stanza(bytes, after));
            }
            Effect::Close(conn) => post(inner, conn, Out::Close),
            Effect::Abort(conn) => {
                if let Some(outbox) = inner.outboxes.get(&conn) {
                    outbox.abort.cancel();
                }
            }
            Effect::Wait(after, timer) => {
                inner.timer_number += 1;
                let key = (Instant::now() + after, inner.timer_number);
                inner.timers.insert(key, timer);
                self.timers_changed.notify_one();
            }
            Effect::Phone(account) => {
                inner.phones.push_back(account);
                self.phones_wake.notify_one();
            }
            Effect::Store { token, bytes } => {
                if let Err(e) = self.media.put(&token, 0, bytes) {
                    tracing::warn!(error = %e, "file of the server was not stored");
                }
            }
        }
    }

    /// Fires the timers that are due and returns when the next one is.
    pub(crate) fn fire_timers(&self) -> Option<Instant> {
        let mut inner = self.lock();
        let now = Instant::now();
        while let Some(entry) = inner.timers.first_entry() {
            if entry.key().0 > now {
                return Some(entry.key().0);
            }
            let timer = entry.remove();
            inner.server.fire(timer);
            self.carry_out(&mut inner);
        }
        None
    }

    /// The next piece of work of any phone.
    pub(crate) fn phone_work(&self) -> Option<Work> {
        let mut inner = self.lock();
        while let Some(account) = inner.phones.pop_front() {
            let work = inner.server.phone_work(account);
            self.carry_out(&mut inner);
            if work.is_some() {
                return work;
            }
        }
        None
    }

    /// A phone did its work; it gets its next turn behind the others.
    pub(crate) fn phone_done(&self, account: AccountId, done: &Done) {
        let mut inner = self.lock();
        inner.server.phone_did(account, done);
        inner.phones.push_back(account);
        self.carry_out(&mut inner);
        self.phones_wake.notify_one();
    }
}

/// Hands something to a connection's task; cuts the connection off if its outbox is full.
fn post(inner: &mut Inner, conn: ConnId, out: Out) {
    let Some(outbox) = inner.outboxes.get(&conn) else {
        return;
    };
    if outbox.sender.try_send(out).is_err() {
        outbox.abort.cancel();
        inner.server.closed(conn);
    }
}
