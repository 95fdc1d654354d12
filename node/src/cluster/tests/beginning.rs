//! Sessions that begin while something else has not come to its end: a node's first look, an earlier session's removal.
//!
//! A lease here is as long as a test's patience: whoever waits for one without need is noticed.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_created_before_the_owners_were_seen_does_not_wait_for_a_lease() {
    let net = Net::new().await;
    let a = net.host("a", LONG_LEASE).await;
    a.stall.hide(Some(names().owners()));
    let node = a.start().await;
    net.create("s").await;
    until("the node hears of it", || async {
        node.has_heard_of(&session("s"))
    })
    .await;
    // Goes through the same task, after what was heard.
    let order = NodeOrder::Drain { on: false };
    assert_eq!(net.order("a", order).await, OrderAnswer::Accepted);
    assert!(net.owner("s").await.is_none(), "it may have an owner");
    a.stall.hide(None);
    assert_eq!(net.started("s").await, id("a"));
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_given_again_does_not_wait_for_a_lease() {
    let net = Net::new().await;
    let (a, b) = (
        net.host("a", LONG_LEASE).await,
        net.host("b", LONG_LEASE).await,
    );
    let (first, second) = (a.start().await, b.start().await);
    until("a knows b", || async { first.knows(&id("b")) }).await;
    net.connect("s").await;
    for life in 2..12 {
        net.delete("s").await;
        // At once, before anybody has removed what there was.
        net.create_life("s", life).await;
        until("it is the new one's", || async {
            let owner = net.owner("s").await;
            owner.is_some_and(|owner| owner.uuid == format!("uuid {life} of s"))
        })
        .await;
    }
    net.started("s").await;
    net.check_witnesses(&["a", "b"]);
    assert!(first.shutdown(WAIT).await && second.shutdown(WAIT).await);
}
