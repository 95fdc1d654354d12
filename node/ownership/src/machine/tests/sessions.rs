use switchboard_vocab::Epoch;
use switchboard_vocab::cluster::{Kept, NodeState, OwnerPhase, OwnerRecord, StoreId};

use super::{
    Bench, config, has, in_log, life, name_of, node, owner, owner_write, peer, runs, session,
};
use crate::{
    Age, Bucket, Command, Config, DataFrom, Held, Input, Output, Rule, Rules, Seen, Verdict,
    Written,
};

fn replicated() -> Config {
    Config {
        replicated: true,
        ..config()
    }
}

fn held(name: &str, epoch: u64, data: bool) -> Held {
    Held {
        uuid: None,
        session: session(name),
        epoch: Epoch(epoch),
        data,
    }
}

fn run(name: &str, epoch: u64, from: DataFrom) -> Output {
    Output::Run {
        session: session(name),
        epoch: Epoch(epoch),
        from,
    }
}

fn exists(name: &str, uuid: &str, age: Age) -> Input {
    Input::Session(session(name), uuid.to_owned(), age)
}

/// A node that runs this session of its own at epoch 5.
fn running(config: Config, peers: &[&str], name: &str) -> Bench {
    let record = owner(name, "a", "earlier", 4);
    let record = if config.replicated {
        in_log(record)
    } else {
        record
    };
    let (mut bench, outputs) =
        Bench::current(config, vec![held(name, 4, true)], peers, vec![record]);
    let (op, _) = owner_write(&outputs).unwrap();
    assert!(runs(&bench.apply(0.1, op)));
    bench.tell(0.2, Input::Running(session(name), Epoch(5)));
    bench
}

#[test]
fn a_new_session_starts_at_once_where_it_belongs() {
    for (first, starts) in [("a", true), ("b", false)] {
        let name = name_of(first, &["a", "b"]);
        let (mut bench, _) = Bench::current(config(), Vec::new(), &["b"], Vec::new());
        let outputs = bench.tell(1.0, exists(&name, "u", Age::New));
        assert_eq!(owner_write(&outputs).is_some(), starts);
    }
}

#[test]
fn a_new_session_waits_for_the_records_and_no_longer() {
    let name = name_of("a", &["a"]);
    let mut bench = Bench::joined(config(), Vec::new(), &[]);
    let outputs = bench.tell(0.0, exists(&name, "u", Age::New));
    assert_eq!(owner_write(&outputs), None, "it may have an owner");
    let outputs = bench.tell(0.0, Input::Current(Bucket::Owners));
    assert!(owner_write(&outputs).is_some());
}

#[test]
fn a_session_that_was_there_before_waits_for_whoever_has_its_data() {
    let name = name_of("a", &["a"]);
    let listed = exists(&name, "u", Age::Unknown);
    let current = Input::Current(Bucket::Owners);
    // The directory and the records are not seen in one order.
    for (first, second) in [(listed.clone(), current.clone()), (current, listed)] {
        let mut bench = Bench::joined(config(), Vec::new(), &[]);
        bench.tell(0.0, first);
        let outputs = bench.tell(0.0, second);
        assert_eq!(owner_write(&outputs), None);
        assert_eq!(owner_write(&bench.pass(0.0, 10.0, &[])), None);
        assert!(owner_write(&bench.pass(10.0, 12.5, &[])).is_some());
    }
}

#[test]
fn whoever_has_data_of_a_session_without_a_record_takes_it_above_its_epoch() {
    let name = name_of("b", &["a", "b"]);
    let mut bench = Bench::joined(config(), vec![held(&name, 7, true)], &["b"]);
    bench.tell(0.0, exists(&name, "u", Age::Unknown));
    let outputs = bench.tell(0.0, Input::Current(Bucket::Owners));
    let (op, record) = owner_write(&outputs).unwrap();
    assert_eq!(record.epoch, Epoch(8));
    assert!(
        bench
            .apply(0.1, op)
            .contains(&run(&name, 8, DataFrom::Here))
    );
}

#[test]
fn nothing_runs_before_its_record_is_known_to_be_written() {
    let record = owner("x", "a", "earlier", 4);
    let (mut bench, outputs) =
        Bench::current(config(), vec![held("x", 4, true)], &[], vec![record]);
    let (op, wrote) = owner_write(&outputs).unwrap();
    assert!(!runs(&outputs));
    let look = bench.tell(1.0, Input::Written(op, Written::Unknown));
    assert!(!runs(&look));
    let read = super::op_of(&look);
    let seen = Seen {
        record: Ok(crate::Record::Owner(wrote)),
        revision: 900,
    };
    let outputs = bench.tell(1.1, Input::Read(read, Ok(Some(seen))));
    assert!(outputs.contains(&run("x", 5, DataFrom::Here)));
    let owned = Verdict::Owned { epoch: Epoch(5) };
    assert_eq!(bench.machine.verdict(&session("x")), owned);
}

