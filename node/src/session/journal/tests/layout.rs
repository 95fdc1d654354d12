//! Rows of the first release, written by hand: opened by this one they are listed, found, in order and counted.

use serde_json::{Value, json};
use switchboard_keystore::{Op, ScanRange};
use switchboard_vocab::events::messages::Event as MessageEvent;
use switchboard_vocab::{EventId, chats};

use super::*;

/// More than two steps of the migration.
const COUNT: u64 = 600;
/// People who write, one of them under a LID too.
const WRITERS: u64 = 3;
const LID: &str = "777";

/// Messages as they arrived: not in the order of time, and several of one second.
fn log() -> Vec<Message> {
    let one = |number: u64| {
        let writer = number % WRITERS;
        let mut message = message(&format!("M{number}"), writer, number * 7_919 % 251);
        message.number = number;
        message.from_me = number.is_multiple_of(5);
        if writer == 0 {
            message.chat_alt = Some(UserId::lid(LID).unwrap());
        }
        message
    };
    (1..=COUNT).map(one).collect()
}

fn put(kind: Kind, key: Vec<u8>, value: Vec<u8>) -> Op {
    Op::Put { kind, key, value }
}

/// Schema 1 and JSON.
fn plain(value: &Value) -> Vec<u8> {
    [vec![1], serde_json::to_vec(value).unwrap()].concat()
}

/// Schema 1, flags, time: what the first release filtered by.
fn facts(message: &Message) -> Vec<u8> {
    let mut row = vec![1, u8::from(message.from_me)];
    row.extend_from_slice(&message.at.as_millis().to_be_bytes());
    row
}

fn row_of(message: &Message) -> Vec<u8> {
    let json = serde_json::to_vec(&json!({ "message": message })).unwrap();
    [facts(message), json].concat()
}

/// The rows of one message.
fn rows_of(message: &Message) -> Vec<Op> {
    let number = message.number.to_be_bytes().to_vec();
    let id = message.id.as_str().as_bytes().to_vec();
    let chat = message.chat.to_string().into_bytes();
    let in_chat = [chat, vec![0], number.clone()].concat();
    let mut rows = vec![
        put(kinds::MESSAGE, number.clone(), row_of(message)),
        put(kinds::BY_ID, id, plain(&json!([message.number]))),
        put(kinds::BY_CHAT, in_chat, facts(message)),
    ];
    if let Some(proto) = proto_of(message) {
        rows.push(put(kinds::PROTO, number, proto));
    }
    rows
}

/// Some messages are kept as they travelled too.
fn proto_of(message: &Message) -> Option<Vec<u8>> {
    let kept = message.number.is_multiple_of(7);
    kept.then(|| [vec![1], message.id.as_str().into()].concat())
}

/// The head of the first release, with what a later one put there before it was done.
fn head(more: Value) -> Op {
    let mut head = json!({"uuid": "11111111", "first_number": 1, "last_number": COUNT,
        "first_sequence": 1, "last_sequence": 1});
    let Value::Object(more) = more else {
        panic!("fields were expected");
    };
    head.as_object_mut().unwrap().extend(more);
    put(kinds::HEAD, Vec::new(), plain(&head))
}

/// A store as the first release left it, with the last message's event still waiting.
async fn first_layout(log: &[Message]) -> (tempfile::TempDir, Arc<dyn KeyStore>) {
    let dir = tempfile::tempdir().unwrap();
    let store = store_in(dir.path(), EngineKind::Memory).await;
    let envelope = Envelope {
        id: EventId::new("11111111", Epoch(1), 1),
        session: scope(1).session,
        epoch: Epoch(1),
        sequence: 1,
        at: Timestamp::from_secs(9),
        event: Event::Messages(MessageEvent::Received(log.last().unwrap().clone())),
    };
    let mut ops = vec![
        head(json!({})),
        put(
            kinds::OUTBOX,
            1_u64.to_be_bytes().to_vec(),
            plain(&serde_json::to_value(envelope).unwrap()),
        ),
        put(kinds::SINK, SINK.into(), plain(&json!(0))),
        put(
            kinds::ALIAS,
            user(0).to_string().into(),
            plain(&json!(format!("{LID}@lid"))),
        ),
        put(
            kinds::ALIAS,
            format!("{LID}@lid").into(),
            plain(&json!(user(0).to_string())),
        ),
    ];
    ops.extend(log.iter().flat_map(rows_of));
    let namespace = namespace(&scope(1)).unwrap();
    for part in ops.chunks(500) {
        let part = part.to_vec();
        store
            .commit(&namespace, switchboard_keystore::Epoch(1), part)
            .await
            .unwrap();
    }
    (dir, store)
}

async fn opened(store: &Arc<dyn KeyStore>) -> Arc<Journal> {
    let opened = Journal::open(scope(1), Arc::clone(store), WIDE, ()).await;
    opened.unwrap().0
}

