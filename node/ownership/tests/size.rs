//! A node of a cluster of 30 nodes and 100,000 sessions: a death costs no step more than a bounded piece of work.
//!
//! No time is asserted; the counts are what bounds it.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use switchboard_ownership::{
    Age, Bucket, Config, Input, Machine, MoveLimits, Output, Rules, Seen, Written,
};
use switchboard_vocab::cluster::{
    Incarnation, Kept, NodeRecord, NodeState, OwnerPhase, OwnerRecord, StoreId,
};
use switchboard_vocab::{Epoch, NodeId, SessionRef};

const NODES: usize = 30;
const SESSIONS: usize = 100_000;
/// What one step may ask for.
const OUTPUTS_MAX: usize = 2_048;

fn name(at: usize) -> NodeId {
    format!("n{at}").parse().unwrap()
}

fn record(at: usize, state: NodeState) -> NodeRecord {
    NodeRecord {
        version: 1,
        node: name(at),
        incarnation: Incarnation(format!("i{at}")),
        state,
        weight: 1,
        lease_ms: 10_000,
        beat: 1,
        store: StoreId(format!("store-{at}")),
        boot: format!("boot-{at}"),
        supervisor: None,
        release: "test".to_owned(),
    }
}

fn config() -> Config {
    Config {
        me: name(0),
        lease: Duration::from_secs(10),
        weight: 1,
        store: StoreId("store-0".to_owned()),
        boot: "boot-0".to_owned(),
        supervisor: None,
        release: "test".to_owned(),
        replicated: true,
        alone: false,
        moves: MoveLimits {
            concurrent_max: 4,
            per_second_max: 20,
            drain_per_second_max: 50,
            settle: Duration::from_secs(30),
            hold: Duration::from_secs(60),
            busy_patience: Duration::from_secs(60),
        },
        rules: Rules::all(),
    }
}

struct Bench {
    machine: Machine,
    now: Duration,
    revision: u64,
    waiting: Vec<Input>,
    ran: usize,
}

impl Bench {
    fn tell(&mut self, input: Input) {
        let outputs = self.machine.step(self.now, input).unwrap();
        assert!(outputs.len() <= OUTPUTS_MAX, "{} at once", outputs.len());
        for output in outputs {
            match output {
                Output::Write { op, .. } => {
                    self.revision += 1;
                    let written = Written::Yes(self.revision);
                    self.waiting.push(Input::Written(op, written));
                }
                Output::Read { op, .. } => self.waiting.push(Input::Read(op, Ok(None))),
                Output::Run { .. } => self.ran += 1,
                Output::OpenUntil(..)
                | Output::Fence(_)
                | Output::NeedIncarnation
                | Output::Stop { .. }
                | Output::Send { .. }
                | Output::Forget { .. }
                | Output::DiscardStaged(..)
                | Output::Refuse(_)
                | Output::Left
                | Output::Note(_) => {}
            }
        }
    }

    fn settle(&mut self) {
        while let Some(input) = self.waiting.pop() {
            self.tell(input);
        }
    }

    fn seen<R>(&mut self, record: R) -> Seen<R> {
        self.revision += 1;
        Seen {
            record: Ok(record),
            revision: self.revision,
        }
    }
}

#[test]
fn a_death_among_many_is_dealt_with_in_pieces() {
    let now = Duration::from_secs(1);
    let machine = Machine::new(config(), Incarnation("me".to_owned()), Vec::new(), now);
    let mut bench = Bench {
        machine,
        now,
        revision: 0,
        waiting: Vec::new(),
        ran: 0,
    };
    bench.tell(Input::Tick);
    bench.settle();
    for at in 1..NODES {
        let seen = bench.seen(record(at, NodeState::Up));
        bench.tell(Input::Node(name(at), seen));
    }
    bench.tell(Input::Current(Bucket::Nodes));
    for at in 0..SESSIONS {
        let session: SessionRef = format!("t{}/s{at}", at % 100).parse().unwrap();
        let owner = 1 + at % (NODES - 1);
        bench.tell(Input::Session(
            session.clone(),
            "u".to_owned(),
            Age::Unknown,
        ));
        let seen = bench.seen(OwnerRecord {
            version: 1,
            session: session.clone(),
            uuid: "u".to_owned(),
            node: name(owner),
            incarnation: Incarnation(format!("i{owner}")),
            epoch: Epoch(1),
            phase: OwnerPhase::Owned,
            kept: Kept::Log,
        });
        bench.tell(Input::Owner(session, seen));
    }
    bench.tell(Input::Current(Bucket::Owners));
    bench.settle();
    assert_eq!(bench.ran, 0);
    let seen = bench.seen(record(1, NodeState::Fenced));
    bench.tell(Input::Node(name(1), seen));
    while bench.machine.next_wake() <= bench.now || !bench.waiting.is_empty() {
        bench.settle();
        bench.tell(Input::Tick);
    }
    let share = SESSIONS / (NODES - 1) / (NODES - 1);
    assert!(
        bench.ran.abs_diff(share) < share / 2,
        "{} of about {share}",
        bench.ran
    );
}
