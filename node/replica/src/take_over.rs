//! Taking a session over: look at the store and the log, decide, fence the former owner, bring the tree to the log's state.
//!
//! The decision and the fence are one step: the record that begins the epoch is appended only if the log still ends where
//! it was read to. Only then is the tree touched; whatever a crash leaves of that, the next taking over finds and mends.
//!
//! Owns that order. Must not know how a session came here.

use switchboard_keystore::{Epoch, Error};
use tokio_util::sync::CancellationToken;

use crate::api::{How, ReplicaError, TakenOver};
use crate::chain::{Chain, Entry};
use crate::core::{Core, End};
use crate::judge::{Local, Verdict, judge};
use crate::position::{At, Known, Mark, Position};
use crate::record::{self, Id, Record, What};
use crate::session::{Session, Tenure};
use crate::snapshot;
use crate::writer::moved;

mod apply;
mod errors;

use apply::at_of;

/// How often the log may change while it is read. A former owner that still writes needs about as long for each batch.
const TRIES_MAX: usize = 64;
/// How often damage is looked at again.
const READ_TRIES_MAX: usize = 2;

/// What a session's data is, when it is not the log alone that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The log and the store decide together.
    Normal,
    /// The store is right.
    Adopt,
}

/// One taking over under way. Whoever has it holds the session's order.
#[derive(Debug)]
pub(crate) struct TakeOver<'a> {
    pub(crate) core: &'a Core,
    pub(crate) session: &'a Session,
    pub(crate) epoch: Epoch,
    pub(crate) leave: CancellationToken,
}

/// What was done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) how: How,
    pub(crate) at: At,
    pub(crate) batches: u64,
    pub(crate) bytes: u64,
}

