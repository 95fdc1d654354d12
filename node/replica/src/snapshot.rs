//! Snapshots: a whole tree in messages of a session's second subject, and how a tree is made from one.
//!
//! ```text
//! message = 01 'S' id(16) index(u32)  sealed piece
//! tree    = the pieces in order: { length(u32) frame of an export } ...
//! ```
//! A snapshot is complete when the record that names it (`Base`) is in the session's log; only the owner can append that,
//! so what a former owner still writes here means nothing, and neither does what a crash left half.
//!
//! Owns these messages and when the log is cut. Must not know who takes a session over.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use switchboard_bus::EventLogError;
use switchboard_keystore::{Epoch, Error, Import, KeyStore, Namespace};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::core::{AppendFailure, Core, hex};
use crate::position::{At, Position};
use crate::record::{self, Base, Id};
use crate::session::{BaseItem, Item, Session};
use crate::{clock, numbers, writer};

/// Largest tree that is copied: all of it is in memory meanwhile.
const TREE_BYTES_MAX: usize = 1 << 30;
/// How often a tree is copied that changes meanwhile, before its commits have to wait for it.
const TRIES_MAX: usize = 3;
/// Messages of a snapshot read at once.
const READ_MESSAGES: usize = 8;
const MAGIC: [u8; 2] = [1, b'S'];
const HEAD_BYTES: usize = 2 + 16 + 4;

