//! Writes a session's waiting batches: one record at a time to the log, then to the tree, then the answers.
//!
//! Owns the order of a commit. Must not know how records travel.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use switchboard_keystore::{Durable, Epoch, Error, Op};
use tokio::sync::oneshot;

use crate::core::{AppendFailure, Core, End, Written};
use crate::position::{At, Position};
use crate::record::{Change, What};
use crate::session::{BaseItem, Batch, Group, Item, Session, Tenure};
use crate::snapshot;

/// A tail of as many records is, however small it is: reading it takes time.
const TAIL_RECORDS_MAX: u64 = 4_096;

/// Answers "abandoned" to all that waits if the work on a queue panics.
struct Working<'a>(&'a Session);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abandon();
        }
    }
}

/// Commits one batch: waits until log and tree have it.
pub(crate) async fn commit(
    core: &Arc<Core>,
    session: &Arc<Session>,
    epoch: Epoch,
    ops: Vec<Op>,
    bytes: usize,
) -> Result<Durable, Error> {
    let room = session.room(bytes).await?;
    let (answer, answered) = oneshot::channel();
    let batch = Batch {
        epoch,
        ops,
        bytes,
        answer,
        room,
    };
    put(core, session, Item::Batch(batch));
    answered
        .await
        .unwrap_or_else(|_dropped| Err(unreplicated(session, "its writer ended")))
}

/// Puts an item into the queue and sees to it that somebody works on that.
pub(crate) fn put(core: &Arc<Core>, session: &Arc<Session>, item: Item) {
    if session.push(item) {
        let (core, session) = (Arc::clone(core), Arc::clone(session));
        let tasks = core.tasks.clone();
        tasks.start(async move {
            let _working = Working(&session);
            while let Some((group, leave)) = session.next_group(core.config.message_bytes_max) {
                let mut order = session.order.lock().await;
                // Let go of while it waited: the tenure of now, if there is one, is another.
                let mut none = None;
                let order = if leave.is_cancelled() {
                    &mut none
                } else {
                    &mut *order
                };
                match group {
                    Group::Batches(epoch, batches) => {
                        write(&core, &session, order, epoch, batches).await;
                    }
                    Group::Base(epoch, base) => {
                        write_base(&core, &session, order, epoch, base).await;
                    }
                }
                copy_if_due(&core, &session, order.as_ref());
            }
        });
    }
}

pub(crate) fn unreplicated(session: &Session, why: impl std::fmt::Display) -> Error {
    Error::Unreplicated {
        namespace: session.ns.to_string(),
        why: why.to_string(),
    }
}

/// The tenure under which a record of `epoch` may be written.
async fn tenure<'a>(
    core: &Core,
    session: &Session,
    order: &'a mut Option<Tenure>,
    epoch: Epoch,
) -> Result<&'a mut Tenure, Error> {
    let stale = |stored| Error::StaleEpoch {
        namespace: session.ns.to_string(),
        given: epoch,
        stored,
    };
    match order {
        Some(tenure) => {
            if tenure.leave.is_cancelled() {
                Err(unreplicated(session, "it was let go"))
            } else if epoch < tenure.epoch {
                Err(stale(tenure.epoch))
            } else if epoch > tenure.epoch {
                Err(unreplicated(session, "it was not taken over at this epoch"))
            } else {
                Ok(tenure)
            }
        }
        None => match core.local.epoch(&session.ns).await? {
            Some(stored) if epoch < stored => Err(stale(stored)),
            _ => Err(unreplicated(session, "it is not taken over")),
        },
    }
}

async fn write(
    core: &Core,
    session: &Session,
    order: &mut Option<Tenure>,
    epoch: Epoch,
    batches: Vec<Batch>,
) {
    let (mut changes, mut waiting) = (Vec::new(), Vec::with_capacity(batches.len()));
    for batch in batches {
        changes.extend(batch.ops.into_iter().map(Change::from));
        waiting.push((batch.answer, batch.room));
    }
    let outcome = match tenure(core, session, order, epoch).await {
        Ok(tenure) => {
            let outcome = write_changes(core, session, tenure, changes).await;
            if outcome.is_err() {
                // What the log and the tree have is for the next taking over to find out.
                *order = None;
            }
            outcome
        }
        Err(refused) => Err(refused),
    };
    for (answer, room) in waiting {
        drop(room);
        let _gone = answer.send(outcome.clone());
    }
}

