//! Sessions that this node does not own: those of lives that are over, those whose data it has, and those that nobody owns
//! (design rules ).

use switchboard_vocab::cluster::{Kept, OwnerPhase, OwnerRecord, StoreId};
use switchboard_vocab::{NodeId, SessionRef};

use super::Machine;
use super::peers::Life;
use super::session::Plan;
use crate::{DataFrom, Rule};

impl Machine {
    /// Owned by another node, or by an earlier life of this one.
    pub(super) fn consider_other(&mut self, session: &SessionRef, record: &OwnerRecord) {
        self.end_move(session);
        let is_current = self.is_current();
        let me = &self.config.me;
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        known.plan = Plan::None;
        known.intent = None;
        if !is_current || (known.uuid.is_none() && !known.gone) {
            return;
        }
        let mine = known.used;
        if known.asserted && record.node != *me && record.epoch.0 > mine {
            known.asserted = false;
        }
        let (asserted, suspect, gone) = (known.asserted, known.suspect, known.gone);
        if asserted && !gone && record.epoch.0 < mine {
            return self.assert_data(session, record);
        }
        if !asserted && let Some(until) = self.in_quarantine() {
            return self.look_later(session, until);
        }
        if suspect && !gone && self.holds_newer(session, record) {
            return self.assert_data(session, record);
        }
        match self.life_of(&record.node, &record.incarnation) {
            Life::Alive => {}
            Life::Unknown(at) => self.look_later(session, at),
            Life::Gone => self.take_over(session, record),
        }
    }

    /// This store's data is newer than the record, after the records went back (highest epoch wins).
    fn holds_newer(&self, session: &SessionRef, record: &OwnerRecord) -> bool {
        let known = self.sessions.get(session);
        known.and_then(|known| known.data).is_some_and(|data| {
            data > record.epoch.0 && known.is_some_and(|known| data > known.foreign)
        })
    }

    fn assert_data(&mut self, session: &SessionRef, record: &OwnerRecord) {
        if self.leaving.is_some() {
            return;
        }
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        // What the record says of the place is as old as the record.
        let kept = match &record.kept {
            Kept::Log => Kept::Log,
            Kept::Node { .. } => self.kept_here(),
        };
        let from = Self::source(known, &kept);
        self.claim(session, kept, from);
    }

    /// Nothing of the owner runs any more (design rule R-14).
    fn take_over(&mut self, session: &SessionRef, record: &OwnerRecord) {
        if record.node != self.config.me && !self.rule(Rule::TakeOver) {
            return;
        }
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        if known.gone {
            if self.is_first(session) {
                self.write_owner(session, None);
            }
            return;
        }
        if known.is_renamed(record) {
            if self.is_first(session) {
                self.claim_renamed(session);
            }
            return;
        }
        if matches!(record.phase, OwnerPhase::Parked { .. }) || self.leaving.is_some() {
            return;
        }
        match &record.kept {
            Kept::Log if !self.config.replicated => self.note_once(session, || {
                format!("the keys of {session} are in the replicated log, which this node does not keep: set store.durability to replicated here")
            }),
            Kept::Log => {
                if self.is_first(session) {
                    self.claim(session, Kept::Log, DataFrom::Log);
                }
            }
            Kept::Node { node, store } => self.take_kept(session, record, node, store),
        }
    }

    /// The keys are on one node's disk only.
    fn take_kept(
        &mut self,
        session: &SessionRef,
        record: &OwnerRecord,
        node: &NodeId,
        store: &StoreId,
    ) {
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        if *node != self.config.me {
            if !self.rule(Rule::KeptHere) && self.is_first(session) {
                self.claim(session, self.kept_here(), DataFrom::Here);
            }
            return;
        }
        if *store != self.config.store {
            return self.park_lost(session, record);
        }
        let is_released = known.data.is_none()
            && known.staged.is_none_or(|staged| !staged.named)
            && known.used >= record.epoch.0
            && self.rule(Rule::EpochFloor);
        if is_released {
            return self.note_once(session, || {
                format!("{session} was given to another node, but its record went back and names this one: it is left to whoever has its data, or to `switchboard admin session restore`")
            });
        }
        // Given to an earlier life of this very process, which neither ran it nor got a copy.
        let epoch = record.epoch.0;
        let never_came = self.past_lives.contains(&record.incarnation)
            && epoch > known.used.max(known.claimed)
            && self.arrival(known, record).is_none();
        if never_came {
            return self.await_copy(session);
        }
        let from = Self::source(known, &record.kept);
        self.claim(session, record.kept.clone(), from);
    }

    /// This node came back with another store than the one that has the keys.
    fn park_lost(&mut self, session: &SessionRef, record: &OwnerRecord) {
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        let epoch = self.next_epoch(known);
        let mut parked = self.own_record(known, session, epoch, record.kept.clone());
        parked.phase = OwnerPhase::Parked {
            reason: format!(
                "its keys were in another store of node {}: restore the session from a backup of that store's folder, or give its keys up and pair it again, with `switchboard admin session restore {session}`",
                self.config.me
            ),
        };
        self.write_owner(session, Some(parked));
    }

    pub(super) fn consider_absent(&mut self, session: &SessionRef) {
        self.end_move(session);
        if !self.is_current() {
            return;
        }
        let now = self.now;
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        known.plan = Plan::None;
        known.intent = None;
        if known.gone {
            self.sessions.remove(session);
            return;
        }
        if known.uuid.is_none() || self.leaving.is_some() {
            return;
        }
        let (asserted, suspect, arrived) = (known.asserted, known.suspect, known.arrived);
        let deleted_at = known.deleted_at.filter(|_| !asserted);
        if !asserted && let Some(until) = self.in_quarantine() {
            return self.look_later(session, until);
        }
        // A record is deleted because its session was; the directory may tell this node a moment later.
        if let Some(deleted_at) = deleted_at
            && now < deleted_at + self.patience()
        {
            return self.look_later(session, deleted_at + self.patience());
        }
        if let Some(known) = self
            .sessions
            .get(session)
            .filter(|known| known.data.is_some())
        {
            let kept = self.kept_by_default();
            let from = Self::source(known, &kept);
            return self.claim(session, kept, from);
        }
        if self.draining || !self.is_first(session) {
            return;
        }
        let settled = self.nodes.since.max(self.owners.since) + self.patience();
        if !arrived && !self.config.alone && now < settled {
            return self.look_later(session, settled);
        }
        let from = match self.sessions.get(session).and_then(|known| known.pending) {
            Some(DataFrom::Nothing) => DataFrom::Nothing,
            Some(_) | None if suspect && self.config.replicated => DataFrom::Log,
            Some(_) | None => DataFrom::Fresh,
        };
        self.claim(session, self.kept_by_default(), from);
    }
}
