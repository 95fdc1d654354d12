use switchboard_vocab::cluster::NodeState;

use super::{Bench, at, config, node, peer};
use crate::{Bucket, Input, OpId, Output, Record, Rule, Rules, Seen, Written};

fn fences_b(outputs: &[Output]) -> bool {
    fence_of_b(outputs).is_some()
}

/// The write that declares b dead.
fn fence_of_b(outputs: &[Output]) -> Option<OpId> {
    outputs.iter().find_map(|output| match output {
        Output::Write {
            op,
            record: Some(Record::Node(record)),
            ..
        } if record.node == node("b") && record.state == NodeState::Fenced => Some(*op),
        _ => None,
    })
}

fn with(rules: Rules) -> Bench {
    let config = crate::Config { rules, ..config() };
    Bench::current(config, Vec::new(), &["b"], Vec::new()).0
}

#[test]
fn a_peer_is_declared_dead_after_its_lease_and_margin() {
    let mut bench = with(Rules::all());
    assert!(!fences_b(&bench.pass(0.0, 10.9, &[])));
    assert!(bench.machine.next_wake() <= at(11.0));
    assert!(fences_b(&bench.tell(11.0, Input::Tick)));
}

#[test]
fn a_heartbeat_begins_the_wait_anew() {
    let mut bench = with(Rules::all());
    bench.pass(0.0, 10.0, &[]);
    let seen = bench.seen(peer("b", 2, NodeState::Up));
    bench.tell(10.0, Input::Node(node("b"), seen));
    assert!(!fences_b(&bench.pass(10.0, 20.9, &[])));
}

#[test]
fn without_patience_a_peer_is_declared_dead_early() {
    let mut bench = with(Rules::without([Rule::PeerPatience]));
    assert!(fences_b(&bench.tell(3.0, Input::Tick)));
}

#[test]
fn nobody_is_judged_without_a_lease_or_a_view() {
    let mut bench = with(Rules::all());
    bench.pass(0.0, 10.0, &[]);
    bench.tell(10.0, Input::WatchLost(Bucket::Owners));
    assert!(!fences_b(&bench.tell(12.0, Input::Tick)), "no view");
    let mut bench = with(Rules::all());
    assert!(!fences_b(&bench.tell(12.0, Input::Tick)), "no lease");
    let mut bench = with(Rules::without([Rule::ObserverLease]));
    assert!(fences_b(&bench.tell(12.0, Input::Tick)));
}

#[test]
fn a_peer_that_was_faster_lives() {
    let mut bench = with(Rules::all());
    bench.pass(0.0, 10.0, &[]);
    let outputs = bench.tell(11.0, Input::Tick);
    let op = fence_of_b(&outputs).unwrap();
    let look = bench.tell(11.1, Input::Written(op, Written::WrongRevision));
    let read = look.iter().find_map(|output| match output {
        Output::Read { op, .. } => Some(*op),
        _ => None,
    });
    let seen = Seen {
        record: Ok(Record::Node(peer("b", 2, NodeState::Up))),
        revision: 900,
    };
    bench.tell(11.2, Input::Read(read.unwrap(), Ok(Some(seen))));
    assert_eq!(bench.machine.peers(at(11.2))[0].state, NodeState::Up);
    assert_eq!(
        bench.machine.peers(at(12.2))[0].silent_for.as_millis(),
        1_000
    );
}

#[test]
fn a_peer_that_cannot_be_read_is_neither_judged_nor_given_sessions() {
    let mut bench = with(Rules::all());
    let seen = Seen {
        record: Err("its version 9 is newer".to_owned()),
        revision: 900,
    };
    let outputs = bench.tell(1.0, Input::Node(node("b"), seen));
    let notes = |output: &&Output| matches!(output, Output::Note(_));
    assert_eq!(outputs.iter().filter(notes).count(), 1);
    assert!(!fences_b(&bench.pass(1.0, 40.0, &[])));
}