#[test]
fn an_epoch_that_was_seen_used_is_never_used_again() {
    let record = owner("x", "a", "earlier", 4);
    let epoch = |rules| {
        let config = Config { rules, ..config() };
        let held = vec![held("x", 9, true)];
        let (_, outputs) = Bench::current(config, held, &[], vec![record.clone()]);
        owner_write(&outputs).unwrap().1.epoch
    };
    assert_eq!(epoch(Rules::all()), Epoch(10));
    assert_eq!(epoch(Rules::without([Rule::EpochFloor])), Epoch(5));
}

#[test]
fn a_record_of_an_earlier_life_is_not_this_ones() {
    let record = owner("x", "a", "earlier", 4);
    let careless = Config {
        rules: Rules::without([Rule::Incarnation]),
        ..config()
    };
    let (_, outputs) = Bench::current(careless, Vec::new(), &[], vec![record.clone()]);
    assert!(
        outputs.contains(&run("x", 4, DataFrom::Here)),
        "the same epoch again"
    );
    let (_, outputs) = Bench::current(config(), Vec::new(), &[], vec![record]);
    assert!(!runs(&outputs));
}

#[test]
fn what_a_dead_node_had_in_the_log_is_taken_by_whoever_is_first() {
    for (first, takes) in [("a", true), ("b", false)] {
        let name = name_of(first, &["a", "b"]);
        let take = |rules: Rules| {
            let record = in_log(owner(&name, "c", "c-1", 3));
            let config = Config {
                rules,
                ..replicated()
            };
            let (mut bench, _) = Bench::current(config, Vec::new(), &["b", "c"], vec![record]);
            let seen = bench.seen(peer("c", 2, NodeState::Fenced));
            bench.tell(1.0, Input::Node(node("c"), seen))
        };
        let taken = owner_write(&take(Rules::all()));
        assert_eq!(
            taken.map(|(_, record)| record.epoch),
            takes.then_some(Epoch(4))
        );
        assert_eq!(owner_write(&take(Rules::without([Rule::TakeOver]))), None);
    }
}

#[test]
fn what_a_dead_node_has_on_its_disk_waits_for_it() {
    let name = name_of("a", &["a", "b"]);
    let take = |rules: Rules| {
        let record = owner(&name, "c", "c-1", 3);
        let config = Config { rules, ..config() };
        let (mut bench, _) = Bench::current(config, Vec::new(), &["b", "c"], vec![record]);
        let seen = bench.seen(peer("c", 2, NodeState::Fenced));
        bench.tell(1.0, Input::Node(node("c"), seen))
    };
    assert_eq!(owner_write(&take(Rules::all())), None);
    let careless = Rules::without([Rule::KeptHere]);
    assert!(owner_write(&take(careless)).is_some());
}

#[test]
fn keys_in_another_store_of_this_node_are_parked_with_what_helps() {
    let record = OwnerRecord {
        kept: Kept::Node {
            node: node("a"),
            store: StoreId("lost".to_owned()),
        },
        ..owner("x", "a", "earlier", 4)
    };
    let (_, outputs) = Bench::current(config(), Vec::new(), &[], vec![record]);
    let (_, parked) = owner_write(&outputs).unwrap();
    let OwnerPhase::Parked { reason } = parked.phase else {
        panic!("{parked:?}");
    };
    assert!(reason.contains("backup") && reason.contains("session restore"));
    assert_eq!(parked.epoch, Epoch(5));
}

#[test]
fn a_parked_session_is_left_alone_until_it_is_restored() {
    let record = OwnerRecord {
        phase: OwnerPhase::Parked {
            reason: "why".to_owned(),
        },
        ..owner("x", "a", "earlier", 4)
    };
    let (mut bench, outputs) = Bench::current(config(), Vec::new(), &[], vec![record]);
    assert_eq!(owner_write(&outputs), None);
    let restore = Command::Restore {
        session: session("x"),
        from: DataFrom::Nothing,
    };
    let outputs = bench.order(1.0, restore).unwrap();
    let (op, _) = owner_write(&outputs).unwrap();
    let outputs = bench.apply(1.1, op);
    assert!(outputs.contains(&run("x", 5, DataFrom::Nothing)));
    // What was not done yet is still to be done in the next life.
    assert!(has(&bench.tell(9.0, Input::Tick), |output| {
        *output == Output::Fence(life("a-1"))
    }));
    assert_eq!(bench.machine.owned(), 0);
}

