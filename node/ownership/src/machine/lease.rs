//! The lease: this node's own record, written anew with every heartbeat (design rules ).
//!
//! A lease lasts from the *sending* of a heartbeat that is known to be applied. What is not known is looked up; what looks
//! like somebody else's doing ends this life of the node at once.

use std::collections::BTreeMap;

use switchboard_vocab::cluster::{Incarnation, NodeRecord, NodeState, RECORD_VERSION};

use super::Machine;
use super::ops::{ReadResult, What};
use super::session::Plan;
use crate::{Bucket, Output, Position, Record, Revision, Rule, Seen, Written};

/// Reads that show less than what is known before they are believed: around a change of the bus's leader one may be old.
pub(super) const BEHIND_MAX: u8 = 3;

/// Lives of this process that it remembers.
const PAST_LIVES_MAX: usize = 64;

/// How far this life of the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A fresh incarnation was asked for.
    Waiting,
    /// The record is not this life's yet.
    Joining,
    /// It is.
    Joined,
    /// The node must not run, or has left.
    Ended,
}

/// Somebody else's record under this node's name while it joins.
#[derive(Debug, Clone)]
pub(super) struct Other {
    pub(super) revision: Revision,
    /// Since when it has not changed.
    pub(super) since: Position,
    /// How often it changed while it was watched.
    pub(super) changes: u32,
}

/// One life of this node.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) incarnation: Incarnation,
    pub(super) stage: Stage,
    /// Of the node's record as far as known.
    pub(super) revision: Revision,
    /// The number of the last heartbeat sent.
    pub(super) beat: u64,
    /// When heartbeats were sent whose fate is not known.
    pub(super) sent: BTreeMap<u64, Position>,
    /// Until when the lease holds.
    pub(super) lease: Option<Position>,
    /// The gate was opened.
    pub(super) opened: bool,
    /// A write or read of the own record is under way.
    pub(super) busy: bool,
    /// What the record says must be looked up before it is written.
    pub(super) doubt: bool,
    /// When to write or look next.
    pub(super) due: Position,
    /// What the last heartbeat said.
    pub(super) told: Option<(NodeState, u32)>,
    pub(super) behind: u8,
    pub(super) other: Option<Other>,
}

impl Life {
    pub(super) const fn new(incarnation: Incarnation, now: Position) -> Self {
        Self {
            incarnation,
            stage: Stage::Joining,
            revision: 0,
            beat: 0,
            sent: BTreeMap::new(),
            lease: None,
            opened: false,
            busy: false,
            doubt: true,
            due: now,
            told: None,
            behind: 0,
            other: None,
        }
    }
}

impl Machine {
    /// Whether the lease holds, so that things may be decided.
    pub(super) fn may_act(&self) -> bool {
        self.life.stage == Stage::Joined
            && self.life.opened
            && (!self.rule(Rule::SelfFence)
                || self.life.lease.is_some_and(|until| self.now < until))
    }

    /// A lease that ran out ends this life (design rule R-12).
    pub(super) fn guard_lease(&mut self) {
        let ran_out = self.life.lease.is_some_and(|until| until <= self.now);
        if self.life.stage == Stage::Joined
            && self.life.opened
            && ran_out
            && self.rule(Rule::SelfFence)
        {
            self.fence();
        }
    }

    /// Ends this life: whatever ran has ended, whatever is under way is void.
    pub(super) fn fence(&mut self) {
        if self.life.opened {
            self.out.push(Output::Fence(self.life.incarnation.clone()));
        }
        self.drop_ops();
        for session in std::mem::take(&mut self.running) {
            if let Some(known) = self.sessions.get_mut(&session) {
                known.running = None;
                known.plan = Plan::None;
                known.intent = None;
            }
        }
        for session in std::mem::take(&mut self.moving) {
            if let Some(known) = self.sessions.get_mut(&session) {
                known.plan = Plan::None;
                known.intent = None;
            }
        }
        self.misplaced.clear();
        self.members_dirty = true;
        if self.past_lives.len() >= PAST_LIVES_MAX {
            self.past_lives.pop_front();
        }
        self.past_lives.push_back(self.life.incarnation.clone());
        self.life.lease = None;
        self.life.opened = false;
        if self.leaving.is_some() {
            self.end_without_record();
        } else {
            self.life.stage = Stage::Waiting;
            self.out.push(Output::NeedIncarnation);
        }
    }

