//! Files that WhatsApp's media host has lost.

use std::sync::atomic::Ordering;

use switchboard_vocab::content::{MediaBody, MediaKind};
use switchboard_vocab::media::{MediaTarget, Open};

use super::*;

fn picture(id: &str) -> Incoming {
    let mut incoming = received(id);
    incoming.message.body = Body::Media(MediaBody {
        kind: MediaKind::Image,
        id: "p1c7".parse().unwrap(),
        mime_type: "image/jpeg".to_owned(),
        size: 4,
        sha256: String::new(),
        caption: None,
        file_name: None,
        width: None,
        height: None,
        seconds: None,
        waveform: None,
        thumbnail: None,
    });
    incoming.media_keys = Some(b"stale".to_vec());
    incoming
}

fn open() -> Open {
    Open {
        target: MediaTarget::Message(MessageId::parse("IN").unwrap()),
    }
}

#[tokio::test]
async fn the_phone_is_asked_for_a_file_that_is_gone() {
    let script = Script::new(|stage: Stage| async move {
        stage.intake.take(vec![picture("IN")]).await.unwrap();
        stage.stay().await
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    world.call("a", open()).await.unwrap();
    assert_eq!(world.script.reuploads.lock().unwrap().len(), 0);
    world.script.loses_files.store(true, Ordering::SeqCst);
    world.call("a", open()).await.unwrap();
    let asked = world.script.reuploads.lock().unwrap().clone();
    let writer = UserId::phone("4915100000001").ok();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].id.as_str(), asked[0].from_me), ("IN", false));
    assert_eq!(asked[0].sender, writer);
    world.script.phone_answers.store(false, Ordering::SeqCst);
    let silent = world.call("a", open()).await.unwrap_err();
    assert_eq!(
        (silent.code, silent.outcome),
        (ErrorCode::Timeout, Outcome::NotExecuted)
    );
    assert!(silent.public.contains("phone"), "{}", silent.public);
    assert!(node.shutdown(WAIT).await);
}
