//! What happened, put where it belongs: watches, the directory, the gate.

use switchboard_vocab::cluster::{NodeRecord, OwnerRecord};
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use super::Machine;
use super::lease::Stage;
use super::session::{Known, Leg, Plan, Session, StagedCopy};
use crate::{Age, Bucket, DataFrom, Input, Output, Position, Refused, Rule, Seen};

impl Machine {
    pub(super) fn take(&mut self, input: Input) -> Result<(), Refused> {
        match input {
            Input::Tick => {}
            Input::Node(node, seen) => self.node_seen(&node, seen),
            Input::NodeGone(node, revision) if node != self.config.me => {
                self.peer_gone(&node, revision);
            }
            // Whether the own record is gone is found out by the next heartbeat.
            Input::NodeGone(..) => {}
            Input::Owner(session, seen) => self.owner_seen(&session, seen),
            Input::OwnerGone(session, revision) => self.owner_gone(&session, revision),
            Input::Current(bucket) => self.became_current(bucket),
            Input::WatchLost(bucket) => self.watch_lost(bucket),
            Input::RolledBack(bucket) => self.rolled_back(bucket),
            Input::GateClosed(incarnation) => {
                let is_ours = self.life.stage == Stage::Joined
                    && self.life.opened
                    && incarnation == self.life.incarnation;
                if is_ours {
                    self.fence();
                }
            }
            Input::Session(session, uuid, age) => self.session_exists(session, uuid, age),
            Input::SessionGone(session) => self.session_gone(&session),
            Input::Written(op, result) => self.written(op, result),
            Input::Read(op, result) => self.read(op, result),
            Input::Running(session, epoch) => self.is_running(&session, epoch),
            Input::Stopped(session, epoch) => self.stopped(&session, epoch),
            Input::Busy(session, busy) => {
                if let Some(known) = self.sessions.get_mut(&session) {
                    known.busy = busy;
                    known.passed_over = None;
                    self.look_for_moves();
                }
            }
            Input::Staged(session, epoch) => self.staged(session, epoch),
            Input::Sent(session, epoch, result) => self.sent(&session, epoch, result),
            Input::Command(command) => self.command(command)?,
        }
        Ok(())
    }

    fn node_seen(&mut self, node: &NodeId, seen: Seen<NodeRecord>) {
        if *node == self.config.me {
            self.own_seen(seen);
        } else {
            self.peer_seen(node, seen);
        }
    }

    fn owner_seen(&mut self, session: &SessionRef, seen: Seen<OwnerRecord>) {
        let known = match seen.record {
            Ok(record) => Known::Record(Box::new(record)),
            Err(text) => Known::Unreadable(text),
        };
        self.watched(session, known, seen.revision);
    }

    fn owner_gone(&mut self, session: &SessionRef, revision: u64) {
        if self.sessions.contains_key(session) {
            self.watched(session, Known::Absent, revision);
        }
    }

    /// The watch showed an owner record; it may be behind what writes and reads have told.
    fn watched(&mut self, session: &SessionRef, record: Known, revision: u64) {
        let (generation, reset) = (self.owners.generation, self.owners.reset);
        let known = self.known(session);
        let is_news = revision > known.revision || known.generation < reset;
        let is_first = known.generation < generation;
        known.generation = generation;
        if is_news {
            self.observe(session, record, revision);
        } else if is_first {
            self.queue.insert(session.clone());
        }
    }

    fn became_current(&mut self, bucket: Bucket) {
        let now = self.now;
        let watch = self.watch(bucket);
        if !watch.current {
            watch.current = true;
            watch.since = now;
        }
        watch.stranded = None;
        match bucket {
            Bucket::Nodes => self.sweep_peers(),
            Bucket::Owners => self.sweep_owners(),
        }
        self.queue_all();
    }

    /// Owner records that the watch has not shown do not exist.
    fn sweep_owners(&mut self) {
        let generation = self.owners.generation;
        let missing: Vec<SessionRef> = self
            .sessions
            .iter()
            .filter(|(_, known)| known.generation < generation && known.record != Known::Absent)
            .map(|(session, _)| session.clone())
            .collect();
        for session in missing {
            if let Some(known) = self.sessions.get_mut(&session) {
                known.generation = generation;
            }
            self.observe(&session, Known::Absent, 0);
        }
    }

    fn watch_lost(&mut self, bucket: Bucket) {
        let watch = self.watch(bucket);
        watch.current = false;
        watch.generation += 1;
        watch.stranded = None;
    }