    /// What the record shall say.
    fn state(&self) -> NodeState {
        match &self.leaving {
            Some(leaving) if leaving.done => NodeState::Left,
            Some(_) => NodeState::Draining,
            None if self.draining => NodeState::Draining,
            None => NodeState::Up,
        }
    }

    /// Writes or looks when it is time.
    pub(super) fn drive_life(&mut self) {
        let joined = match self.life.stage {
            Stage::Joining => false,
            Stage::Joined => true,
            Stage::Waiting | Stage::Ended => return,
        };
        if self.life.busy {
            return;
        }
        let news = joined && self.life.told != Some((self.state(), self.weight));
        if news && !self.life.doubt && self.life.sent.is_empty() {
            self.life.due = self.now;
        }
        if self.life.due > self.now {
            return;
        }
        if self.life.doubt {
            self.life.busy = true;
            self.read_node(What::Own, self.config.me.clone());
        } else {
            self.beat();
        }
    }

    /// When [`Machine::drive_life`] or [`Machine::guard_lease`] has something to do.
    pub(super) fn life_wake(&self) -> Position {
        let far = Position::MAX;
        match self.life.stage {
            Stage::Waiting | Stage::Ended => far,
            Stage::Joining if self.life.busy => far,
            Stage::Joining => self.life.due,
            Stage::Joined => {
                let due = if self.life.busy { far } else { self.life.due };
                // Without its rule the end of the lease is no event.
                let ends = self.life.lease.filter(|_| self.rule(Rule::SelfFence));
                due.min(ends.unwrap_or(far))
            }
        }
    }