#[test]
fn only_what_nobody_owns_is_restored() {
    let record = in_log(owner("x", "b", "b-1", 4));
    let (mut bench, _) = Bench::current(replicated(), Vec::new(), &["b"], vec![record]);
    for name in ["x", "nothing"] {
        let restore = Command::Restore {
            session: session(name),
            from: DataFrom::LossyLog,
        };
        assert!(bench.order(1.0, restore).is_err());
    }
}

#[test]
fn a_record_that_names_somebody_else_stops_at_once() {
    let name = name_of("a", &["a", "b"]);
    for record in [
        owner(&name, "b", "b-1", 6),
        owner(&name, "a", "another", 6),
        owner(&name, "a", "a-1", 6),
    ] {
        let mut bench = running(config(), &["b"], &name);
        let seen = bench.seen(record);
        let outputs = bench.tell(1.0, Input::Owner(session(&name), seen));
        let aborts = Output::Stop {
            session: session(&name),
            epoch: Epoch(5),
            abort: true,
        };
        assert!(outputs.contains(&aborts), "{outputs:?}");
        assert!(!runs(&outputs), "not before it has stopped");
    }
}

#[test]
fn a_record_that_cannot_be_read_stops_and_is_not_touched() {
    let name = name_of("a", &["a"]);
    let mut bench = running(config(), &[], &name);
    let seen = Seen {
        record: Err("its version 9 is newer".to_owned()),
        revision: 900,
    };
    let outputs = bench.tell(1.0, Input::Owner(session(&name), seen));
    assert!(has(&outputs, |output| matches!(
        output,
        Output::Stop { abort: true, .. }
    )));
    let outputs = bench.tell(1.1, Input::Stopped(session(&name), Epoch(5)));
    assert!(has(
        &outputs,
        |output| matches!(output, Output::Note(text) if text.contains("upgrade"))
    ));
    assert_eq!(owner_write(&bench.pass(1.1, 40.0, &[])), None);
}

#[test]
fn a_fence_ends_what_runs_and_the_next_life_takes_it_again() {
    let name = name_of("a", &["a"]);
    let mut bench = running(config(), &[], &name);
    bench.tell(9.0, Input::Tick);
    assert_eq!(bench.machine.owned(), 0);
    let look = bench.renew(9.0);
    let outputs = bench.tell(9.0, Input::Read(super::op_of(&look), Ok(None)));
    let op = super::beat_of(&outputs).unwrap();
    let outputs = bench.apply(9.0, op);
    let (op, record) = owner_write(&outputs).unwrap();
    assert_eq!((record.epoch, record.incarnation), (Epoch(6), life("a-2")));
    assert!(
        bench
            .apply(9.1, op)
            .contains(&run(&name, 6, DataFrom::Here))
    );
}

#[test]
fn after_a_roll_back_only_what_ran_here_is_claimed_at_once() {
    let name = name_of("a", &["a"]);
    let mut bench = running(config(), &[], &name);
    bench.tell(1.0, exists("new", "u", Age::New));
    bench.tell(2.0, Input::RolledBack(Bucket::Owners));
    let look = bench.renew(2.0);
    let outputs = bench.tell(2.0, Input::Read(super::op_of(&look), Ok(None)));
    let op = super::beat_of(&outputs).unwrap();
    bench.apply(2.0, op);
    // As it was two owners ago.
    let seen = Seen {
        record: Ok(owner(&name, "b", "b-0", 3)),
        revision: 7,
    };
    bench.tell(2.1, Input::Owner(session(&name), seen));
    let outputs = bench.tell(2.2, Input::Current(Bucket::Owners));
    let writes = outputs
        .iter()
        .filter(|output| matches!(output, Output::Write { .. }));
    assert_eq!(writes.count(), 1, "the other one waits: {outputs:?}");
    let (_, record) = owner_write(&outputs).unwrap();
    assert_eq!((record.session, record.epoch), (session(&name), Epoch(6)));
}

#[test]
fn a_deleted_session_takes_its_record_along() {
    let name = name_of("a", &["a"]);
    let mut bench = running(config(), &[], &name);
    let outputs = bench.tell(1.0, Input::SessionGone(session(&name)));
    let deletes = |output: &Output| matches!(output, Output::Write { record: None, .. });
    assert!(has(&outputs, deletes));
    bench.apply(1.1, super::op_of(&outputs));
    let outputs = bench.tell(2.0, exists(&name, "another", Age::New));
    assert_eq!(owner_write(&outputs).unwrap().1.uuid, "another");
}

