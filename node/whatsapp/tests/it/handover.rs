//! One owner lets go, the next takes over.

use switchboard_whatsapp::End;

use crate::bench::World;

const NUMBER: &str = "15550001";
const DEVICE: &str = "15550001:1";
const ROUNDS: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_owner_finds_the_socket_closed() {
    let world = World::new().await;
    let mut session = world.linked("one", NUMBER).await;
    let logins = world.simulator.journal().device(DEVICE).unwrap().connects;
    for epoch in 2..2 + ROUNDS {
        session.stop().await;
        // The simulator waits a moment for a late goodbye; the order of its own notes shows who needs that.
        let journal = world.simulator.journal();
        let last = journal.events.last().unwrap();
        assert_eq!(
            (last.event, last.device.as_deref()),
            ("disconnected", Some(DEVICE)),
            "the server has seen the end of the connection"
        );
        session = world.open("one", epoch).await;
        session.start();
        session.connected().await;
    }
    session.account.abort();
    assert_eq!(session.end().await, End::Fenced);
    let journal = world.simulator.journal();
    let device = journal.device(DEVICE).unwrap();
    assert_eq!(u64::from(device.connects - logins), ROUNDS);
    assert_eq!((device.conflicts_sent, device.sockets_open_max), (0, 1));
}
