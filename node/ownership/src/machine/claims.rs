//! What to do with one session, by what is known of it now: start it, claim it, park it, or leave it alone (design rules R-14
//! and R-17).
//!
//! Nothing is started but what a record that is known to be written names for this life of this node. Records without a
//! session in the directory are left alone until the directory says that the session was deleted; then its owner deletes the
//! record, and where that owner is gone, the node that would take the session does.

use switchboard_vocab::cluster::{Kept, OwnerPhase, OwnerRecord, RECORD_VERSION};
use switchboard_vocab::{Epoch, SessionRef};

use super::Machine;
use super::session::{Known, Leg, Plan, Run, Session};
use crate::{DataFrom, Output, Position, Rule};

/// What a claim adds to the highest known epoch after the records went back: more than a session can have used up among
/// nodes that this one did not hear of.
pub(super) const LEAP: u64 = 1_000;
/// How long a staged copy waits for a record that names it.
pub(super) const STAGED_MAX: Position = Position::from_secs(60);

impl Machine {
    /// Looks at one session.
    pub(super) fn consider(&mut self, session: &SessionRef) {
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        if known.op.is_some() || known.running.is_some_and(|run| run.stopping.is_some()) {
            return;
        }
        if known.not_before > self.now {
            let at = known.not_before;
            return self.look_later(session, at);
        }
        if known.doubt {
            return self.read_owner(session);
        }
        self.consider_staged(session);
        match self.sessions.get(session).map(|known| known.record.clone()) {
            None => {}
            Some(Known::Unreadable(why)) => self.consider_unreadable(session, &why),
            Some(Known::Absent) => self.consider_absent(session),
            Some(Known::Record(record)) if self.is_mine(&record) => {
                self.consider_mine(session, &record);
            }
            Some(Known::Record(record)) => self.consider_other(session, &record),
        }
    }

    pub(super) fn note_once(&mut self, session: &SessionRef, text: impl FnOnce() -> String) {
        if let Some(known) = self.sessions.get_mut(session)
            && !known.noted
        {
            known.noted = true;
            self.out.push(Output::Note(text()));
        }
    }

    fn consider_unreadable(&mut self, session: &SessionRef, why: &str) {
        self.note_once(session, || {
            format!("the owner record of {session} cannot be read ({why}), so it is not run: upgrade this node")
        });
    }

    /// A staged copy that no record will name is removed; one that a record may name yet is kept.
    fn consider_staged(&mut self, session: &SessionRef) {
        let (now, me) = (self.now, &self.config.me);
        if !self.owners.current {
            return;
        }
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        let Some(staged) = known.staged else {
            return;
        };
        let over = staged.since + STAGED_MAX;
        let useless = match &known.record {
            Known::Record(record) if record.node == *me => {
                if record.epoch.0 >= staged.epoch
                    && let Some(staged) = &mut known.staged
                {
                    staged.named = true;
                }
                return;
            }
            Known::Record(record) if record.epoch.0 >= staged.epoch => true,
            Known::Record(record) => {
                let coming = matches!(&record.phase, OwnerPhase::Moving { target } if target == me)
                    && record.epoch.0 + 1 == staged.epoch;
                !coming && now >= over
            }
            Known::Absent | Known::Unreadable(_) => now >= over,
        };
        if useless {
            known.staged = None;
            let epoch = Epoch(staged.epoch);
            self.out.push(Output::DiscardStaged(session.clone(), epoch));
        } else if now < over {
            self.look_later(session, over);
        }
    }

    /// A record of this node in this life at an epoch that nobody has used.
    pub(super) fn own_record(
        &self,
        known: &Session,
        session: &SessionRef,
        epoch: u64,
        kept: Kept,
    ) -> OwnerRecord {
        let uuid = known
            .uuid
            .clone()
            .or_else(|| known.owner().map(|record| record.uuid.clone()));
        OwnerRecord {
            version: RECORD_VERSION,
            session: session.clone(),
            uuid: uuid.unwrap_or_default(),
            node: self.config.me.clone(),
            incarnation: self.life.incarnation.clone(),
            epoch: Epoch(epoch),
            phase: OwnerPhase::Owned,
            kept,
        }
    }

