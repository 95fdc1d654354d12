//! History: what a phone has from before reaches companions when they are linked, and when they ask.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_simulator::phone::Act;
use switchboard_simulator::{Generate, OutgoingFile, Past, PastChat, PastMessage};
use wacore::types::events::{Event, LazyHistorySync};
use waproto::whatsapp as wa;
use whatsapp_rust::Jid;

use crate::client::{TestClient, pn, simulator, until};
use crate::http::request;

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";
const CAROL: &str = "4915100000003";
const GROUP: &str = "120363000000000777@g.us";
const BOOTSTRAP: i32 = 0;
const RECENT: i32 = 3;
const PUSH_NAME: i32 = 4;
const ON_DEMAND: i32 = 6;

/// The next piece of a kind.
async fn piece(client: &TestClient, kind: i32) -> (LazyHistorySync, wa::HistorySync) {
    let lazy = client
        .wait_for("history", |e| match e {
            Event::HistorySync(h) if h.sync_type() == kind => Some((**h).clone()),
            _ => None,
        })
        .await;
    let parsed = lazy.get().expect("history can be read").clone();
    (lazy, parsed)
}

fn texts(conversation: &wa::Conversation) -> Vec<&str> {
    let infos = conversation
        .messages
        .iter()
        .filter_map(|m| m.message.as_option());
    let texts = infos.filter_map(|i| i.message.as_option()?.conversation.as_deref());
    texts.collect()
}

fn text(text: &str, from_me: bool, timestamp: u64) -> PastMessage {
    PastMessage {
        from_me,
        text: text.to_owned(),
        timestamp: Some(timestamp),
        ..PastMessage::default()
    }
}