async fn replace_head(store: &Arc<dyn KeyStore>, more: Value) {
    let namespace = namespace(&scope(1)).unwrap();
    let ops = vec![head(more)];
    store
        .commit(&namespace, switchboard_keystore::Epoch(1), ops)
        .await
        .unwrap();
}

fn numbers(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.number).collect()
}

/// Everything that matches, page by page.
async fn listed(journal: &Journal, filter: ListMessages) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let page = ListMessages {
            offset: u32::try_from(all.len()).unwrap(),
            ..filter.clone()
        };
        let page = journal.list(&page).await.unwrap();
        if page.messages.is_empty() {
            assert_eq!(page.total, u64::try_from(all.len()).unwrap());
            return all;
        }
        all.extend(page.messages);
    }
}

/// What the journal has to show of the log.
async fn shows(journal: &Journal, log: &[Message]) {
    let mut in_time = log.to_vec();
    in_time.sort_by_key(|message| (message.at, message.number));
    let all = listed(journal, everything()).await;
    assert_eq!(all, in_time);
    for writer in 0..WRITERS {
        let chat = ChatId::User(user(writer));
        let filter = ListMessages {
            chat: Some(chat.clone()),
            ..everything()
        };
        let mut own = in_time.clone();
        own.retain(|message| message.chat == chat);
        assert_eq!(
            numbers(&listed(journal, filter.clone()).await),
            numbers(&own)
        );
        let ours = ListMessages {
            from_me: Some(true),
            ..filter
        };
        let last = own.last().cloned();
        own.retain(|message| message.from_me);
        assert_eq!(numbers(&listed(journal, ours).await), numbers(&own));
        let shown = journal.chat(&chat).await.unwrap().unwrap();
        assert_eq!(shown.last_message.map(|m| m.number), last.map(|m| m.number));
    }
    for message in log {
        let found = journal.find(&message.id.clone().into()).await.unwrap();
        assert_eq!(found.unwrap().message, *message);
    }
    order::agree(journal).await;
    let head = journal.head();
    let proto = |message: &Message| proto_of(message).map_or(0, |proto| proto.len());
    let weigh = |message: &Message| row_of(message).len() + proto(message);
    let bytes: usize = log.iter().map(weigh).sum();
    assert_eq!(
        (head.messages, head.bytes, head.layout),
        (COUNT, u64::try_from(bytes).unwrap(), rows::LAYOUT)
    );
}

#[tokio::test]
async fn rows_of_the_first_release_are_listed_found_and_counted() {
    let log = log();
    let (_dir, store) = first_layout(&log).await;
    let journal = opened(&store).await;
    shows(&journal, &log).await;
    // Under the other address of its partner it is the same conversation.
    let lid = ChatId::User(UserId::lid(LID).unwrap());
    let by_lid = ListMessages {
        chat: Some(lid),
        ..everything()
    };
    let of_zero = log.iter().filter(|message| message.chat_alt.is_some());
    assert_eq!(listed(&journal, by_lid).await.len(), of_zero.count());
    let filter = chats::List {
        archived: None,
        offset: 0,
        limit: 10,
    };
    let chats = journal.chats(&filter).await.unwrap();
    assert_eq!(chats.total, WRITERS);
    // The order of arrival has gone from the store, and no event was told twice or lost.
    let range = ScanRange::all(10);
    let namespace = namespace(&scope(1)).unwrap();
    let old = store.scan(&namespace, kinds::BY_CHAT, range).await.unwrap();
    assert!(old.entries.is_empty());
    let events = journal.read(0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    // Its own rows it brings nowhere.
    journal.close().await;
    let journal = opened(&store).await;
    shows(&journal, &log).await;
    // New messages find their place among the old.
    journal
        .take(vec![incoming(message("NEW", 1, 100))])
        .await
        .unwrap();
    let all = listed(&journal, everything()).await;
    let at = all.iter().position(|message| message.id.as_str() == "NEW");
    let expected = log.iter().filter(|message| message.at.as_secs() <= 100);
    assert_eq!(at, Some(expected.count()));
    journal.close().await;
}

#[tokio::test]
async fn a_migration_that_was_interrupted_counts_nothing_twice() {
    let log = log();
    let (_dir, store) = first_layout(&log).await;
    opened(&store).await.close().await;
    // The rows of the first step are there and counted, and the head says that there is more to do.
    replace_head(
        &store,
        json!({"messages": 256, "bytes": 99_999, "layout": 0}),
    )
    .await;
    let journal = opened(&store).await;
    shows(&journal, &log).await;
    journal.close().await;
}

#[tokio::test]
async fn rows_of_a_later_release_are_left_alone() {
    let (_dir, store) = first_layout(&log()).await;
    opened(&store).await.close().await;
    replace_head(&store, json!({"layout": rows::LAYOUT + 1})).await;
    let opened = Journal::open(scope(1), Arc::clone(&store), WIDE, ()).await;
    assert!(opened.is_err());
}