    /// The epoch of the next owner: above everything that is known to have been used.
    pub(super) fn next_epoch(&self, known: &Session) -> u64 {
        let recorded = known.owner().map_or(0, |record| record.epoch.0);
        if !self.rule(Rule::EpochFloor) {
            return recorded + 1;
        }
        let leap = if known.suspect && !known.asserted {
            LEAP
        } else {
            0
        };
        recorded.max(known.floor).max(known.used) + 1 + leap
    }

    pub(super) fn kept_here(&self) -> Kept {
        Kept::Node {
            node: self.config.me.clone(),
            store: self.config.store.clone(),
        }
    }

    /// Where a session's keys go that has none yet.
    pub(super) fn kept_by_default(&self) -> Kept {
        if self.config.replicated {
            Kept::Log
        } else {
            self.kept_here()
        }
    }

    /// Writes a record that names this node; it starts when that is known to be done.
    pub(super) fn claim(&mut self, session: &SessionRef, kept: Kept, from: DataFrom) {
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        let epoch = self.next_epoch(known);
        let record = self.own_record(known, session, epoch, kept);
        if let Some(known) = self.sessions.get_mut(session) {
            known.intent = Some((epoch, from));
            known.claimed = known.claimed.max(epoch);
        }
        self.write_owner(session, Some(record));
    }

    /// Where the data is of a session that this node takes, by what its record says.
    pub(super) fn source(known: &Session, kept: &Kept) -> DataFrom {
        match (known.pending, kept) {
            // What an operator ordered and was not done yet.
            (Some(from @ (DataFrom::Nothing | DataFrom::LossyLog | DataFrom::LossyFolder)), _) => {
                from
            }
            (_, Kept::Log) => DataFrom::Log,
            (_, Kept::Node { .. }) => match known.staged {
                Some(staged) if staged.named && staged.epoch > known.on_disk => {
                    DataFrom::Staged(Epoch(staged.epoch))
                }
                Some(_) | None => DataFrom::Here,
            },
        }
    }

    fn consider_mine(&mut self, session: &SessionRef, record: &OwnerRecord) {
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        if known.gone {
            return if known.running.is_some() {
                self.stop(session, true);
            } else {
                self.write_owner(session, None);
            };
        }
        if known.is_renamed(record) {
            return if known.running.is_some() {
                self.stop(session, true);
            } else {
                self.claim_renamed(session);
            };
        }
        match &record.phase {
            OwnerPhase::Parked { .. } => self.rest_parked(session),
            OwnerPhase::Moving { .. } => self.consider_moving(session, record),
            OwnerPhase::Owned => self.consider_owned(session, record),
        }
    }

    fn rest_parked(&mut self, session: &SessionRef) {
        self.stop(session, true);
        if let Some(known) = self.sessions.get_mut(session) {
            known.plan = Plan::None;
            known.intent = None;
        }
        self.moving.remove(session);
    }

    /// The name belongs to another session than the record speaks of; what there is of the old one is given up.
    pub(super) fn claim_renamed(&mut self, session: &SessionRef) {
        self.claim(session, self.kept_by_default(), DataFrom::Nothing);
    }

    fn consider_owned(&mut self, session: &SessionRef, record: &OwnerRecord) {
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        let is_leaving = self
            .leaving
            .is_some_and(|leaving| leaving.stopping || leaving.done);
        let parks = match &known.plan {
            Plan::Park(reason) => Some(reason.clone()),
            Plan::None | Plan::Move(_) => None,
        };
        match (known.running.is_some(), parks) {
            (true, Some(_)) => self.stop(session, true),
            (false, Some(reason)) => {
                let mut record = record.clone();
                record.phase = OwnerPhase::Parked { reason };
                self.write_owner(session, Some(record));
            }
            (true, None) => match self.leg_of(session) {
                Some(Leg::Announce) => self.announce(session, record),
                Some(Leg::Stop | Leg::Send | Leg::Flip | Leg::Back) => self.end_move(session),
                None => self.place(session),
            },
            (false, None) if is_leaving => {}
            (false, None) => {
                self.end_move(session);
                self.start(session, record);
            }
        }
    }

