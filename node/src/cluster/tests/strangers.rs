//! Who must not take part, and what is left alone.

use super::*;
use crate::cluster::{ClusterError, Error};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_of_the_same_name_is_refused_and_the_first_goes_on() {
    let net = Net::new().await;
    let (a, impostor) = (
        net.host("a", SHORT_LEASE).await,
        net.host("a", SHORT_LEASE).await,
    );
    let node = a.start().await;
    net.connect("s").await;
    let refused = impostor.try_start().await;
    assert!(
        matches!(&refused, Err(NodeError::Refused(why)) if why.contains('a')),
        "{refused:?}"
    );
    net.connected_at("s", "a").await;
    assert!(node.is_ready());
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_another_master_key_is_refused() {
    let net = Net::new().await;
    let (a, mut b) = (
        net.host("a", LONG_LEASE).await,
        net.host("b", LONG_LEASE).await,
    );
    let node = a.start().await;
    b.cluster.key_check = "another".to_owned();
    let refused = b.try_start().await;
    assert!(
        matches!(
            &refused,
            Err(NodeError::Cluster(Error::Cluster(ClusterError::OtherKey(
                _
            ))))
        ),
        "{refused:?}"
    );
    assert!(net.node_record("b").await.is_none(), "it left no trace");
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_later_release_wrote_is_left_alone() {
    let net = Net::new().await;
    let a = net.host("a", LONG_LEASE).await;
    let newer = Bytes::from_static(b"{\"version\":99,\"new\":\"words\"}");
    let key = Key::owner("default", "s").unwrap();
    let owners = names().owners();
    net.bus
        .kv
        .create(&owners, &key, newer.clone())
        .await
        .unwrap();
    let node = a.start().await;
    net.create("s").await;
    assert_eq!(net.connect("t").await, id("a"));
    let answer = net.ask("a", "s", GetStatus {}).await;
    assert!(
        matches!(answer.head, AnswerHead::NotOwner { .. }),
        "{:?}",
        answer.head
    );
    let entry = net.bus.kv.get(&owners, &key).await.unwrap().unwrap();
    assert_eq!(entry.value, newer);
    assert_eq!(node.sessions(), 1);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_s_record_that_is_another_one_is_noticed_at_the_start() {
    let net = Net::new().await;
    let a = net.host("a", SHORT_LEASE).await;
    let node = a.start().await;
    net.connect("s").await;
    let before = net.owner("s").await.unwrap();
    assert!(node.shutdown(WAIT).await);
    // All records are gone; the node's disk is not.
    let fresh = Net::new().await;
    let mut host = fresh.host("a", SHORT_LEASE).await;
    host.store = Arc::clone(&a.store);
    host.script = Arc::clone(&a.script);
    let node = host.start().await;
    fresh.create("s").await;
    fresh.connected_at("s", "a").await;
    assert!(
        fresh.owner("s").await.unwrap().epoch > before.epoch,
        "no epoch is used twice"
    );
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_deleted_session_are_not_those_of_the_next_one_of_its_name() {
    let net = Net::new().await;
    let a = net.host("a", SHORT_LEASE).await;
    let node = a.start().await;
    net.connect("s").await;
    let ns = Namespace::session(&session("s").to_string()).unwrap();
    let epoch = a.store.epoch(&ns).await.unwrap().unwrap();
    assert!(node.shutdown(WAIT).await);
    let (kind, key) = (switchboard_keystore::Kind(0x7f), b"of the first".to_vec());
    let put = switchboard_keystore::Op::Put {
        kind,
        key: key.clone(),
        value: vec![1],
    };
    a.store.commit(&ns, epoch, vec![put]).await.unwrap();
    // While the node is away the session is deleted, its owner's record too, and the name is given again.
    net.delete("s").await;
    let owner = Key::owner("default", "s").unwrap();
    let (kv, owners) = (&net.bus.kv, names().owners());
    let record = kv.get(&owners, &owner).await.unwrap().unwrap();
    kv.delete(&owners, &owner, record.revision).await.unwrap();
    net.create_again("s").await;
    let node = a.start().await;
    net.started("s").await;
    let left = a.store.get(&ns, kind, &key).await.unwrap();
    assert_eq!(left, None, "a row of the deleted session");
    let erased = a.ports.media.erased.lock().unwrap().clone();
    assert_eq!(erased, [(session("s"), "uuid 1 of s".to_owned())]);
    assert!(node.shutdown(WAIT).await);
}
