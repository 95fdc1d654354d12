//! The machine of one node: what it knows, and the order in which it looks at it.
//!
//! Everything is decided by looking at what is known *now* ([`Machine::consider`]), never by remembering which event led
//! there; so a lost event or a late answer costs time, not correctness. What an event changes is put into a queue, and the
//! queue is worked through in bounded pieces, so that no event costs more with 100,000 sessions than with one.

mod claims;
mod commands;
mod inputs;
mod join;
mod lease;
mod leave;
mod moves;
mod ops;
mod owners;
mod peers;
mod session;
mod takeover;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use switchboard_vocab::cluster::{Incarnation, OwnerPhase};
use switchboard_vocab::placement::Members;
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use crate::{
    Bucket, Config, Held, Input, OpId, Output, PeerView, Position, Refused, Rule, Verdict,
};

use lease::{Life, Stage};
use leave::Leaving;
use ops::Op;
use peers::Peer;
use session::{Known, Session};

/// Sessions looked at in one step; what is left is looked at in the next.
const WORK_MAX: usize = 1_024;
/// Writes and reads of owner records under way at once.
const OPS_MAX: usize = 256;

/// What is known of a bucket's watch.
#[derive(Debug, Clone, Default)]
struct Watch {
    /// Everything that exists has been seen.
    current: bool,
    /// Since when.
    since: Position,
    /// Counts the watches; what was seen in an earlier one only may be gone.
    generation: u64,
    /// Revisions seen in an earlier generation than this mean nothing any more: the bucket went back.
    reset: u64,
    /// The bucket went back at this moment, and no new watch was begun since.
    stranded: Option<Position>,
}

/// The decisions of one node.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    now: Position,
    out: Vec<Output>,
    life: Life,
    /// What this process was called before.
    past_lives: VecDeque<Incarnation>,
    weight: u32,
    draining: bool,
    leaving: Option<Leaving>,
    nodes: Watch,
    owners: Watch,
    peers: BTreeMap<NodeId, Peer>,
    /// Who takes sessions, in the order of [`Members`].
    members: Members,
    members_since: Position,
    members_dirty: bool,
    sessions: BTreeMap<SessionRef, Session>,
    /// Which sessions name a node as their owner.
    by_owner: BTreeMap<NodeId, BTreeSet<SessionRef>>,
    running: BTreeSet<SessionRef>,
    /// Sessions that are being handed over.
    moving: BTreeSet<SessionRef>,
    /// Sessions that run here and belong elsewhere.
    misplaced: BTreeSet<SessionRef>,
    /// Sessions to look at.
    queue: BTreeSet<SessionRef>,
    /// Sessions to look at later.
    timers: BTreeSet<(Position, SessionRef)>,
    ops: BTreeMap<OpId, Op>,
    next_op: u64,
    /// How many of `ops` are about owner records.
    owner_ops: usize,
    /// Until when nothing is claimed but by whom it ran: the records went back.
    quarantine: Position,
    /// When the next hand-over may begin, and where the search for it goes on.
    move_after: Position,
    move_cursor: Option<SessionRef>,
    move_look: Option<Position>,
}

impl Machine {
    /// A node that begins: it has seen nothing and runs nothing. The first [`Input::Tick`] gets it going.
    #[must_use]
    pub fn new(config: Config, incarnation: Incarnation, held: Vec<Held>, now: Position) -> Self {
        let mut sessions: BTreeMap<SessionRef, Session> = BTreeMap::new();
        for Held {
            session,
            uuid,
            epoch,
            data,
        } in held
        {
            let known = sessions.entry(session).or_default();
            known.used = known.used.max(epoch.0);
            known.floor = known.used;
            if data {
                known.data = Some(epoch.0);
                known.on_disk = epoch.0;
                known.rows_of = uuid;
            }
        }
        Self {
            weight: config.weight,
            config,
            now,
            out: Vec::new(),
            life: Life::new(incarnation, now),
            past_lives: VecDeque::new(),
            draining: false,
            leaving: None,
            nodes: Watch::default(),
            owners: Watch::default(),
            peers: BTreeMap::new(),
            members: Members::default(),
            members_since: now,
            members_dirty: true,
            sessions,
            by_owner: BTreeMap::new(),
            running: BTreeSet::new(),
            moving: BTreeSet::new(),
            misplaced: BTreeSet::new(),
            queue: BTreeSet::new(),
            timers: BTreeSet::new(),
            ops: BTreeMap::new(),
            next_op: 0,
            owner_ops: 0,
            quarantine: Position::ZERO,
            move_after: now,
            move_cursor: None,
            move_look: None,
        }
    }

