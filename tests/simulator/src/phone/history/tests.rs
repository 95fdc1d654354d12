use std::io::Read as _;

use super::*;
use wa::history_sync::HistorySyncType;

const DAY_S: u64 = 24 * 60 * 60;
const NOW_S: u64 = 2000 * DAY_S;

fn phone() -> Phone {
    Phone::new(15_550_100_001, 100_000_000_000_001, "p", 1)
}

fn chat(n: usize) -> ChatName {
    ChatName {
        shown: format!("1555020{n:04}@s.whatsapp.net"),
        lid: Some(format!("9{n}@lid")),
        name: None,
    }
}

fn kept(id: &str, at_s: u64) -> Kept {
    Kept {
        id: id.to_owned(),
        at_s,
        from_me: false,
        author: None,
        push_name: None,
        message: wa::Message {
            conversation: Some(format!("text of {id}")),
            ..Default::default()
        },
    }
}

fn open(chunk: &Chunk) -> wa::HistorySync {
    let mut plain = Vec::new();
    flate2::read::ZlibDecoder::new(&*chunk.bytes)
        .read_to_end(&mut plain)
        .unwrap();
    wa::HistorySync::decode_from_slice(&plain).unwrap()
}

/// Ids of all messages in pieces of a kind.
fn ids(chunks: &[Chunk], kind: HistorySyncType) -> Vec<String> {
    let of_kind = chunks.iter().filter(|c| c.kind == kind).map(open);
    let messages = of_kind
        .flat_map(|s| s.conversations)
        .flat_map(|c| c.messages);
    messages
        .map(|m| {
            m.message
                .into_option()
                .unwrap()
                .key
                .into_option()
                .unwrap()
                .id
                .unwrap()
        })
        .collect()
}

#[test]
fn companions_get_as_much_as_they_want() {
    let mut phone = phone();
    let messages = vec![
        kept("ancient", NOW_S - 1500 * DAY_S),
        kept("old", NOW_S - 400 * DAY_S),
        kept("recent", NOW_S - 30 * DAY_S),
        kept("new", NOW_S - DAY_S),
    ];
    phone.give_past(&chat(1), messages, 2, 0).unwrap();
    let wants = Wants {
        first_messages: 1,
        ..Wants::default()
    };
    let chunks = phone.history_chunks(&wants, NOW_S, true);
    assert_eq!(ids(&chunks, HistorySyncType::INITIAL_BOOTSTRAP), ["new"]);
    assert_eq!(ids(&chunks, HistorySyncType::RECENT), ["recent"]);
    assert!(ids(&chunks, HistorySyncType::FULL).is_empty());
    let first = open(&chunks[0]);
    assert_eq!(first.conversations[0].id, "91@lid");
    assert_eq!(first.conversations[0].unread_count, Some(2));
    assert!(chunks[0].inline && !chunks[1].inline);

    let wants = Wants {
        full: true,
        ..wants
    };
    let chunks = phone.history_chunks(&wants, NOW_S, false);
    assert_eq!(ids(&chunks, HistorySyncType::FULL), ["old"]);
    assert_eq!(open(&chunks[0]).conversations[0].id, chat(1).shown);
    let wants = Wants {
        full_days: 2000,
        recent_days: 10,
        inline: false,
        ..wants
    };
    let chunks = phone.history_chunks(&wants, NOW_S, false);
    assert_eq!(
        ids(&chunks, HistorySyncType::FULL),
        ["recent", "old", "ancient"]
    );
    assert!(chunks.iter().all(|c| !c.inline));
}

#[test]
fn wishes_are_read_from_the_registration() {
    let props = wa::DeviceProps {
        require_full_sync: Some(true),
        history_sync_config: wa::device_props::HistorySyncConfig {
            recent_sync_days_limit: Some(7),
            full_sync_size_mb_limit: Some(2),
            initial_sync_max_messages_per_chat: Some(5),
            ..Default::default()
        }
        .into(),
        ..Default::default()
    };
    let wants = Wants::of(Some(&props.encode_to_vec()));
    assert!(wants.full && !wants.inline);
    assert_eq!((wants.recent_days, wants.first_messages), (7, 5));
    assert_eq!(wants.full_bytes, 2 * 1024 * 1024);
    assert_eq!(Wants::of(None), Wants::default());
}

#[test]
fn full_history_stops_at_its_size() {
    let mut phone = phone();
    let messages = (0..5000).map(|n| kept(&format!("id{n}"), NOW_S - 400 * DAY_S + n));
    phone.give_past(&chat(1), messages.collect(), 0, 0).unwrap();
    let wants = Wants {
        full: true,
        full_bytes: 100_000,
        ..Wants::default()
    };
    let chunks = phone.history_chunks(&wants, NOW_S, true);
    let got = ids(&chunks, HistorySyncType::FULL);
    assert!(got.len() < 5000 && got.contains(&"id4999".to_owned()));
    let full: Vec<&Chunk> = chunks
        .iter()
        .filter(|c| c.kind == HistorySyncType::FULL)
        .collect();
    assert_eq!(full.last().unwrap().progress, 100);
}

#[test]
fn live_messages_are_bounded_and_a_given_past_stays() {
    let mut phone = phone();
    phone
        .give_past(&chat(1), vec![kept("given", 5)], 0, 0)
        .unwrap();
    for n in 0..5000_u64 {
        phone.keep_message(
            &chat(2),
            Kind::Text,
            None,
            kept(&format!("live {n}"), 1000 + n),
        );
    }
    let history = phone.history.as_ref().unwrap();
    assert!(history.bytes <= history.given + LIVE_BYTES_MAX);
    assert!(history.find("", "live 4999").is_some() && history.find("", "live 0").is_none());
}

#[test]
fn edits_and_revocations_change_what_is_kept() {
    let mut phone = phone();
    phone.keep_message(&chat(1), Kind::Text, None, kept("a", 5));
    let edit = wa::Message {
        protocol_message: wa::message::ProtocolMessage {
            edited_message: wa::Message {
                conversation: Some("edited".to_owned()),
                ..Default::default()
            }
            .into(),
            ..Default::default()
        }
        .into(),
        ..Default::default()
    };
    let change = |id: &str, message: wa::Message| Kept {
        message,
        ..kept(id, 6)
    };
    phone.keep_message(&chat(1), Kind::Edit, Some("a"), change("b", edit));
    let found = |phone: &Phone| {
        let history = phone.history.as_ref().unwrap();
        history.find("91@lid", "a").unwrap().1.decode().unwrap()
    };
    let message = found(&phone).message.into_option().unwrap();
    assert_eq!(message.conversation.as_deref(), Some("edited"));
    phone.keep_message(&chat(1), Kind::Reaction, Some("a"), kept("c", 7));
    phone.keep_message(&chat(1), Kind::Revoke, Some("a"), kept("d", 8));
    assert!(found(&phone).message_stub_type.is_some());
    let history = phone.history.as_ref().unwrap();
    assert_eq!(history.chats[&*chat(1).shown].messages.len(), 1);
}

#[test]
fn records_about_a_chat_name_its_newest_message() {
    let mut phone = phone();
    phone.keep_message(&chat(1), Kind::Text, None, kept("new", 9));
    phone.keep_message(&chat(1), Kind::Text, None, kept("late", 5));
    assert_eq!(phone.message_range("nobody"), None);
    let range = phone.message_range(&chat(1).shown).unwrap();
    assert_eq!(range.last_message_timestamp, Some(9));
    let key = range.messages[0].key.as_option().unwrap();
    assert_eq!(key.id.as_deref(), Some("new"));
}
