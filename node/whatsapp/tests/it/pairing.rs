//! Linking, staying linked, unlinking.

use switchboard_vocab::UserId;
use switchboard_vocab::pairing::Challenge;
use switchboard_whatsapp::{End, Error, Signal};

use crate::bench::World;

const NUMBER: &str = "15550001";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_qr_code() {
    let world = World::new().await;
    let mut session = world.open("one", 1).await;
    assert_eq!(session.account.identity(), None);
    session.start();
    let text = session.qr().await;
    assert_eq!(
        session.account.identity(),
        None,
        "the placeholder is nobody"
    );
    world
        .simulator
        .scan_qr(&text, Some(NUMBER), Some("Anna"))
        .unwrap();
    let who = session.after_pairing().await;
    assert_eq!((who.phone.as_phone(), who.device), (Some(NUMBER), 1));
    assert!(who.lid.is_some() && who.platform.is_some());
    assert_eq!(session.account.identity(), Some(who));
    let phone = UserId::phone(NUMBER).unwrap();
    assert!(matches!(
        session.account.request_code(&phone).await,
        Err(Error::AlreadyPaired)
    ));
    session.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_code() {
    let world = World::new().await;
    let mut session = world.open("one", 1).await;
    let phone = UserId::phone(NUMBER).unwrap();
    assert!(matches!(
        session.account.request_code(&phone).await,
        Err(Error::NotConnected)
    ));
    session.start();
    session.qr().await;
    let first = session.account.request_code(&phone).await.unwrap();
    let second = session.account.request_code(&phone).await.unwrap();
    let (Challenge::Code { code: first, .. }, Challenge::Code { code, .. }) = (first, second)
    else {
        panic!("it is a code");
    };
    assert_eq!(code.len(), 8);
    assert_ne!(first, code, "asking again makes another");
    world.simulator.enter_code(NUMBER, &code).await.unwrap();
    let who = session.after_pairing().await;
    assert_eq!(who.phone.as_phone(), Some(NUMBER));
    session.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_login_is_used_again() {
    let world = World::new().await;
    let mut session = world.linked("one", NUMBER).await;
    let who = session.account.identity().unwrap();
    session.stop().await;
    // The same object once more, and a new one as after a restart of the process.
    session.start();
    assert_eq!(session.connected().await, who);
    session.stop().await;
    drop(session);
    let mut session = world.open("one", 2).await;
    assert_eq!(session.account.identity(), Some(who.clone()));
    session.start();
    let first = session.signal(|signal| Some(signal.clone())).await;
    assert!(
        matches!(first, Signal::Syncing(_) | Signal::Connected(_)),
        "no pairing: {first:?}"
    );
    session.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logged_out_and_linked_again() {
    let world = World::new().await;
    let mut session = world.linked("one", NUMBER).await;
    assert!(session.account.logout().await.unwrap(), "whatsapp was told");
    assert_eq!(session.end().await, End::Stopped);
    assert_eq!(session.account.identity(), None);
    assert!(
        world.simulator.unlink(NUMBER, 1).is_err(),
        "the phone has forgotten the device"
    );
    let who = session.link(&world, "15550009").await;
    assert_eq!(who.phone.as_phone(), Some("15550009"));
    session.stop().await;
    // Without a connection the login still goes away.
    assert!(!session.account.logout().await.unwrap());
    assert_eq!(session.account.identity(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unlinked_by_the_phone() {
    let world = World::new().await;
    let mut session = world.linked("one", NUMBER).await;
    world.simulator.unlink(NUMBER, 1).unwrap();
    assert!(matches!(session.end().await, End::LoggedOut(_)));
    session.start();
    assert!(
        matches!(session.end().await, End::LoggedOut(_)),
        "the login is refused until it is removed"
    );
    session.account.logout().await.unwrap();
    session.link(&world, NUMBER).await;
    session.stop().await;
}
