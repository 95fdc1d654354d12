//! Gates, their watchdog, and what a shut one keeps from the store.

use switchboard_keystore::{EngineKind, MasterKey};

use super::*;
use crate::cluster::watchdog::Watchdog;

const LONG: Duration = Duration::from_secs(3_600);

fn gate(rules: &Rules, until: impl FnOnce(Position) -> Position) -> Gate {
    let clock = LeaseClock::new(rules);
    let incarnation = Incarnation("life".to_owned());
    Gate::new(incarnation, clock, rules, until(clock.now()))
}

#[test]
fn a_lease_that_ran_out_shuts_its_gate_for_good() {
    let gate = gate(&Rules::all(), |now| now);
    assert!(!gate.is_open() && !gate.is_open_now());
    assert!(!gate.holds());
    assert!(
        !gate.extend(gate.clock.now() + LONG),
        "a later lease is another life's"
    );
    assert!(!gate.is_open() && !gate.holds() && gate.shut().is_cancelled());
    assert_eq!(gate.left(), Duration::ZERO);
}

#[test]
fn a_gate_is_open_while_its_lease_is_renewed_and_until_somebody_shuts_it() {
    let gate = gate(&Rules::all(), |now| now + LONG);
    assert!(gate.is_open() && gate.holds() && gate.extend(gate.clock.now() + LONG * 2));
    assert!(gate.left() > LONG);
    assert!(
        gate.extend(gate.clock.now()) && gate.left() > LONG,
        "news that come late take nothing back"
    );
    assert!(gate.close());
    assert!(!gate.close(), "once");
    assert!(!gate.is_open() && !gate.holds());
}

#[tokio::test]
async fn the_watchdog_shuts_the_gate_without_the_runtime_s_help() {
    let watchdog = Watchdog::start().unwrap();
    let gate = Arc::new(gate(&Rules::all(), |now| now + Duration::from_millis(50)));
    assert!(gate.is_open());
    watchdog.watch(Arc::clone(&gate));
    // Nobody else asks the gate.
    gate.shut().cancelled().await;
    assert!(!gate.is_open());
}

#[test]
fn each_rule_is_what_does_it() {
    let unstopped = gate(&Rules::without([Rule::SelfFence]), |now| now);
    assert!(unstopped.holds() && !unstopped.is_open() && unstopped.is_open_now());
    assert!(!unstopped.shut().is_cancelled());
    let loud = gate(&Rules::without([Rule::TransportFence]), |now| now);
    assert!(loud.is_open() && loud.is_open_now() && !loud.holds());
    let settable = LeaseClock::new(&Rules::without([Rule::BootClock]));
    assert_ne!(settable, LeaseClock::new(&Rules::all()));
}

#[tokio::test]
async fn nothing_is_written_past_a_shut_gate() {
    let master = MasterKey::new(*b"a key for tests of 32 bytes long");
    let config = switchboard_keystore::Config::new("", EngineKind::Memory, master);
    let store = switchboard_keystore::open(config).await.unwrap().store;
    let open = Arc::new(gate(&Rules::all(), |now| now + LONG));
    let gated = GatedStore::new(Arc::clone(&store), Arc::clone(&open), &Rules::all());
    let ns = Namespace::session("default/a").unwrap();
    let row = |value: &str| {
        vec![Op::Put {
            kind: Kind(0x80),
            key: b"k".to_vec(),
            value: value.as_bytes().to_vec(),
        }]
    };
    gated.commit(&ns, Epoch(2), row("before")).await.unwrap();
    open.close();
    let refused = gated.commit(&ns, Epoch(2), row("after")).await;
    assert!(matches!(refused, Err(Error::Fenced(_))), "{refused:?}");
    let refused = gated.drop_namespace(&ns, Remains::Nothing).await;
    assert!(matches!(refused, Err(Error::Fenced(_))), "{refused:?}");
    let row_there = store.get(&ns, Kind(0x80), b"k").await.unwrap();
    assert_eq!(row_there.as_deref(), Some(&b"before"[..]));
}

#[tokio::test]
async fn without_its_rule_a_stale_epoch_is_written_all_the_same() {
    let master = MasterKey::new(*b"a key for tests of 32 bytes long");
    let config = switchboard_keystore::Config::new("", EngineKind::Memory, master);
    let store = switchboard_keystore::open(config).await.unwrap().store;
    let ns = Namespace::session("default/a").unwrap();
    store.commit(&ns, Epoch(5), Vec::new()).await.unwrap();
    for (rules, is_written) in [
        (Rules::all(), false),
        (Rules::without([Rule::StoreEpoch]), true),
    ] {
        let open = Arc::new(gate(&rules, |now| now + LONG));
        let gated = GatedStore::new(Arc::clone(&store), open, &rules);
        let written = gated.commit(&ns, Epoch(4), Vec::new()).await;
        assert_eq!(written.is_ok(), is_written, "{written:?}");
    }
}
