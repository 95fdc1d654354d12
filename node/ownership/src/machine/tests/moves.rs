use std::time::Duration;

use switchboard_vocab::Epoch;
use switchboard_vocab::cluster::{Kept, NodeState, OwnerPhase, StoreId};

use super::{
    Bench, config, has, life, name_of, node, node_write, owner, owner_write, runs, session,
};
use crate::{Command, DataFrom, Held, Input, Output, TransferFailure, Written};

/// A node among peers that runs this session at epoch 5.
fn running(peers: &[&str], name: &str) -> Bench {
    let held = vec![Held {
        uuid: None,
        session: session(name),
        epoch: Epoch(4),
        data: true,
    }];
    let record = owner(name, "a", "earlier", 4);
    let (mut bench, outputs) = Bench::current(config(), held, peers, vec![record]);
    let (op, _) = owner_write(&outputs).unwrap();
    assert!(runs(&bench.apply(0.1, op)));
    bench.tell(0.2, Input::Running(session(name), Epoch(5)));
    bench
}

/// The move of `x` to `b` until the copy is sent.
fn sending() -> Bench {
    let name = name_of("a", &["a", "b"]);
    let mut bench = running(&["b"], &name);
    let order = Command::Move {
        session: session(&name),
        target: node("b"),
    };
    let outputs = bench.order(1.0, order).unwrap();
    let (op, record) = owner_write(&outputs).unwrap();
    assert_eq!(record.phase, OwnerPhase::Moving { target: node("b") });
    assert_eq!(record.epoch, Epoch(5));
    let outputs = bench.apply(1.1, op);
    assert!(has(&outputs, |output| matches!(
        output,
        Output::Stop { abort: false, .. }
    )));
    let outputs = bench.tell(1.2, Input::Stopped(session(&name), Epoch(5)));
    let sends = Output::Send {
        session: session(&name),
        epoch: Epoch(5),
        next: Epoch(6),
        target: node("b"),
    };
    assert!(outputs.contains(&sends), "{outputs:?}");
    bench
}

fn moved() -> crate::machine::SessionRef {
    session(&name_of("a", &["a", "b"]))
}

#[test]
fn a_move_ends_with_the_record_of_the_target_and_a_mark_here() {
    let mut bench = sending();
    let outputs = bench.tell(1.3, Input::Sent(moved(), Epoch(5), Ok(())));
    let (op, record) = owner_write(&outputs).unwrap();
    assert_eq!((&record.node, record.epoch), (&node("b"), Epoch(6)));
    assert_eq!(record.incarnation, life("b-1"));
    let kept = Kept::Node {
        node: node("b"),
        store: StoreId("store-b".to_owned()),
    };
    assert_eq!(record.kept, kept);
    let outputs = bench.apply(1.4, op);
    let forgets = Output::Forget {
        session: moved(),
        epoch: Epoch(5),
    };
    assert!(outputs.contains(&forgets));
    assert_eq!(bench.machine.moving(), 0);
}

#[test]
fn a_move_that_fails_leaves_the_session_above_what_the_target_may_have() {
    let mut bench = sending();
    let failed = Err(TransferFailure::TimedOut);
    let outputs = bench.tell(1.3, Input::Sent(moved(), Epoch(5), failed));
    let (op, record) = owner_write(&outputs).unwrap();
    assert_eq!((&record.node, record.epoch), (&node("a"), Epoch(7)));
    let outputs = bench.apply(1.4, op);
    let starts = Output::Run {
        session: moved(),
        epoch: Epoch(7),
        from: DataFrom::Here,
    };
    assert!(outputs.contains(&starts));
}

#[test]
fn a_target_that_dies_meanwhile_gets_nothing() {
    let mut bench = sending();
    let seen = bench.seen(super::peer("b", 2, NodeState::Fenced));
    let outputs = bench.tell(1.3, Input::Node(node("b"), seen));
    let (_, record) = owner_write(&outputs).unwrap();
    assert_eq!((&record.node, record.epoch), (&node("a"), Epoch(7)));
    let late = bench.tell(1.4, Input::Sent(moved(), Epoch(5), Ok(())));
    assert_eq!(owner_write(&late), None);
}

#[test]
fn the_last_write_of_a_move_is_looked_up_when_nobody_knows() {
    let mut bench = sending();
    let outputs = bench.tell(1.3, Input::Sent(moved(), Epoch(5), Ok(())));
    let (op, record) = owner_write(&outputs).unwrap();
    let look = bench.tell(1.4, Input::Written(op, Written::Unknown));
    assert!(!runs(&look), "never on doubt");
    let seen = crate::Seen {
        record: Ok(crate::Record::Owner(record)),
        revision: 900,
    };
    let outputs = bench.tell(1.5, Input::Read(super::op_of(&look), Ok(Some(seen))));
    assert!(has(&outputs, |output| matches!(
        output,
        Output::Forget { .. }
    )));
}

#[test]
fn what_cannot_be_moved_is_refused_with_a_reason() {
    let name = name_of("a", &["a", "b"]);
    let mut bench = running(&["b"], &name);
    for (session, target) in [(&*name, "a"), (&*name, "c"), ("other", "b")] {
        let order = Command::Move {
            session: super::session(session),
            target: node(target),
        };
        assert!(bench.order(1.0, order).is_err(), "{session} to {target}");
    }
}

