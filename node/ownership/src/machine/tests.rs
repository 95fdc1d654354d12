//! The machine of one node, told by hand what happens. Whole clusters are in `tests/explorer`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of output; the others are none of its business"
)]

mod join;
mod lease;
mod moves;
mod peers;
mod sessions;

use std::time::Duration;

use switchboard_vocab::cluster::{
    Incarnation, Kept, NodeRecord, NodeState, OwnerPhase, OwnerRecord, StoreId,
};
use switchboard_vocab::placement::{Member, Members};
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use super::Machine;
use crate::{
    Age, Bucket, Command, Config, Held, Input, MoveLimits, OpId, Output, Position, Record,
    RecordKey, Refused, Revision, Rules, Seen, Written,
};

const LEASE: Duration = Duration::from_secs(10);

pub(super) fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

pub(super) fn session(name: &str) -> SessionRef {
    format!("t/{name}").parse().unwrap()
}

pub(super) fn at(seconds: f64) -> Position {
    Duration::from_secs(1_000) + Duration::from_secs_f64(seconds)
}

pub(super) fn life(text: &str) -> Incarnation {
    Incarnation(text.to_owned())
}

pub(super) fn config() -> Config {
    Config {
        me: node("a"),
        lease: LEASE,
        weight: 1,
        store: StoreId("store-a".to_owned()),
        boot: "boot-a".to_owned(),
        supervisor: None,
        release: "test".to_owned(),
        replicated: false,
        alone: false,
        moves: MoveLimits {
            concurrent_max: 2,
            per_second_max: 10,
            drain_per_second_max: 100,
            settle: Duration::from_secs(5),
            hold: Duration::from_secs(30),
            busy_patience: Duration::from_secs(20),
        },
        rules: Rules::all(),
    }
}

/// A peer's record.
pub(super) fn peer(name: &str, beat: u64, state: NodeState) -> NodeRecord {
    NodeRecord {
        version: 1,
        node: node(name),
        incarnation: life(&format!("{name}-1")),
        state,
        weight: 1,
        lease_ms: 10_000,
        beat,
        store: StoreId(format!("store-{name}")),
        boot: format!("boot-{name}"),
        supervisor: None,
        release: "test".to_owned(),
    }
}

/// An owner record of a session that one node keeps.
pub(super) fn owner(name: &str, of: &str, incarnation: &str, epoch: u64) -> OwnerRecord {
    OwnerRecord {
        version: 1,
        session: session(name),
        uuid: format!("u-{name}"),
        node: node(of),
        incarnation: life(incarnation),
        epoch: Epoch(epoch),
        phase: OwnerPhase::Owned,
        kept: Kept::Node {
            node: node(of),
            store: StoreId(format!("store-{of}")),
        },
    }
}

pub(super) fn in_log(record: OwnerRecord) -> OwnerRecord {
    OwnerRecord {
        kept: Kept::Log,
        ..record
    }
}

/// A session name that belongs to this node among these.
pub(super) fn name_of(first: &str, among: &[&str]) -> String {
    let members = Members::new(among.iter().map(|name| Member::new(node(name), 1)));
    (0..1_000)
        .map(|at| format!("s{at}"))
        .find(|name| members.first(&session(name)) == Some(&node(first)))
        .unwrap()
}

pub(super) struct Bench {
    pub(super) machine: Machine,
    revision: Revision,
    lives: u32,
}

impl Bench {
    pub(super) fn new(config: Config, held: Vec<Held>) -> Self {
        Self {
            machine: Machine::new(config, life("a-1"), held, at(0.0)),
            revision: 100,
            lives: 1,
        }
    }

    /// A node with a lease that has seen everything; its heartbeat was sent at the beginning.
    pub(super) fn joined(config: Config, held: Vec<Held>, peers: &[&str]) -> Self {
        let mut bench = Self::new(config, held);
        let read = bench.tell(0.0, Input::Tick);
        bench.tell(0.0, Input::Read(op_of(&read), Ok(None)));
        let wrote = bench.machine.next_op;
        bench.apply(0.0, OpId(wrote));
        for peer_name in peers {
            let seen = bench.seen(peer(peer_name, 1, NodeState::Up));
            bench.tell(0.0, Input::Node(node(peer_name), seen));
        }
        bench.tell(0.0, Input::Current(Bucket::Nodes));
        bench
    }

