//! Writes and reads under way: their names, their limits, and whom a result is for.

use std::time::Duration;

use switchboard_vocab::cluster::{NodeState, OwnerRecord};
use switchboard_vocab::{NodeId, SessionRef};

use super::Machine;
use super::session::Known;
use crate::{OpId, Output, Position, Record, RecordKey, Revision, Seen, Written};

/// A read's result as it comes in.
pub(super) type ReadResult = Result<Option<Seen<Record>>, ()>;

/// What an attempt is for.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A heartbeat, the first of which joins.
    Beat { beat: u64, state: NodeState },
    /// A look at this node's own record.
    Own,
    /// Declares a peer dead.
    Fence(NodeId),
    /// A look at a peer's record.
    Peer(NodeId),
    /// A change of an owner record.
    Owner {
        session: SessionRef,
        record: Option<Box<OwnerRecord>>,
    },
    /// A look at an owner record.
    OwnerLook(SessionRef),
}

/// An attempt whose result is not known.
#[derive(Debug, Clone)]
pub(super) struct Op {
    pub(super) what: What,
    /// When nothing is expected of it any more.
    pub(super) deadline: Position,
}

impl Machine {
    fn begin(&mut self, what: What, within: Duration) -> OpId {
        self.next_op += 1;
        let id = OpId(self.next_op);
        if matches!(what, What::Owner { .. } | What::OwnerLook(_)) {
            self.owner_ops += 1;
        }
        let op = Op {
            what,
            deadline: self.now + within,
        };
        self.ops.insert(id, op);
        id
    }

    /// Ends an attempt; none if it was given up before.
    fn finish(&mut self, id: OpId) -> Option<Op> {
        let op = self.ops.remove(&id)?;
        if matches!(op.what, What::Owner { .. } | What::OwnerLook(_)) {
            self.owner_ops = self.owner_ops.saturating_sub(1);
        }
        Some(op)
    }

    /// Gives an attempt up because its outcome is known otherwise.
    pub(super) fn drop_op(&mut self, id: OpId) {
        self.finish(id);
    }

    /// Gives everything up: another life begins.
    pub(super) fn drop_ops(&mut self) {
        let ops = std::mem::take(&mut self.ops);
        self.owner_ops = 0;
        for op in ops.into_values() {
            match op.what {
                What::Owner { session, .. } | What::OwnerLook(session) => {
                    if let Some(known) = self.sessions.get_mut(&session) {
                        known.op = None;
                        // What was written may still be applied.
                        known.doubt = true;
                    }
                }
                What::Fence(node) | What::Peer(node) => {
                    if let Some(peer) = self.peers.get_mut(&node) {
                        peer.op = None;
                    }
                }
                What::Beat { .. } | What::Own => {}
            }
        }
    }

    /// How long an answer about a node's record may take: the heartbeat after it must not wait for it.
    fn node_limit(&self) -> Duration {
        self.config.lease / 4 + self.config.lease / 20
    }

    pub(super) fn write_node(
        &mut self,
        what: What,
        node: NodeId,
        record: Record,
        expected: Revision,
    ) -> OpId {
        let op = self.begin(what, self.node_limit());
        self.out.push(Output::Write {
            op,
            key: RecordKey::Node(node),
            record: Some(record),
            expected,
        });
        op
    }

    pub(super) fn read_node(&mut self, what: What, node: NodeId) -> OpId {
        let op = self.begin(what, self.node_limit());
        let key = RecordKey::Node(node);
        self.out.push(Output::Read { op, key });
        op
    }

    /// How long an answer about an owner record may take. A driver may copy files before it writes that a session leaves.
    fn owner_limit(&self) -> Duration {
        self.config.lease * 3
    }

    /// Changes the owner record from what is known of it; `None` deletes.
    pub(super) fn write_owner(&mut self, session: &SessionRef, record: Option<OwnerRecord>) {
        let expected = match self.sessions.get(session) {
            None => return,
            Some(known) if known.record == Known::Absent => 0,
            Some(known) => known.revision,
        };
        let what = What::Owner {
            session: session.clone(),
            record: record.clone().map(Box::new),
        };
        let op = self.begin(what, self.owner_limit());
        if let Some(known) = self.sessions.get_mut(session) {
            known.op = Some(op);
        }
        self.out.push(Output::Write {
            op,
            key: RecordKey::Owner(session.clone()),
            record: record.map(Record::Owner),
            expected,
        });
    }

    pub(super) fn read_owner(&mut self, session: &SessionRef) {
        let op = self.begin(What::OwnerLook(session.clone()), self.owner_limit());
        if let Some(known) = self.sessions.get_mut(session) {
            known.op = Some(op);
        }
        let key = RecordKey::Owner(session.clone());
        self.out.push(Output::Read { op, key });
    }

    /// A write's result.
    pub(super) fn written(&mut self, id: OpId, result: Written) {
        let Some(op) = self.finish(id) else {
            return;
        };
        match op.what {
            What::Beat { beat, state } => self.beat_written(beat, state, result),
            What::Fence(node) => self.fence_written(&node, result),
            What::Owner { session, record } => self.owner_written(&session, record, result),
            // A driver that answers a read with a write's result has read nothing.
            What::Own => self.own_read(Err(())),
            What::Peer(node) => self.peer_read(&node, Err(())),
            What::OwnerLook(session) => self.owner_read(&session, Err(())),
        }
    }

    /// A read's result.
    pub(super) fn read(&mut self, id: OpId, result: ReadResult) {
        let Some(op) = self.finish(id) else {
            return;
        };
        match op.what {
            What::Own => self.own_read(result),
            What::Peer(node) => self.peer_read(&node, result),
            What::OwnerLook(session) => self.owner_read(&session, result),
            What::Beat { beat, state } => self.beat_written(beat, state, Written::Unknown),
            What::Fence(node) => self.fence_written(&node, Written::Unknown),
            What::Owner { session, record } => {
                self.owner_written(&session, record, Written::Unknown);
            }
        }
    }

    /// Attempts without an answer in time have an unknown result.
    pub(super) fn expire_ops(&mut self) {
        let late: Vec<(OpId, bool)> = self
            .ops
            .iter()
            .filter(|(_, op)| op.deadline <= self.now)
            .map(|(id, op)| {
                let reads = matches!(op.what, What::Own | What::Peer(_) | What::OwnerLook(_));
                (*id, reads)
            })
            .collect();
        for (id, reads) in late {
            if reads {
                self.read(id, Err(()));
            } else {
                self.written(id, Written::Unknown);
            }
        }
    }
}