#[test]
fn a_copy_that_was_staged_runs_when_the_record_names_this_node() {
    let record = owner("x", "b", "b-1", 5);
    let (mut bench, _) = Bench::current(config(), Vec::new(), &["b"], vec![record]);
    bench.tell(1.0, Input::Staged(session("x"), Epoch(6)));
    let seen = bench.seen(owner("x", "a", "a-1", 6));
    let outputs = bench.tell(1.1, Input::Owner(session("x"), seen));
    let starts = Output::Run {
        session: session("x"),
        epoch: Epoch(6),
        from: DataFrom::Staged(Epoch(6)),
    };
    assert!(outputs.contains(&starts), "{outputs:?}");
}

#[test]
fn a_copy_that_nobody_names_is_discarded() {
    let record = owner("x", "b", "b-1", 5);
    let (mut bench, _) = Bench::current(config(), Vec::new(), &["b"], vec![record]);
    bench.tell(1.0, Input::Staged(session("x"), Epoch(6)));
    let discard = Output::DiscardStaged(session("x"), Epoch(6));
    assert!(!bench.pass(1.0, 60.0, &["b"]).contains(&discard));
    assert!(bench.pass(60.0, 62.0, &["b"]).contains(&discard));
    // Sooner when the source goes on at a higher epoch.
    bench.tell(62.0, Input::Staged(session("x"), Epoch(6)));
    let seen = bench.seen(owner("x", "b", "b-1", 7));
    let outputs = bench.tell(62.1, Input::Owner(session("x"), seen));
    assert!(outputs.contains(&discard));
}

#[test]
fn a_record_without_its_copy_is_parked_after_a_while() {
    let record = owner("x", "b", "b-1", 5);
    let (mut bench, _) = Bench::current(config(), Vec::new(), &["b"], vec![record]);
    let seen = bench.seen(owner("x", "a", "a-1", 6));
    let outputs = bench.tell(1.0, Input::Owner(session("x"), seen));
    assert!(!runs(&outputs));
    let outputs = bench.pass(1.0, 13.0, &["b"]);
    let (_, record) = owner_write(&outputs).unwrap();
    assert!(matches!(record.phase, OwnerPhase::Parked { .. }));
}

#[test]
fn balance_waits_until_the_members_have_settled_and_moves_idle_sessions_first() {
    let name = name_of("b", &["a", "b"]);
    let mut bench = running(&["b"], &name);
    assert_eq!(owner_write(&bench.pass(0.2, 4.9, &["b"])), None);
    bench.tell(4.9, Input::Busy(session(&name), true));
    let outputs = bench.pass(4.9, 20.0, &["b"]);
    assert_eq!(owner_write(&outputs), None, "busy");
    let mut outputs = bench.tell(20.0, Input::Busy(session(&name), false));
    outputs.extend(bench.pass(20.0, 22.5, &["b"]));
    let (_, record) = owner_write(&outputs).unwrap();
    assert_eq!(record.phase, OwnerPhase::Moving { target: node("b") });
}

#[test]
fn a_busy_session_moves_in_the_end() {
    let name = name_of("b", &["a", "b"]);
    let mut bench = running(&["b"], &name);
    bench.tell(0.3, Input::Busy(session(&name), true));
    assert_eq!(owner_write(&bench.pass(0.3, 20.0, &["b"])), None);
    assert!(owner_write(&bench.pass(20.0, 30.0, &["b"])).is_some());
}

#[test]
fn a_session_that_is_not_loaded_does_not_move() {
    let name = name_of("b", &["a", "b"]);
    let record = owner(&name, "a", "earlier", 4);
    let (mut bench, outputs) = Bench::current(config(), Vec::new(), &["b"], vec![record]);
    let (op, _) = owner_write(&outputs).unwrap();
    assert!(runs(&bench.apply(0.1, op)));
    assert_eq!(owner_write(&bench.pass(0.1, 15.0, &["b"])), None);
    let mut outputs = bench.tell(15.0, Input::Running(session(&name), Epoch(5)));
    outputs.extend(bench.pass(15.0, 17.5, &["b"]));
    assert!(owner_write(&outputs).is_some());
}

#[test]
fn a_drain_moves_everything_at_once_and_says_so_in_the_record() {
    let name = name_of("a", &["a", "b"]);
    let mut bench = running(&["b"], &name);
    bench.tell(0.3, Input::Busy(session(&name), true));
    let outputs = bench.order(0.5, Command::Drain(true)).unwrap();
    let (_, record) = node_write(&outputs).unwrap();
    assert_eq!(record.state, NodeState::Draining);
    let (_, record) = owner_write(&outputs).unwrap();
    assert_eq!(record.phase, OwnerPhase::Moving { target: node("b") });
}

#[test]
fn whoever_leaves_alone_stops_everything_and_says_so() {
    let name = name_of("a", &["a"]);
    let mut bench = running(&[], &name);
    let within = Duration::from_secs(60);
    let outputs = bench.order(0.5, Command::Leave { within }).unwrap();
    assert!(has(&outputs, |output| matches!(
        output,
        Output::Stop { abort: false, .. }
    )));
    let (op, _) = node_write(&outputs).unwrap();
    bench.apply(0.6, op);
    let outputs = bench.tell(0.7, Input::Stopped(session(&name), Epoch(5)));
    let (op, record) = node_write(&outputs).unwrap();
    assert_eq!(record.state, NodeState::Left);
    let outputs = bench.apply(0.8, op);
    assert!(outputs.contains(&Output::Left));
}

#[test]
fn a_leave_that_takes_too_long_drops_what_is_left() {
    let name = name_of("a", &["a"]);
    let mut bench = running(&[], &name);
    let within = Duration::from_secs(5);
    bench.order(0.5, Command::Leave { within }).unwrap();
    let outputs = bench.pass(0.5, 5.6, &[]);
    assert!(has(&outputs, |output| matches!(
        output,
        Output::Stop { abort: true, .. }
    )));
}
