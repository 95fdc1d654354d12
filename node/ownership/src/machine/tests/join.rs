use switchboard_vocab::cluster::{NodeRecord, NodeState, StoreId};

use super::{Bench, at, beat_of, config, has, life, node, node_write, op_of, peer};
use crate::{Input, Output, Record, Rule, Rules, Seen};

fn record(state: NodeState) -> NodeRecord {
    NodeRecord {
        incarnation: life("earlier"),
        store: StoreId("another".to_owned()),
        ..peer("a", 7, state)
    }
}

fn join_over(config: crate::Config, record: NodeRecord) -> (Bench, Vec<Output>) {
    let mut bench = Bench::new(config, Vec::new());
    let read = bench.tell(0.0, Input::Tick);
    let seen = Seen {
        record: Ok(Record::Node(record)),
        revision: 9,
    };
    let outputs = bench.tell(0.0, Input::Read(op_of(&read), Ok(Some(seen))));
    (bench, outputs)
}

#[test]
fn a_new_name_is_created() {
    let mut bench = Bench::new(config(), Vec::new());
    let read = bench.tell(0.0, Input::Tick);
    let outputs = bench.tell(0.0, Input::Read(op_of(&read), Ok(None)));
    let Some(Output::Write { op, expected, .. }) = outputs.first() else {
        panic!("{outputs:?}");
    };
    assert_eq!(*expected, 0);
    let outputs = bench.apply(1.0, *op);
    let opens = Output::OpenUntil(life("a-1"), at(9.0));
    assert!(outputs.contains(&opens), "from the sending: {outputs:?}");
}

#[test]
fn a_name_that_left_or_was_fenced_is_taken_over() {
    for state in [NodeState::Left, NodeState::Fenced] {
        let (_, outputs) = join_over(config(), record(state));
        assert!(beat_of(&outputs).is_some(), "{outputs:?}");
    }
}

#[test]
fn a_process_of_the_same_store_and_boot_is_gone() {
    let mine = NodeRecord {
        store: config().store,
        boot: config().boot,
        ..record(NodeState::Up)
    };
    let (_, outputs) = join_over(config(), mine.clone());
    assert!(beat_of(&outputs).is_some());
    let rebooted = NodeRecord {
        boot: "another".to_owned(),
        ..mine
    };
    let (_, outputs) = join_over(config(), rebooted);
    assert!(beat_of(&outputs).is_none());
}

#[test]
fn whoever_is_alone_waits_for_nobody() {
    let alone = crate::Config {
        alone: true,
        ..config()
    };
    let (_, outputs) = join_over(alone, record(NodeState::Up));
    assert!(beat_of(&outputs).is_some());
}

#[test]
fn a_silent_record_is_taken_after_its_lease_and_margin() {
    let (mut bench, _) = join_over(config(), record(NodeState::Up));
    let mut now = 0.0;
    loop {
        now += 2.0;
        let outputs = bench.tell(now, Input::Tick);
        let seen = Seen {
            record: Ok(Record::Node(record(NodeState::Up))),
            revision: 9,
        };
        if !has(&outputs, |output| matches!(output, Output::Read { .. })) {
            continue;
        }
        let outputs = bench.tell(now, Input::Read(op_of(&outputs), Ok(Some(seen))));
        if beat_of(&outputs).is_some() {
            break;
        }
        assert!(now < 14.0, "it is never taken");
    }
    assert!(now >= 11.0, "taken after {now} s");
}

#[test]
fn a_record_that_changes_has_a_live_writer() {
    let (mut bench, outputs) = join_over(config(), record(NodeState::Up));
    assert!(beat_of(&outputs).is_none());
    let mut last = Vec::new();
    for beat in 8..10 {
        let seen = Seen {
            record: Ok(NodeRecord {
                beat,
                ..record(NodeState::Up)
            }),
            revision: beat + 10,
        };
        last = bench.tell(1.0, Input::Node(node("a"), seen));
    }
    let refuses =
        |output: &Output| matches!(output, Output::Refuse(text) if text.contains("node.id"));
    assert!(has(&last, refuses), "{last:?}");
    assert_eq!(bench.tell(50.0, Input::Tick), Vec::new(), "it is over");
}

#[test]
fn without_the_rule_a_live_name_is_joined_over() {
    let careless = crate::Config {
        rules: Rules::without([Rule::DuplicateNode]),
        ..config()
    };
    let (_, outputs) = join_over(careless, record(NodeState::Up));
    assert!(beat_of(&outputs).is_some());
}

#[test]
fn an_unknown_version_of_its_own_record_is_refused() {
    let mut bench = Bench::new(config(), Vec::new());
    let read = bench.tell(0.0, Input::Tick);
    let seen = Seen {
        record: Err("its version 9 is newer".to_owned()),
        revision: 9,
    };
    let outputs = bench.tell(0.0, Input::Read(op_of(&read), Ok(Some(seen))));
    let refuses =
        |output: &Output| matches!(output, Output::Refuse(text) if text.contains("upgrade"));
    assert!(has(&outputs, refuses), "{outputs:?}");
}

#[test]
fn an_attempt_to_join_whose_answer_was_lost_is_recognised() {
    let mut bench = Bench::new(config(), Vec::new());
    let read = bench.tell(0.0, Input::Tick);
    let outputs = bench.tell(0.0, Input::Read(op_of(&read), Ok(None)));
    let (op, wrote) = node_write(&outputs).unwrap();
    let look = bench.tell(2.0, Input::Written(op, crate::Written::Unknown));
    let seen = Seen {
        record: Ok(Record::Node(wrote)),
        revision: 3,
    };
    let outputs = bench.tell(2.5, Input::Read(op_of(&look), Ok(Some(seen))));
    assert!(outputs.contains(&Output::OpenUntil(life("a-1"), at(9.0))));
}