    /// Runs what the record names for this node, if its epoch was never used here.
    fn start(&mut self, session: &SessionRef, record: &OwnerRecord) {
        let epoch = record.epoch.0;
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        if known.uuid.is_none() {
            // The directory is behind; it will be told.
            return;
        }
        let intended = known.intent.filter(|(intent, _)| *intent == epoch);
        // Without its rule an incarnation means nothing, so that a record of an earlier life is as good as this one's.
        let is_old_life = record.incarnation != self.life.incarnation;
        if epoch <= known.used && self.rule(Rule::EpochFloor) && !is_old_life {
            let from = Self::source(known, &record.kept);
            return self.claim(session, record.kept.clone(), from);
        }
        let from = match intended {
            Some((_, from)) => Some(from),
            None if is_old_life => Some(Self::source(known, &record.kept)),
            None => self.arrival(known, record),
        };
        let Some(from) = from else {
            return self.await_copy(session);
        };
        let is_here_by_move = intended.is_none();
        let now = self.now;
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        known.running = Some(Run {
            epoch,
            stopping: None,
        });
        known.used = known.used.max(epoch);
        known.data = Some(epoch);
        known.pending = Some(from);
        known.asserted = false;
        known.suspect = false;
        known.arrived = false;
        if is_here_by_move {
            known.moved_in = Some(now);
        }
        let unused = known
            .staged
            .filter(|_| !matches!(from, DataFrom::Staged(_)));
        if unused.is_some() {
            known.staged = None;
        }
        self.running.insert(session.clone());
        if let Some(staged) = unused {
            let epoch = Epoch(staged.epoch);
            self.out.push(Output::DiscardStaged(session.clone(), epoch));
        }
        self.out.push(Output::Run {
            session: session.clone(),
            epoch: Epoch(epoch),
            from,
        });
        self.queue.insert(session.clone());
    }

    /// Where the data is of a session that another node gave to this one; none while it is not here.
    pub(super) fn arrival(&self, known: &Session, record: &OwnerRecord) -> Option<DataFrom> {
        let epoch = record.epoch.0;
        if known.staged.is_some_and(|staged| staged.epoch == epoch) {
            return Some(DataFrom::Staged(record.epoch));
        }
        match &record.kept {
            Kept::Log => Some(DataFrom::Log),
            Kept::Node { store, .. } => {
                let is_newest = known.data.is_some_and(|data| data + 1 >= epoch);
                (*store == self.config.store && is_newest).then_some(DataFrom::Here)
            }
        }
    }

    /// The record names this node, and the copy is not here. It may be told of a moment later; then there is none.
    pub(super) fn await_copy(&mut self, session: &SessionRef) {
        let (now, wait) = (self.now, self.config.lease);
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        let over = *known.missing_since.get_or_insert(now) + wait;
        if now < over {
            return self.look_later(session, over);
        }
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        let reason = format!(
            "the copy that was sent to node {} is not there: restore the session from a backup of a store's folder, or give its keys up and pair it again, with `switchboard admin session restore {session}`",
            self.config.me
        );
        let epoch = self.next_epoch(known);
        let Some(kept) = known.owner().map(|record| record.kept.clone()) else {
            return;
        };
        let mut record = self.own_record(known, session, epoch, kept);
        record.phase = OwnerPhase::Parked { reason };
        self.write_owner(session, Some(record));
    }

    /// Whether this node is the one that takes the session.
    pub(super) fn is_first(&self, session: &SessionRef) -> bool {
        self.members.first(session) == Some(&self.config.me)
    }
}
