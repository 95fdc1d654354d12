//! What is done with one session, one thing after the other: its data is fetched, it stops, it is sent, it is forgotten.
//!
//! Owns the work, not the decision: every chore was asked for by the machine or by the directory. Each ends by saying what
//! became of it; none runs beside another of the same session.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use switchboard_keystore::{Epoch as StoreEpoch, KeyStore, Remains, Staged};
use switchboard_ownership::{Age, DataFrom, TransferFailure};
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::sessions::Erase;
use switchboard_vocab::{Epoch, NodeId, OpError, Operation, SessionRef, codec};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Equipment;
use super::data::{self, DataSource, Missing, namespace};
use super::gate::Gate;
use super::lives::{Lives, Whose};
use crate::directory::Records;
use crate::execute::Registry;
use crate::index::Index;
use crate::ports::MediaPort;
use crate::supervisor::{Command, Halt, Supervisor, Wanted};
use crate::transfer::Transfer;

/// Sessions whose data is being made live at once.
pub(super) const LOADING_MAX: usize = 32;
/// Sessions removed at once; each says farewell to WhatsApp first.
const REMOVALS_MAX: usize = 16;
/// Longest farewell of a session whose record was deleted.
const FAREWELL_MAX: Duration = Duration::from_secs(20);
/// Chores of one session that wait. Source: the machine asks for the next step of a session when it knows the last one's
/// result, so that more than a few are a fault.
const WAITING_MAX: usize = 64;
/// Shortest wait before data that is away is asked for again.
const AGAIN_MIN: Duration = Duration::from_millis(250);
/// Longest such wait.
const AGAIN_MAX: Duration = Duration::from_secs(15);
/// Longest copy of the files that a session left behind, before they are removed here.
const LEFT_BEHIND_MAX: Duration = Duration::from_secs(600);
/// Longest hand-over of a stopped session.
const SEND_MAX: Duration = Duration::from_secs(60);
/// Tries to remove what belongs to another node now.
const FORGET_TRIES_MAX: u32 = 5;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Chore {
    /// The session exists; in its turn, because an earlier life of its name may still be on its way out.
    Exists(Arc<SessionRecord>, Age),
    /// Its record was deleted: log it out and remove everything.
    Erase(Arc<SessionRecord>),
    /// Its record is gone, nobody deleted it: stop it, keep everything.
    Suspend,
    /// Make its data live; it is started then.
    Provide {
        epoch: Epoch,
        from: DataFrom,
        gate: Arc<Gate>,
    },
    /// Stop it.
    Stop { epoch: Epoch, abort: bool },
    /// Hand it over.
    Send {
        epoch: Epoch,
        next: Epoch,
        target: NodeId,
    },
    /// Keep nothing but the mark that it was here; the files that did not go with it follow it.
    Forget { epoch: Epoch, to: Option<NodeId> },
    /// Remove the staged copy of this epoch.
    Discard(Epoch),
}

/// What became of a chore.
#[derive(Debug)]
pub(super) enum Done {
    Exists(Arc<SessionRecord>, Age),
    Erased,
    Provided(Epoch, Arc<Gate>),
    /// Its data will not come.
    Lost(Epoch, String),
    Stopped(Epoch),
    Sent(Epoch, Result<(), TransferFailure>),
    /// Nothing that anybody waits for.
    Quietly,
}

/// What chores work with.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) supervisor: Supervisor,
    pub(super) index: Arc<Index>,
    pub(super) registry: Arc<Registry>,
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) media: Arc<dyn MediaPort>,
    pub(super) data: Arc<dyn DataSource>,
    pub(super) transfer: Arc<Transfer>,
    pub(super) lives: Arc<Lives>,
    pub(super) records: Arc<Records>,
    pub(super) loading: Arc<Semaphore>,
    pub(super) removing: Arc<Semaphore>,
    /// Longest copy of a session's files before its record says that it moves: the machine waits for that record.
    pub(super) prepare_within: Duration,
}

impl Hands {
    pub(super) fn new(
        equipment: Equipment,
        transfer: Arc<Transfer>,
        (lives, records): (Arc<Lives>, Arc<Records>),
        lease: Duration,
    ) -> Self {
        Self {
            lives,
            records,
            supervisor: equipment.supervisor,
            index: equipment.index,
            registry: equipment.registry,
            store: equipment.store,
            media: equipment.ports.media,
            data: equipment.data,
            transfer,
            loading: Arc::new(Semaphore::new(LOADING_MAX)),
            removing: Arc::new(Semaphore::new(REMOVALS_MAX)),
            prepare_within: lease,
        }
    }

