//! What earlier messages are to later ones: the timer of a chat, words that were changed, messages that are elsewhere.

use switchboard_vocab::ChatId;
use switchboard_vocab::messages::{Act, Forward, MessageAction, MessageRef};
use switchboard_whatsapp::OutgoingContent;

use super::*;

const PARTNER: &str = "4915100000001";
const OTHER: &str = "4915100000002";
const DAY: Duration = Duration::from_secs(86_400);

fn chat(digits: &str) -> ChatId {
    UserId::phone(digits).unwrap().into()
}

/// A client that takes in these messages and sends with a protobuf.
fn told(of: fn() -> Vec<Incoming>) -> Script {
    let script = Script::new(move |stage: Stage| async move {
        if stage.run == 0 {
            stage.say(qr("scan me")).await;
            return stage.pair().await;
        }
        stage.intake.take(of()).await.unwrap();
        stage.stay().await
    });
    script.sending(|outgoing| async move {
        Ok(Dispatched {
            proto: Some(Bytes::from_static(b"as it left")),
            at: crate::clock::now(),
            ..dispatched(&outgoing)
        })
    })
}

fn edit(id: &str, target: &str, to: &str) -> Act {
    Act {
        id: MessageId::parse(id).unwrap(),
        target: MessageRef {
            id: MessageId::parse(target).unwrap(),
            chat: Some(chat(to)),
            from_me: Some(true),
        },
        action: MessageAction::Edit {
            body: "newer words".to_owned(),
            mentions: Vec::new(),
        },
    }
}

#[tokio::test]
async fn messages_last_as_long_as_their_chat_says() {
    let world = World::new(told(|| {
        let mut timer = received("TIMER");
        timer.message.chat = chat(PARTNER);
        timer.message.body = Body::Timer { period: DAY };
        vec![timer]
    }))
    .await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let Sent { message } = world.call("a", text("TIMED", PARTNER)).await.unwrap();
    assert_eq!(message.context.ephemeral, Some(DAY));
    let Sent { message } = world.call("a", text("PLAIN", OTHER)).await.unwrap();
    assert_eq!(message.context.ephemeral, None);
    // One that is sent on lasts as long as where it goes.
    let forward = Forward {
        id: MessageId::parse("ON").unwrap(),
        target: MessageId::parse("PLAIN").unwrap().into(),
        to: chat(PARTNER),
    };
    world.call("a", forward).await.unwrap();
    let sent: Vec<_> = world.script.sent.lock().unwrap().clone();
    let lasts: Vec<_> = sent.iter().map(|outgoing| outgoing.expires).collect();
    assert_eq!(lasts, [Some(DAY), None, Some(DAY)]);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn what_is_sent_on_has_the_words_of_the_last_edit() {
    let world = World::new(told(Vec::new)).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let on = |id: &str| Forward {
        id: MessageId::parse(id).unwrap(),
        target: MessageId::parse("FIRST").unwrap().into(),
        to: chat(OTHER),
    };
    world.call("a", text("FIRST", PARTNER)).await.unwrap();
    world.call("a", on("BEFORE")).await.unwrap();
    world
        .call("a", edit("EDIT", "FIRST", PARTNER))
        .await
        .unwrap();
    world.call("a", on("AFTER")).await.unwrap();
    let sent: Vec<_> = world.script.sent.lock().unwrap().clone();
    let words = |id: &str| {
        let of_id = sent.iter().find(|outgoing| outgoing.id.as_str() == id);
        let content = &of_id.unwrap().content;
        let OutgoingContent::Forward { words, .. } = content else {
            panic!("{content:?} is no message sent on")
        };
        words.clone()
    };
    assert_eq!(words("BEFORE"), None);
    assert_eq!(words("AFTER").as_deref(), Some("newer words"));
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn new_words_go_where_the_message_is() {
    let world = World::new(told(Vec::new)).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    world.call("a", text("FIRST", PARTNER)).await.unwrap();
    let refused = world.call("a", edit("WRONG", "FIRST", OTHER)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotFound, "{refused:?}");
    // One that the log never had goes where the caller says.
    world
        .call("a", edit("OLD", "UNKNOWN", OTHER))
        .await
        .unwrap();
    world
        .call("a", edit("RIGHT", "FIRST", PARTNER))
        .await
        .unwrap();
    let sent: Vec<_> = world.script.sent.lock().unwrap().clone();
    let ids: Vec<_> = sent.iter().map(|outgoing| outgoing.id.as_str()).collect();
    assert_eq!(ids, ["FIRST", "OLD", "RIGHT"]);
    assert!(node.shutdown(WAIT).await);
}
