//! What is seen of an owner record, by the watch, a read or a write's result: one way for all of them.

use switchboard_vocab::cluster::OwnerRecord;
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use super::Machine;
use super::lease::BEHIND_MAX;
use super::ops::{ReadResult, What};
use super::session::{Known, Leg, Plan, Reason};
use crate::{Output, Record, Revision, Rule, Seen, Written};

/// Tries to announce a hand-over that an operator asked for.
const ORDER_TRIES_MAX: u32 = 5;

impl Machine {
    /// Whether the record names this life of this node.
    pub(super) fn is_mine(&self, record: &OwnerRecord) -> bool {
        record.node == self.config.me
            && (record.incarnation == self.life.incarnation || !self.rule(Rule::Incarnation))
    }

    /// The record is this now.
    pub(super) fn observe(&mut self, session: &SessionRef, record: Known, revision: Revision) {
        let now = self.now;
        let op = self.sessions.get(session).and_then(|known| known.op);
        if let Some(op) = op
            && let Some(What::Owner { record: wrote, .. }) = self.ops.get(&op).map(|op| &op.what)
            && same_owner(wrote.as_deref(), &record)
        {
            // What this node wrote: its answer is late or lost.
            self.drop_op(op);
            if let Some(known) = self.sessions.get_mut(session) {
                known.op = None;
            }
        }
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        let before = known.owner().map(|record| record.node.clone());
        if record != Known::Absent {
            known.deleted_at = None;
        } else if known.record != Known::Absent && !known.is_outlived() {
            known.deleted_at = Some(now);
            known.arrived = false;
        }
        known.record = record;
        known.revision = revision;
        known.doubt = false;
        known.behind = 0;
        known.noted = false;
        known.missing_since = None;
        if let Some(record) = known.owner() {
            let epoch = record.epoch.0;
            if record.node != self.config.me {
                known.foreign = known.foreign.max(epoch);
            }
            known.floor = known.floor.max(epoch);
        }
        let after = known.owner().map(|record| record.node.clone());
        self.index(session, before.as_ref(), after);
        self.note_handed_over(session);
        self.abort_unless_mine(session);
        self.queue.insert(session.clone());
    }

    fn index(&mut self, session: &SessionRef, before: Option<&NodeId>, after: Option<NodeId>) {
        if before == after.as_ref() {
            return;
        }
        if let Some(before) = before
            && let Some(sessions) = self.by_owner.get_mut(before)
        {
            sessions.remove(session);
            if sessions.is_empty() {
                self.by_owner.remove(before);
            }
        }
        if let Some(after) = after {
            self.by_owner
                .entry(after)
                .or_default()
                .insert(session.clone());
        }
    }

    /// The hand-over is done as soon as the record names another node at a higher epoch, however that became known.
    fn note_handed_over(&mut self, session: &SessionRef) {
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        let Known::Record(record) = &known.record else {
            return;
        };
        if record.node == self.config.me {
            if record.epoch.0 > known.handing.unwrap_or(u64::MAX) {
                known.handing = None;
            }
            return;
        }
        let Some(epoch) = known.handing.filter(|epoch| *epoch < record.epoch.0) else {
            return;
        };
        known.handing = None;
        known.plan = Plan::None;
        known.failures = 0;
        known.data = None;
        known.on_disk = 0;
        known.pending = None;
        // A newer copy may have come back already.
        known.staged = known.staged.filter(|staged| staged.epoch > epoch);
        known.moved_in = None;
        self.moving.remove(session);
        self.misplaced.remove(session);
        self.out.push(Output::Forget {
            session: session.clone(),
            epoch: Epoch(epoch),
        });
        self.look_for_moves();
    }

    /// What runs here without being named for it is dropped at once.
    fn abort_unless_mine(&mut self, session: &SessionRef) {
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        let Some(run) = known.running else {
            return;
        };
        let named = known
            .owner()
            .is_some_and(|record| self.is_mine(record) && record.epoch.0 == run.epoch);
        if !named {
            self.stop(session, true);
        }
    }

