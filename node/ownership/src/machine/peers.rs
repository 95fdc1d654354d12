//! The other nodes: who is alive, who is declared dead, and who takes sessions (design rule R-13).
//!
//! Silence is counted on this node's clock from the moment *it* saw a revision first. That says nothing by itself, because the
//! watch may be what is silent; only a compare-and-set at that revision makes it so.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use switchboard_vocab::NodeId;
use switchboard_vocab::cluster::{Incarnation, NodeRecord, NodeState};
use switchboard_vocab::placement::{Member, Members};

use super::lease::Stage;
use super::ops::{ReadResult, What};
use super::{Machine, Watch};
use crate::{OpId, PeerView, Position, Record, Revision, Rule, Seen, Written};

/// Lives of one node that are known to be over; older ones are found out again when an owner record names them.
const PAST_MAX: usize = 64;
/// Lives of one node that owner records name and its own record does not.
const STRANGERS_MAX: usize = 64;

/// Another node.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its record; the text says why it cannot be used. None: there is none.
    pub(super) record: Option<Result<NodeRecord, String>>,
    pub(super) revision: Revision,
    pub(super) generation: u64,
    /// Since when this node has seen no other revision.
    pub(super) since: Position,
    pub(super) op: Option<OpId>,
    /// When to try to declare it dead again.
    retry_at: Position,
    /// Lives that are over.
    past: VecDeque<Incarnation>,
    /// There was no record for long enough, and a read found none either.
    absent: bool,
    /// Lives that owner records name and nobody knows, and since when.
    strangers: BTreeMap<Incarnation, Position>,
    noted: bool,
}

/// Whether an incarnation may still run something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// As far as known.
    Alive,
    /// Certainly not.
    Gone,
    /// Not known before this moment, or before something more is read.
    Unknown(Position),
}

impl Peer {
    const fn new(now: Position) -> Self {
        Self {
            record: None,
            revision: 0,
            generation: 0,
            since: now,
            op: None,
            retry_at: Position::ZERO,
            past: VecDeque::new(),
            absent: false,
            strangers: BTreeMap::new(),
            noted: false,
        }
    }

    pub(super) const fn usable(&self) -> Option<&NodeRecord> {
        match &self.record {
            Some(Ok(record)) => Some(record),
            Some(Err(_)) | None => None,
        }
    }

    pub(super) fn view(&self, node: &NodeId, now: Position) -> Option<PeerView> {
        let record = self.usable()?;
        Some(PeerView {
            node: node.clone(),
            state: record.state,
            silent_for: now.saturating_sub(self.since),
        })
    }

    fn bury(&mut self, life: Incarnation) {
        self.strangers.remove(&life);
        if self.past.contains(&life) {
            return;
        }
        if self.past.len() >= PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back(life);
    }
}

/// A lease and its margin, as whoever wrote the record counts them.
fn silence_of(record: &NodeRecord, is_patient: bool) -> Duration {
    let lease = Duration::from_millis(record.lease_ms);
    if is_patient {
        lease + lease / 10
    } else {
        lease / 4
    }
}

impl Machine {
    fn silent_at(&self, peer: &Peer) -> Option<Position> {
        let record = peer.usable()?;
        let silence = silence_of(record, self.rule(Rule::PeerPatience));
        let since = if self.rule(Rule::OwnClock) {
            peer.since
        } else {
            Position::from_millis(record.beat)
        };
        record.state.may_run().then(|| since + silence)
    }

    /// A record as the watch or a read showed it.
    pub(super) fn peer_seen(&mut self, node: &NodeId, seen: Seen<NodeRecord>) {
        let now = self.now;
        let is_patient = self.rule(Rule::PeerPatience);
        let Watch {
            generation, reset, ..
        } = self.nodes;
        let peer = self
            .peers
            .entry(node.clone())
            .or_insert_with(|| Peer::new(now));
        let is_news = seen.revision > peer.revision || peer.generation < reset;
        peer.generation = generation;
        if !is_news {
            return;
        }
        let was_silent = peer
            .usable()
            .is_some_and(|record| peer.since + silence_of(record, is_patient) <= now);
        let before = peer.record.replace(seen.record);
        peer.absent = false;
        peer.revision = seen.revision;
        peer.since = now;
        let mut note = None;
        match &peer.record {
            Some(Err(why)) if !peer.noted => {
                peer.noted = true;
                note = Some(format!(
                    "the record of node {node} cannot be read ({why}): its sessions are left alone; upgrade this node"
                ));
            }
            Some(Err(_)) | None => {}
            Some(Ok(_)) => peer.noted = false,
        }
        let is_heartbeat = match (before, peer.usable().cloned()) {
            (Some(Ok(before)), Some(after)) => {
                let same = before.incarnation == after.incarnation;
                if !same {
                    peer.bury(before.incarnation);
                }
                peer.strangers.remove(&after.incarnation);
                same && before.state == after.state && before.weight == after.weight
            }
            (None | Some(Ok(_) | Err(_)), _) => false,
        };
        self.members_dirty |= was_silent;
        if !is_heartbeat {
            self.members_dirty = true;
            self.queue_of(node);
        }
        if let Some(text) = note {
            self.note(text);
        }
    }