    /// As [`Bench::joined`], after the owner records were seen.
    pub(super) fn current(
        config: Config,
        held: Vec<Held>,
        peers: &[&str],
        owners: Vec<OwnerRecord>,
    ) -> (Self, Vec<Output>) {
        let mut bench = Self::joined(config, held, peers);
        let mut outputs = Vec::new();
        for record in owners {
            let (name, uuid) = (record.session.clone(), record.uuid.clone());
            outputs.extend(bench.tell(0.0, Input::Session(name.clone(), uuid, Age::Unknown)));
            let seen = bench.seen(record);
            outputs.extend(bench.tell(0.0, Input::Owner(name, seen)));
        }
        outputs.extend(bench.tell(0.0, Input::Current(Bucket::Owners)));
        (bench, outputs)
    }

    pub(super) fn next_revision(&mut self) -> Revision {
        self.revision += 1;
        self.revision
    }

    pub(super) fn seen<R>(&mut self, record: R) -> Seen<R> {
        Seen {
            record: Ok(record),
            revision: self.next_revision(),
        }
    }

    pub(super) fn tell(&mut self, seconds: f64, input: Input) -> Vec<Output> {
        self.machine.step(at(seconds), input).unwrap()
    }

    pub(super) fn order(&mut self, seconds: f64, command: Command) -> Result<Vec<Output>, Refused> {
        self.machine.step(at(seconds), Input::Command(command))
    }

    /// The write was applied.
    pub(super) fn apply(&mut self, seconds: f64, op: OpId) -> Vec<Output> {
        let revision = self.next_revision();
        self.tell(seconds, Input::Written(op, Written::Yes(revision)))
    }

    pub(super) fn renew(&mut self, seconds: f64) -> Vec<Output> {
        self.lives += 1;
        let incarnation = life(&format!("a-{}", self.lives));
        self.machine.renew(at(seconds), incarnation)
    }

    /// Keeps the lease and the peers alive until then.
    pub(super) fn pass(&mut self, from: f64, until: f64, peers: &[&str]) -> Vec<Output> {
        let mut all = Vec::new();
        let mut now = from;
        let mut beat = 100;
        while now < until {
            now = (now + 2.5).min(until);
            beat += 1;
            let mut outputs = Vec::new();
            for name in peers {
                let seen = self.seen(peer(name, beat, NodeState::Up));
                outputs.extend(self.tell(now, Input::Node(node(name), seen)));
            }
            outputs.extend(self.tell(now, Input::Tick));
            if let Some(op) = beat_of(&outputs) {
                all.extend(self.apply(now, op));
            }
            all.extend(outputs);
        }
        all
    }
}

/// The one write or read among the outputs.
pub(super) fn op_of(outputs: &[Output]) -> OpId {
    let ops: Vec<OpId> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Write { op, .. } | Output::Read { op, .. } => Some(*op),
            _ => None,
        })
        .collect();
    let [op] = ops[..] else {
        panic!("{ops:?} in {outputs:?}");
    };
    op
}

/// The write of this node's own record.
pub(super) fn beat_of(outputs: &[Output]) -> Option<OpId> {
    outputs.iter().find_map(|output| match output {
        Output::Write {
            op,
            key: RecordKey::Node(name),
            ..
        } if *name == node("a") => Some(*op),
        _ => None,
    })
}

/// The write of an owner record.
pub(super) fn owner_write(outputs: &[Output]) -> Option<(OpId, OwnerRecord)> {
    outputs.iter().find_map(|output| match output {
        Output::Write {
            op,
            record: Some(Record::Owner(record)),
            ..
        } => Some((*op, record.clone())),
        _ => None,
    })
}

/// The first write of a node's record, this node's or a peer's.
pub(super) fn node_write(outputs: &[Output]) -> Option<(OpId, NodeRecord)> {
    outputs.iter().find_map(|output| match output {
        Output::Write {
            op,
            record: Some(Record::Node(record)),
            ..
        } => Some((*op, record.clone())),
        _ => None,
    })
}

pub(super) fn has(outputs: &[Output], wanted: impl Fn(&Output) -> bool) -> bool {
    outputs.iter().any(wanted)
}

pub(super) fn runs(outputs: &[Output]) -> bool {
    has(outputs, |output| matches!(output, Output::Run { .. }))
}
