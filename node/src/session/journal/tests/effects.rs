//! What messages do to earlier ones.

use switchboard_vocab::content::{
    EventBody, EventReply, Poll, PollOption, Reaction as VocabReaction,
};
use switchboard_vocab::events::messages::Deletion;
use switchboard_vocab::messages::MessageRef;

use super::*;

fn with(id: &str, writer: u64, secs: u64, body: Body) -> Incoming {
    let mut message = message(id, writer, secs);
    message.body = body;
    incoming(message)
}

fn target(id: &str) -> MessageId {
    MessageId::parse(id).unwrap()
}

/// A message of a group.
fn in_group(mut incoming: Incoming) -> Incoming {
    incoming.message.chat = "123@g.us".parse().unwrap();
    incoming
}

async fn get(fixture: &Fixture, id: &str) -> Message {
    let found = fixture.journal.find(&MessageRef::from(target(id))).await;
    found.unwrap().unwrap().message
}

fn deletions(events: &[Envelope]) -> Vec<Deletion> {
    let mut found = Vec::new();
    for envelope in events {
        if let Event::Messages(MessageEvent::Deleted(deletion)) = &envelope.event {
            found.push(deletion.clone());
        }
    }
    found
}

#[tokio::test]
async fn the_last_reaction_of_a_person_stands() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let react = |id: &str, who: u64, secs: u64, emoji: &str| {
        let body = Body::Reaction {
            to: target("A"),
            emoji: emoji.to_owned(),
        };
        in_group(with(id, who, secs, body))
    };
    let batch = vec![
        in_group(incoming(message("A", 1, 1))),
        react("R1", 2, 5, "👍"),
        react("R2", 3, 6, "❤"),
        react("R3", 2, 7, "🎉"),
        // Came late, and counts no more.
        react("R4", 2, 6, "😡"),
        react("R5", 3, 8, ""),
        react("R6", 3, 7, "😡"),
    ];
    fixture.journal.take(batch).await.unwrap();
    let expected = [VocabReaction {
        user: user(2),
        emoji: "🎉".to_owned(),
        at: Timestamp::from_secs(7),
    }];
    assert_eq!(get(&fixture, "A").await.marks.reactions, expected);
    let changed = kinds_of(&fixture.events().await);
    let changed = changed.iter().filter(|kind| **kind == "message-changed");
    assert_eq!(changed.count(), 4, "two came late");
}

#[tokio::test]
async fn only_the_writer_changes_the_words() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let edit = |id: &str, who: u64, secs: u64, words: &str| {
        let body = Body::Edited {
            target: target("A"),
            body: words.to_owned(),
        };
        in_group(with(id, who, secs, body))
    };
    let batch = vec![
        in_group(incoming(message("A", 1, 1))),
        edit("E1", 2, 2, "a stranger's words"),
        edit("E2", 1, 4, "the last words"),
        edit("E3", 1, 3, "words in between"),
    ];
    fixture.journal.take(batch).await.unwrap();
    let after = get(&fixture, "A").await;
    assert_eq!(after.body.words(), Some("the last words"));
    assert_eq!(after.marks.edited_at, Some(Timestamp::from_secs(4)));
    for envelope in fixture.events().await {
        if let Event::Messages(MessageEvent::Changed(change)) = envelope.event {
            assert_eq!(change.before.body.words(), Some("hello A"));
            assert_eq!(change.trigger.unwrap().id, target("E2"));
        }
    }
}

