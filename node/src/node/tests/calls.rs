//! What calls are answered, and what stays of them.

use switchboard_vocab::DialectName::{self, Wapi, Whapi};
use switchboard_vocab::webhooks::{
    Add, Choose, EventClass, GetWebhooks, Remove, Replace, SUBSCRIPTIONS_MAX, Subscription,
    Webhooks,
};

use super::*;

#[tokio::test]
async fn calls_that_lead_nowhere_are_answered_in_words() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    let missing = world.call("nobody", GetStatus {}).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::SessionNotFound);
    let unpaired = world
        .call("a", text("X", "4915100000001"))
        .await
        .unwrap_err();
    assert_eq!(
        (unpaired.code, unpaired.outcome),
        (ErrorCode::NotPaired, Outcome::NotExecuted)
    );
    let off = world
        .call(
            "a",
            GetQr {
                wait: WAIT,
                start: false,
            },
        )
        .await
        .unwrap_err();
    assert_eq!(off.code, ErrorCode::NotConnected);
    let head = CallHead {
        session: session("a"),
        verb: Verb::Run {
            name: "messages.teleport".to_owned(),
        },
        deadline_ms: 1_000,
        trace: String::new(),
    };
    let answer = world.frame(Frame::new(head, Bytes::new())).await;
    assert!(
        matches!(answer.head, AnswerHead::Failed { error } if error.code == ErrorCode::UnknownOperation)
    );
    let subject = names().node_rpc("n1").unwrap();
    let noise = Bytes::from_static(b"\xff\xff\xff\xff noise");
    let reply = world.bus.rpc.request(&subject, noise, WAIT).await.unwrap();
    let answer = Frame::<AnswerHead>::decode(reply).unwrap();
    assert!(matches!(answer.head, AnswerHead::Failed { .. }));
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn pieces_of_files_pass_the_node_as_blobs() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    let head = |verb| CallHead {
        session: session("a"),
        verb,
        deadline_ms: 5_000,
        trace: String::new(),
    };
    let stage = Verb::Stage {
        upload: "u".parse().unwrap(),
        offset: 0,
        total: 3,
    };
    let mut frame = Frame::new(head(stage), Bytes::new());
    frame.blob = Bytes::from_static(b"abc");
    assert_eq!(world.frame(frame).await.head, AnswerHead::Done);
    let read = Verb::ReadMedia {
        media: "m".parse().unwrap(),
        offset: 0,
        len: 99,
    };
    let answer = world.frame(Frame::new(head(read), Bytes::new())).await;
    assert_eq!(answer.blob, Bytes::from_static(b"piece"));
    assert!(node.shutdown(WAIT).await);
}

fn webhook(dialect: DialectName, url: &str) -> Subscription {
    Subscription {
        dialect,
        url: url.to_owned(),
        events: None,
        headers: std::collections::BTreeMap::new(),
        options: std::collections::BTreeMap::new(),
    }
}

fn replace(count: usize) -> Replace {
    let hook = |at| webhook(Wapi, &format!("http://w/{at}"));
    Replace {
        dialect: Wapi,
        subscriptions: (0..count).map(hook).collect(),
    }
}

/// A session with a webhook of one dialect and two of another; those two.
async fn hooked(world: &World) -> Webhooks {
    world.create("a", "u1").await;
    let add = || Add {
        subscription: webhook(Whapi, "http://h/1"),
    };
    world.call("a", add()).await.unwrap();
    let twice = world.call("a", add()).await.unwrap_err();
    assert_eq!(twice.code, ErrorCode::AlreadyExists);
    let replaced = world.call("a", replace(2)).await.unwrap();
    let counts = [replaced.before, replaced.after.clone()].map(|hooks| hooks.subscriptions.len());
    assert_eq!(counts, [0, 2]);
    let many = world.call("a", replace(SUBSCRIPTIONS_MAX)).await;
    assert_eq!(many.unwrap_err().code, ErrorCode::TooLarge);
    replaced.after
}

#[tokio::test]
async fn webhooks_are_kept_and_checked() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    let two = hooked(&world).await;
    let choose = Choose {
        dialect: Whapi,
        on: [].into(),
        off: [EventClass::Presence].into(),
    };
    let chosen = world.call("a", choose).await.unwrap();
    assert_eq!(chosen.events.unwrap().len(), EventClass::ALL.len() - 1);
    assert!(node.shutdown(WAIT).await);
    let node = world.node().await;
    let get = GetWebhooks { dialect: Wapi };
    assert_eq!(world.call("a", get).await.unwrap(), two);
    let shown = {
        let sessions = world.ports.delivery.sessions.lock().unwrap();
        Arc::clone(&sessions.get(&session("a")).unwrap().webhooks.borrow())
    };
    assert_eq!(shown.get(&Whapi).unwrap().subscriptions.len(), 1);
    let remove = |url: Option<&str>| Remove {
        dialect: Whapi,
        url: url.map(str::to_owned),
    };
    let gone = world.call("a", remove(Some("http://h/2"))).await;
    assert_eq!(gone.unwrap_err().code, ErrorCode::NotFound);
    let all = world.call("a", remove(None)).await.unwrap();
    assert!(all.subscriptions.is_empty());
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn records_of_the_bus_survive_on_the_node_s_own_store() {
    let world = World::new(Script::pairs_and_stays()).await;
    let storage = || Arc::new(crate::embedded::BusStorage::new(Arc::clone(&world.store)).unwrap());
    let bus = in_process::open(storage(), BusLimits::default())
        .await
        .unwrap();
    let key = Key::session("default", "a").unwrap();
    let value = Bytes::from_static(b"{}");
    let revision = bus
        .kv
        .create(&names().sessions(), &key, value.clone())
        .await
        .unwrap();
    drop(bus);
    let bus = in_process::open(storage(), BusLimits::default())
        .await
        .unwrap();
    let entry = bus
        .kv
        .get(&names().sessions(), &key)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((entry.value, entry.revision), (value, revision));
}
