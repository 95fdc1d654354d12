//! Why connections end.

use switchboard_simulator::faults::{Fault, Request};
use switchboard_whatsapp::End;

use crate::bench::{Session, World};

const NUMBER: &str = "15550001";

async fn ended_by(request: Request) -> (World, Session, End) {
    let world = World::new().await;
    let mut session = world.linked("one", NUMBER).await;
    world.simulator.inject(request).unwrap();
    let end = session.end().await;
    (world, session, end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_socket_is_closed_and_comes_back() {
    let (_world, mut session, end) = ended_by(Request::new(Fault::Disconnect)).await;
    assert!(matches!(end, End::Closed(_)), "{end:?}");
    session.start();
    session.connected().await;
    session.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_errors_are_told_apart() {
    for (code, is_right) in [
        (515, (|end| *end == End::Restart) as fn(&End) -> bool),
        (503, |end| matches!(end, End::Throttled(_))),
        (429, |end| matches!(end, End::Throttled(_))),
        (401, |end| matches!(end, End::LoggedOut(_))),
    ] {
        let (_world, _session, end) = ended_by(Request::new(Fault::StreamError { code })).await;
        assert!(is_right(&end), "{code} ended as {end:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_connects_are_told_apart() {
    let world = World::new().await;
    let mut session = world.linked("one", NUMBER).await;
    session.stop().await;
    let once = |fault| {
        let mut request = Request::new(fault);
        request.count = Some(1);
        world.simulator.inject(request).unwrap();
    };
    once(Fault::TooManyRequests);
    session.start();
    let end = session.end().await;
    assert!(matches!(end, End::Throttled(_)), "{end:?}");
    once(Fault::Refuse);
    session.start();
    let end = session.end().await;
    assert!(matches!(end, End::Closed(_)), "{end:?}");
    session.start();
    session.connected().await;
    session.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_logins_are_told_apart() {
    let world = World::new().await;
    let mut session = world.linked("one", NUMBER).await;
    session.stop().await;
    for (reason, is_right) in [
        (
            401,
            (|end| matches!(end, End::LoggedOut(_))) as fn(&End) -> bool,
        ),
        (402, |end| matches!(end, End::Banned { .. })),
        (403, |end| matches!(end, End::Banned { .. })),
        (405, |end| matches!(end, End::Outdated(_))),
        (500, |end| matches!(end, End::Closed(_))),
        (503, |end| matches!(end, End::Throttled(_))),
    ] {
        world
            .simulator
            .inject(Request::new(Fault::Failure { reason }))
            .unwrap();
        session.start();
        let end = session.end().await;
        assert!(is_right(&end), "{reason} ended as {end:?}");
    }
    session.start();
    session.connected().await;
    session.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_connection_takes_over() {
    let world = World::new().await;
    let mut first = world.linked("one", NUMBER).await;
    let mut second = world.open("one", 1).await;
    second.start();
    assert_eq!(first.end().await, End::Replaced);
    second.connected().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaired_session_stops_and_starts() {
    let world = World::new().await;
    let mut session = world.open("one", 1).await;
    for _ in 0..2 {
        session.start();
        session.qr().await;
        session.stop().await;
    }
    session.start();
    session.qr().await;
    world
        .simulator
        .inject(Request::new(Fault::Disconnect))
        .unwrap();
    let end = session.end().await;
    assert!(matches!(end, End::Closed(_)), "{end:?}");
    session.link(&world, NUMBER).await;
    session.stop().await;
}