#[test]
fn a_name_that_is_given_again_at_once_does_not_wait_for_its_old_record_s_reasons() {
    let name = name_of("a", &["a", "b"]);
    // Here the earlier session ran, and its record goes by this node's hand.
    let mut bench = running(config(), &["b"], &name);
    let outputs = bench.tell(1.0, Input::SessionGone(session(&name)));
    let op = super::op_of(&outputs);
    bench.tell(1.1, exists(&name, "another", Age::New));
    let outputs = bench.apply(1.2, op);
    assert_eq!(owner_write(&outputs).unwrap().1.uuid, "another");
    // There it ran on another node.
    let record = owner(&name, "b", "b-1", 4);
    let (mut bench, _) = Bench::current(config(), Vec::new(), &["b"], vec![record]);
    bench.tell(1.0, Input::SessionGone(session(&name)));
    bench.tell(1.1, exists(&name, "another", Age::New));
    let outputs = bench.tell(1.2, Input::OwnerGone(session(&name), 900));
    assert_eq!(owner_write(&outputs).unwrap().1.uuid, "another");
}

#[test]
fn a_record_that_goes_before_its_session_does_is_left_alone() {
    let name = name_of("a", &["a", "b"]);
    let record = owner(&name, "b", "b-1", 4);
    let (mut bench, _) = Bench::current(config(), Vec::new(), &["b"], vec![record]);
    let outputs = bench.tell(1.0, Input::OwnerGone(session(&name), 900));
    assert_eq!(owner_write(&outputs), None);
    assert_eq!(owner_write(&bench.pass(1.0, 11.0, &["b"])), None);
}

#[test]
fn a_name_that_was_used_before_begins_empty() {
    let record = owner("x", "a", "earlier", 4);
    let held = vec![held("x", 4, true)];
    let mut bench = Bench::joined(config(), held, &[]);
    bench.tell(0.0, exists("x", "another", Age::Unknown));
    let seen = bench.seen(record);
    bench.tell(0.0, Input::Owner(session("x"), seen));
    let outputs = bench.tell(0.0, Input::Current(Bucket::Owners));
    let (op, record) = owner_write(&outputs).unwrap();
    assert_eq!((record.epoch, &*record.uuid), (Epoch(5), "another"));
    let outputs = bench.apply(0.1, op);
    assert!(outputs.contains(&run("x", 5, DataFrom::Nothing)));
}

#[test]
fn the_driver_parks_what_cannot_be_loaded() {
    let name = name_of("a", &["a"]);
    let mut bench = running(config(), &[], &name);
    let park = |epoch| Command::Park {
        session: session(&name),
        epoch: Epoch(epoch),
        reason: "damaged".to_owned(),
    };
    assert!(bench.order(1.0, park(4)).is_err());
    let outputs = bench.order(1.0, park(5)).unwrap();
    assert!(has(&outputs, |output| matches!(
        output,
        Output::Stop { .. }
    )));
    let outputs = bench.tell(1.1, Input::Stopped(session(&name), Epoch(5)));
    let (_, record) = owner_write(&outputs).unwrap();
    assert!(matches!(record.phase, OwnerPhase::Parked { .. }));
}

#[test]
fn many_sessions_are_claimed_a_few_at_a_time() {
    let mut bench = Bench::joined(config(), Vec::new(), &[]);
    bench.tell(0.0, Input::Current(Bucket::Owners));
    let mut under_way = Vec::new();
    for at in 0..1_000 {
        let input = exists(&format!("s{at}"), "u", Age::New);
        under_way.extend(bench.tell(0.1, input));
    }
    let writes = |outputs: &[Output]| {
        outputs
            .iter()
            .filter_map(|output| match output {
                Output::Write { op, .. } => Some(*op),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(writes(&under_way).len(), super::super::OPS_MAX);
    let mut waiting = writes(&under_way);
    while let Some(op) = waiting.pop() {
        let outputs = bench.apply(0.2, op);
        waiting.extend(writes(&outputs));
    }
    assert_eq!(bench.machine.owned(), 1_000);
    assert!(bench.machine.is_settled());
}

#[test]
fn rows_of_an_earlier_session_of_the_name_are_not_run() {
    for (rows_of, from) in [("u", DataFrom::Here), ("earlier", DataFrom::Fresh)] {
        let held = Held {
            uuid: Some(rows_of.to_owned()),
            ..held("x", 4, true)
        };
        let (mut bench, _) = Bench::current(config(), vec![held], &[], Vec::new());
        let outputs = bench.tell(1.0, exists("x", "u", Age::New));
        let (op, _) = owner_write(&outputs).unwrap();
        let outputs = bench.apply(1.1, op);
        // Epochs go on all the same.
        assert!(outputs.contains(&run("x", 5, from)), "{outputs:?}");
    }
}
