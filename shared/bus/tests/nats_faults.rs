//! What the NATS implementation does when the server is away, refuses, or comes back with another past.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use secrecy::SecretString;
use switchboard_bus::nats::{self, Auth, NatsConfig};
use switchboard_bus::test_server::TestServer;
use switchboard_bus::{
    Bus, ConsumerName, ConsumerSpec, Entry, EventLogError, Health, Key, KeyPrefix, KvError, Limits,
    Names, Overflow, Part, RpcError, StreamSpec, WatchEvent, WatchStream,
};

const LONG: Duration = Duration::from_secs(40);

fn config(server: &TestServer) -> NatsConfig {
    NatsConfig::new(vec![server.url()], "faults")
}

async fn connect(server: &TestServer) -> Bus {
    nats::connect(config(server)).await.unwrap()
}

fn names() -> Names {
    Names::new("faults").unwrap()
}

fn key() -> Key {
    Key::node("n").unwrap()
}

fn stream() -> StreamSpec {
    StreamSpec {
        name: names().wal_stream(),
        subjects: names().all_wal(),
        bytes_max: 1024 * 1024,
        overflow: Overflow::DropOldest,
        age_max: Some(Duration::from_secs(3600)),
        duplicate_window: Duration::from_secs(120),
    }
}

async fn until(bus: &Bus, wanted: Health) {
    let mut health = bus.health_changes();
    tokio::time::timeout(LONG, health.wait_for(|now| *now == wanted))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(bus.health(), wanted);
}

async fn next(changes: &mut WatchStream) -> Result<WatchEvent, KvError> {
    tokio::time::timeout(LONG, changes.next())
        .await
        .unwrap()
        .unwrap()
}

async fn watch(bus: &Bus) -> WatchStream {
    bus.kv
        .watch(&names().nodes(), &KeyPrefix::all())
        .await
        .unwrap()
}

#[tokio::test]
async fn calls_fail_at_once_while_the_server_is_away_and_work_again_when_it_is_back() {
    let mut server = TestServer::start().await.unwrap();
    let bus = connect(&server).await;
    assert_eq!(bus.health(), Health::Connected);
    let subject = names().node_rpc("n").unwrap();
    let mut requests = bus.rpc.serve(&subject).await.unwrap();
    let revision = bus
        .kv
        .create(&names().nodes(), &key(), "1".into())
        .await
        .unwrap();
    bus.log.open(&stream()).await.unwrap();

    server.stop().unwrap();
    until(&bus, Health::Reconnecting).await;
    let error = bus
        .rpc
        .request(&subject, Bytes::new(), LONG)
        .await
        .unwrap_err();
    assert!(matches!(error, RpcError::Disconnected { .. }), "{error:?}");
    assert!(error.certainly_not_executed());
    let error = bus
        .kv
        .update(&names().nodes(), &key(), "2".into(), revision)
        .await
        .unwrap_err();
    assert!(matches!(error, KvError::Disconnected { .. }), "{error:?}");
    assert!(error.certainly_not_executed());
    let wal = names().wal("t", "s").unwrap();
    let stream = stream().name;
    let append = || bus.log.append(&stream, &wal, "id", "x".into(), None);
    let error = append().await.unwrap_err();
    assert!(
        matches!(error, EventLogError::Disconnected { .. }),
        "{error:?}"
    );
    assert!(error.certainly_not_executed());
    assert!(matches!(
        bus.rpc.serve(&subject).await,
        Err(RpcError::Disconnected { .. })
    ));

    server.restart().await.unwrap();
    until(&bus, Health::Connected).await;
    // The subscription of before serves again, and nothing was written meanwhile.
    let asked = async {
        loop {
            match bus.rpc.request(&subject, "hello".into(), LONG).await {
                Err(RpcError::NoResponders { .. }) => tokio::task::yield_now().await,
                reply => return reply.unwrap(),
            }
        }
    };
    let (reply, ()) = tokio::join!(asked, async {
        requests
            .next()
            .await
            .unwrap()
            .replier
            .reply("there".into())
            .await
            .unwrap();
    });
    assert_eq!(reply, "there");
    bus.kv
        .update(&names().nodes(), &key(), "2".into(), revision)
        .await
        .unwrap();
    assert!(!append().await.unwrap().duplicate);
}

#[tokio::test]
async fn a_watch_goes_on_after_a_restart() {
    let mut server = TestServer::start().await.unwrap();
    let bus = connect(&server).await;
    let first = bus
        .kv
        .create(&names().nodes(), &key(), "1".into())
        .await
        .unwrap();
    let mut changes = watch(&bus).await;
    let entry = Entry {
        value: "1".into(),
        revision: first,
    };
    assert_eq!(
        next(&mut changes).await.unwrap(),
        WatchEvent::Put { key: key(), entry }
    );
    assert_eq!(next(&mut changes).await.unwrap(), WatchEvent::Current);
    server.restart().await.unwrap();
    let other = connect(&server).await;
    let second = other
        .kv
        .update(&names().nodes(), &key(), "2".into(), first)
        .await
        .unwrap();
    let entry = Entry {
        value: "2".into(),
        revision: second,
    };
    assert_eq!(
        next(&mut changes).await.unwrap(),
        WatchEvent::Put { key: key(), entry }
    );
}

