//! Nodes that leave by plan: drains, orders, the end of a process.

use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_vocab::cluster::{NodeState, OwnerPhase};
use switchboard_vocab::content::Content;
use switchboard_vocab::messages::SendMessage;
use switchboard_vocab::{ErrorCode, MessageId};
use tokio::sync::Notify;

use super::*;
use crate::doubles::dispatched;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_hands_its_sessions_over_and_keeps_nothing_of_them() {
    let net = Net::new().await;
    let (a, b) = (
        net.host("a", LONG_LEASE).await,
        net.host("b", LONG_LEASE).await,
    );
    let first = a.start().await;
    for name in ["s0", "s1", "s2"] {
        assert_eq!(net.connect(name).await, id("a"));
    }
    let before = net.owner("s0").await.unwrap();
    let second = b.start().await;
    until("a knows b", || async { first.knows(&id("b")) }).await;
    assert_eq!(
        net.order("a", NodeOrder::Drain { on: true }).await,
        OrderAnswer::Accepted
    );
    for name in ["s0", "s1", "s2"] {
        net.connected_at(name, "b").await;
    }
    let after = net.owner("s0").await.unwrap();
    assert_eq!(after.epoch.0, before.epoch.0 + 1);
    until("a keeps nothing", || async { !a.holds("s0").await }).await;
    let ns = Namespace::session("default/s0").unwrap();
    assert_eq!(
        a.store.epoch(&ns).await.unwrap().map(|epoch| epoch.0),
        Some(before.epoch.0),
        "but the mark that it was there"
    );
    assert!(b.holds("s0").await);
    // Its files left this node; those that all nodes share are the session's wherever it runs.
    until("a releases its files", || async {
        a.ports.media.released.lock().unwrap().len() == 3
    })
    .await;
    assert!(a.ports.media.erased.lock().unwrap().is_empty());
    assert!(b.ports.media.erased.lock().unwrap().is_empty());
    assert_eq!(net.script.running(), 3);
    net.check_witnesses(&["a", "b"]);
    // A drained node takes nothing new.
    for at in 3..12 {
        assert_eq!(net.connect(&format!("s{at}")).await, id("b"));
    }
    assert!(first.shutdown(WAIT).await && second.shutdown(WAIT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_hands_over_first_and_nobody_waits_for_its_lease() {
    let net = Net::new().await;
    let (a, b) = (
        net.host("a", LONG_LEASE).await,
        net.host("b", LONG_LEASE).await,
    );
    let first = a.start().await;
    net.connect("s").await;
    let second = b.start().await;
    until("a knows b", || async { first.knows(&id("b")) }).await;
    assert!(first.shutdown(WAIT).await);
    assert_eq!(
        net.node_record("a").await.unwrap().state,
        NodeState::Left,
        "whoever starts it again need not wait"
    );
    net.connected_at("s", "b").await;
    assert_eq!(net.script.running(), 1);
    assert!(second.shutdown(WAIT).await);
    assert_eq!(net.script.running(), 0);
    net.check_witnesses(&["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_node_leaves_at_once_and_finds_its_sessions_again() {
    let net = Net::new().await;
    let a = net.host("a", LONG_LEASE).await;
    let node = a.start().await;
    net.connect("s").await;
    let before = net.owner("s").await.unwrap();
    assert!(node.shutdown(WAIT).await);
    assert_eq!(net.script.running(), 0);
    assert!(a.holds("s").await);
    let node = a.start().await;
    net.connected_at("s", "a").await;
    let after = net.owner("s").await.unwrap();
    assert!(after.epoch > before.epoch && after.incarnation != before.incarnation);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_moves_one_session_and_senseless_ones_are_refused() {
    let net = Net::new().await;
    let (a, b) = (
        net.host("a", LONG_LEASE).await,
        net.host("b", LONG_LEASE).await,
    );
    let first = a.start().await;
    net.connect("s").await;
    net.connect("t").await;
    let second = b.start().await;
    until("a knows b", || async { first.knows(&id("b")) }).await;
    let to = |target: &str| NodeOrder::Move {
        session: session("s"),
        target: id(target),
    };
    until("it is at rest", || async {
        net.order("a", to("b")).await == OrderAnswer::Accepted
    })
    .await;
    net.connected_at("s", "b").await;
    net.connected_at("t", "a").await;
    for (node, order) in [("a", to("b")), ("b", to("nobody"))] {
        let answer = net.order(node, order).await;
        assert!(
            matches!(&answer, OrderAnswer::Refused { error } if error.code == ErrorCode::Refused),
            "{answer:?}"
        );
    }
    let subject = names().node_admin("a").unwrap();
    let noise = Bytes::from_static(b"{\"order\":\"explode\"}");
    let reply = net.bus.rpc.request(&subject, noise, WAIT).await.unwrap();
    let answer: OrderAnswer = serde_json::from_slice(&reply).unwrap();
    assert!(
        matches!(&answer, OrderAnswer::Refused { error } if error.code == ErrorCode::InvalidInput),
        "{answer:?}"
    );
    net.check_witnesses(&["a", "b"]);
    assert!(first.shutdown(WAIT).await && second.shutdown(WAIT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_under_way_finishes_before_its_session_moves() {
    let (release, begun) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (released, begins) = (Arc::clone(&release), Arc::clone(&begun));
    let script = Script::pairs_and_stays().sending(move |outgoing| {
        let (released, begins) = (Arc::clone(&released), Arc::clone(&begins));
        async move {
            begins.store(true, Ordering::SeqCst);
            released.notified().await;
            Ok(dispatched(&outgoing))
        }
    });
    let net = Net::playing(script).await;
    let (a, b) = (
        net.host("a", LONG_LEASE).await,
        net.host("b", LONG_LEASE).await,
    );
    let first = a.start().await;
    net.connect("s").await;
    let second = b.start().await;
    until("a knows b", || async { first.knows(&id("b")) }).await;
    let send = |id: &str| SendMessage {
        id: MessageId::parse(id).unwrap(),
        to: "4915100000001@s.whatsapp.net".parse().unwrap(),
        content: Content::text("hello"),
        quoted: None,
        typing: None,
    };
    let steps = async {
        until("the send has begun", || async {
            begun.load(Ordering::SeqCst)
        })
        .await;
        let order = NodeOrder::Move {
            session: session("s"),
            target: id("b"),
        };
        assert_eq!(net.order("a", order).await, OrderAnswer::Accepted);
        until("it moves", || async {
            matches!(
                net.owner("s").await.unwrap().phase,
                OwnerPhase::Moving { .. }
            )
        })
        .await;
        let late = net.ask("a", "s", send("LATE")).await;
        assert!(
            matches!(&late.head, AnswerHead::NotOwner { hint: None, .. }),
            "it is for the next owner: {:?}",
            late.head
        );
        release.notify_one();
    };
    let (answer, ()) = tokio::join!(net.ask("a", "s", send("EARLY")), steps);
    assert_eq!(answer.head, AnswerHead::Done);
    net.connected_at("s", "b").await;
    assert_eq!(net.script.sent.lock().unwrap().len(), 1);
    assert!(first.shutdown(WAIT).await && second.shutdown(WAIT).await);
    net.check_witnesses(&["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_session_leaves_nothing_on_any_node_it_was_on() {
    let net = Net::new().await;
    let (a, b) = (
        net.host("a", LONG_LEASE).await,
        net.host("b", LONG_LEASE).await,
    );
    let first = a.start().await;
    net.connect("s").await;
    let second = b.start().await;
    until("a knows b", || async { first.knows(&id("b")) }).await;
    net.order("a", NodeOrder::Drain { on: true }).await;
    net.connected_at("s", "b").await;
    net.delete("s").await;
    let ns = Namespace::session("default/s").unwrap();
    until("it is gone everywhere", || async {
        a.store.epoch(&ns).await.unwrap().is_none()
            && b.store.epoch(&ns).await.unwrap().is_none()
            && net.owner("s").await.is_none()
    })
    .await;
    let gone = (session("s"), "uuid 1 of s".to_owned());
    until("its files go, of this life only", || async {
        let erased = b.ports.media.erased.lock().unwrap();
        !erased.is_empty() && erased.iter().all(|one| *one == gone)
    })
    .await;
    assert_eq!(net.script.running(), 0);
    assert_eq!(first.sessions() + second.sessions(), 0);
    // The name is free again, for another session.
    net.connect("s").await;
    assert!(first.shutdown(WAIT).await && second.shutdown(WAIT).await);
}
