//! Direct messages between clients and phones.

use crate::client::{TestClient, pn, simulator};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_messages_both_ways() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;

    alice.send_text(&pn(BOB), "hello bob").await;
    let (text, message) = bob.next_text().await;
    assert_eq!(text, "hello bob");
    assert!(!message.info.source.is_from_me);

    bob.send_text(&message.info.source.chat.to_string(), "hello alice")
        .await;
    let (text, _) = alice.next_text().await;
    assert_eq!(text, "hello alice");

    alice.stop().await;
    bob.stop().await;
    simulator.shutdown().await;
}