#[tokio::test]
async fn a_waiting_fetch_goes_on_after_a_restart() {
    let mut server = TestServer::start().await.unwrap();
    let bus = connect(&server).await;
    bus.log.open(&stream()).await.unwrap();
    let reader = ConsumerSpec::new(ConsumerName::new("r").unwrap(), names().all_wal());
    let consumer = bus.log.consumer(&stream().name, &reader).await.unwrap();
    let (fetched, ()) = tokio::join!(consumer.fetch(1, LONG), async {
        server.restart().await.unwrap();
        let other = connect(&server).await;
        let wal = names().wal("t", "s").unwrap();
        other
            .log
            .append(&stream().name, &wal, "id", "x".into(), None)
            .await
            .unwrap();
    });
    assert_eq!(fetched.unwrap().pop().unwrap().id, "id");
}

/// A server whose last changes are lost, as after a loss of power or a restored backup.
#[tokio::test]
async fn a_watch_ends_when_the_store_has_gone_back() {
    let mut server = TestServer::start().await.unwrap();
    let bus = connect(&server).await;
    let first = bus
        .kv
        .create(&names().nodes(), &key(), "1".into())
        .await
        .unwrap();
    server.stop().unwrap();
    let backup = tempfile::tempdir().unwrap();
    copy(&server.store_dir(), backup.path());
    server.restart().await.unwrap();
    until(&bus, Health::Connected).await;

    let bus = connect(&server).await;
    let second = bus
        .kv
        .update(&names().nodes(), &key(), "2".into(), first)
        .await
        .unwrap();
    let mut changes = watch(&bus).await;
    next(&mut changes).await.unwrap();
    assert_eq!(next(&mut changes).await.unwrap(), WatchEvent::Current);
    server.stop().unwrap();
    fs::remove_dir_all(server.store_dir()).unwrap();
    copy(backup.path(), &server.store_dir());
    server.restart().await.unwrap();

    let error = next(&mut changes).await.unwrap_err();
    let KvError::RolledBack { seen, found, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!((seen, found), (second, first));
    assert!(changes.next().await.is_none());
    let entry = bus.kv.get(&names().nodes(), &key()).await.unwrap().unwrap();
    assert_eq!(entry.value, "1");
}

#[tokio::test]
async fn a_lost_store_ends_the_watch_and_is_made_anew() {
    let mut server = TestServer::start().await.unwrap();
    let bus = connect(&server).await;
    bus.kv
        .create(&names().nodes(), &key(), "1".into())
        .await
        .unwrap();
    let mut changes = watch(&bus).await;
    next(&mut changes).await.unwrap();
    assert_eq!(next(&mut changes).await.unwrap(), WatchEvent::Current);
    server.stop().unwrap();
    fs::remove_dir_all(server.store_dir()).unwrap();
    server.restart().await.unwrap();

    let error = next(&mut changes).await.unwrap_err();
    assert!(
        matches!(error, KvError::RolledBack { found: 0, .. }),
        "{error:?}"
    );
    // The first call finds out that the bucket is gone, a later one makes it again.
    let (nodes, key) = (names().nodes(), key());
    let create = || bus.kv.create(&nodes, &key, "2".into());
    let made = match create().await {
        Err(error) => {
            assert!(error.certainly_not_executed(), "{error:?}");
            create().await
        }
        made => made,
    };
    made.unwrap();
}

#[tokio::test]
async fn the_servers_own_payload_limit_counts() {
    let server = TestServer::start_with("max_payload: 64KB").await.unwrap();
    let bus = connect(&server).await;
    let subject = names().node_rpc("n").unwrap();
    let mut requests = bus.rpc.serve(&subject).await.unwrap();
    let payload = Bytes::from(vec![0; 64 * 1024 + 1]);
    let error = bus
        .rpc
        .request(&subject, payload.clone(), LONG)
        .await
        .unwrap_err();
    let RpcError::TooLarge {
        part: Part::Request,
        max,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(max, 64 * 1024);
    let (reply, _) = tokio::join!(bus.rpc.request(&subject, Bytes::new(), LONG), async {
        requests
            .next()
            .await
            .unwrap()
            .replier
            .reply(payload.clone())
            .await
    });
    assert!(
        matches!(
            reply,
            Err(RpcError::TooLarge {
                part: Part::Reply,
                ..
            })
        ),
        "{reply:?}"
    );
    let error = bus
        .kv
        .create(&names().nodes(), &key(), payload.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, KvError::TooLarge { .. }), "{error:?}");
    bus.log.open(&stream()).await.unwrap();
    let wal = names().wal("t", "s").unwrap();
    let error = bus
        .log
        .append(&stream().name, &wal, "id", payload, None)
        .await
        .unwrap_err();
    assert!(matches!(error, EventLogError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn only_the_right_password_or_token_opens_the_door() {
    let user = "authorization { user: u, password: right }";
    let server = TestServer::start_with(user).await.unwrap();
    let password = |password: &str| Auth::UserPassword {
        user: "u".to_owned(),
        password: SecretString::from(password.to_owned()),
    };
    let token = |token: &str| Auth::Token(SecretString::from(token.to_owned()));
    let try_with = |server: &TestServer, auth| {
        let connect_deadline = Duration::from_millis(500);
        nats::connect(NatsConfig {
            auth,
            connect_deadline,
            ..config(server)
        })
    };
    try_with(&server, password("right")).await.unwrap();
    for wrong in [password("wrong"), Auth::None, token("right")] {
        let error = try_with(&server, wrong).await.unwrap_err();
        assert!(matches!(error, nats::Error::Connect { .. }), "{error:?}");
    }
    let server = TestServer::start_with("authorization { token: right }")
        .await
        .unwrap();
    try_with(&server, token("right")).await.unwrap();
    try_with(&server, token("wrong")).await.unwrap_err();
}

/// A configuration of before: messages are read one by one then, after one wait.
#[tokio::test]
async fn without_the_right_to_ask_for_many_messages_all_are_read() {
    let user =
        "user: u, password: right, permissions: { publish: { deny: [\"$JS.API.DIRECT.GET.>\"] } }";
    let settings = format!("authorization {{ users: [ {{ {user} }} ] }}");
    let server = TestServer::start_with(&settings).await.unwrap();
    let bus = nats::connect(NatsConfig {
        auth: Auth::UserPassword {
            user: "u".to_owned(),
            password: SecretString::from("right"),
        },
        limits: Limits {
            operation_deadline: Duration::from_secs(1),
            ..Limits::default()
        },
        ..config(&server)
    });
    let (bus, spec) = (bus.await.unwrap(), stream());
    bus.log.open(&spec).await.unwrap();
    let subject = names().wal("default", "s").unwrap();
    for id in ["a", "b", "c"] {
        let payload = Bytes::from_static(b"x");
        let appended = bus.log.append(&spec.name, &subject, id, payload, None);
        appended.await.unwrap();
    }
    for _ in 0..2 {
        let found = bus.log.read(&spec.name, &subject, 0, 10).await.unwrap();
        let ids: Vec<_> = found.iter().filter_map(|r| r.id.as_deref()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_an_error_without_secrets() {
    let connect = |url: &str| {
        let connect_deadline = Duration::from_millis(200);
        let config = NatsConfig::new(vec![url.to_owned()], "x");
        nats::connect(NatsConfig {
            connect_deadline,
            ..config
        })
    };
    let error = connect("nats://u:secret@[").await.unwrap_err();
    assert!(
        matches!(error, nats::Error::Url { index: 0, .. }),
        "{error:?}"
    );
    assert!(!error.to_string().contains("secret"));
    // Nobody listens on port 1.
    let error = connect("nats://127.0.0.1:1").await.unwrap_err();
    assert!(matches!(error, nats::Error::Connect { .. }), "{error:?}");
    let auth = Auth::CredentialsFile("/nowhere/creds".into());
    let config = NatsConfig {
        auth,
        ..NatsConfig::new(vec!["127.0.0.1:1".to_owned()], "x")
    };
    let error = nats::connect(config).await.unwrap_err();
    assert!(
        matches!(error, nats::Error::Credentials { .. }),
        "{error:?}"
    );
    let config = NatsConfig::new(vec!["nats://u:secret@host".to_owned()], "x");
    assert!(!format!("{config:?}").contains("secret"));
}

#[tokio::test]
async fn requests_in_flight_are_limited() {
    let server = TestServer::start().await.unwrap();
    let limits = Limits {
        in_flight_max: 1,
        ..Limits::default()
    };
    let bus = nats::connect(NatsConfig {
        limits,
        ..config(&server)
    })
    .await
    .unwrap();
    let subject = names().node_rpc("n").unwrap();
    let mut requests = bus.rpc.serve(&subject).await.unwrap();
    let (reply, ()) = tokio::join!(bus.rpc.request(&subject, "1".into(), LONG), async {
        let first = requests.next().await.unwrap();
        let error = bus
            .rpc
            .request(&subject, "2".into(), LONG)
            .await
            .unwrap_err();
        assert!(matches!(error, RpcError::Busy { .. }), "{error:?}");
        first.replier.reply("done".into()).await.unwrap();
    });
    assert_eq!(reply.unwrap(), "done");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