    /// Starts a session whose data is there.
    pub(super) fn run(&self, record: Arc<SessionRecord>, epoch: Epoch, gate: Arc<Gate>) {
        let wanted = Wanted::new(record, epoch, gate);
        self.supervisor.tell(Command::Run(wanted));
    }

    /// Copies a session's files to the node it is to move to, while it still runs. `false` when that node refuses, so that the
    /// move need not begin.
    pub(super) async fn prepare(&self, session: &SessionRef, target: &NodeId) -> bool {
        let deadline = Instant::now() + self.prepare_within;
        match self.transfer.prepare(session, target, deadline).await {
            Ok(()) => true,
            Err(TransferFailure::TimedOut) => {
                // The rest follows when it has moved.
                tracing::info!(%session, %target, "a session moves although not all of its files were copied before");
                true
            }
            Err(TransferFailure::Refused(why)) => {
                tracing::warn!(%session, %target, why, "a session does not move: its target refuses");
                false
            }
        }
    }

    /// A target that refused is not asked again at once.
    pub(super) async fn pause(&self) {
        sleep(self.prepare_within).await;
    }

    /// Drops a session's sockets at once; its end is waited for elsewhere.
    pub(super) fn cut(&self, session: &SessionRef) {
        self.data.let_go(session);
        let (done, _) = oneshot::channel();
        self.supervisor.tell(Command::Halt(Halt {
            session: session.clone(),
            abort: true,
            done,
        }));
    }
}

/// The chores of one session.
#[derive(Debug, Default)]
pub(super) struct Slot {
    waiting: VecDeque<Chore>,
    busy: bool,
    /// Ends the waits of the chore under way: what comes after it makes it pointless.
    hurry: CancellationToken,
    /// The chore under way ends where the session comes back.
    is_patient: bool,
    /// To whom the session was sent last.
    pub(super) sent_to: Option<NodeId>,
    /// What runs, or would if its record were there.
    pub(super) life: Option<(Epoch, Arc<Gate>)>,
    /// The life waits for its record.
    pub(super) suspended: bool,
}

impl Slot {
    /// Adds a chore; `false` when too many wait.
    pub(super) fn add(&mut self, chore: Chore) -> bool {
        if self.hurries(&chore) {
            self.hurry.cancel();
        }
        self.waiting.push_back(chore);
        self.waiting.len() <= WAITING_MAX
    }

    /// Whether a chore makes the waits of the one before it pointless.
    fn hurries(&self, chore: &Chore) -> bool {
        match chore {
            Chore::Stop { .. } | Chore::Erase(_) => true,
            Chore::Provide { .. } => self.is_patient,
            Chore::Exists(..)
            | Chore::Suspend
            | Chore::Send { .. }
            | Chore::Forget { .. }
            | Chore::Discard(_) => false,
        }
    }

    /// The chore whose turn it is.
    pub(super) fn next(&mut self) -> Option<(Chore, CancellationToken)> {
        if self.busy {
            return None;
        }
        let chore = self.waiting.pop_front()?;
        self.busy = true;
        self.hurry = CancellationToken::new();
        self.is_patient = matches!(chore, Chore::Forget { .. });
        if self.waiting.iter().any(|chore| self.hurries(chore)) {
            self.hurry.cancel();
        }
        Some((chore, self.hurry.clone()))
    }

