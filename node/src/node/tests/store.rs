//! Operations on the session's own store: WhatsApp takes a change first, then the store learns it.

use std::sync::atomic::Ordering;

use switchboard_vocab::chats::{self, Mute, MuteChange};
use switchboard_vocab::content::{Audience, StoryContent, StoryText};
use switchboard_vocab::messages::{
    Act, ClearQueue, GetInfo, ListQueue, MessageAction, MessageRef, Star,
};
use switchboard_vocab::{contacts, settings, stories};
use switchboard_whatsapp::{AppStateChange, OutgoingContent, OutgoingStoryContent};

use super::*;

fn partner() -> switchboard_vocab::ChatId {
    "4915100000001@s.whatsapp.net".parse().unwrap()
}

/// A session that is connected and has taken one message in.
async fn world() -> (World, NodeHandle) {
    let script = Script::new(|stage: Stage| async move {
        stage.intake.take(vec![received("IN")]).await.unwrap();
        stage.stay().await
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    (world, node)
}

fn change() -> chats::Change {
    chats::Change {
        archived: Some(true),
        muted: Some(MuteChange::On(Mute::Forever)),
        ..chats::Change::of(partner())
    }
}

#[tokio::test]
async fn a_chat_changes_when_whatsapp_took_the_change() {
    let (world, node) = world().await;
    world.script.refuses.store(true, Ordering::SeqCst);
    let refused = world.call("a", change()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Rejected);
    let get = || chats::Get { chat: partner() };
    assert!(!world.call("a", get()).await.unwrap().archived);
    world.script.refuses.store(false, Ordering::SeqCst);
    let changed = world.call("a", change()).await.unwrap();
    assert!(changed.archived && changed.muted == Some(Mute::Forever));
    assert_eq!(world.call("a", get()).await.unwrap(), changed);
    let asked = world.script.changes.lock().unwrap().clone();
    let tail = |change: &AppStateChange| {
        let AppStateChange::Archive(tail, true) = change else {
            panic!("{change:?}")
        };
        tail.last.as_ref().unwrap().0.id.to_string()
    };
    assert_eq!((asked.len(), tail(&asked[0])), (2, "IN".to_owned()));
    let nothing = world
        .call("a", chats::Change::of(partner()))
        .await
        .unwrap_err();
    assert_eq!(nothing.code, ErrorCode::InvalidInput);
    let unknown = chats::Change {
        chat: "4915199999999@s.whatsapp.net".parse().unwrap(),
        ..change()
    };
    let unknown = world.call("a", unknown).await.unwrap_err();
    assert_eq!(unknown.code, ErrorCode::NotFound);
    let gone = world
        .call("a", chats::Delete { chat: partner() })
        .await
        .unwrap();
    assert_eq!(gone.messages, 1);
    let get = world.call("a", get()).await.unwrap_err();
    assert_eq!(get.code, ErrorCode::NotFound);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn actions_leave_once_and_change_their_message() {
    let (world, node) = world().await;
    let react = |id: &str, emoji: &str| Act {
        id: MessageId::parse(id).unwrap(),
        target: MessageRef::from(MessageId::parse("IN").unwrap()),
        action: MessageAction::React {
            emoji: emoji.to_owned(),
        },
    };
    for _ in 0..2 {
        world.call("a", react("R", "👍")).await.unwrap();
    }
    let sent = world.script.sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 1, "a retry is the same action");
    assert!(matches!(&sent[0].content, OutgoingContent::Reaction { emoji, .. } if emoji == "👍"));
    let target = MessageRef::from(MessageId::parse("IN").unwrap());
    let star = Star {
        target: target.clone(),
        starred: true,
    };
    let shown = world.call("a", star).await.unwrap();
    assert!(shown.marks.starred && shown.marks.reactions.len() == 1);
    let refusals = [
        (react("R2", "words").action, ErrorCode::InvalidInput),
        (MessageAction::Revoke, ErrorCode::Refused),
        (
            MessageAction::Pin {
                period: Duration::from_secs(60),
            },
            ErrorCode::InvalidInput,
        ),
        (
            MessageAction::Edit {
                body: "x".to_owned(),
                mentions: Vec::new(),
            },
            ErrorCode::Refused,
        ),
    ];
    for (action, code) in refusals {
        let act = Act {
            id: MessageId::parse("Z").unwrap(),
            target: target.clone(),
            action,
        };
        assert_eq!(world.call("a", act).await.unwrap_err().code, code);
    }
    let unknown = Act {
        target: MessageRef::from(MessageId::parse("NO").unwrap()),
        ..react("R3", "👍")
    };
    let unknown = world.call("a", unknown).await.unwrap_err();
    assert_eq!(unknown.code, ErrorCode::NotFound);
    assert_eq!(
        world.script.sent.lock().unwrap().len(),
        1,
        "nothing else left"
    );
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn messages_that_wait_can_be_taken_back() {
    let release = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&release);
    let script = Script::pairs_and_stays().sending(move |outgoing| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(dispatched(&outgoing))
        }
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let calls = async {
        let (first, second) = tokio::join!(
            world.call("a", text("ONE", "4915100000001")),
            world.call("a", text("TWO", "4915100000001")),
        );
        let outcomes = [first, second].map(|outcome| outcome.map(|sent| sent.message.id));
        let left: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().ok()).collect();
        let back: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().err()).collect();
        assert_eq!((left.len(), back[0].code), (1, ErrorCode::Refused));
        assert_eq!(back[0].outcome, Outcome::NotExecuted);
    };
    let asks = async {
        let until = Instant::now() + WAIT;
        while world.call("a", ListQueue {}).await.unwrap().messages.len() < 2 {
            assert!(Instant::now() < until, "they do not wait");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let back = world.call("a", ClearQueue {}).await.unwrap().messages;
        assert_eq!(back.len(), 1);
        let left = world.call("a", ListQueue {}).await.unwrap().messages;
        assert_eq!((left.len(), &*left[0].summary), (1, "hello"));
        assert_ne!(left[0].id, back[0].id);
        release.add_permits(1);
    };
    tokio::join!(calls, asks);
    assert_eq!(world.script.sent.lock().unwrap().len(), 1);
    assert!(
        world
            .call("a", ListQueue {})
            .await
            .unwrap()
            .messages
            .is_empty()
    );
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn settings_hold_from_the_next_connection_on() {
    let (world, node) = world().await;
    let bad = settings::Change {
        proxy: Some("http://10.0.0.1:80".to_owned()),
        ..settings::Change::default()
    };
    let bad = world.call("a", bad).await.unwrap_err();
    assert_eq!(bad.code, ErrorCode::InvalidInput);
    let wanted = settings::Change {
        offline: Some(true),
        proxy: Some("socks5://10.0.0.1:1080".to_owned()),
        ..settings::Change::default()
    };
    let changed = world.call("a", wanted).await.unwrap();
    assert!(!changed.before.offline && changed.after.offline);
    assert!(
        world
            .script
            .choices
            .lock()
            .unwrap()
            .iter()
            .all(|c| !c.offline)
    );
    let runs = *world.script.runs.borrow();
    world.call("a", Restart {}).await.unwrap();
    let mut again = world.script.runs.subscribe();
    again.wait_for(|now| *now > runs).await.unwrap();
    let last = world.script.choices.lock().unwrap().pop().unwrap();
    assert!(last.offline && last.proxy.is_some());
    assert!(node.shutdown(WAIT).await);
    // They survive the node.
    let node = world.node().await;
    world
        .until("a", |status| status.state == SessionState::Connected)
        .await;
    let kept = world.call("a", settings::Get {}).await.unwrap();
    assert_eq!(kept, changed.after);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_story_goes_to_its_audience_and_is_taken_back_from_it() {
    let (world, node) = world().await;
    let post = |id: &str, audience| stories::Post {
        id: MessageId::parse(id).unwrap(),
        content: StoryContent::Text(StoryText {
            body: "hello".to_owned(),
            background: None,
            color: None,
            font: None,
        }),
        audience,
    };
    let nobody = world
        .call("a", post("S0", Audience::Contacts))
        .await
        .unwrap_err();
    assert_eq!(nobody.code, ErrorCode::InvalidInput, "nobody is saved yet");
    let save = contacts::Save {
        user: UserId::phone("4915100000001").unwrap(),
        name: "Ann Lee".to_owned(),
        first_name: None,
        must_exist: false,
    };
    let saved = world.call("a", save).await.unwrap();
    assert_eq!(
        (saved.saved, saved.first_name.as_deref()),
        (true, Some("Ann"))
    );
    for _ in 0..2 {
        world
            .call("a", post("S", Audience::Contacts))
            .await
            .unwrap();
    }
    let target = MessageRef::from(MessageId::parse("S").unwrap());
    let info = world
        .call(
            "a",
            GetInfo {
                target: target.clone(),
            },
        )
        .await
        .unwrap();
    assert!(info.message.from_me && info.recipients.is_empty());
    let revoke = Act {
        id: MessageId::parse("D").unwrap(),
        target,
        action: MessageAction::Revoke,
    };
    world.call("a", revoke).await.unwrap();
    let posted = world.script.stories.lock().unwrap().clone();
    assert_eq!(posted.len(), 2);
    assert_eq!(posted[0].audience, posted[1].audience);
    assert!(matches!(&posted[1].content, OutgoingStoryContent::Revoke(id) if id.as_str() == "S"));
    let get = stories::Get {
        id: MessageId::parse("S").unwrap(),
    };
    assert_eq!(
        world.call("a", get).await.unwrap_err().code,
        ErrorCode::NotFound
    );
    assert!(node.shutdown(WAIT).await);
}