    /// Stops what runs here; nothing happens twice.
    pub(super) fn stop(&mut self, session: &SessionRef, abort: bool) {
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        let Some(run) = &mut known.running else {
            return;
        };
        if run.stopping.is_some_and(|aborted| aborted || !abort) {
            return;
        }
        run.stopping = Some(abort);
        let epoch = Epoch(run.epoch);
        if abort {
            self.moving.remove(session);
            if matches!(known.plan, Plan::Move(_)) {
                known.plan = Plan::None;
            }
        }
        self.misplaced.remove(session);
        self.out.push(Output::Stop {
            session: session.clone(),
            epoch,
            abort,
        });
    }

    /// What came of a change of an owner record.
    pub(super) fn owner_written(
        &mut self,
        session: &SessionRef,
        record: Option<Box<OwnerRecord>>,
        result: Written,
    ) {
        let not_before = self.now + self.retry();
        let (generation, reset) = (self.owners.generation, self.owners.reset);
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        known.op = None;
        self.queue.insert(session.clone());
        match result {
            Written::Yes(revision) if revision > known.revision || known.generation < reset => {
                known.generation = generation;
                let record = record.map_or(Known::Absent, Known::Record);
                self.observe(session, record, revision);
            }
            // The watch has shown something later.
            Written::Yes(_) => {}
            Written::WrongRevision | Written::Unknown => known.doubt = true,
            Written::No => {
                known.not_before = not_before;
                self.announce_failed(session);
            }
        }
    }

    /// A hand-over that cannot even be announced is given up for now; only an operator's order is tried a few times.
    fn announce_failed(&mut self, session: &SessionRef) {
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        let Plan::Move(moving) = &known.plan else {
            return;
        };
        let goes_on = moving.reason == Reason::Order && known.failures < ORDER_TRIES_MAX;
        if moving.leg != Leg::Announce {
            return;
        }
        self.fail_move(session);
        if !goes_on {
            self.end_move(session);
        }
    }

    /// An owner record was looked up because what is known of it failed.
    pub(super) fn owner_read(&mut self, session: &SessionRef, result: ReadResult) {
        let not_before = self.now + self.retry();
        let (generation, reset) = (self.owners.generation, self.owners.reset);
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        known.op = None;
        self.queue.insert(session.clone());
        let (record, revision) = match result {
            Err(()) => {
                known.not_before = not_before;
                return;
            }
            Ok(None) => (Known::Absent, 0),
            Ok(Some(Seen { record, revision })) => {
                let record = match record {
                    Ok(Record::Owner(record)) => Known::Record(Box::new(record)),
                    Ok(Record::Node(_)) => Known::Unreadable("it is a node's record".to_owned()),
                    Err(text) => Known::Unreadable(text),
                };
                (record, revision)
            }
        };
        if record == Known::Absent && known.record == Known::Absent {
            known.doubt = false;
            return;
        }
        if revision < known.revision && known.generation >= reset && known.behind < BEHIND_MAX {
            // Old news, unless it stays so.
            known.behind += 1;
            known.not_before = not_before;
            return;
        }
        known.generation = generation;
        if revision == known.revision && known.record == record {
            known.doubt = false;
            known.behind = 0;
        } else {
            self.observe(session, record, revision);
        }
    }

    /// The leg of the hand-over under way.
    pub(super) fn leg_of(&self, session: &SessionRef) -> Option<Leg> {
        match &self.sessions.get(session)?.plan {
            Plan::Move(moving) => Some(moving.leg),
            Plan::None | Plan::Park(_) => None,
        }
    }
}

/// Whether the record is what was written, by content.
fn same_owner(wrote: Option<&OwnerRecord>, seen: &Known) -> bool {
    match (wrote, seen) {
        (Some(wrote), Known::Record(seen)) => *wrote == **seen,
        (None, Known::Absent) => true,
        (Some(_), Known::Absent | Known::Unreadable(_))
        | (None, Known::Unreadable(_) | Known::Record(_)) => false,
    }
}
