//! Random schedules of whole clusters of machines, judged by rules with ids (T-5).
//!
//! - I-1: at most one node whose gate is open runs a session at any instant.
//! - I-2: the epochs of successive runs of one session strictly rise, also when records go back in time.
//! - I-3: after the faults, within a bounded time, every session whose data can be reached runs where it belongs.
//! - I-4: a run begins with the newest committed write of its session.
//! - I-5: what is kept on one disk is run by nobody else.
//! - I-6: in a quiet cluster moves end.
//! - I-7: an outage or a pause shorter than a lease costs nobody its lease.
//! - I-8: only a node with a lease declares another one dead.
//! - I-9: a node that left runs nothing.
//! - I-10: nothing is parked whose keys are there.
//!
//! `SWITCHBOARD_SCHEDULES` sets how many schedules run, `SWITCHBOARD_FIRST_SEED` where they begin; `SWITCHBOARD_SEED` runs one
//! with its trace.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test: what is not there is a fault of the test"
)]

mod bus;
mod calm;
mod driver;
mod faults;
mod kv;
mod node;
mod rng;
mod world;

use switchboard_ownership::{Rule, Rules};

use crate::faults::Plan;
use crate::world::{Violation, World};

/// Schedules of all tests together.
const SCHEDULES: u64 = 100_000;
/// Tests that share them.
const PARTS: u64 = 4;
/// Lines of a trace that are shown.
const TRACE_MAX: usize = 400;
/// Schedules that a rule that is off may need to show.
const SEARCH_MAX: u64 = 20_000;

fn explore(seed: u64, rules: &Rules, traced: bool) -> World {
    let mut world = World::new(seed, Plan::new(seed), rules.clone(), traced);
    world.live();
    world
}

fn fail(seed: u64, violation: &Violation) -> ! {
    let world = explore(seed, &Rules::all(), true);
    let trace = world.trace.unwrap_or_default();
    let from = trace.len().saturating_sub(TRACE_MAX);
    panic!(
        "seed {seed}: {violation:?}\nplan: {:?}\n{}",
        Plan::new(seed),
        readable(&trace[from..])
    );
}

/// A trace without what every line repeats.
fn readable(trace: &[String]) -> String {
    let noise = [
        "SessionRef { tenant: TenantId(\"t\"), session: SessionId(",
        "version: 1, ",
        "lease_ms: 1000, ",
        "supervisor: None, ",
        "release: \"test\"",
        "Incarnation",
        "NodeRecord",
        "OwnerRecord",
        "NodeId",
        "StoreId",
        "record: ",
        "Epoch",
    ];
    let mut text = trace.join("\n");
    for noise in noise {
        text = text.replace(noise, "");
    }
    text.replace("\") }", "")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn part(part: u64) {
    let first = number("SWITCHBOARD_FIRST_SEED").unwrap_or(0);
    let all = number("SWITCHBOARD_SCHEDULES").unwrap_or(SCHEDULES);
    for seed in (first..first + all).filter(|seed| seed % PARTS == part) {
        let world = explore(seed, &Rules::all(), false);
        if let Some(violation) = &world.violation {
            fail(seed, violation);
        }
    }
}

#[test]
fn schedules_of_the_first_part_break_nothing() {
    part(0);
}

#[test]
fn schedules_of_the_second_part_break_nothing() {
    part(1);
}

#[test]
fn schedules_of_the_third_part_break_nothing() {
    part(2);
}

#[test]
fn schedules_of_the_fourth_part_break_nothing() {
    part(3);
}

/// One schedule with everything it says, for whoever looks for a fault.
#[test]
fn a_named_seed_breaks_nothing() {
    let Some(seed) = number("SWITCHBOARD_SEED") else {
        return;
    };
    let world = explore(seed, &Rules::all(), true);
    let shown = readable(&world.trace.unwrap_or_default());
    assert_eq!(world.violation, None, "{shown}");
}

/// Without the rule some schedule breaks one of these.
fn bites(rule: Rule, ids: &[&str]) {
    let rules = Rules::without([rule]);
    let found = (0..SEARCH_MAX).find_map(|seed| {
        let world = explore(seed, &rules, false);
        world
            .violation
            .filter(|violation| ids.contains(&violation.id))
    });
    assert!(found.is_some(), "without {rule:?} nothing of {ids:?} broke");
}

#[test]
fn without_self_fence_two_nodes_run_a_session() {
    bites(Rule::SelfFence, &["I-1"]);
}

#[test]
fn without_incarnations_an_epoch_is_used_twice() {
    bites(Rule::Incarnation, &["I-1", "I-2"]);
}

#[test]
fn without_patience_two_nodes_run_a_session() {
    bites(Rule::PeerPatience, &["I-1"]);
}

#[test]
fn without_the_observers_lease_anybody_declares_others_dead() {
    bites(Rule::ObserverLease, &["I-8"]);
}

#[test]
fn without_take_over_sessions_are_not_run() {
    bites(Rule::TakeOver, &["I-3"]);
}

#[test]
fn by_the_clocks_of_others_the_dead_live_and_the_living_are_dead() {
    bites(Rule::OwnClock, &["I-3"]);
}

#[test]
fn without_looking_up_unknown_results_two_nodes_run_a_session() {
    bites(Rule::UnknownResult, &["I-1"]);
}

#[test]
fn without_the_floor_epochs_go_back() {
    bites(Rule::EpochFloor, &["I-2"]);
}

#[test]
fn without_noticing_a_roll_back_two_nodes_run_a_session() {
    bites(Rule::RollBack, &["I-1", "I-2"]);
}

#[test]
fn without_refusing_duplicates_two_nodes_run_a_session() {
    bites(Rule::DuplicateNode, &["I-1"]);
}

#[test]
fn without_another_try_a_short_outage_costs_the_lease() {
    bites(Rule::HeartbeatRetry, &["I-7"]);
}

#[test]
fn without_keeping_what_is_here_others_run_it() {
    bites(Rule::KeptHere, &["I-4", "I-5"]);
}