    /// Writes the record over the revision that is known.
    pub(super) fn beat(&mut self) {
        self.life.beat += 1;
        if !self.rule(Rule::OwnClock) {
            // Without its rule a heartbeat says when it was sent, by the clock of whoever sent it.
            let moment = u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX);
            self.life.beat = self.life.beat.max(moment);
        }
        let (beat, state) = (self.life.beat, self.state());
        let record = NodeRecord {
            version: RECORD_VERSION,
            node: self.config.me.clone(),
            incarnation: self.life.incarnation.clone(),
            state,
            weight: self.weight,
            lease_ms: u64::try_from(self.config.lease.as_millis()).unwrap_or(u64::MAX),
            beat,
            store: self.config.store.clone(),
            boot: self.config.boot.clone(),
            supervisor: self.config.supervisor.clone(),
            release: self.config.release.clone(),
        };
        self.life.sent.insert(beat, self.now);
        self.life.busy = true;
        self.life.told = Some((state, self.weight));
        let me = self.config.me.clone();
        let what = What::Beat { beat, state };
        self.write_node(what, me, Record::Node(record), self.life.revision);
    }

    /// A heartbeat's result.
    pub(super) fn beat_written(&mut self, beat: u64, state: NodeState, result: Written) {
        self.life.busy = false;
        if !self.life.sent.contains_key(&beat) {
            // The watch was faster.
            return;
        }
        match result {
            Written::Yes(revision) => {
                if revision <= self.life.revision && self.rule(Rule::RollBack) {
                    self.rolled_back(Bucket::Nodes);
                    return;
                }
                self.applied(beat, state, revision);
            }
            Written::WrongRevision => self.look_up(),
            Written::No => {
                self.life.sent.remove(&beat);
                self.try_again();
            }
            Written::Unknown
                if self.life.stage == Stage::Joined && !self.rule(Rule::UnknownResult) =>
            {
                let revision = self.life.revision;
                self.applied(beat, state, revision);
            }
            Written::Unknown => {
                // A write that is looked up and then written again is a second try.
                if self.life.stage == Stage::Joining || self.rule(Rule::HeartbeatRetry) {
                    self.look_up();
                } else {
                    self.try_again();
                }
            }
        }
    }

    fn look_up(&mut self) {
        self.life.doubt = true;
        self.life.due = self.now;
    }

    pub(super) fn try_again(&mut self) {
        let gives_up = self.life.stage == Stage::Joined && !self.rule(Rule::HeartbeatRetry);
        self.life.due = if gives_up {
            Position::MAX
        } else {
            self.now + self.retry()
        };
    }

    /// The record is known to be this life's, as the heartbeat of that number wrote it.
    pub(super) fn applied(&mut self, beat: u64, state: NodeState, revision: Revision) {
        self.life.revision = self.life.revision.max(revision);
        self.life.doubt = false;
        self.life.behind = 0;
        self.life.other = None;
        if self.life.stage == Stage::Joining {
            self.life.stage = Stage::Joined;
            self.members_dirty = true;
            self.queue_all();
        }
        let sent = self.life.sent.get(&beat).copied();
        self.life.sent = self.life.sent.split_off(&(beat + 1));
        if state == NodeState::Left {
            self.left();
            return;
        }
        let Some(sent) = sent else {
            return;
        };
        self.life.due = (sent + self.config.lease / 4).max(self.now);
        let until = sent + self.config.lease - self.config.lease / 10;
        if until > self.now && self.life.lease.is_none_or(|lease| lease < until) {
            self.life.lease = Some(until);
            self.life.opened = true;
            let incarnation = self.life.incarnation.clone();
            self.out.push(Output::OpenUntil(incarnation, until));
        }
    }

    /// The own record was looked up.
    pub(super) fn own_read(&mut self, result: ReadResult) {
        self.life.busy = false;
        let seen = match result {
            Err(()) => {
                // A look is part of a try; it may be repeated even where tries may not.
                self.life.due = self.now + self.retry();
                return;
            }
            Ok(None) => None,
            Ok(Some(Seen {
                record: Ok(Record::Owner(_)),
                ..
            })) => return self.try_again(),
            Ok(Some(Seen {
                record: Ok(Record::Node(record)),
                revision,
            })) => Some(Seen {
                record: Ok(record),
                revision,
            }),
            Ok(Some(Seen {
                record: Err(text),
                revision,
            })) => Some(Seen {
                record: Err(text),
                revision,
            }),
        };
        match self.life.stage {
            Stage::Joining => self.assess(seen),
            Stage::Joined => self.compare(seen),
            Stage::Waiting | Stage::Ended => {}
        }
    }

    /// Whether the record is still this life's.
    fn compare(&mut self, seen: Option<Seen<NodeRecord>>) {
        let revision = seen.as_ref().map_or(0, |seen| seen.revision);
        if revision < self.life.revision {
            // Old news, or the bucket went back; if it stays so, it is the second.
            self.life.behind += 1;
            if self.life.behind < BEHIND_MAX {
                self.life.due = self.now + self.retry();
            } else if self.rule(Rule::RollBack) {
                self.rolled_back(Bucket::Nodes);
            } else {
                self.fence();
            }
            return;
        }
        match seen {
            Some(Seen {
                record: Ok(record),
                revision,
            }) if self.is_this_life(&record) => self.adopt(&record, revision),
            Some(_) | None => self.fence(),
        }
    }

    /// The own record as this life wrote it.
    fn is_this_life(&self, record: &NodeRecord) -> bool {
        let left = record.state == NodeState::Left
            && self.leaving.as_ref().is_some_and(|leaving| leaving.done);
        record.incarnation == self.life.incarnation && (record.state.may_run() || left)
    }

    fn adopt(&mut self, record: &NodeRecord, revision: Revision) {
        let stuck = self.life.doubt;
        self.applied(record.beat, record.state, revision);
        if stuck && self.life.stage == Stage::Joined {
            // What was written in doubt was not applied, or is not the last: the next heartbeat is due now.
            let pending = !self.life.sent.is_empty();
            self.life.sent.clear();
            if pending {
                self.life.due = self.now;
            }
        }
    }

    /// The watch showed the own record.
    pub(super) fn own_seen(&mut self, seen: Seen<NodeRecord>) {
        match self.life.stage {
            Stage::Joining if !self.life.busy => self.assess(Some(seen)),
            Stage::Joined if seen.revision > self.life.revision => match &seen.record {
                Ok(record) if self.is_this_life(record) => {
                    let (record, revision) = (record.clone(), seen.revision);
                    let doubted = self.life.doubt;
                    self.applied(record.beat, record.state, revision);
                    // Its own attempt may still be under way, or be looked up: that goes on.
                    self.life.doubt = doubted && !self.life.sent.is_empty();
                }
                Ok(_) | Err(_) => self.fence(),
            },
            Stage::Joining | Stage::Joined | Stage::Waiting | Stage::Ended => {}
        }
    }
}