#[tokio::test]
async fn a_deleted_message_says_nothing_any_more() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let revoke = |id: &str, who: u64, of: &str| {
        let body = Body::Revoked { target: target(of) };
        with(id, who, 9, body)
    };
    let mut first = incoming(message("A", 1, 1));
    first.proto = Some(bytes::Bytes::from_static(b"as it travelled"));
    let mut stranger = revoke("X", 2, "A");
    stranger.message.chat = ChatId::User(user(1));
    fixture.journal.take(vec![first, stranger]).await.unwrap();
    assert!(deletions(&fixture.events().await).is_empty(), "not theirs");
    let proto = fixture.journal.proto(1).await.unwrap();
    assert_eq!(proto.as_deref(), Some(&b"as it travelled"[..]));
    let batch = vec![
        revoke("R", 1, "A"),
        revoke("R", 1, "A"),
        revoke("Q", 1, "A"),
    ];
    fixture.journal.take(batch).await.unwrap();
    let by = user(1);
    let at = Timestamp::from_secs(9);
    assert_eq!(get(&fixture, "A").await.body, Body::Deleted { by, at });
    assert_eq!(fixture.journal.proto(1).await.unwrap(), None);
    let deleted = deletions(&fixture.events().await);
    assert_eq!(deleted.len(), 1);
    let before = deleted[0].before.as_ref().unwrap();
    assert_eq!(before.body.words(), Some("hello A"));
    let told = kinds_of(&fixture.events().await);
    assert_eq!(told, ["message-received", "message-deleted"]);
}

#[tokio::test]
async fn a_vote_replaces_the_one_before() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let option = |name: &str| PollOption {
        name: name.to_owned(),
        voters: Vec::new(),
    };
    let poll = Body::Poll(Poll {
        question: "Tea?".to_owned(),
        options: vec![option("yes"), option("no")],
        choices_max: Some(1),
    });
    let vote = |id: &str, who: u64, secs: u64, names: &[&str]| {
        let options = names.iter().map(|name| (*name).to_owned()).collect();
        let body = Body::Vote {
            poll: target("P"),
            options: Some(options),
        };
        in_group(with(id, who, secs, body))
    };
    let batch = vec![
        in_group(with("P", 1, 1, poll)),
        vote("V1", 2, 2, &["yes"]),
        vote("V2", 3, 3, &["yes"]),
        vote("V3", 2, 5, &["no"]),
        vote("V4", 2, 4, &["yes"]),
        vote("V5", 3, 6, &[]),
    ];
    fixture.journal.take(batch).await.unwrap();
    let Body::Poll(poll) = get(&fixture, "P").await.body else {
        panic!("not a poll");
    };
    let voters: Vec<_> = poll.options.into_iter().map(|o| o.voters).collect();
    assert_eq!(voters, [vec![], vec![user(2)]]);
}

#[tokio::test]
async fn an_answer_to_an_event_replaces_the_one_before() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let event = Body::Event(EventBody {
        name: "Tea".to_owned(),
        description: None,
        start: None,
        end: None,
        location: None,
        join_link: None,
        cancelled: false,
        answers: Vec::new(),
    });
    let answer = |id: &str, secs: u64, reply: EventReply| {
        let body = Body::EventReply {
            event: target("T"),
            reply: Some(reply),
        };
        with(id, 1, secs, body)
    };
    let batch = vec![
        with("T", 1, 1, event),
        answer("1", 2, EventReply::Maybe),
        answer("2", 4, EventReply::Going),
        answer("3", 3, EventReply::NotGoing),
    ];
    fixture.journal.take(batch).await.unwrap();
    let Body::Event(event) = get(&fixture, "T").await.body else {
        panic!("not an event");
    };
    let replies: Vec<_> = event.answers.into_iter().map(|a| a.reply).collect();
    assert_eq!(replies, [EventReply::Going]);
}

#[tokio::test]
async fn own_actions_take_effect_once_they_left() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let theirs = incoming(message("A", 1, 1));
    fixture.journal.take(vec![theirs]).await.unwrap();
    let mut reaction = own("R", 1);
    reaction.body = Body::Reaction {
        to: target("A"),
        emoji: "👍".to_owned(),
    };
    fixture.journal.claim(claimed(reaction)).await.unwrap();
    assert!(get(&fixture, "A").await.marks.reactions.is_empty());
    fixture.journal.dispatched(dispatched("R")).await.unwrap();
    let reactions = get(&fixture, "A").await.marks.reactions;
    assert_eq!(reactions.len(), 1);
    assert_eq!(reactions[0].user, user(9_999));
}
