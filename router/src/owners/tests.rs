use switchboard_vocab::Epoch;
use switchboard_vocab::cluster::{Incarnation, NodeRecord, NodeState, StoreId};
use tokio::time::{Duration, advance};

use super::*;

fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

fn node_record(name: &str) -> NodeRecord {
    NodeRecord {
        version: RECORD_VERSION,
        node: node(name),
        incarnation: Incarnation("i1".to_owned()),
        state: NodeState::Up,
        weight: 1,
        lease_ms: 1_000,
        beat: 1,
        store: StoreId("s".to_owned()),
        boot: "b".to_owned(),
        supervisor: None,
        release: "r".to_owned(),
    }
}

fn owner_record(owner: &str) -> OwnerRecord {
    OwnerRecord {
        version: RECORD_VERSION,
        session: session(),
        uuid: "u1".to_owned(),
        node: node(owner),
        incarnation: Incarnation("i1".to_owned()),
        epoch: Epoch(4),
        phase: OwnerPhase::Owned,
        kept: Kept::Log,
    }
}

fn session() -> SessionRef {
    "t/s".parse().unwrap()
}

fn put(key: Key, value: &impl serde::Serialize, revision: Revision) -> WatchEvent {
    let value = serde_json::to_vec(value).unwrap().into();
    WatchEvent::Put {
        key,
        entry: Entry { value, revision },
    }
}

fn of_node(record: &NodeRecord, revision: Revision) -> WatchEvent {
    put(Key::node(record.node.as_str()).unwrap(), record, revision)
}

fn of_owner(record: &OwnerRecord, revision: Revision) -> WatchEvent {
    put(Key::owner("t", "s").unwrap(), record, revision)
}

/// A mirror whose watches have told of these nodes.
async fn knowing(nodes: &[NodeRecord]) -> Owners {
    let bus = switchboard_bus::in_process::open_in_memory(switchboard_bus::Limits::default());
    let owners = Owners::new(&bus.await.unwrap(), Names::new("test").unwrap());
    let follower = NodesFollower(&owners);
    let mut known = Nodes::default();
    for (at, record) in nodes.iter().enumerate() {
        follower.collect(&mut known, of_node(record, 1 + at as Revision));
    }
    follower.adopt(known);
    OwnersFollower(&owners).adopt(Sessions::new());
    owners
}

fn says(owners: &Owners, event: WatchEvent) {
    OwnersFollower(owners).apply(event);
}

#[tokio::test]
async fn a_record_says_whom_to_ask() {
    let owners = knowing(&[node_record("a"), node_record("b")]).await;
    assert!(owners.is_current());
    let mut record = owner_record("b");
    says(&owners, of_owner(&record, 5));
    let whom = || owners.whom(&session(), "u1");
    assert_eq!(whom(), Whom::Ask(node("b"), 5));
    // An older change that comes late changes nothing.
    record.node = node("a");
    says(&owners, of_owner(&record, 4));
    assert_eq!(whom(), Whom::Ask(node("b"), 5));
    record.phase = OwnerPhase::Moving { target: node("b") };
    says(&owners, of_owner(&record, 6));
    assert_eq!(whom(), Whom::Nobody(Why::Moving));
    let reason = "lost".to_owned();
    record.phase = OwnerPhase::Parked { reason };
    says(&owners, of_owner(&record, 7));
    assert_eq!(whom(), Whom::Parked);
    record.version += 1;
    says(&owners, of_owner(&record, 8));
    assert_eq!(whom(), Whom::Nobody(Why::Unreadable));
    record = owner_record("b");
    record.session = "t/other".parse().unwrap();
    says(&owners, of_owner(&record, 9));
    assert_eq!(whom(), Whom::Nobody(Why::Unreadable));
    let key = Key::owner("t", "s").unwrap();
    says(&owners, WatchEvent::Delete { key, revision: 10 });
    assert!(matches!(whom(), Whom::Ask(_, 0)));
}

#[tokio::test]
async fn who_waits_for_a_session_is_told_of_its_record() {
    let owners = knowing(&[node_record("a")]).await;
    let mut news = owners.subscribe(&session());
    for told in 0..2 {
        news.forget();
        match told {
            0 => says(&owners, of_owner(&owner_record("a"), 5)),
            _ => OwnersFollower(&owners).adopt(Sessions::new()),
        }
        let soon = tokio::time::timeout(Duration::from_secs(20), news.next());
        soon.await.unwrap();
    }
}

#[tokio::test]
async fn a_record_of_another_life_of_the_name_does_not_count() {
    let owners = knowing(&[node_record("a")]).await;
    let mut record = owner_record("b");
    record.phase = OwnerPhase::Parked {
        reason: "lost".to_owned(),
    };
    says(&owners, of_owner(&record, 5));
    assert_eq!(owners.whom(&session(), "u2"), Whom::Ask(node("a"), 0));
    assert!(owners.record(&session(), "u2").is_none());
}

