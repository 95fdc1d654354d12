//! What phones say in kinds that only they or other clients send, and votes both ways.

use bytes::Bytes;
use switchboard_simulator::Outgoing as Sends;
use switchboard_simulator::core::phone_user::Reading;
use switchboard_simulator::draft::{Event, EventAnswer, EventResponse, Poll, Vote};
use switchboard_vocab::content::{Body, EventReply, MediaKind, NewEvent, NewPoll, StoryText};
use switchboard_vocab::profile::StoryPrivacy;
use switchboard_vocab::{MessageId, Timestamp, UserId};
use switchboard_whatsapp::{
    Error, Fact, OutgoingContent, OutgoingFile, OutgoingStory, OutgoingStoryContent, ReceiptKind,
    Signal, Target,
};

use crate::bench::{World, chat, eventually};

const ANNA: &str = "15550001";
const BERT: &str = "15550002";

fn to_anna() -> Sends {
    Sends {
        to: ANNA.to_owned(),
        ..Sends::default()
    }
}

fn id(text: &str) -> MessageId {
    MessageId::parse(text).unwrap()
}

/// Waits until the phone has read as many messages.
async fn has_read(world: &World, number: &str, count: usize) {
    eventually("the phone reads", || {
        world.simulator.phone_inbox(number, 0).unwrap().len() >= count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one thing after the other")]
async fn votes_and_answers_are_read() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let options = || vec!["A".to_owned(), "B".to_owned(), "C".to_owned()];
    // Our poll, their vote.
    let poll = NewPoll {
        question: "Which?".to_owned(),
        options: options(),
        choices_max: None,
    };
    anna.send_content("POLL1", BERT, OutgoingContent::Poll(poll))
        .await
        .unwrap();
    let event = NewEvent {
        name: "Party".to_owned(),
        description: None,
        start: Timestamp::from_secs(1_900_000_000),
        end: None,
        location: None,
    };
    anna.send_content("EVENT1", BERT, OutgoingContent::Event(event))
        .await
        .unwrap();
    has_read(&world, BERT, 2).await;
    let vote = |poll: &str, options: &[&str]| Sends {
        vote: Some(Vote {
            poll: poll.to_owned(),
            options: options.iter().map(|&name| name.to_owned()).collect(),
        }),
        ..to_anna()
    };
    world
        .simulator
        .phone_send(BERT, vote("POLL1", &["C", "A"]))
        .unwrap();
    let expected = Body::Vote {
        poll: id("POLL1"),
        options: Some(vec!["A".to_owned(), "C".to_owned()]),
    };
    assert_eq!(anna.incoming().await.message.body, expected);
    world
        .simulator
        .phone_send(BERT, vote("POLL1", &[]))
        .unwrap();
    let expected = Body::Vote {
        poll: id("POLL1"),
        options: Some(Vec::new()),
    };
    assert_eq!(anna.incoming().await.message.body, expected);
    let answer = Sends {
        event_response: Some(EventResponse {
            event: "EVENT1".to_owned(),
            answer: EventAnswer::Going,
        }),
        ..to_anna()
    };
    world.simulator.phone_send(BERT, answer).unwrap();
    let expected = Body::EventReply {
        event: id("EVENT1"),
        reply: Some(EventReply::Going),
    };
    assert_eq!(anna.incoming().await.message.body, expected);
    // Their poll, their own vote, after a restart of the session.
    let theirs = Sends {
        poll: Some(Poll {
            question: "Where?".to_owned(),
            options: options(),
            selectable: 1,
        }),
        ..to_anna()
    };
    let sent = world.simulator.phone_send(BERT, theirs).unwrap();
    let got = anna.incoming().await.message;
    assert!(matches!(got.body, Body::Poll(_)), "{got:?}");
    anna.stop().await;
    anna.start();
    anna.connected().await;
    world
        .simulator
        .phone_send(BERT, vote(&sent.id, &["B"]))
        .unwrap();
    let expected = Body::Vote {
        poll: id(&sent.id),
        options: Some(vec!["B".to_owned()]),
    };
    assert_eq!(anna.incoming().await.message.body, expected);
    let party = Sends {
        event: Some(Event {
            name: "Theirs".to_owned(),
            start: Some(1_900_000_000),
            ..Event::default()
        }),
        ..to_anna()
    };
    world.simulator.phone_send(BERT, party).unwrap();
    assert!(matches!(anna.incoming().await.message.body, Body::Event(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stories_reach_their_audience_only() {
    let world = World::new().await;
    let anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let bert = UserId::phone(BERT).unwrap();
    let story = |story: &str, content, audience: &[UserId]| OutgoingStory {
        id: id(story),
        content,
        audience: audience.to_vec(),
        privacy: StoryPrivacy::Only(audience.to_vec()),
    };
    let words = || {
        OutgoingStoryContent::Text(StoryText {
            body: "my story".to_owned(),
            background: Some(0xFF00_FF00),
            color: Some(0xFFFF_FFFF),
            font: None,
        })
    };
    let all = [bert.clone()];
    let posted = anna
        .account
        .post_story(story("STORY1", words(), &all))
        .await
        .unwrap();
    let picture = OutgoingFile::new(MediaKind::Image, "image/jpeg", Bytes::from_static(b"pic"));
    let picture = OutgoingStoryContent::Media(Box::new(picture), None);
    anna.account
        .post_story(story("STORY2", picture, &all))
        .await
        .unwrap();
    let copy = OutgoingStoryContent::Copy(posted.proto.unwrap());
    anna.account
        .post_story(story("STORY3", copy, &all))
        .await
        .unwrap();
    has_read(&world, BERT, 3).await;
    let inbox = world.simulator.phone_inbox(BERT, 0).unwrap();
    let texts: Vec<_> = inbox
        .iter()
        .filter(|read| read.text.as_deref() == Some("my story"))
        .collect();
    assert_eq!(texts.len(), 2, "{inbox:?}");
    let gone = OutgoingStoryContent::Revoke(id("STORY1"));
    anna.account
        .post_story(story("STORY4", gone, &all))
        .await
        .unwrap();
    has_read(&world, BERT, 4).await;
    let nobody = UserId::phone("15550099").unwrap();
    for audience in [vec![], vec![nobody]] {
        let refused = anna
            .account
            .post_story(story("STORY5", words(), &audience))
            .await;
        assert!(matches!(refused, Err(Error::NoRecipient(_))), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_saw_a_story_is_told() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let bert = UserId::phone(BERT).unwrap();
    let story = OutgoingStory {
        id: id("STORY1"),
        content: OutgoingStoryContent::Text(StoryText {
            body: "look".to_owned(),
            background: None,
            color: None,
            font: None,
        }),
        audience: vec![bert.clone()],
        privacy: StoryPrivacy::Only(vec![bert.clone()]),
    };
    anna.account.post_story(story).await.unwrap();
    has_read(&world, BERT, 1).await;
    let looks = Reading {
        chat: "status@broadcast".to_owned(),
        ids: vec!["STORY1".to_owned()],
        author: Some(ANNA.to_owned()),
        played: false,
    };
    world.simulator.phone_reads(BERT, &looks).unwrap();
    let seen = anna.signal(|signal| match signal {
        Signal::Receipt(receipt) if receipt.kind == ReceiptKind::Read => Some(receipt.clone()),
        _ => None,
    });
    let seen = seen.await;
    assert_eq!((seen.user, seen.ids), (bert, vec![id("STORY1")]));
    assert_eq!(seen.chat.to_string(), "status@broadcast");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_gone_is_uploaded_again() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let file = switchboard_simulator::OutgoingFile {
        kind: "image".to_owned(),
        mimetype: "image/jpeg".to_owned(),
        data: "cGljdHVyZQ==".to_owned(),
        ..Default::default()
    };
    let sends = Sends {
        media: Some(file),
        ..to_anna()
    };
    let sent = world.simulator.phone_send(BERT, sends).unwrap();
    let got = anna.incoming().await;
    let keys = got.media_keys.unwrap();
    assert_eq!(anna.account.download(&keys, 100).await.unwrap(), "picture");
    has_read(&world, ANNA, 1).await;
    world.simulator.expire_media(ANNA, &sent.id).unwrap();
    let gone = anna.account.download(&keys, 100).await;
    assert!(matches!(gone, Err(Error::Gone(_))), "{gone:?}");
    let target = Target {
        id: id(&sent.id),
        from_me: false,
        sender: None,
    };
    let fresh = anna
        .account
        .reupload(&chat(BERT), &target, &keys)
        .await
        .unwrap();
    assert_eq!(anna.account.download(&fresh, 100).await.unwrap(), "picture");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_linked_devices_do_not_get_is_told() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let file = switchboard_simulator::OutgoingFile {
        kind: "image".to_owned(),
        mimetype: "image/jpeg".to_owned(),
        data: "cGljdHVyZQ==".to_owned(),
        ..Default::default()
    };
    let sends = Sends {
        media: Some(file),
        view_once: true,
        ..to_anna()
    };
    let sent = world.simulator.phone_send(BERT, sends).unwrap();
    let told = anna.fact(|fact| match fact {
        Fact::Unreadable(incoming) => Some(incoming.message.clone()),
        _ => None,
    });
    let message = told.await;
    assert_eq!(message.id, id(&sent.id));
    assert_eq!(message.sender_phone(), Some(BERT));
    let Body::Unreadable { reason } = message.body else {
        panic!("it cannot be read");
    };
    assert!(reason.contains("once"), "{reason}");
}
