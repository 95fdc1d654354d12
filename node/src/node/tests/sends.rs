//! Messages out and in, once each and in order.

use super::*;

/// Shows a code, then another by which it pairs, and receives a message in its third run.
fn pairs_at_last() -> Script {
    Script::new(|stage: Stage| async move {
        match stage.run {
            0 => {
                stage.say(qr("scan me")).await;
                stage.intake.take(Vec::new()).await.unwrap();
                stage.closed().await
            }
            1 => {
                stage.say(qr("again")).await;
                stage.pair().await
            }
            _ => {
                stage.intake.take(vec![received("IN")]).await.unwrap();
                stage.stay().await
            }
        }
    })
}

async fn pairs(world: &World) {
    let status = world
        .call(
            "a",
            Start {
                wait: WAIT,
                keep_final: false,
            },
        )
        .await
        .unwrap();
    assert_eq!(status.state, SessionState::Pairing);
    let shown = world
        .call(
            "a",
            GetQr {
                wait: WAIT,
                start: false,
            },
        )
        .await
        .unwrap();
    assert_eq!(shown.text, "scan me");
    let phone = UserId::phone("4915112345678").unwrap();
    let code = world.call("a", RequestCode { phone }).await.unwrap();
    assert_eq!(code.code, "ABCD1234");
    world.call("a", Restart {}).await.unwrap();
    world
        .until("a", |status| status.state == SessionState::Connected)
        .await;
    let refused = world
        .call(
            "a",
            GetQr {
                wait: WAIT,
                start: true,
            },
        )
        .await
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::AlreadyPaired);
}

