//! The phone's past, when it is linked and when it is asked.

use switchboard_simulator::{Generate, Past, PastChat, PastMessage};
use switchboard_vocab::content::Body;
use switchboard_whatsapp::{Fact, History};

use crate::bench::{Session, World, chat};

const ANNA: &str = "15550001";
const BERT: &str = "15550002";

fn message(id: &str, text: &str, from_me: bool, timestamp: u64) -> PastMessage {
    PastMessage {
        id: Some(id.to_owned()),
        from_me,
        timestamp: Some(timestamp),
        text: text.to_owned(),
        ..PastMessage::default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "phones hand over recent messages only"
)]
fn an_hour_ago() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs() - 3_600
}

/// Every piece until one that `is_enough`.
async fn pieces(session: &mut Session, is_enough: impl Fn(&[History]) -> bool) -> Vec<History> {
    let mut all = Vec::new();
    while !is_enough(&all) {
        let piece = session.history().await;
        all.push(piece);
    }
    all
}

fn count(pieces: &[History]) -> usize {
    pieces.iter().map(|piece| piece.messages.len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_session_gets_the_past_in_pieces() {
    let world = World::new().await;
    world.simulator.add_phone(ANNA, "Anna").unwrap();
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let recent = an_hour_ago();
    let past = Past {
        chats: vec![PastChat {
            with: BERT.to_owned(),
            unread: 1,
            messages: vec![
                message("H2", "second", true, recent + 100),
                message("H1", "first", false, recent),
            ],
            ..PastChat::default()
        }],
        generate: Some(Generate {
            chats: 2,
            messages: 300,
            seed: 7,
        }),
    };
    let given = world.simulator.give_past(ANNA, past).unwrap();
    let mut anna = world.linked("anna", ANNA).await;
    let pieces = pieces(&mut anna, |pieces| count(pieces) >= given.messages).await;
    assert!(pieces.iter().all(|piece| piece.messages.len() <= 128));
    let mut of_bert: Vec<_> = pieces
        .iter()
        .flat_map(|piece| &piece.messages)
        .filter(|old| old.message.chat == chat(BERT))
        .map(|old| &old.message)
        .collect();
    of_bert.dedup_by_key(|message| message.id.clone());
    let ids: Vec<&str> = of_bert.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, ["H1", "H2"], "oldest first");
    let from_me: Vec<bool> = of_bert.iter().map(|message| message.from_me).collect();
    assert_eq!(from_me, [false, true]);
    let Body::Text(text) = &of_bert[0].body else {
        panic!("it is text");
    };
    assert_eq!(text.body, "first");
    assert_eq!(of_bert[0].at.as_secs(), recent);
    assert!(of_bert.iter().all(|message| message.context.from_history));
    assert_eq!(of_bert[0].sender_phone(), Some(BERT));
    let facts: Vec<&Fact> = pieces.iter().flat_map(|piece| &piece.facts).collect();
    let has_chat = facts.iter().any(|fact| {
        matches!(fact, Fact::Chat(told) if told.chat == chat(BERT) && told.unread == Some(1))
    });
    assert!(has_chat, "{facts:?}");
}
