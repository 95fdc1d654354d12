//! Transfers that succeed.

use switchboard_bus::nats::{self, NatsConfig};
use switchboard_bus::test_server::TestServer;
use switchboard_bus::{Bus, Limits};
use switchboard_keystore::{EngineKind, Epoch as StoreEpoch, Remains};
use switchboard_vocab::Epoch;
use tokio::time::Instant;

use super::support::{ENGINES, Site, bus, fill, namespace, rows, session, soon};

/// A session with files moves, and moves on, and every row and byte is the same.
async fn check_journey(bus: &Bus, engine: EngineKind) {
    let a = session("a");
    let (mut one, mut two) = (
        Site::new("one", bus, engine).await,
        Site::new("two", bus, engine).await,
    );
    fill(&one.store, &a, 2_000, 300).await;
    one.put_file(&a, "m1", &vec![5; 900_000]).await;
    one.put_file(&a, "m2", b"").await;
    let (before, files) = (rows(&one.store, &a).await, one.files(&a).await);
    assert_eq!(files.len(), 2);

    one.transfer.prepare(&a, &two.id, soon()).await.unwrap();
    assert_eq!(two.files(&a).await, files);
    one.put_file(&a, "m3", b"late").await;
    one.send(&a, (3, 4), &two).await.unwrap();
    assert_eq!(two.staged.try_recv().unwrap(), (a.clone(), Epoch(4)));
    assert_eq!(two.staged_epoch(&a).await, Some(4));
    assert_eq!(two.store.namespaces().await.unwrap(), []);
    assert_eq!(rows(&one.store, &a).await, before);

    let ns = namespace(&a);
    two.store.promote(&ns).await.unwrap();
    one.store
        .drop_namespace(&ns, Remains::Tombstone(StoreEpoch(3)))
        .await
        .unwrap();
    assert_eq!(rows(&two.store, &a).await, before);
    assert_eq!(two.files(&a).await, one.files(&a).await);
    // And back, over the tombstone.
    two.send(&a, (4, 5), &one).await.unwrap();
    one.store.promote(&ns).await.unwrap();
    assert_eq!(rows(&one.store, &a).await, before);
    one.stop_serving().await;
    two.stop_serving().await;
}

#[tokio::test]
async fn sessions_move_and_come_back_on_every_engine() {
    for engine in ENGINES {
        check_journey(&bus().await, engine).await;
    }
}

async fn nats(server: &TestServer, name: &str) -> Bus {
    let mut config = NatsConfig::new(vec![server.url()], name);
    config.limits = Limits::default();
    nats::connect(config).await.unwrap()
}

#[tokio::test]
async fn sessions_move_over_a_real_server() {
    let server = TestServer::start().await.unwrap();
    for engine in ENGINES {
        check_journey(&nats(&server, "both").await, engine).await;
    }
}

#[tokio::test]
async fn a_session_that_stored_nothing_moves_too() {
    for engine in ENGINES {
        let bus = bus().await;
        let a = session("empty");
        let (one, two) = (
            Site::new("one", &bus, engine).await,
            Site::new("two", &bus, engine).await,
        );
        one.send(&a, (7, 8), &two).await.unwrap();
        let ns = namespace(&a);
        two.store.promote(&ns).await.unwrap();
        assert_eq!(two.store.epoch(&ns).await.unwrap(), Some(StoreEpoch(8)));
        assert_eq!(two.store.verify(&ns).await.unwrap().entries, 0);
    }
}

#[tokio::test]
async fn ten_move_side_by_side() {
    let server = TestServer::start().await.unwrap();
    let bus = nats(&server, "both").await;
    let (one, two) = (
        Site::new("one", &bus, EngineKind::Sled).await,
        Site::new("two", &bus, EngineKind::Sled).await,
    );
    let sessions: Vec<_> = (0..10).map(|at| session(&format!("s{at}"))).collect();
    for (at, one_of) in (0u32..).zip(&sessions) {
        fill(&one.store, one_of, 500 + at, 200).await;
    }
    let sends = sessions.iter().map(|one_of| one.send(one_of, (3, 4), &two));
    for sent in futures::future::join_all(sends).await {
        sent.unwrap();
    }
    for one_of in &sessions {
        two.store.promote(&namespace(one_of)).await.unwrap();
        let (here, there) = (
            rows(&one.store, one_of).await,
            rows(&two.store, one_of).await,
        );
        assert!(here == there, "{one_of} differs");
    }
}

#[tokio::test]
async fn more_than_are_taken_at_once_wait_their_turn() {
    let bus = bus().await;
    let (one, two) = (
        Site::new("one", &bus, EngineKind::Memory).await,
        Site::new("two", &bus, EngineKind::Memory).await,
    );
    let sessions: Vec<_> = (0..40).map(|at| session(&format!("s{at}"))).collect();
    for one_of in &sessions {
        fill(&one.store, one_of, 10, 20).await;
    }
    let sends = sessions.iter().map(|one_of| one.send(one_of, (3, 4), &two));
    for sent in futures::future::join_all(sends).await {
        sent.unwrap();
    }
    assert_eq!(two.store.staged().await.unwrap().len(), 40);
}

#[tokio::test]
#[ignore = "prints times; run by hand"]
async fn times() {
    let server = TestServer::start().await.unwrap();
    for engine in [EngineKind::Sled, EngineKind::Redb] {
        for (keys, value, rounds) in [(1_125, 200, 20u64), (100_000, 430, 2)] {
            let (here, there) = (nats(&server, "one").await, nats(&server, "two").await);
            let (one, mut two) = (
                Site::new("one", &here, engine).await,
                Site::new("two", &there, engine).await,
            );
            let a = session("a");
            fill(&one.store, &a, keys, value).await;
            one.put_file(&a, "m", b"file").await;
            one.transfer.prepare(&a, &two.id, soon()).await.unwrap();
            let mut times = Vec::new();
            for round in 0..rounds {
                let began = Instant::now();
                one.send(&a, (3, 4 + round), &two).await.unwrap();
                times.push(began.elapsed());
            }
            two.stop_serving().await;
            times.sort();
            eprintln!(
                "{engine:?} {keys} keys: median {:?}, worst {:?}",
                times[times.len() / 2],
                times.last()
            );
        }
    }
}