#[tokio::test]
async fn a_session_pairs_sends_receives_and_lists() {
    let world = World::new(pairs_at_last()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    pairs(&world).await;
    let Sent { message } = world.call("a", text("OUT", "4915100000001")).await.unwrap();
    assert_eq!((message.number, message.from_me), (2, true));
    let MessageList {
        messages, total, ..
    } = world.call("a", everything()).await.unwrap();
    let ids: Vec<_> = messages.iter().map(|message| message.id.as_str()).collect();
    assert_eq!((ids, total), (vec!["IN", "OUT"], 2));
    let events = world.events("a").await;
    for kind in [
        "session-paired",
        "message-received",
        "message-sent",
        "session-challenge-issued",
    ] {
        assert!(events.contains(&kind), "{kind} is missing in {events:?}");
    }
    assert!(node.shutdown(WAIT).await);
    assert_eq!(world.script.running(), 0);
}

#[tokio::test]
async fn a_panicking_call_loses_its_reply_and_not_its_session() {
    let script = Script::pairs_and_stays().sending(|outgoing| async move {
        assert_ne!(outgoing.id.as_str(), "BOOM", "a panic in a send");
        Ok(dispatched(&outgoing))
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let error = world
        .call("a", text("BOOM", "4915100000001"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.outcome),
        (ErrorCode::Internal, Outcome::MaybeExecuted)
    );
    assert!(error.internal.is_none());
    // The same lane goes on, and the same id is not sent again: nobody knows what became of it.
    world
        .call("a", text("FINE", "4915100000001"))
        .await
        .unwrap();
    let again = world
        .call("a", text("BOOM", "4915100000001"))
        .await
        .unwrap_err();
    assert_eq!(again.outcome, Outcome::MaybeExecuted);
    assert_eq!(world.script.sent.lock().unwrap().len(), 2);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn one_id_is_sent_once() {
    let script = Script::pairs_and_stays().sending(|outgoing| async move {
        match outgoing.id.as_str() {
            "BROKEN" => Err(ClientError::Interrupted("the send".to_owned())),
            "LATER" => Err(ClientError::RateLimited("429".to_owned())),
            _ => Ok(dispatched(&outgoing)),
        }
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let first = world.call("a", text("ONE", "4915100000001")).await.unwrap();
    assert_eq!(
        world.call("a", text("ONE", "4915100000001")).await.unwrap(),
        first
    );
    let elsewhere = world
        .call("a", text("ONE", "4915100000002"))
        .await
        .unwrap_err();
    assert_eq!(elsewhere.code, ErrorCode::InvalidInput);
    for _ in 0..2 {
        let maybe = world
            .call("a", text("BROKEN", "4915100000001"))
            .await
            .unwrap_err();
        assert_eq!(maybe.outcome, Outcome::MaybeExecuted);
    }
    for _ in 0..2 {
        let not = world
            .call("a", text("LATER", "4915100000001"))
            .await
            .unwrap_err();
        assert_eq!(
            (not.code, not.outcome),
            (ErrorCode::RateLimited, Outcome::NotExecuted)
        );
    }
    let sent = world.script.sent.lock().unwrap().clone();
    let ids: Vec<_> = sent.iter().map(|outgoing| outgoing.id.as_str()).collect();
    assert_eq!(ids, ["ONE", "BROKEN", "LATER", "LATER"]);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_slow_send_holds_up_its_conversation_and_nothing_else() {
    let release = Arc::new(Notify::new());
    let order = Arc::new(Mutex::new(Vec::new()));
    let (released, seen) = (Arc::clone(&release), Arc::clone(&order));
    let script = Script::pairs_and_stays().sending(move |outgoing| {
        let (released, seen) = (Arc::clone(&released), Arc::clone(&seen));
        async move {
            if outgoing.id.as_str() == "SLOW" {
                released.notified().await;
            }
            seen.lock().unwrap().push(outgoing.id.as_str().to_owned());
            Ok::<Dispatched, ClientError>(dispatched(&outgoing))
        }
    });
    let mut world = World::new(script).await;
    world.limits.calls_per_session_max = 3;
    let world = world;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let short = Duration::from_millis(50);
    let late = world
        .call_within("a", text("SLOW", "4915100000001"), short)
        .await
        .unwrap_err();
    assert_eq!(
        (late.code, late.outcome),
        (ErrorCode::Timeout, Outcome::MaybeExecuted)
    );
    let behind = world.call("a", text("BEHIND", "4915100000001"));
    let others = async {
        world
            .call("a", text("OTHER", "4915100000002"))
            .await
            .unwrap();
        assert_eq!(world.call("a", everything()).await.unwrap().total, 2);
        // Two calls are inside and a third fills the session; the status needs no place.
        let expired = world
            .call_within("a", text("EXPIRED", "4915100000001"), short)
            .await;
        assert_eq!(expired.unwrap_err().code, ErrorCode::Timeout);
        let busy = world.call("a", everything()).await.unwrap_err();
        assert_eq!(busy.code, ErrorCode::Busy);
        assert_eq!(world.status("a").await.state, SessionState::Connected);
        release.notify_one();
    };
    let (behind, ()) = tokio::join!(behind, others);
    behind.unwrap();
    assert_eq!(
        *order.lock().unwrap(),
        ["OTHER", "SLOW", "BEHIND"],
        "what expired never left"
    );
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_call_waits_for_a_connection_that_is_being_made() {
    let (release, held) = watch::channel(false);
    let script = Script::new(move |stage: Stage| {
        let mut held = held.clone();
        async move {
            if stage.run == 0 {
                stage.say(qr("scan me")).await;
                return stage.pair().await;
            }
            held.wait_for(|held| *held).await.unwrap();
            stage.stay().await
        }
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.call("a", start()).await.unwrap();
    let connecting =
        |status: &SessionStatus| status.state == SessionState::Connecting && status.is_paired();
    world.until("a", connecting).await;
    let call = world.call("a", text("OUT", "4915100000001"));
    let connects = async {
        // The call came first: whoever does not wait for the connection has refused it by now.
        assert!(connecting(&world.status("a").await));
        release.send_replace(true);
    };
    let (sent, ()) = tokio::join!(call, connects);
    assert_eq!(sent.unwrap().message.id.as_str(), "OUT");
    assert!(node.shutdown(WAIT).await);
}