/// A tree as it was at one moment.
#[derive(Debug)]
pub(crate) struct Copied {
    frames: Vec<u8>,
    bytes: u64,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Store(#[from] Error),
    #[error(transparent)]
    Append(#[from] AppendFailure),
    #[error(transparent)]
    Bus(#[from] EventLogError),
    #[error("the tree of {0} bytes is over the limit of {TREE_BYTES_MAX} bytes")]
    TooLarge(usize),
    #[error("the session is not taken over any more")]
    Ended,
}

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Store(#[from] Error),
    #[error(transparent)]
    Bus(#[from] EventLogError),
    #[error("{0}")]
    Damaged(String),
}

/// Copies a tree. Commits meanwhile make it fail.
pub(crate) async fn copy(core: &Core, ns: &Namespace) -> Result<Copied, Failure> {
    let mut export = core.local.export(ns, &core.sealer.transfer).await?;
    let mut frames = Vec::new();
    while let Some(frame) = export.next().await? {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        frames.extend_from_slice(&length.to_be_bytes());
        frames.extend_from_slice(&frame);
        if frames.len() > TREE_BYTES_MAX {
            return Err(Failure::TooLarge(frames.len()));
        }
    }
    Ok(Copied {
        frames,
        bytes: export.report().map_or(0, |report| report.bytes),
    })
}

/// Puts a copied tree onto the bus. It means nothing until the record with what this returns is in the log.
pub(crate) async fn publish(
    core: &Core,
    session: &Session,
    snapshot: Id,
    copied: Copied,
    covers: Option<u64>,
    leave: &CancellationToken,
) -> Result<Base, Failure> {
    let mut base = Base {
        snapshot,
        first: 0,
        last: 0,
        messages: 0,
        bytes: copied.bytes,
        hash: [0; 32],
        covers,
    };
    let mut hash = Sha256::new();
    let mut sent = 0;
    let pieces = copied.frames.chunks(core.config.message_bytes_max.max(1));
    for (index, piece) in (0_u32..).zip(pieces) {
        hash.update(piece);
        let message = core
            .sealer
            .seal(session.place(), &head(&snapshot, index), piece)
            .map_err(|error| AppendFailure::Bad(error.into()))?;
        sent += message.len() as u64;
        let id = format!("{}.{index}", hex(&snapshot));
        let until = clock::monotonic() + core.config.patience;
        let place = (&core.snapshots, &session.copies);
        let seq = core
            .offer(place, &id, Bytes::from(message), None, until, leave)
            .await?;
        base.first = if index == 0 { seq } else { base.first };
        (base.last, base.messages) = (seq, index + 1);
    }
    base.hash = hash.finalize().into();
    numbers::snapshot("written", sent);
    Ok(base)
}

fn head(snapshot: &Id, index: u32) -> Vec<u8> {
    [MAGIC.as_slice(), snapshot, &index.to_be_bytes()].concat()
}

/// Replaces the beginning of a session's log by a snapshot, while it is being written.
pub(crate) async fn replace_tail(
    core: &Arc<Core>,
    session: &Arc<Session>,
    epoch: Epoch,
    leave: &CancellationToken,
) {
    let outcome = match core.copying.acquire().await {
        Ok(_permit) => replace(core, session, epoch, leave).await,
        Err(_closed) => Err(Failure::Ended),
    };
    if let Err(error) = outcome {
        // The earlier snapshot and the whole tail are still there; later commits will try again.
        tracing::warn!(session = %session.ns, %error, "no snapshot was written");
        numbers::snapshot("failed", 0);
        if let Some(tenure) = session.order.lock().await.as_mut() {
            tenure.copy_from = tenure.at.tail.saturating_add(core.config.tail_records_min);
        }
    }
    session.copying.store(false, Ordering::Release);
}

async fn replace(
    core: &Arc<Core>,
    session: &Arc<Session>,
    epoch: Epoch,
    leave: &CancellationToken,
) -> Result<(), Failure> {
    let (covered, copied) = copy_while_written(core, session, epoch).await?;
    let covers = Some(covered.number);
    let base = publish(core, session, record::new_id(), copied, covers, leave).await?;
    let first = base.first;
    let (answer, answered) = oneshot::channel();
    let item = BaseItem {
        base,
        covered,
        answer,
    };
    writer::put(core, session, Item::Base(epoch, item));
    answered.await.map_err(|_dropped| Failure::Ended)??;
    // From here on nobody needs what was before; should this fail, the next one removes it.
    core.purge(&core.wal, &session.wal, covered.seq).await?;
    core.purge(&core.snapshots, &session.copies, first.saturating_sub(1))
        .await?;
    Ok(())
}

/// Copies the tree between two commits; after some tries commits wait.
async fn copy_while_written(
    core: &Core,
    session: &Session,
    epoch: Epoch,
) -> Result<(At, Copied), Failure> {
    for tries in 0..=TRIES_MAX {
        let order = session.order.lock().await;
        let tenure = order.as_ref().filter(|tenure| tenure.epoch == epoch);
        let covered = tenure.ok_or(Failure::Ended)?.at;
        let _held = (tries == TRIES_MAX).then_some(order);
        match copy(core, &session.ns).await {
            Ok(copied) => return Ok((covered, copied)),
            Err(Failure::Store(Error::ChangedDuringExport(_))) => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Ended)
}

/// Makes the staging tree of a session from a snapshot, complete and ready for promotion.
pub(crate) async fn import(
    core: &Core,
    session: &Session,
    base: &Base,
    epoch: Epoch,
) -> Result<u64, Unreadable> {
    let store = core.local.as_ref();
    let mut import = store
        .import(&session.ns, epoch, &core.sealer.transfer)
        .await?;
    let (mut after, mut index, mut bytes) = (base.first.saturating_sub(1), 0, 0);
    let (mut hash, mut waiting) = (Sha256::new(), Vec::new());
    while index < base.messages && after < base.last {
        let found = core
            .log
            .read(&core.snapshots, &session.copies, after, READ_MESSAGES)
            .await?;
        let Some(last) = found.last() else { break };
        after = last.seq;
        for message in &found {
            // Those of other snapshots may come between.
            let (head, sealed) = message
                .payload
                .split_at_checked(HEAD_BYTES)
                .unwrap_or_default();
            if head != self::head(&base.snapshot, index) {
                continue;
            }
            let piece = core.sealer.open(session.place(), head, sealed);
            let piece = piece.map_err(|error| damaged(base, index, &error.to_string()))?;
            hash.update(&piece);
            bytes += piece.len() as u64;
            waiting.extend_from_slice(&piece);
            write_frames(import.as_mut(), &mut waiting).await?;
            index += 1;
        }
    }
    let hash: [u8; 32] = hash.finalize().into();
    if index < base.messages {
        return Err(damaged(base, index, "it is missing"));
    }
    if hash != base.hash || !waiting.is_empty() {
        return Err(damaged(
            base,
            0,
            "the messages are not those that were written",
        ));
    }
    import.finish().await?;
    Ok(bytes)
}

fn damaged(base: &Base, index: u32, what: &str) -> Unreadable {
    Unreadable::Damaged(format!(
        "snapshot {}, message {} of {}: {what}",
        hex(base.snapshot.get(..4).unwrap_or_default()),
        index + 1,
        base.messages
    ))
}

/// Gives every whole frame to an import; what is left is the beginning of the next.
async fn write_frames(import: &mut dyn Import, waiting: &mut Vec<u8>) -> Result<(), Error> {
    let mut used = 0;
    while let Some((length, rest)) = waiting
        .get(used..)
        .and_then(|rest| rest.split_first_chunk::<4>())
    {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some(frame) = rest.get(..length) else {
            break;
        };
        import.write(frame).await?;
        used += 4 + length;
    }
    waiting.drain(..used);
    Ok(())
}

/// The position in a tree, which must be one that was the log's state.
pub(crate) async fn position(store: &dyn KeyStore, ns: &Namespace) -> Result<Option<At>, Error> {
    Ok(match Position::read(store, ns).await? {
        Some(Position::At(at)) => Some(at),
        Some(Position::Seeding { .. }) | None => None,
    })
}
