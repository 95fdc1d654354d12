use switchboard_vocab::cluster::{NodeRecord, NodeState};

use super::{Bench, at, beat_of, config, has, life, node, node_write, op_of};
use crate::{Bucket, Input, Output, Record, Rule, Rules, Seen, Written};

fn fences(outputs: &[Output]) -> bool {
    let fence = outputs
        .iter()
        .position(|output| *output == Output::Fence(life("a-1")));
    let asks = outputs
        .iter()
        .position(|output| *output == Output::NeedIncarnation);
    fence.is_some() && fence < asks
}

/// A heartbeat that is under way, and what it says.
fn beating(rules: Rules) -> (Bench, crate::OpId, NodeRecord) {
    let config = crate::Config { rules, ..config() };
    let mut bench = Bench::joined(config, Vec::new(), &[]);
    let outputs = bench.tell(2.5, Input::Tick);
    let (op, record) = node_write(&outputs).unwrap();
    (bench, op, record)
}

fn own(record: NodeRecord, revision: u64) -> Result<Option<Seen<Record>>, ()> {
    Ok(Some(Seen {
        record: Ok(Record::Node(record)),
        revision,
    }))
}

#[test]
fn a_heartbeat_is_sent_every_quarter_and_extends_from_its_sending() {
    let (mut bench, op, record) = beating(Rules::all());
    assert_eq!(record.beat, 2);
    let outputs = bench.apply(3.9, op);
    assert!(outputs.contains(&Output::OpenUntil(life("a-1"), at(11.5))));
    assert_eq!(bench.machine.next_wake(), at(5.0));
}

#[test]
fn a_lease_that_ran_out_fences_and_asks_for_another_life() {
    let (mut bench, _, _) = beating(Rules::all());
    assert!(!fences(&bench.tell(8.9, Input::Tick)));
    assert!(fences(&bench.tell(9.0, Input::Tick)));
    assert_eq!(bench.machine.lease_until(), None);
}

#[test]
fn whatever_happens_first_after_the_lease_fences() {
    let (mut bench, op, _) = beating(Rules::all());
    // Even the news that the heartbeat was applied: the gate is closed since.
    assert!(fences(&bench.apply(9.5, op)));
}

#[test]
fn without_the_rule_the_end_of_a_lease_is_no_event() {
    let (mut bench, _, _) = beating(Rules::without([Rule::SelfFence]));
    assert!(!fences(&bench.tell(30.0, Input::Tick)));
}

#[test]
fn an_unknown_result_is_looked_up_and_adopted() {
    let (mut bench, op, record) = beating(Rules::all());
    let look = bench.tell(4.0, Input::Written(op, Written::Unknown));
    assert!(has(&look, |output| matches!(output, Output::Read { .. })));
    let outputs = bench.tell(4.1, Input::Read(op_of(&look), own(record, 900)));
    assert!(outputs.contains(&Output::OpenUntil(life("a-1"), at(11.5))));
}

#[test]
fn an_unknown_result_that_was_not_applied_extends_nothing_and_is_tried_again() {
    let (mut bench, op, record) = beating(Rules::all());
    let look = bench.tell(4.0, Input::Written(op, Written::Unknown));
    let before = NodeRecord { beat: 1, ..record };
    let outputs = bench.tell(4.1, Input::Read(op_of(&look), own(before, 101)));
    assert!(!has(&outputs, |output| matches!(
        output,
        Output::OpenUntil(..)
    )));
    assert!(beat_of(&outputs).is_some());
    assert_eq!(bench.machine.lease_until(), Some(at(9.0)));
}

#[test]
fn without_the_rule_an_unknown_result_is_believed() {
    let (mut bench, op, _) = beating(Rules::without([Rule::UnknownResult]));
    let outputs = bench.tell(4.0, Input::Written(op, Written::Unknown));
    assert!(outputs.contains(&Output::OpenUntil(life("a-1"), at(11.5))));
}

#[test]
fn a_record_of_somebody_else_fences() {
    for (state, incarnation) in [(NodeState::Fenced, "a-1"), (NodeState::Up, "other")] {
        let (mut bench, op, record) = beating(Rules::all());
        let look = bench.tell(4.0, Input::Written(op, Written::WrongRevision));
        let other = NodeRecord {
            state,
            incarnation: life(incarnation),
            ..record
        };
        let outputs = bench.tell(4.1, Input::Read(op_of(&look), own(other, 900)));
        assert!(fences(&outputs), "{outputs:?}");
    }
}

#[test]
fn seeing_oneself_declared_dead_fences_at_once() {
    let (mut bench, _, record) = beating(Rules::all());
    let seen = Seen {
        record: Ok(NodeRecord {
            state: NodeState::Fenced,
            ..record
        }),
        revision: 900,
    };
    assert!(fences(&bench.tell(4.0, Input::Node(node("a"), seen))));
}

#[test]
fn a_failed_heartbeat_is_tried_again_soon() {
    let (mut bench, op, _) = beating(Rules::all());
    bench.tell(2.6, Input::Written(op, Written::No));
    assert!(bench.machine.next_wake() < at(3.2));
    let (mut bench, op, _) = beating(Rules::without([Rule::HeartbeatRetry]));
    bench.tell(2.6, Input::Written(op, Written::No));
    assert_eq!(bench.machine.next_wake(), at(9.0), "only the end is left");
}

#[test]
fn an_answer_that_never_comes_does_not_block_the_next() {
    let (mut bench, _, _) = beating(Rules::all());
    let outputs = bench.tell(5.6, Input::Tick);
    assert!(has(&outputs, |output| matches!(
        output,
        Output::Read { .. }
    )));
}

#[test]
fn a_closed_gate_ends_the_life() {
    let (mut bench, _, _) = beating(Rules::all());
    let outputs = bench.tell(3.0, Input::GateClosed(life("older")));
    assert!(!fences(&outputs));
    assert!(fences(&bench.tell(3.0, Input::GateClosed(life("a-1")))));
}

#[test]
fn a_roll_back_fences_and_so_do_reads_that_stay_behind() {
    let (mut bench, _, _) = beating(Rules::all());
    assert!(fences(&bench.tell(3.0, Input::RolledBack(Bucket::Owners))));
    let (mut bench, op, record) = beating(Rules::all());
    let mut outputs = bench.tell(3.0, Input::Written(op, Written::WrongRevision));
    let mut now = 3.0;
    while !fences(&outputs) {
        now += 0.6;
        assert!(now < 8.0, "it is never believed");
        outputs = bench.tell(now, Input::Tick);
        if has(&outputs, |output| matches!(output, Output::Read { .. })) {
            let old = own(record.clone(), 5);
            outputs = bench.tell(now, Input::Read(op_of(&outputs), old));
        }
    }
    let (mut bench, _, _) = beating(Rules::without([Rule::RollBack]));
    assert!(!fences(&bench.tell(3.0, Input::RolledBack(Bucket::Owners))));
}

#[test]
fn a_fenced_node_joins_again_as_another_life() {
    let (mut bench, _, record) = beating(Rules::all());
    bench.tell(9.0, Input::Tick);
    let look = bench.renew(9.1);
    let outputs = bench.tell(9.2, Input::Read(op_of(&look), own(record, 900)));
    let (_, wrote) = node_write(&outputs).unwrap();
    assert_eq!(wrote.incarnation, life("a-2"), "its own process: no wait");
}
