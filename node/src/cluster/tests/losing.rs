//! Nodes that die, or lose their bus.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_s_sessions_run_elsewhere_when_their_keys_are_in_the_log() {
    let net = Net::new().await;
    let (mut a, mut b) = (
        net.host("a", SHORT_LEASE).await,
        net.host("b", SHORT_LEASE).await,
    );
    a.cluster.replicated = true;
    b.cluster.replicated = true;
    let first = a.start().await;
    net.connect("s").await;
    let before = net.owner("s").await.unwrap();
    let second = b.start().await;
    first.crash().await;
    net.connected_at("s", "b").await;
    let after = net.owner("s").await.unwrap();
    assert!(after.epoch > before.epoch);
    assert!(second.shutdown(WAIT).await);
    net.check_witnesses(&["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_s_sessions_wait_for_it_when_only_its_disk_has_them() {
    let net = Net::new().await;
    let (a, b) = (
        net.host("a", SHORT_LEASE).await,
        net.host("b", SHORT_LEASE).await,
    );
    let first = a.start().await;
    net.connect("s").await;
    let before = net.owner("s").await.unwrap();
    let second = b.start().await;
    first.crash().await;
    until("b declares a dead", || async {
        let record = net.node_record("a").await.unwrap();
        !record.state.may_run()
    })
    .await;
    let owner = net.owner("s").await.unwrap();
    assert_eq!(owner, before, "nobody else claims it");
    let answer = net.ask("b", "s", GetStatus {}).await;
    assert!(matches!(answer.head, AnswerHead::NotOwner { .. }));
    // Back again, with the same disk.
    let again = a.start().await;
    net.connected_at("s", "a").await;
    assert!(net.owner("s").await.unwrap().epoch > before.epoch);
    assert!(again.shutdown(WAIT).await && second.shutdown(WAIT).await);
    net.check_witnesses(&["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_bus_stalls_drops_everything_and_comes_back_as_another_life() {
    let net = Net::new().await;
    let a = net.host("a", SHORT_LEASE).await;
    let node = a.start().await;
    for name in ["s", "t"] {
        net.connect(name).await;
    }
    let before = net.owner("s").await.unwrap();
    assert_eq!(net.script.running(), 2);
    a.stall.set(true);
    until("the sockets are dropped", || async {
        net.script.running() == 0
    })
    .await;
    assert!(!node.is_ready());
    until("its actors are gone", || async { node.sessions() == 0 }).await;
    let text = std::fs::read_to_string(net.witness_of("a")).unwrap();
    assert!(text.lines().any(|line| line.ends_with(" fence")));
    let answer = net.ask("a", "s", GetStatus {}).await;
    assert!(
        matches!(answer.head, AnswerHead::NotOwner { .. }),
        "{:?}",
        answer.head
    );
    a.stall.set(false);
    for name in ["s", "t"] {
        net.connected_at(name, "a").await;
    }
    let after = net.owner("s").await.unwrap();
    assert!(after.epoch > before.epoch && after.incarnation != before.incarnation);
    assert!(node.is_ready());
    assert!(node.shutdown(WAIT).await);
    net.check_witnesses(&["a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_bus_has_stopped_before_another_runs_its_sessions() {
    let net = Net::new().await;
    let (mut a, mut b) = (
        net.host("a", SHORT_LEASE).await,
        net.host("b", SHORT_LEASE).await,
    );
    a.cluster.replicated = true;
    b.cluster.replicated = true;
    let first = a.start().await;
    for name in ["s", "t", "u"] {
        net.connect(name).await;
    }
    let second = b.start().await;
    a.stall.set(true);
    for name in ["s", "t", "u"] {
        net.connected_at(name, "b").await;
    }
    assert_eq!(net.script.running(), 3);
    a.stall.set(false);
    until("a is a member again", || async { first.is_ready() }).await;
    assert_eq!(first.sessions(), 0);
    net.check_witnesses(&["a", "b"]);
    assert!(first.shutdown(WAIT).await && second.shutdown(WAIT).await);
}