async fn write_changes(
    core: &Core,
    session: &Session,
    tenure: &mut Tenure,
    changes: Vec<Change>,
) -> Result<Durable, Error> {
    let (written, what) = append(core, session, tenure, What::Batch(changes)).await?;
    let before = tenure.at;
    let at = At {
        tail: before.tail.saturating_add(1),
        tail_bytes: before.tail_bytes.saturating_add(written.bytes),
        ..moved(before, written.end, tenure.epoch)
    };
    let What::Batch(changes) = what else {
        return Err(unreplicated(session, "the record came back as another"));
    };
    let mut ops: Vec<Op> = changes.into_iter().map(Op::from).collect();
    ops.push(Position::At(at).put()?);
    let durable = core.local.commit(&session.ns, tenure.epoch, ops).await?;
    tenure.move_to(at);
    Ok(durable)
}

/// The record of a snapshot: from here on restoring begins with it.
async fn write_base(
    core: &Core,
    session: &Session,
    order: &mut Option<Tenure>,
    epoch: Epoch,
    item: BaseItem,
) {
    let BaseItem {
        base,
        covered,
        answer,
    } = item;
    let outcome = match tenure(core, session, order, epoch).await {
        Ok(tenure) => {
            let bytes = base.bytes;
            let outcome = base_at(core, session, tenure, What::Base(base), covered, bytes).await;
            if outcome.is_err() {
                *order = None;
            }
            outcome
        }
        Err(refused) => Err(refused),
    };
    let _gone = answer.send(outcome);
}

async fn base_at(
    core: &Core,
    session: &Session,
    tenure: &mut Tenure,
    what: What,
    covered: At,
    tree_bytes: u64,
) -> Result<(), Error> {
    let (written, _) = append(core, session, tenure, what).await?;
    let before = tenure.at;
    let at = At {
        tail: written.end.number.saturating_sub(covered.number),
        tail_bytes: before.tail_bytes.saturating_sub(covered.tail_bytes),
        tree_bytes,
        ..moved(before, written.end, tenure.epoch)
    };
    let ops = vec![Position::At(at).put()?];
    core.local.commit(&session.ns, tenure.epoch, ops).await?;
    tenure.move_to(at);
    tenure.copy_from = 0;
    Ok(())
}

pub(crate) fn moved(before: At, end: End, epoch: Epoch) -> At {
    At {
        id: end.id,
        epoch: epoch.0,
        number: end.number,
        seq: end.seq,
        ..before
    }
}

/// Appends under a tenure; a lost one is told from a log that was rolled back.
async fn append(
    core: &Core,
    session: &Session,
    tenure: &Tenure,
    what: What,
) -> Result<(Written, What), Error> {
    let (epoch, end) = (tenure.epoch, End::from(tenure.at));
    let outcome = core
        .append(session, epoch.0, end, what, &tenure.leave)
        .await;
    let failure = match outcome {
        Ok(written) => return Ok(written),
        Err(failure) => failure,
    };
    tracing::warn!(session = %session.ns, epoch = epoch.0, error = %failure, "a batch is not in the log");
    if matches!(failure, AppendFailure::Lost)
        && let Ok(Some(last)) = core.peek(session).await
        && last.epoch > epoch.0
    {
        return Err(Error::StaleEpoch {
            namespace: session.ns.to_string(),
            given: epoch,
            stored: Epoch(last.epoch),
        });
    }
    Err(unreplicated(session, failure))
}

/// Starts a snapshot once the tail is long and large enough to be worth one.
fn copy_if_due(core: &Arc<Core>, session: &Arc<Session>, order: Option<&Tenure>) {
    let Some(tenure) = order else { return };
    let at = &tenure.at;
    let large = at.tail >= core.config.tail_records_min && at.tail_bytes > at.tree_bytes / 2;
    let due = (large || at.tail >= TAIL_RECORDS_MAX) && at.tail >= tenure.copy_from;
    if due && !session.copying.swap(true, Ordering::AcqRel) {
        let (core, session) = (Arc::clone(core), Arc::clone(session));
        let (epoch, leave) = (tenure.epoch, tenure.leave.clone());
        let tasks = core.tasks.clone();
        tasks.start(async move { snapshot::replace_tail(&core, &session, epoch, &leave).await });
    }
}