impl TakeOver<'_> {
    /// Takes over, and gives the right to write.
    pub(crate) async fn run(self, mode: Mode) -> Result<(Tenure, TakenOver), ReplicaError> {
        let local = self.look().await?;
        let at = match &local {
            Local::At(at) => Some(*at),
            Local::Nothing | Local::Unmarked(_) | Local::Seeding { .. } => None,
        };
        let mut chain = self.read(at.as_ref()).await?;
        for _ in 0..TRIES_MAX {
            if let Some(done) = self.attempt(mode, &chain).await? {
                return Ok(self.finish(done));
            }
            let read = self.core.read_on(self.session, &mut chain).await;
            read.map_err(|source| self.bus("read the log", source))?;
            if chain.broken().is_some() {
                chain = self.read(None).await?;
            }
        }
        Err(ReplicaError::Busy {
            namespace: self.session.ns.to_string(),
            tries: TRIES_MAX,
        })
    }

    pub(crate) fn finish(self, done: Done) -> (Tenure, TakenOver) {
        let taken = TakenOver {
            how: done.how,
            epoch: self.epoch,
            batches: done.batches,
            bytes: done.bytes,
        };
        (Tenure::new(self.epoch, done.at, self.leave), taken)
    }

    /// Reads the log. What a former owner's snapshot removes while it is read looks like damage, so damage is looked at again
    /// from the beginning.
    pub(crate) async fn read(&self, at: Option<&At>) -> Result<Chain, ReplicaError> {
        let mut chain = self.read_once(at).await?;
        for _ in 0..READ_TRIES_MAX {
            if chain.broken().is_none() {
                break;
            }
            chain = self.read_once(None).await?;
        }
        Ok(chain)
    }

    /// A stream that is gone is made again, empty.
    async fn read_once(&self, at: Option<&At>) -> Result<Chain, ReplicaError> {
        let chain = match self.core.read_chain(self.session, at).await {
            Err(switchboard_bus::EventLogError::NoStream { .. }) => {
                let opened = self.core.open_streams().await;
                opened.map_err(|source| self.bus("make the log", source))?;
                self.core.read_chain(self.session, at).await
            }
            read => read,
        };
        chain.map_err(|source| self.bus("read the log", source))
    }

    /// One decision and what follows from it. `None`: the log went on meanwhile.
    async fn attempt(&self, mode: Mode, chain: &Chain) -> Result<Option<Done>, ReplicaError> {
        if let (Some(what), Mode::Normal) = (chain.broken(), mode) {
            return Err(self.damaged(what));
        }
        let local = self.look().await?;
        let known = self.known(&local).await?;
        let verdict = match (judge(&local, known, chain, self.epoch), mode) {
            (verdict @ Verdict::Superseded(_), _) | (verdict, Mode::Normal) => verdict,
            (_, Mode::Adopt) if local == Local::Nothing => return Err(self.nothing("its store")),
            (_, Mode::Adopt) => Verdict::Seed,
        };
        match verdict {
            Verdict::Fresh => self.begin(chain, At::default(), How::Fresh, &[]).await,
            Verdict::Follow(ref id) => self.follow(chain, &local, *id).await,
            Verdict::Restore => self.restore(chain).await,
            Verdict::Seed => self.seed(chain, How::Seeded).await,
            Verdict::Superseded(_) | Verdict::Behind(_) | Verdict::Diverged(_) => {
                Err(self.refuse(&verdict, chain))
            }
        }
    }

    /// What the store holds of the session.
    pub(crate) async fn look(&self) -> Result<Local, ReplicaError> {
        let (store, ns) = (self.core.local.as_ref(), &self.session.ns);
        let mark = self.stored("read a mark", Mark::read(store, ns).await)?;
        if mark.unfinished {
            return Ok(Local::Nothing);
        }
        match Position::read(store, ns).await {
            Ok(Some(Position::At(at))) => Ok(Local::At(at)),
            Ok(Some(Position::Seeding {
                epoch,
                snapshot,
                number,
            })) => Ok(Local::Seeding {
                epoch,
                snapshot,
                number,
            }),
            // A damaged tree is one that the log has to replace.
            Err(Error::Damaged { what, .. }) => {
                tracing::error!(session = %ns, what, "the tree of a session is damaged");
                Ok(Local::Nothing)
            }
            Ok(None) => match store.export(ns, &self.core.sealer.transfer).await {
                Ok(_tree) => {
                    let epoch = self.stored("read the epoch", store.epoch(ns).await)?;
                    Ok(Local::Unmarked(epoch.unwrap_or_default().0))
                }
                Err(Error::UnknownNamespace(_)) => Ok(Local::Nothing),
                Err(error) => Err(self.store("look for the tree", error)),
            },
            Err(error) => Err(self.store("read the position", error)),
        }
    }

    /// How far the session is known to have come apart from its tree.
    pub(crate) async fn known(&self, local: &Local) -> Result<Known, ReplicaError> {
        let (store, ns) = (self.core.local.as_ref(), &self.session.ns);
        let mark = self.stored("read a mark", Mark::read(store, ns).await)?;
        if *local != Local::Nothing || mark.unfinished {
            return Ok(mark.known);
        }
        // Without a tree it is the tombstone's.
        let epoch = match store.epoch(ns).await {
            Err(Error::Damaged { .. }) => None,
            epoch => self.stored("read the epoch", epoch)?,
        };
        Ok(mark.known.max(Known {
            epoch: epoch.unwrap_or_default().0,
            number: 0,
        }))
    }

    /// Begins the epoch after what was read, then brings the tree from `at` to there.
    async fn begin(
        &self,
        chain: &Chain,
        at: At,
        how: How,
        rest: &[Entry],
    ) -> Result<Option<Done>, ReplicaError> {
        let Some(end) = self.fence(chain).await? else {
            return Ok(None);
        };
        let (at, batches) = self.apply(at, rest, end).await?;
        Ok(Some(Done {
            how,
            at,
            batches,
            bytes: chain.bytes() as u64,
        }))
    }

    /// Appends the record that begins the epoch. `None`: the log went on meanwhile.
    async fn fence(&self, chain: &Chain) -> Result<Option<End>, ReplicaError> {
        let appended = self
            .core
            .append(
                self.session,
                self.epoch.0,
                End::of(chain),
                What::Begin,
                &self.leave,
            )
            .await;
        match appended {
            Ok((written, _)) => Ok(Some(written.end)),
            Err(failure) => match failure.of_take_over("begin an epoch", &self.session.ns) {
                None => Ok(None),
                Some(error) => Err(error),
            },
        }
    }

    async fn follow(
        &self,
        chain: &Chain,
        local: &Local,
        id: Id,
    ) -> Result<Option<Done>, ReplicaError> {
        let at = match local {
            Local::At(at) => *at,
            Local::Seeding { snapshot, .. } => match chain.base_of(*snapshot) {
                Some(entry) => at_of(entry),
                None => return Err(self.damaged("the base of the store's tree is gone")),
            },
            Local::Nothing | Local::Unmarked(_) => {
                return Err(self.damaged("there is no tree to go on from"));
            }
        };
        let rest = chain.following(id).unwrap_or_default();
        let how = if rest
            .iter()
            .any(|entry| matches!(entry.record.what, What::Batch(_)))
        {
            How::Tail
        } else {
            How::Current
        };
        self.begin(chain, at, how, rest).await
    }

    /// Makes the tree from the log alone.
    async fn restore(&self, chain: &Chain) -> Result<Option<Done>, ReplicaError> {
        if chain.plan().is_none() && chain.first_number().is_none_or(|first| first > 1) {
            // What was read began in the middle; what is before may be needed.
            let whole = self.read(None).await?;
            if whole.last_seq() != chain.last_seq() {
                return Ok(None);
            }
            return Box::pin(self.restore_from(&whole)).await;
        }
        Box::pin(self.restore_from(chain)).await
    }

    async fn restore_from(&self, chain: &Chain) -> Result<Option<Done>, ReplicaError> {
        if let Some(what) = chain.broken() {
            return Err(self.damaged(what));
        }
        let Some(plan) = chain.plan() else {
            return Err(self.damaged("its beginning is gone and no snapshot stands for it"));
        };
        let Some(end) = self.fence(chain).await? else {
            return Ok(None);
        };
        let (at, rest, read) = self.lay(&plan).await?;
        let (at, batches) = self.apply(at, rest, end).await?;
        Ok(Some(Done {
            how: How::Restored,
            at,
            batches,
            bytes: read + chain.bytes() as u64,
        }))
    }

    /// Writes the log anew from the tree: first the tree says so of itself, then the copy is laid beside the log, and one
    /// record makes it the log's state and begins the epoch. `None`: the log went on meanwhile.
    pub(crate) async fn seed(&self, chain: &Chain, how: How) -> Result<Option<Done>, ReplicaError> {
        let (store, ns) = (self.core.local.as_ref(), &self.session.ns);
        let here = match Position::read(store, ns).await {
            Ok(Some(Position::At(at))) => at.number,
            Ok(Some(Position::Seeding { number, .. })) => number,
            Ok(None) => 0,
            Err(error) => return Err(self.store("read the position", error)),
        };
        let snapshot = record::new_id();
        let number = here.max(chain.highest().0).saturating_add(1);
        let seeding = Position::Seeding {
            epoch: self.epoch.0,
            snapshot,
            number,
        };
        let put = self.stored("encode a position", seeding.put())?;
        let committed = store.commit(ns, self.epoch, vec![put]).await;
        self.stored("mark the tree", committed)?;
        let copied = snapshot::copy(self.core, ns).await;
        let copied = copied.map_err(|failure| self.uncopied(failure))?;
        let base =
            snapshot::publish(self.core, self.session, snapshot, copied, None, &self.leave).await;
        let base = base.map_err(|failure| self.uncopied(failure))?;
        let (first, tree_bytes) = (base.first, base.bytes);
        let end = End::of(chain);
        let record = Record {
            previous: end.id,
            what: What::Base(base),
        };
        let place = (self.epoch.0, number);
        let written = self
            .core
            .append_as(self.session, place, end, record, &self.leave)
            .await;
        let written = match written {
            Ok((written, _)) => written,
            Err(failure) => {
                let error = failure.of_take_over("write the log anew", ns);
                return error.map_or(Ok(None), Err);
            }
        };
        let at = At {
            tree_bytes,
            ..moved(At::default(), written.end, self.epoch)
        };
        let put = self.stored("encode a position", Position::At(at).put())?;
        let committed = store.commit(ns, self.epoch, vec![put]).await;
        self.stored("store the position", committed)?;
        self.cut(at.seq, first).await;
        Ok(Some(Done {
            how,
            at,
            batches: 0,
            bytes: tree_bytes,
        }))
    }

    /// Removes what a record that voids everything before it has made useless. The next snapshot does it too.
    async fn cut(&self, seq: u64, first: u64) {
        let (core, session) = (self.core, self.session);
        for (stream, subject, up_to) in [
            (&core.wal, &session.wal, seq.saturating_sub(1)),
            (&core.snapshots, &session.copies, first.saturating_sub(1)),
        ] {
            if let Err(error) = core.purge(stream, subject, up_to).await {
                tracing::warn!(session = %session.ns, %error, "void records were not removed");
            }
        }
    }
}