    /// Tells the machine what happened; what it answers is to be carried out in this order.
    ///
    /// # Errors
    /// Only commands are refused. What else is to be done then is answered to the next input, which is due at once.
    pub fn step(&mut self, now: Position, input: Input) -> Result<Vec<Output>, Refused> {
        self.now = self.now.max(now);
        self.guard_lease();
        self.take(input)?;
        self.drive();
        Ok(std::mem::take(&mut self.out))
    }

    /// The answer to [`Output::NeedIncarnation`]; without that question nothing happens.
    pub fn renew(&mut self, now: Position, incarnation: Incarnation) -> Vec<Output> {
        self.now = self.now.max(now);
        if self.life.stage == Stage::Waiting {
            self.life = Life::new(incarnation, self.now);
            self.members_dirty = true;
            self.drive();
        }
        std::mem::take(&mut self.out)
    }

    /// What is due by time, and what events have put into the queue.
    fn drive(&mut self) {
        self.expire_ops();
        self.drive_life();
        self.end_stranding();
        self.judge_peers();
        if !self.may_act() {
            return;
        }
        self.refresh_members();
        self.ring();
        self.work();
        self.pick_moves();
        self.work();
        self.drive_leave();
    }

    /// Sessions whose moment has come.
    fn ring(&mut self) {
        while let Some((at, session)) = self.timers.first().cloned() {
            if at > self.now {
                break;
            }
            self.timers.pop_first();
            if let Some(known) = self.sessions.get_mut(&session) {
                known.wake = None;
                self.queue.insert(session);
            }
        }
    }

    fn work(&mut self) {
        for _ in 0..WORK_MAX {
            if self.owner_ops >= OPS_MAX || !self.may_act() {
                break;
            }
            let Some(session) = self.queue.pop_first() else {
                break;
            };
            self.consider(&session);
        }
    }

    /// The latest moment for the next [`Input::Tick`].
    #[must_use]
    pub fn next_wake(&self) -> Position {
        if !self.out.is_empty() {
            return self.now;
        }
        let mut wake = self.life_wake();
        let mut sooner = |at: Position| wake = wake.min(at);
        for op in self.ops.values() {
            sooner(op.deadline);
        }
        if self.may_act() {
            if !self.queue.is_empty() && self.owner_ops < OPS_MAX {
                sooner(self.now);
            }
            if let Some((at, _)) = self.timers.first() {
                sooner(*at);
            }
            if let Some(at) = self.move_look {
                sooner(at);
            }
            if let Some(leaving) = self.leaving.filter(|leaving| leaving.deadline > self.now) {
                sooner(leaving.deadline);
            }
        }
        if [&self.nodes, &self.owners]
            .iter()
            .any(|watch| watch.stranded.is_some())
        {
            sooner(self.quarantine);
        }
        if let Some(at) = self.peers_wake() {
            sooner(at);
        }
        wake.max(self.now)
    }