#[tokio::test]
async fn only_nodes_that_take_sessions_are_asked_to_claim_one() {
    let mut off = node_record("a");
    off.weight = 0;
    let mut draining = node_record("b");
    draining.state = NodeState::Draining;
    let mut fenced = node_record("c");
    fenced.state = NodeState::Fenced;
    let mut newer = node_record("d");
    newer.version += 1;
    let none = [off, draining, fenced, newer];
    let owners = knowing(&none).await;
    assert_eq!(
        owners.whom(&session(), "u1"),
        Whom::Nobody(Why::NoNode),
        "{:?}",
        owners.nodes()
    );
    NodesFollower(&owners).apply(of_node(&node_record("e"), 9));
    assert_eq!(owners.whom(&session(), "u1"), Whom::Ask(node("e"), 0));
}

#[tokio::test]
async fn another_life_of_the_node_is_not_the_owner() {
    let owners = knowing(&[node_record("a")]).await;
    let mut record = owner_record("a");
    record.incarnation = Incarnation("i0".to_owned());
    says(&owners, of_owner(&record, 5));
    assert_eq!(owners.whom(&session(), "u1"), Whom::Nobody(Why::NodeGone));
}

#[tokio::test(start_paused = true)]
async fn a_node_is_silent_when_its_record_outlived_its_lease_and_a_margin() {
    let mut record = node_record("a");
    let owners = knowing(std::slice::from_ref(&record)).await;
    says(&owners, of_owner(&owner_record("a"), 5));
    let state = || owners.node(&node("a")).unwrap().state;
    advance(Duration::from_millis(1_100)).await;
    assert_eq!(state(), State::Up);
    advance(Duration::from_millis(1)).await;
    assert_eq!(state(), State::Silent);
    assert_eq!(owners.whom(&session(), "u1"), Whom::Nobody(Why::NodeGone));
    let mut news = owners.subscribe(&session());
    news.forget();
    record.beat += 1;
    NodesFollower(&owners).apply(of_node(&record, 6));
    assert_eq!(state(), State::Up);
    // It came back: whoever waits is told.
    news.next().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_watch_nobody_is_called_silent_and_a_new_watch_makes_nobody_fresh() {
    let record = node_record("a");
    let owners = knowing(std::slice::from_ref(&record)).await;
    let follower = NodesFollower(&owners);
    let state = || owners.node(&node("a")).unwrap().state;
    follower.lost();
    advance(Duration::from_secs(60)).await;
    assert_eq!(state(), State::Up);
    let mut known = Nodes::default();
    follower.collect(&mut known, of_node(&record, 1));
    follower.adopt(known);
    assert_eq!(state(), State::Silent);
    let mut known = Nodes::default();
    follower.collect(&mut known, of_node(&record, 2));
    follower.adopt(known);
    assert_eq!(state(), State::Up);
}

#[tokio::test]
async fn a_heartbeat_alone_wakes_nobody() {
    let mut record = node_record("a");
    let mut nodes = Nodes::default();
    assert!(nodes.apply(of_node(&record, 1)));
    record.beat += 1;
    assert!(!nodes.apply(of_node(&record, 2)));
    record.weight += 1;
    assert!(nodes.apply(of_node(&record, 3)));
    record.state = NodeState::Draining;
    assert!(nodes.apply(of_node(&record, 4)));
    record.incarnation = Incarnation("i2".to_owned());
    assert!(nodes.apply(of_node(&record, 5)));
    assert!(!nodes.apply(of_node(&node_record("a"), 4)), "an older one");
    let key = || Key::node("a").unwrap();
    let delete = |revision| WatchEvent::Delete {
        key: key(),
        revision,
    };
    assert!(!nodes.apply(delete(4)));
    assert!(nodes.apply(delete(6)));
}

#[tokio::test]
async fn a_watch_that_begins_anew_forgets_what_is_gone() {
    let owners = knowing(&[node_record("a")]).await;
    says(&owners, of_owner(&owner_record("a"), 50));
    let follower = OwnersFollower(&owners);
    // The bucket went back in time: a smaller revision counts.
    let mut known = Sessions::new();
    follower.collect(&mut known, of_owner(&owner_record("a"), 3));
    assert_eq!(owners.whom(&session(), "u1"), Whom::Ask(node("a"), 50));
    follower.adopt(known);
    assert_eq!(owners.whom(&session(), "u1"), Whom::Ask(node("a"), 3));
    follower.adopt(Sessions::new());
    assert_eq!(owners.whom(&session(), "u1"), Whom::Ask(node("a"), 0));
}