    /// A node's record does not exist.
    pub(super) fn peer_gone(&mut self, node: &NodeId, revision: Revision) {
        let (now, reset) = (self.now, self.nodes.reset);
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if revision <= peer.revision && peer.generation >= reset {
            return;
        }
        if peer.record.is_some() {
            peer.record = None;
            peer.since = now;
        }
        peer.revision = revision;
        peer.generation = self.nodes.generation;
        self.members_dirty = true;
        self.queue_of(node);
    }

    /// The watch has shown everything: what it did not show does not exist.
    pub(super) fn sweep_peers(&mut self) {
        let generation = self.nodes.generation;
        let missing: Vec<NodeId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.generation < generation && peer.record.is_some())
            .map(|(node, _)| node.clone())
            .collect();
        for node in missing {
            if let Some(peer) = self.peers.get_mut(&node) {
                peer.record = None;
                peer.since = self.now;
                peer.revision = 0;
                peer.generation = generation;
            }
            self.queue_of(&node);
        }
        self.members_dirty = true;
    }

    /// What was known of lives is void: the bucket went back.
    pub(super) fn forget_peers(&mut self) {
        let ops: Vec<OpId> = self.peers.values().filter_map(|peer| peer.op).collect();
        for op in ops {
            self.drop_op(op);
        }
        self.peers.clear();
        self.members_dirty = true;
    }

    /// The sessions of a node are looked at again, and those on their way there.
    fn queue_of(&mut self, node: &NodeId) {
        if let Some(sessions) = self.by_owner.get(node) {
            self.queue.extend(sessions.iter().cloned());
        }
        self.queue.extend(self.moving.iter().cloned());
    }

    /// Whether something of an incarnation that an owner record names may still run.
    ///
    /// The two buckets are not seen in one order: a life that nobody knows may be a new one whose node record has not been
    /// seen yet. It counts as over only when it stayed unknown for a lease and a margin and a read shows another one.
    pub(super) fn life_of(&mut self, node: &NodeId, life: &Incarnation) -> Life {
        if *node == self.config.me {
            return if *life == self.life.incarnation {
                Life::Alive
            } else {
                Life::Gone
            };
        }
        let (now, patience) = (self.now, self.patience());
        let by_incarnation = self.rule(Rule::Incarnation);
        let peer = self
            .peers
            .entry(node.clone())
            .or_insert_with(|| Peer::new(now));
        let record = match &peer.record {
            None if peer.absent => return Life::Gone,
            None if now < peer.since + patience => return Life::Unknown(peer.since + patience),
            None => return self.ask_for(node),
            Some(Err(_)) => return Life::Alive,
            Some(Ok(record)) => record,
        };
        if record.incarnation == *life || !by_incarnation {
            return if record.state.may_run() {
                Life::Alive
            } else {
                Life::Gone
            };
        }
        if peer.past.contains(life) {
            return Life::Gone;
        }
        let lease = Duration::from_millis(record.lease_ms);
        let since = match peer.strangers.get(life) {
            Some(since) => *since,
            None if peer.strangers.len() >= STRANGERS_MAX => now,
            None => {
                peer.strangers.insert(life.clone(), now);
                now
            }
        };
        let known_at = since + lease + lease / 10;
        if now < known_at {
            return Life::Unknown(known_at);
        }
        self.ask_for(node)
    }

    /// Looks a peer's record up, because the watch may be late with it.
    fn ask_for(&mut self, node: &NodeId) -> Life {
        if self.peers.get(node).is_some_and(|peer| peer.op.is_none()) {
            let op = self.read_node(What::Peer(node.clone()), node.clone());
            if let Some(peer) = self.peers.get_mut(node) {
                peer.op = Some(op);
            }
        }
        Life::Unknown(self.now + self.retry())
    }

    /// As [`Machine::life_of`], by what is known without asking.
    pub(super) fn is_known_alive(&self, node: &NodeId, life: &Incarnation) -> bool {
        if *node == self.config.me {
            return *life == self.life.incarnation;
        }
        let record = self.peers.get(node).and_then(Peer::usable);
        record.is_some_and(|record| record.incarnation == *life && record.state.may_run())
    }

    /// A peer's record was looked up.
    pub(super) fn peer_read(&mut self, node: &NodeId, result: ReadResult) {
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(node) {
            peer.op = None;
        }
        match result {
            Err(()) => {}
            Ok(None) => {
                let patience = self.patience();
                if let Some(peer) = self.peers.get_mut(node) {
                    if peer.record.take().is_some() {
                        peer.since = now;
                        self.members_dirty = true;
                    }
                    peer.absent = now >= peer.since + patience;
                }
            }
            Ok(Some(Seen { record, revision })) => {
                let record = match record {
                    Ok(Record::Node(record)) => Ok(record),
                    Ok(Record::Owner(_)) => Err("it is an owner record".to_owned()),
                    Err(text) => Err(text),
                };
                self.peer_seen(node, Seen { record, revision });
                self.bury_strangers(node, revision);
            }
        }
        self.queue_of(node);
    }

    /// Lives that waited long enough and that a fresh look did not show are over.
    fn bury_strangers(&mut self, node: &NodeId, revision: Revision) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if revision < peer.revision {
            return;
        }
        let Some(Ok(record)) = &peer.record else {
            return;
        };
        let lease = Duration::from_millis(record.lease_ms);
        let over: Vec<Incarnation> = peer
            .strangers
            .iter()
            .filter(|(life, since)| {
                **life != record.incarnation && now >= **since + lease + lease / 10
            })
            .map(|(life, _)| life.clone())
            .collect();
        for life in over {
            peer.bury(life);
        }
    }

    /// Whether this node may judge others (design rule R-13).
    fn may_judge(&self) -> bool {
        self.is_current() && (self.may_act() || !self.rule(Rule::ObserverLease))
    }

    /// Declares those dead that were silent for their lease and its margin.
    pub(super) fn judge_peers(&mut self) {
        if !self.may_judge() {
            return;
        }
        let silent: Vec<NodeId> = self
            .peers
            .iter()
            .filter(|(_, peer)| {
                peer.op.is_none()
                    && peer.retry_at <= self.now
                    && self.silent_at(peer).is_some_and(|at| at <= self.now)
            })
            .map(|(node, _)| node.clone())
            .collect();
        for node in silent {
            self.members_dirty = true;
            let Some(peer) = self.peers.get(&node) else {
                continue;
            };
            let Some(record) = peer.usable() else {
                continue;
            };
            let (record, revision) = (
                NodeRecord {
                    state: NodeState::Fenced,
                    ..record.clone()
                },
                peer.revision,
            );
            let what = What::Fence(node.clone());
            let op = self.write_node(what, node.clone(), Record::Node(record), revision);
            if let Some(peer) = self.peers.get_mut(&node) {
                peer.op = Some(op);
            }
        }
    }

    /// When [`Machine::judge_peers`] has something to do.
    pub(super) fn peers_wake(&self) -> Option<Position> {
        if !self.may_judge() {
            return None;
        }
        self.peers
            .values()
            .filter(|peer| peer.op.is_none())
            .filter_map(|peer| Some(self.silent_at(peer)?.max(peer.retry_at)))
            .min()
    }

    /// What came of declaring a peer dead.
    pub(super) fn fence_written(&mut self, node: &NodeId, result: Written) {
        let retry_at = self.now + self.retry();
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        peer.op = None;
        peer.retry_at = retry_at;
        match result {
            Written::Yes(revision) => {
                if let Some(record) = peer.usable().filter(|_| revision > peer.revision) {
                    let record = NodeRecord {
                        state: NodeState::Fenced,
                        ..record.clone()
                    };
                    let text = format!(
                        "node {node} was silent for its whole lease: its incarnation {} is over",
                        record.incarnation
                    );
                    let seen = Seen {
                        record: Ok(record),
                        revision,
                    };
                    self.peer_seen(node, seen);
                    self.note(text);
                }
            }
            // It lives, or somebody else was faster; the watch may be late with it.
            Written::WrongRevision | Written::Unknown => {
                let op = self.read_node(What::Peer(node.clone()), node.clone());
                if let Some(peer) = self.peers.get_mut(node) {
                    peer.op = Some(op);
                }
            }
            Written::No => {}
        }
    }

    /// Finds out who takes sessions; a change lets every session be looked at again.
    pub(super) fn refresh_members(&mut self) {
        if !self.members_dirty {
            return;
        }
        self.members_dirty = false;
        let takes = |record: &NodeRecord| record.state == NodeState::Up && record.weight > 0;
        let mut members: Vec<Member> = self
            .peers
            .iter()
            .filter(|(_, peer)| self.silent_at(peer).is_some_and(|at| self.now < at))
            .filter_map(|(node, peer)| {
                let record = peer.usable().filter(|record| takes(record))?;
                Some(Member::new(node.clone(), record.weight))
            })
            .collect();
        let me_too = self.life.stage == Stage::Joined
            && !self.draining
            && self.leaving.is_none()
            && self.weight > 0;
        if me_too {
            members.push(Member::new(self.config.me.clone(), self.weight));
        }
        let members = Members::new(members);
        if members != self.members {
            self.members = members;
            self.members_since = self.now;
            self.queue_all();
        }
    }

    /// A node that can be given sessions, and which life of it.
    pub(super) fn receiver(&self, node: &NodeId) -> Option<&NodeRecord> {
        let peer = self.peers.get(node)?;
        let record = peer.usable()?;
        let fresh = self.silent_at(peer).is_some_and(|at| self.now < at);
        (fresh && record.state == NodeState::Up).then_some(record)
    }
}