    /// Who may run a session, as this node knows it.
    #[must_use]
    pub fn verdict(&self, session: &SessionRef) -> Verdict {
        let Some(known) = self.sessions.get(session) else {
            return Verdict::NotOwned {
                epoch: Epoch(0),
                hint: None,
            };
        };
        let Known::Record(record) = &known.record else {
            return Verdict::NotOwned {
                epoch: Epoch(known.floor),
                hint: None,
            };
        };
        let owned = record.phase == OwnerPhase::Owned;
        if owned
            && self.is_mine(record)
            && known.runs_at() == Some(record.epoch.0)
            && self.may_act()
        {
            return Verdict::Owned {
                epoch: record.epoch,
            };
        }
        let hint = (owned && record.node != self.config.me).then(|| record.node.clone());
        Verdict::NotOwned {
            epoch: record.epoch,
            hint,
        }
    }

    /// Until when the lease holds; none while it does not.
    #[must_use]
    pub fn lease_until(&self) -> Option<Position> {
        self.life.lease.filter(|_| self.life.stage == Stage::Joined)
    }

    /// The present life of the node.
    #[must_use]
    pub const fn incarnation(&self) -> &Incarnation {
        &self.life.incarnation
    }

    /// Sessions that run here.
    #[must_use]
    pub fn owned(&self) -> usize {
        self.running.len()
    }

    /// Hand-overs under way from here.
    #[must_use]
    pub fn moving(&self) -> usize {
        self.moving.len()
    }

    /// The other nodes.
    #[must_use]
    pub fn peers(&self, now: Position) -> Vec<PeerView> {
        self.peers
            .iter()
            .filter_map(|(node, peer)| peer.view(node, now))
            .collect()
    }

    /// Both buckets are current, every known session has a live owner, and nothing is under way. Looks at every session.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.may_act()
            && self.is_current()
            && self.queue.is_empty()
            && self.moving.is_empty()
            && self.owner_ops == 0
            && self.sessions.values().all(|known| self.is_at_rest(known))
    }

    /// The records went back not long ago. A process that ends while this is so must be told [`Input::RolledBack`] again
    /// when it begins anew, because with the process goes what it knew of epochs.
    #[must_use]
    pub fn is_after_roll_back(&self) -> bool {
        self.quarantine > Position::ZERO && self.now < self.quarantine + self.patience()
    }

    fn is_at_rest(&self, known: &Session) -> bool {
        if known.uuid.is_none() {
            return !known.gone || known.record == Known::Absent;
        }
        let Known::Record(record) = &known.record else {
            return false;
        };
        match &record.phase {
            OwnerPhase::Parked { .. } => true,
            OwnerPhase::Moving { .. } => false,
            OwnerPhase::Owned if self.is_mine(record) => known.runs_at() == Some(record.epoch.0),
            OwnerPhase::Owned => self.is_known_alive(&record.node, &record.incarnation),
        }
    }

    /// Whether the rule is in force.
    fn rule(&self, rule: Rule) -> bool {
        self.config.rules.has(rule)
    }

    const fn is_current(&self) -> bool {
        self.nodes.current && self.owners.current
    }

    const fn watch(&mut self, bucket: Bucket) -> &mut Watch {
        match bucket {
            Bucket::Nodes => &mut self.nodes,
            Bucket::Owners => &mut self.owners,
        }
    }

    /// The lease and the margin: how long whoever may still believe in an old lease can do so.
    fn patience(&self) -> Duration {
        self.config.lease + self.config.lease / 10
    }

    /// How soon what failed is tried again.
    fn retry(&self) -> Duration {
        self.config.lease / 20
    }

    fn note(&mut self, text: String) {
        self.out.push(Output::Note(text));
    }

    fn queue_all(&mut self) {
        self.queue.extend(self.sessions.keys().cloned());
    }

    fn look_later(&mut self, session: &SessionRef, at: Position) {
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        if known.wake.is_some_and(|wake| wake <= at) {
            return;
        }
        if let Some(wake) = known.wake.replace(at) {
            self.timers.remove(&(wake, session.clone()));
        }
        self.timers.insert((at, session.clone()));
    }
}
