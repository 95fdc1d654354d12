//! Messages both ways, and what happens when the intake or the process fails.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use switchboard_vocab::MessageId;
use switchboard_vocab::content::{Body, MediaKind, Text};
use switchboard_whatsapp::{Error, OutgoingContent, OutgoingFile, ReceiptKind, Signal, proto_text};

use crate::bench::{Session, World, chat};

const ANNA: &str = "15550001";
const BERT: &str = "15550002";

async fn two(world: &World) -> (Session, Session) {
    (
        world.linked("anna", ANNA).await,
        world.linked("bert", BERT).await,
    )
}

fn words(body: &Body) -> &str {
    match body {
        Body::Text(Text { body, .. }) => body,
        other => panic!("{other:?} is no text"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_both_ways_with_acks_and_receipts() {
    let world = World::new().await;
    let (mut anna, mut bert) = two(&world).await;
    let sent = anna.send("A1", BERT, "hello bert").await.unwrap();
    assert_eq!((sent.id.as_str(), sent.media_keys), ("A1", None));
    assert_eq!(
        proto_text(&sent.proto.unwrap()).as_deref(),
        Some(r#"{"conversation":"hello bert"}"#)
    );
    let got = bert.incoming().await.message;
    assert_eq!((got.id.as_str(), words(&got.body)), ("A1", "hello bert"));
    assert_eq!(
        (got.chat_phone(), got.sender_phone(), got.from_me),
        (Some(ANNA), Some(ANNA), false)
    );
    assert!(got.sender_alt.is_some(), "the lid is known too");
    assert_eq!(got.push_name.as_deref(), Some("Tester"));
    let error = anna
        .signal(|signal| match signal {
            Signal::Acked { id, error, .. } if id.as_str() == "A1" => Some(*error),
            _ => None,
        })
        .await;
    assert_eq!(error, None);
    let receipt = async |session: &mut Session, wanted| {
        session
            .signal(|signal| match signal {
                Signal::Receipt(receipt) if receipt.kind == wanted => Some(receipt.clone()),
                _ => None,
            })
            .await
    };
    let delivered = receipt(&mut anna, ReceiptKind::Delivered).await;
    assert_eq!(
        (delivered.user.as_phone(), delivered.chat),
        (Some(BERT), chat(BERT))
    );
    bert.account
        .mark_read(&got.chat, None, &[MessageId::parse("A1").unwrap()])
        .await
        .unwrap();
    let read = receipt(&mut anna, ReceiptKind::Read).await;
    assert_eq!(read.ids, [MessageId::parse("A1").unwrap()]);
    for n in 0..5 {
        bert.send(&format!("B{n}"), ANNA, &format!("answer {n}"))
            .await
            .unwrap();
    }
    for n in 0..5 {
        assert_eq!(
            words(&anna.incoming().await.message.body),
            format!("answer {n}")
        );
    }
    anna.stop().await;
    bert.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_both_ways() {
    let world = World::new().await;
    let (mut anna, mut bert) = two(&world).await;
    let bytes = Bytes::from(
        (0..200_000_u32)
            .map(|n| n.to_be_bytes()[3])
            .collect::<Vec<u8>>(),
    );
    let image = OutgoingFile {
        caption: Some("look".to_owned()),
        size: Some((10, 20)),
        ..OutgoingFile::new(MediaKind::Image, "image/png", bytes.clone())
    };
    let sent = anna
        .send_content("A1", BERT, OutgoingContent::Media(image.clone()))
        .await
        .unwrap();
    let again = anna
        .account
        .download(&sent.media_keys.unwrap(), 1 << 20)
        .await
        .unwrap();
    assert!(again == bytes, "the sender can read its own file again");
    let got = bert.incoming().await;
    let Body::Media(media) = &got.message.body else {
        panic!("it is a file")
    };
    assert_eq!(
        (media.kind, media.size, media.caption.as_deref()),
        (MediaKind::Image, 200_000, Some("look"))
    );
    assert_eq!((media.width, media.height), (Some(10), Some(20)));
    let keys = got.media_keys.unwrap();
    let file = bert.account.download(&keys, 200_000).await.unwrap();
    assert!(file == bytes);
    let too_large = bert.account.download(&keys, 199_999).await;
    assert!(matches!(too_large, Err(Error::Media(_))), "{too_large:?}");
    bert.send_content("B1", ANNA, OutgoingContent::Media(image))
        .await
        .unwrap();
    let keys = anna.incoming().await.media_keys.unwrap();
    assert!(anna.account.download(&keys, 1 << 20).await.unwrap() == bytes);
    anna.stop().await;
    bert.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_the_intake_refused_comes_again() {
    let world = World::new().await;
    let (mut anna, mut bert) = two(&world).await;
    bert.intake_fails.store(true, Ordering::Release);
    anna.send("A1", BERT, "do not lose me").await.unwrap();
    assert_eq!(bert.refusals.recv().await, Some(1));
    bert.stop().await;
    bert.intake_fails.store(false, Ordering::Release);
    bert.start();
    let got = bert.incoming().await.message;
    assert_eq!(
        (got.id.as_str(), words(&got.body)),
        ("A1", "do not lose me")
    );
    bert.stop().await;
    // It is acknowledged now: a third connection brings nothing before the next message.
    bert.start();
    bert.connected().await;
    anna.send("A2", BERT, "next").await.unwrap();
    assert_eq!(bert.incoming().await.message.id.as_str(), "A2");
    anna.stop().await;
    bert.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_session_goes_on_reading_and_writing() {
    let world = World::new().await;
    let (mut anna, mut bert) = two(&world).await;
    for n in 0..3 {
        anna.send(&format!("A{n}"), BERT, "before").await.unwrap();
        bert.incoming().await;
        bert.send(&format!("B{n}"), ANNA, "before").await.unwrap();
        anna.incoming().await;
    }
    bert.account.abort();
    bert.end().await;
    drop(bert);
    anna.send("A8", BERT, "while away").await.unwrap();
    let mut bert = world.open("bert", 2).await;
    bert.start();
    bert.connected().await;
    // What was taken but not acknowledged comes again, in any place: at least once, and the log removes the double.
    let unseen = async |bert: &mut Session| loop {
        let got = bert.incoming().await.message;
        assert!(
            matches!(got.body, Body::Text(_)),
            "{:?} could be read",
            got.body
        );
        let is_new = bert.heard.insert(got.id.clone());
        if is_new && !["A0", "A1", "A2"].contains(&got.id.as_str()) {
            return got;
        }
    };
    assert_eq!(words(&unseen(&mut bert).await.body), "while away");
    bert.send("B9", ANNA, "after").await.unwrap();
    let got = anna.incoming().await.message;
    assert_eq!((got.id.as_str(), words(&got.body)), ("B9", "after"));
    anna.send("A9", BERT, "still there").await.unwrap();
    assert_eq!(words(&unseen(&mut bert).await.body), "still there");
    anna.stop().await;
    bert.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_no_recipient() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    for _ in 0..2 {
        let result = anna.send("A1", "15559999", "anybody there?").await;
        assert!(matches!(result, Err(Error::NoRecipient(_))), "{result:?}");
    }
    anna.stop().await;
    let result = anna.send("A2", BERT, "too late").await;
    assert!(matches!(result, Err(Error::NotConnected)), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_write_and_read_too() {
    const CARL: &str = "15550003";
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(CARL, "Carl").unwrap();
    world
        .simulator
        .phone_text(CARL, ANNA, "from a phone")
        .unwrap();
    let got = anna.incoming().await.message;
    assert_eq!((words(&got.body), got.from_me), ("from a phone", false));
    assert_eq!(
        (got.chat_phone(), got.sender_phone()),
        (Some(CARL), Some(CARL))
    );
    // What the account's own phone writes is the account's, in the partner's chat.
    world
        .simulator
        .phone_text(ANNA, CARL, "from my phone")
        .unwrap();
    let got = anna.incoming().await.message;
    assert_eq!((words(&got.body), got.from_me), ("from my phone", true));
    assert_eq!(
        (got.chat_phone(), got.sender_phone()),
        (Some(CARL), Some(ANNA))
    );
    anna.send("A1", CARL, "to a phone").await.unwrap();
    let read = async {
        loop {
            let inbox = world.simulator.phone_inbox(CARL, 0).unwrap();
            if let Some(text) = inbox.into_iter().find(|record| record.id == "A1") {
                return text.text;
            }
            tokio::task::yield_now().await;
        }
    };
    let text = tokio::time::timeout(crate::bench::DEADLINE, read)
        .await
        .unwrap();
    assert_eq!(text.as_deref(), Some("to a phone"));
    anna.stop().await;
}