    /// The records went back (design rule R-17): this life ends, what was known is void, and for a lease and a margin only
    /// those sessions are claimed that ran here.
    pub(super) fn rolled_back(&mut self, bucket: Bucket) {
        let now = self.now;
        let is_obeyed = self.rule(Rule::RollBack);
        if is_obeyed {
            self.remember_running();
        }
        let watch = self.watch(bucket);
        watch.generation += 1;
        watch.reset = watch.generation;
        if bucket == Bucket::Nodes {
            self.forget_peers();
        }
        if !is_obeyed {
            return;
        }
        let watch = self.watch(bucket);
        watch.current = false;
        watch.stranded = Some(now);
        // Where nobody else is, nobody else can assert anything.
        if !self.config.alone {
            self.quarantine = now + self.patience();
            for known in self.sessions.values_mut() {
                known.suspect = true;
                known.arrived = false;
            }
        }
        match self.life.stage {
            Stage::Joined => self.fence(),
            Stage::Joining => {
                self.drop_ops();
                self.life.busy = false;
                self.life.doubt = true;
                self.life.due = now;
                self.life.revision = 0;
                self.life.other = None;
            }
            Stage::Waiting | Stage::Ended => {}
        }
    }

    /// Nobody else can have a higher epoch of what runs here under a valid lease, so it need not wait.
    fn remember_running(&mut self) {
        if !self.may_act() {
            return;
        }
        for session in self.running.iter().chain(&self.moving) {
            let Some(known) = self.sessions.get_mut(session) else {
                continue;
            };
            // A record that may name another node already is not remembered.
            let flips = matches!(&known.plan, Plan::Move(moving) if moving.leg == Leg::Flip);
            known.asserted = !flips && known.used > known.foreign;
        }
    }

    /// A driver that renews no watch after a roll-back is not waited for for ever: compare-and-sets decide anyway.
    pub(super) fn end_stranding(&mut self) {
        if self.now < self.quarantine {
            return;
        }
        for bucket in [Bucket::Nodes, Bucket::Owners] {
            let now = self.now;
            let watch = self.watch(bucket);
            if watch.stranded.take().is_some() && !watch.current {
                watch.current = true;
                watch.since = now;
                self.queue_all();
            }
        }
    }

    /// What is known of a session; nothing yet, if it is heard of for the first time.
    fn known(&mut self, session: &SessionRef) -> &mut Session {
        let suspect = self.in_quarantine().is_some();
        self.sessions
            .entry(session.clone())
            .or_insert_with(|| Session {
                suspect,
                ..Session::default()
            })
    }

    fn session_exists(&mut self, session: SessionRef, uuid: String, age: Age) {
        let known = self.known(&session);
        if known.uuid.as_ref() == Some(&uuid) {
            return;
        }
        known.deleted_at = None;
        if known.rows_of.take().is_some_and(|of| of != uuid) {
            // The driver removes the rows before the session runs.
            known.data = None;
            known.on_disk = 0;
        }
        let mut old_copy = None;
        if known.uuid.is_some() {
            // What is here is an earlier session's of that name, which this node has not been told to remove.
            if known.data.take().is_some() {
                known.pending = Some(DataFrom::Nothing);
            }
            old_copy = known.staged.take();
            known.asserted = false;
        }
        // A record of an earlier session of the name says nothing about this one.
        let has_record = match &known.record {
            Known::Absent => false,
            Known::Record(record) => record.uuid == uuid,
            Known::Unreadable(_) => true,
        };
        known.arrived = age == Age::New && !has_record;
        known.uuid = Some(uuid);
        known.gone = false;
        if let Some(staged) = old_copy {
            let discard = Output::DiscardStaged(session.clone(), Epoch(staged.epoch));
            self.out.push(discard);
        }
        self.queue.insert(session);
    }

    /// The driver has ended the session here and removed what there was of it.
    fn session_gone(&mut self, session: &SessionRef) {
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        known.uuid = None;
        known.gone = true;
        known.data = None;
        known.on_disk = 0;
        known.pending = None;
        known.staged = None;
        known.intent = None;
        known.handing = None;
        known.running = None;
        known.plan = Plan::None;
        known.asserted = false;
        self.running.remove(session);
        self.moving.remove(session);
        self.misplaced.remove(session);
        self.queue.insert(session.clone());
    }

    fn is_running(&mut self, session: &SessionRef, epoch: Epoch) {
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        if known.used != epoch.0 {
            return;
        }
        if matches!(known.pending.take(), Some(DataFrom::Staged(_))) {
            known.staged = None;
        }
        self.look_for_moves();
    }

    fn stopped(&mut self, session: &SessionRef, epoch: Epoch) {
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        if known.running.is_some_and(|run| run.epoch == epoch.0) {
            known.running = None;
            self.running.remove(session);
            self.queue.insert(session.clone());
        }
    }

    fn staged(&mut self, session: SessionRef, epoch: Epoch) {
        let since = self.now;
        let known = self.known(&session);
        if known.gone {
            self.out.push(Output::DiscardStaged(session, epoch));
            return;
        }
        known.staged = Some(StagedCopy {
            epoch: epoch.0,
            since,
            named: false,
        });
        self.queue.insert(session);
    }

    /// Whether nothing is claimed now but by whom it ran.
    pub(super) fn in_quarantine(&self) -> Option<Position> {
        (self.now < self.quarantine).then_some(self.quarantine)
    }
}
