//! What calls are answered, and what stays of them.

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

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, step by step")]
async fn webhooks_are_kept_and_checked() {
    use switchboard_vocab::DialectName::{Wapi, Whapi};
    use switchboard_vocab::webhooks::{
        Add, Choose, EventClass, GetWebhooks, Remove, Replace, SUBSCRIPTIONS_MAX, Subscription,
    };
    let hook = |dialect, url: &str| Subscription {
        dialect,
        url: url.to_owned(),
        events: None,
        headers: std::collections::BTreeMap::new(),
        options: std::collections::BTreeMap::new(),
    };
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    let add = |url: &str| Add {
        subscription: hook(Whapi, url),
    };
    world.call("a", add("http://h/1")).await.unwrap();
    let twice = world.call("a", add("http://h/1")).await.unwrap_err();
    assert_eq!(twice.code, ErrorCode::AlreadyExists);
    let replace = |count: usize| Replace {
        dialect: Wapi,
        subscriptions: (0..count)
            .map(|at| hook(Wapi, &format!("http://w/{at}")))
            .collect(),
    };
    let replaced = world.call("a", replace(2)).await.unwrap();
    assert_eq!(
        (
            replaced.before.subscriptions.len(),
            replaced.after.subscriptions.len()
        ),
        (0, 2)
    );
    let many = world
        .call("a", replace(SUBSCRIPTIONS_MAX))
        .await
        .unwrap_err();
    assert_eq!(many.code, ErrorCode::TooLarge);
    let off = [EventClass::Presence].into();
    let chosen = world
        .call(
            "a",
            Choose {
                dialect: Whapi,
                on: [].into(),
                off,
            },
        )
        .await
        .unwrap();
    assert_eq!(chosen.events.unwrap().len(), EventClass::ALL.len() - 1);
    assert!(node.shutdown(WAIT).await);
    let node = world.node().await;
    let kept = world
        .call("a", GetWebhooks { dialect: Wapi })
        .await
        .unwrap();
    assert_eq!(kept, replaced.after);
    let shown = {
        let sessions = world.ports.delivery.sessions.lock().unwrap();
        Arc::clone(&sessions.get(&session("a")).unwrap().webhooks.borrow())
    };
    assert_eq!(shown.get(&Whapi).unwrap().subscriptions.len(), 1);
    let gone = Remove {
        dialect: Whapi,
        url: Some("http://h/2".to_owned()),
    };
    assert_eq!(
        world.call("a", gone).await.unwrap_err().code,
        ErrorCode::NotFound
    );
    let all = world
        .call(
            "a",
            Remove {
                dialect: Whapi,
                url: None,
            },
        )
        .await
        .unwrap();
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
