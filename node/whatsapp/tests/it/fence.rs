//! A closed fence lets nothing out.

use switchboard_whatsapp::{Connector, End, Error};

use crate::bench::{Switch, World, config};
use crate::relay::Relay;

const ANNA: &str = "15550001";
const BERT: &str = "15550002";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_connected_behind_a_closed_fence() {
    let world = World::new().await;
    let relay = Relay::start(world.simulator.address()).await;
    let connector = Connector::new(config(
        &world.simulator,
        format!("ws://{}/ws/chat", relay.address),
    ))
    .unwrap();
    let fence = Switch::open();
    let mut session = world.open_behind(&connector, "one", 1, fence.clone()).await;
    fence.close();
    session.start();
    assert_eq!(session.end().await, End::Fenced);
    assert_eq!((relay.accepted(), relay.sent()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_once_the_fence_is_closed() {
    let world = World::new().await;
    let mut relay = Relay::start(world.simulator.address()).await;
    let connector = Connector::new(config(
        &world.simulator,
        format!("ws://{}/ws/chat", relay.address),
    ))
    .unwrap();
    let fence = Switch::open();
    let mut anna = world
        .open_behind(&connector, "anna", 1, fence.clone())
        .await;
    anna.link(&world, ANNA).await;
    let mut bert = world.linked("bert", BERT).await;
    anna.send("A1", BERT, "still ours").await.unwrap();
    bert.incoming().await;
    // Whatever was under way is through once the answer to a message is there.
    bert.send("B1", ANNA, "answer").await.unwrap();
    anna.incoming().await;
    fence.close();
    let result = anna.send("A2", BERT, "no longer ours").await;
    assert!(matches!(result, Err(Error::NotConnected)), "{result:?}");
    assert_eq!(anna.end().await, End::Fenced);
    // Pairing and login: the socket is gone, and with it everything that had left before.
    relay.until_ended(2).await;
    let before = (relay.accepted(), relay.sent());
    assert_eq!(anna.account.run().await, End::Fenced);
    assert!(
        anna.account.shutdown(crate::bench::DEADLINE).await.is_err(),
        "nothing can be flushed"
    );
    assert!(
        anna.account.logout().await.is_err(),
        "the keys belong to somebody else"
    );
    assert_eq!((relay.accepted(), relay.sent()), before, "nothing more");
    // The next owner finds the session as it was and misses nothing.
    bert.send("B2", ANNA, "for the next owner").await.unwrap();
    let mut next = world.open("anna", 2).await;
    next.start();
    loop {
        if next.incoming().await.message.id.as_str() == "B2" {
            break;
        }
    }
    next.stop().await;
    bert.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_owner_of_the_keys_ends_the_earlier() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    let mut bert = world.linked("bert", BERT).await;
    let mut next = world.open("anna", 2).await;
    // The new owner's first commit fences the store; the old one notices with its next.
    next.account.logout().await.unwrap();
    let result = anna.send("A1", BERT, "not mine any more").await;
    assert!(result.is_err(), "{result:?}");
    assert_eq!(anna.end().await, End::Fenced);
    next.link(&world, ANNA).await;
    next.stop().await;
    bert.stop().await;
}