    /// The chore under way has ended; `true` where one that waits makes it pointless.
    pub(super) fn ended(&mut self) -> bool {
        self.busy = false;
        self.is_patient = false;
        self.hurry.is_cancelled()
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_idle(&self) -> bool {
        !self.busy && self.waiting.is_empty() && self.life.is_none() && self.sent_to.is_none()
    }
}

/// Does one thing.
pub(super) async fn work(
    hands: Hands,
    session: SessionRef,
    chore: Chore,
    hurry: CancellationToken,
) -> Done {
    match chore {
        Chore::Exists(record, age) => Done::Exists(record, age),
        Chore::Erase(record) => {
            erase(&hands, &record).await;
            Done::Erased
        }
        Chore::Suspend => {
            hands.supervisor.halt(&hands.index, &session, false).await;
            Done::Quietly
        }
        Chore::Provide { epoch, from, gate } => {
            provide(&hands, &session, epoch, from, gate, &hurry).await
        }
        Chore::Stop { epoch, abort } => {
            hands.supervisor.halt(&hands.index, &session, abort).await;
            hands.data.let_go(&session);
            Done::Stopped(epoch)
        }
        Chore::Send {
            epoch,
            next,
            target,
        } => {
            let deadline = Instant::now() + SEND_MAX;
            let sending = hands
                .transfer
                .send(&session, epoch, next, &target, deadline);
            Done::Sent(epoch, sending.await)
        }
        Chore::Forget { epoch, to } => {
            forget(&hands, &session, epoch, to.as_ref(), &hurry).await;
            Done::Quietly
        }
        Chore::Discard(epoch) => {
            if let Err(error) = discard(&hands, &session, epoch).await {
                tracing::error!(%session, error, "a staged copy was not removed");
            }
            Done::Quietly
        }
    }
}

async fn provide(
    hands: &Hands,
    session: &SessionRef,
    epoch: Epoch,
    from: DataFrom,
    gate: Arc<Gate>,
    hurry: &CancellationToken,
) -> Done {
    let mut wait = AGAIN_MIN;
    loop {
        let turn = tokio::select! {
            turn = hands.loading.acquire() => turn,
            () = hurry.cancelled() => return Done::Quietly,
            () = gate.shut().cancelled() => return Done::Quietly,
        };
        // Not interrupted: what is half live would be neither here nor there.
        let provided = prepared(hands, session, epoch, from).await;
        drop(turn);
        match provided {
            Ok(()) => return Done::Provided(epoch, gate),
            Err(Missing::Lost(reason)) => return Done::Lost(epoch, reason),
            Err(Missing::NotNow(reason)) => {
                tracing::warn!(%session, reason, ?wait, "a session's data cannot be had now");
            }
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = hurry.cancelled() => return Done::Quietly,
            () = gate.shut().cancelled() => return Done::Quietly,
        }
        wait = (wait * 2).min(AGAIN_MAX);
    }
}

/// Makes a session's data live, after what is left of an earlier session of its name went away.
async fn prepared(
    hands: &Hands,
    session: &SessionRef,
    epoch: Epoch,
    from: DataFrom,
) -> Result<(), Missing> {
    let record = hands.records.get(session);
    if from == DataFrom::Nothing {
        hands.data.provide(session, epoch, from).await?;
        // Files that all nodes share are given up with the rows.
        if let Some(record) = &record {
            let erased = hands.media.erase(session, &record.uuid).await;
            erased.map_err(|e| Missing::NotNow(e.internal.unwrap_or(e.public)))?;
        }
    } else if let Some(record) = &record {
        sort_out(hands, record, from).await?;
    }
    // Written down before its first row comes, and after the last one of another session went: a process that ends in between
    // takes neither for the other's.
    if let Some(record) = &record {
        let written = hands.lives.write(record).await;
        written.map_err(|e| data::missing(&e))?;
    }
    if from == DataFrom::Nothing {
        return Ok(());
    }
    hands.data.provide(session, epoch, from).await
}

/// Removes the rows of an earlier session of the same name.
async fn sort_out(hands: &Hands, record: &SessionRecord, from: DataFrom) -> Result<(), Missing> {
    let session = &record.session;
    match hands.lives.whose(record) {
        Whose::Own => return Ok(()),
        // A staged copy takes the place of whatever is here.
        Whose::Earlier | Whose::Later if matches!(from, DataFrom::Staged(_)) => return Ok(()),
        Whose::Earlier => {}
        Whose::Later => {
            return Err(Missing::Lost(format!(
                "the directory shows an earlier session of this name than the one whose keys this node has: restore the directory, or give the keys up with `switchboard admin session restore {session}`"
            )));
        }
    }
    let ns = namespace(session)?;
    let failed = |error| data::missing(&error);
    // A damaged tree has no epoch and is removed all the same.
    let epoch = hands.store.epoch(&ns).await.unwrap_or_default();
    let remains = Remains::Tombstone(epoch.unwrap_or(StoreEpoch(0)));
    tracing::warn!(%session, "the rows of an earlier session of this name are removed: it was deleted while this node was away");
    hands
        .store
        .drop_namespace(&ns, remains)
        .await
        .map_err(failed)?;
    // It may be that no node saw the deletion, so the files that all nodes share go too.
    let erased = match hands.lives.of(session) {
        Some(earlier) => hands.media.erase(session, &earlier).await,
        None => hands.media.release(session).await,
    };
    erased.map_err(|e| Missing::NotNow(e.internal.unwrap_or(e.public)))
}

/// Removes a staged copy, unless a later one has taken its place.
async fn discard(hands: &Hands, session: &SessionRef, epoch: Epoch) -> Result<(), String> {
    let ns = match namespace(session) {
        Ok(ns) => ns,
        Err(missing) => return Err(missing.to_string()),
    };
    let staged = hands.store.staged().await.map_err(|e| e.to_string())?;
    let is_meant = |copy: &Staged| copy.namespace == ns && copy.epoch.0 <= epoch.0;
    if staged.iter().any(is_meant) {
        let discarded = hands.store.discard_staging(&ns).await;
        discarded.map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Removes everything of a session that was deleted, and logs it out if it runs here.
async fn erase(hands: &Hands, record: &SessionRecord) {
    let Ok(_turn) = hands.removing.acquire().await else {
        return;
    };
    let session = &record.session;
    if let Err(error) = farewell(hands, record).await {
        let cause = error.internal.unwrap_or(error.public);
        tracing::warn!(%session, cause, "a removed session was not logged out");
    }
    hands.supervisor.halt(&hands.index, session, true).await;
    if let Err(error) = hands.lives.erase(record).await {
        tracing::warn!(%session, %error, "whose the rows of a removed session were is still written down");
    }
    match remove(hands, record).await {
        Ok(true) => tracing::info!(%session, "a session was removed with its data"),
        Ok(false) => {}
        Err(cause) => tracing::error!(%session, cause, "the data of a session was not removed"),
    }
}

/// Removes what the node holds of a session, running or not; `false` when there was nothing.
async fn remove(hands: &Hands, record: &SessionRecord) -> Result<bool, String> {
    let session = &record.session;
    let ns = match namespace(session) {
        Ok(ns) => ns,
        Err(missing) => return Err(missing.to_string()),
    };
    // A damaged tree has no epoch and is removed all the same.
    let held = !matches!(hands.store.epoch(&ns).await, Ok(None));
    let discarded = hands.store.discard_staging(&ns).await;
    discarded.map_err(|e| e.to_string())?;
    if held {
        let dropped = hands.store.drop_namespace(&ns, Remains::Nothing).await;
        dropped.map_err(|e| e.to_string())?;
    }
    // Files come before a session does, and it may never have come.
    let erased = hands.media.erase(session, &record.uuid).await;
    erased.map_err(|e| e.internal.unwrap_or(e.public))?;
    Ok(held)
}

/// Logs a session out whose record is gone, if it still runs and has a login.
async fn farewell(hands: &Hands, record: &SessionRecord) -> Result<(), OpError> {
    let Some(handle) = hands.index.get(&record.session) else {
        return Ok(());
    };
    if *handle.scope.uuid != *record.uuid {
        return Ok(());
    }
    let prepared = hands
        .registry
        .prepare(Erase::NAME, &codec::encode(&Erase {})?)?;
    let deadline = Instant::now() + FAREWELL_MAX;
    handle
        .run(prepared, deadline, "directory".to_owned())
        .await
        .map(drop)
}

/// Keeps only the mark of a session that belongs to another node now. Files that it left behind follow it first; where it comes
/// back meanwhile they stay.
async fn forget(
    hands: &Hands,
    session: &SessionRef,
    epoch: Epoch,
    to: Option<&NodeId>,
    hurry: &CancellationToken,
) {
    let Ok(ns) = namespace(session) else { return };
    let remains = Remains::Tombstone(StoreEpoch(epoch.0));
    let mut wait = AGAIN_MIN;
    for _ in 0..FORGET_TRIES_MAX {
        let dropped = hands.store.drop_namespace(&ns, remains).await;
        let Err(error) = dropped else { break };
        tracing::error!(%session, %error, "the rows of a moved session were not removed");
        sleep(wait).await;
        wait *= 2;
    }
    if let Some(to) = to {
        let deadline = Instant::now() + LEFT_BEHIND_MAX;
        let copied = tokio::select! {
            copied = hands.transfer.prepare(session, to, deadline) => copied,
            () = hurry.cancelled() => return,
        };
        if let Err(failure) = copied {
            tracing::warn!(%session, %to, ?failure, "some files of a moved session are lost");
        }
    }
    if let Err(error) = hands.media.release(session).await {
        let cause = error.internal.unwrap_or(error.public);
        tracing::error!(%session, cause, "the files of a moved session were not removed");
    }
}