fn now_s() -> u64 {
    use switchboard_simulator::clock::{Clock as _, SystemClock};
    SystemClock.now_ms() / 1000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_companion_gets_the_past_of_its_phone() {
    let simulator = simulator().await;
    simulator.add_phone(ALICE, "alice").unwrap();
    let bob_lid = simulator.add_phone(BOB, "bob").unwrap().lid;
    let now = now_s();
    let image = vec![5; 3000];
    let picture = PastMessage {
        id: Some("3EB0PICTURE".to_owned()),
        media: Some(OutgoingFile {
            kind: "image".to_owned(),
            mimetype: "image/png".to_owned(),
            data: STANDARD.encode(&image),
            ..OutgoingFile::default()
        }),
        push_name: Some("Bobby".to_owned()),
        ..text("look", false, now - 50)
    };
    let past = Past {
        chats: vec![
            PastChat {
                with: BOB.to_owned(),
                unread: 1,
                ephemeral: 86_400,
                messages: vec![
                    text("first", true, now - 100),
                    text("second", false, now - 90),
                    picture,
                ],
                ..PastChat::default()
            },
            PastChat {
                with: GROUP.to_owned(),
                name: Some("a group".to_owned()),
                messages: vec![PastMessage {
                    author: Some(BOB.to_owned()),
                    ..text("in the group", false, now - 10)
                }],
                ..PastChat::default()
            },
        ],
        generate: None,
    };
    let given = simulator.give_past(ALICE, past).unwrap();
    assert_eq!((given.chats, given.messages), (2, 4));
    let acts = [
        Act::Pin {
            chat: BOB.to_owned(),
            on: true,
        },
        Act::Archive {
            chat: GROUP.to_owned(),
            on: true,
        },
        Act::SaveContact {
            contact: BOB.to_owned(),
            full_name: Some("Bob Baker".to_owned()),
            first_name: None,
        },
    ];
    simulator.act(ALICE, &acts).unwrap();

    let alice = TestClient::paired(&simulator, ALICE).await;
    let (_, first) = piece(&alice, BOOTSTRAP).await;
    assert_eq!(first.conversations.len(), 2);
    let chat = first
        .conversations
        .iter()
        .find(|c| c.id == bob_lid)
        .unwrap();
    assert_eq!(texts(chat), ["second", "first"], "newest first");
    assert_eq!(chat.pn_jid.as_deref(), Some(&*pn(BOB)));
    assert_eq!((chat.unread_count, chat.pinned), (Some(1), Some(1)));
    assert_eq!(chat.ephemeral_expiration, Some(86_400));
    assert_eq!(chat.name.as_deref(), Some("Bob Baker"));
    let group = first.conversations.iter().find(|c| c.id == GROUP).unwrap();
    assert_eq!(group.archived, Some(true));
    assert_eq!(group.name.as_deref(), Some("a group"));
    let info = group.messages[0].message.as_option().unwrap();
    assert_eq!(
        info.key.as_option().unwrap().participant.as_deref(),
        Some(&*pn(BOB))
    );
    let mapping = &first.phone_number_to_lid_mappings[0];
    assert_eq!(mapping.lid_jid.as_deref(), Some(&*bob_lid));

    // The files of the past can be opened.
    let newest = chat.messages[0].message.as_option().unwrap();
    let picture = newest
        .message
        .as_option()
        .unwrap()
        .image_message
        .as_option()
        .unwrap();
    assert_eq!(picture.caption.as_deref(), Some("look"));
    assert_eq!(alice.client.download(picture).await.unwrap(), image);

    let (_, names) = piece(&alice, PUSH_NAME).await;
    let name = |id: String| {
        let found = names
            .pushnames
            .iter()
            .find(|n| n.id.as_deref() == Some(&*id));
        found.and_then(|n| n.pushname.clone())
    };
    assert_eq!(name(pn(BOB)).as_deref(), Some("Bobby"));
    assert_eq!(name(pn(ALICE)).as_deref(), Some("alice"));
    let (last, _) = piece(&alice, RECENT).await;
    assert_eq!(last.progress(), Some(100));
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_past_comes_in_pieces_and_completely() {
    const CHATS: usize = 30;
    const MESSAGES: usize = 120;
    let simulator = simulator().await;
    simulator.add_phone(ALICE, "alice").unwrap();
    let path = format!("/admin/phones/{ALICE}/history");
    let body = format!(r#"{{"generate":{{"chats":{CHATS},"messages":{MESSAGES},"seed":3}}}}"#);
    let (status, answer) = request("POST", simulator.address(), &path, &body).await;
    assert_eq!(
        (status, answer.as_str()),
        (200, r#"{"chats":30,"messages":3600}"#)
    );
    let too_much = Generate {
        chats: 1000,
        messages: 1000,
        seed: 0,
    };
    let past = Past {
        generate: Some(too_much),
        ..Past::default()
    };
    assert!(simulator.give_past(ALICE, past).is_err());

    let alice = TestClient::paired(&simulator, ALICE).await;
    let (_, first) = piece(&alice, BOOTSTRAP).await;
    assert_eq!(first.conversations.len(), CHATS);
    let mut seen = BTreeSet::new();
    let mut note = |sync: &wa::HistorySync| {
        for message in sync.conversations.iter().flat_map(|c| &c.messages) {
            let info = message.message.as_option().unwrap();
            let new = seen.insert(info.key.as_option().unwrap().id.clone().unwrap());
            assert!(new, "no message comes twice");
        }
    };
    note(&first);
    let mut orders = BTreeSet::new();
    loop {
        let (lazy, sync) = piece(&alice, RECENT).await;
        note(&sync);
        orders.insert(lazy.chunk_order().unwrap());
        let last = lazy.progress() == Some(100);
        // The client reads two pieces at a time, so the last may overtake.
        if last {
            let count = *orders.last().unwrap();
            while orders.len() < count as usize {
                let (lazy, sync) = piece(&alice, RECENT).await;
                note(&sync);
                orders.insert(lazy.chunk_order().unwrap());
            }
            break;
        }
    }
    assert!(orders.len() > 1, "more than one piece");
    assert_eq!(seen.len(), CHATS * MESSAGES);
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_live_is_the_past_of_the_next_companion() {
    let simulator = simulator().await;
    simulator.add_phone(BOB, "bob").unwrap();
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.phone_text(BOB, ALICE, "from bob").unwrap();
    alice.next_text().await;
    alice.send_text(&pn(BOB), "from my companion").await;
    until("the phone to read both", || {
        simulator.phone_inbox(ALICE, 0).unwrap().len() == 2
    })
    .await;
    simulator.phone_text(ALICE, BOB, "from my phone").unwrap();

    let second = TestClient::paired(&simulator, ALICE).await;
    let (_, first) = piece(&second, BOOTSTRAP).await;
    assert_eq!(first.conversations.len(), 1);
    let mut seen = texts(&first.conversations[0]);
    seen.sort_unstable();
    assert_eq!(seen, ["from bob", "from my companion", "from my phone"]);
    alice.stop().await;
    second.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_messages_come_when_a_companion_asks() {
    let simulator = simulator().await;
    simulator.add_phone(ALICE, "alice").unwrap();
    let bob_lid = simulator.add_phone(BOB, "bob").unwrap().lid;
    let now = now_s();
    let messages = (0..100).map(|n| PastMessage {
        id: Some(format!("ID{n:03}")),
        ..text(&format!("text {n}"), n % 2 == 0, now - 1000 + n)
    });
    let chat = PastChat {
        with: BOB.to_owned(),
        messages: messages.collect(),
        ..PastChat::default()
    };
    let past = Past {
        chats: vec![chat],
        generate: None,
    };
    simulator.give_past(ALICE, past).unwrap();
    let alice = TestClient::paired(&simulator, ALICE).await;
    piece(&alice, BOOTSTRAP).await;
    let jid: Jid = bob_lid.parse().unwrap();
    let before = i64::try_from((now - 1000 + 80) * 1000).unwrap();
    let id = alice
        .client
        .fetch_message_history(&jid, "ID080", true, before, 30)
        .await
        .unwrap();
    let (lazy, sync) = piece(&alice, ON_DEMAND).await;
    assert_eq!(lazy.peer_data_request_session_id(), Some(&*id));
    let chat = &sync.conversations[0];
    assert_eq!(chat.id, bob_lid);
    let expected: Vec<String> = (50..80).rev().map(|n| format!("text {n}")).collect();
    assert_eq!(texts(chat), expected);
    assert_eq!(
        chat.end_of_history_transfer_type.map(|t| t as i32),
        Some(2),
        "there is more"
    );
    // The rest, by time alone.
    let before = i64::try_from((now - 1000 + 50) * 1000).unwrap();
    alice
        .client
        .fetch_message_history(&jid, "unknown", true, before, 500)
        .await
        .unwrap();
    let (_, sync) = piece(&alice, ON_DEMAND).await;
    assert_eq!(sync.conversations[0].messages.len(), 50);
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_or_deleted_is_so_for_the_next_companion() {
    let simulator = simulator().await;
    simulator.add_phone(BOB, "bob").unwrap();
    simulator.add_phone(CAROL, "carol").unwrap();
    let alice = TestClient::paired(&simulator, ALICE).await;
    let unread = |sync: &wa::HistorySync| -> Vec<u32> {
        let mut counts: Vec<u32> = sync
            .conversations
            .iter()
            .filter_map(|c| c.unread_count)
            .collect();
        counts.sort_unstable();
        counts
    };
    for from in [BOB, BOB, CAROL] {
        simulator
            .phone_text(from, ALICE, &format!("from {from}"))
            .unwrap();
    }
    let mut bobs = Vec::new();
    for _ in 0..3 {
        let (text, message) = alice.next_text().await;
        if text.ends_with(BOB) {
            bobs.push(message);
        }
    }
    until("the phone to read them", || {
        simulator.phone_inbox(ALICE, 0).unwrap().len() == 3
    })
    .await;
    let second = TestClient::paired(&simulator, ALICE).await;
    assert_eq!(unread(&piece(&second, BOOTSTRAP).await.1), [1, 2]);

    let ids: Vec<&str> = bobs.iter().map(|m| &*m.info.id).collect();
    let chat = &bobs[0].info.source.chat;
    alice.client.mark_as_read(chat, None, &ids).await.unwrap();
    let carol: Jid = pn(CAROL).parse().unwrap();
    alice
        .client
        .chat_actions()
        .delete_chat(&carol, true, None)
        .await
        .unwrap();
    alice
        .client
        .chat_actions()
        .star_message(chat, None, ids[0], false)
        .await
        .unwrap();
    until("the phone to know", || {
        let state = simulator.phone_state(ALICE).unwrap();
        let receipts = simulator.journal();
        let device = receipts.device(&format!("{ALICE}:1")).unwrap();
        !state.starred.is_empty() && device.inbound.contains_key("receipt:read")
    })
    .await;
    let third = TestClient::paired(&simulator, ALICE).await;
    let (_, sync) = piece(&third, BOOTSTRAP).await;
    assert_eq!(unread(&sync), [0], "read, and the other chat is gone");
    let messages = &sync.conversations[0].messages;
    let starred = messages.iter().filter(|m| m.message.starred == Some(true));
    assert_eq!(starred.count(), 1);
    for client in [alice, second, third] {
        client.stop().await;
    }
    simulator.shutdown().await;
}
