//! The index against the log it follows.

use switchboard_keystore::{EngineKind, KeyStore, MasterKey};
use switchboard_vocab::content::{Body, Context, Marks, Text};
use switchboard_vocab::messages::DeliveryStatus;
use switchboard_vocab::{Epoch, MessageId, Timestamp, UserId};
use switchboard_whatsapp::{Fact, Incoming, Intake};

use super::*;
use crate::ports::SessionScope;
use crate::session::journal::Limits;

fn user(at: u64) -> UserId {
    UserId::phone(&format!("49151000{at:04}")).unwrap()
}

fn says(id: &str, from: u64, words: &str) -> Incoming {
    let message = Message {
        id: MessageId::parse(id).unwrap(),
        number: 0,
        chat: user(from).into(),
        chat_alt: None,
        sender: user(from),
        sender_alt: None,
        from_me: false,
        push_name: None,
        at: Timestamp::from_secs(1),
        body: Body::Text(Text {
            body: words.to_owned(),
            ..Text::default()
        }),
        quoted: None,
        status: DeliveryStatus::Delivered,
        forwarded: false,
        context: Context::default(),
        marks: Marks::default(),
        proto_json: None,
    };
    Incoming {
        message,
        media_keys: None,
        proto: None,
    }
}

async fn store() -> Arc<dyn KeyStore> {
    let master = MasterKey::new(*b"a key for tests of 32 bytes long");
    let config = switchboard_keystore::Config::new("", EngineKind::Memory, master);
    switchboard_keystore::open(config).await.unwrap().store
}

async fn journal(store: &Arc<dyn KeyStore>, name: &str) -> Arc<Journal> {
    let scope = SessionScope {
        session: format!("default/{name}").parse().unwrap(),
        uuid: name.into(),
        epoch: Epoch(1),
    };
    let limits = Limits {
        messages_max: 1_000,
        bytes_max: u64::MAX,
        age_max: None,
        events_max: 10,
        events_bytes_max: u64::MAX,
        search: true,
    };
    let opened = Journal::open(scope, Arc::clone(store), limits, ()).await;
    opened.unwrap().0
}

async fn ids(search: &Search, journal: &Journal, query: &str) -> Vec<String> {
    let found = search.find(journal, query, &[], (0, 50)).await.unwrap();
    let messages = journal.numbered(&found.numbers).await.unwrap();
    let mut ids: Vec<_> = messages.into_iter().map(|m| m.id.to_string()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_search_sees_what_was_committed_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let search = Search::open(dir.path()).await.unwrap();
    let store = store().await;
    let (one, two) = (journal(&store, "one").await, journal(&store, "two").await);
    let batch = vec![
        says("A", 1, "Meet me at the station"),
        says("B", 1, "the STATION is closed"),
        says("C", 2, "東京の天気"),
    ];
    one.take(batch).await.unwrap();
    two.take(vec![says("X", 1, "another station")])
        .await
        .unwrap();
    assert_eq!(ids(&search, &one, "station").await, ["A", "B"]);
    assert_eq!(ids(&search, &one, "the stat").await, ["A", "B"]);
    assert_eq!(ids(&search, &one, "station me").await, ["A"]);
    assert_eq!(ids(&search, &one, "天気").await, ["C"]);
    assert_eq!(
        ids(&search, &two, "station").await,
        ["X"],
        "sessions are apart"
    );
    let chat = [ChatId::User(user(2))];
    let found = search.find(&one, "station", &chat, (0, 10)).await.unwrap();
    assert_eq!(found.total, 0);
    let page = search.find(&one, "station", &[], (1, 1)).await.unwrap();
    assert_eq!((page.numbers.len(), page.total), (1, 2));
}

#[tokio::test]
async fn changed_and_deleted_messages_are_found_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let search = Search::open(dir.path()).await.unwrap();
    let store = store().await;
    let log = journal(&store, "one").await;
    log.take(vec![says("A", 1, "old words"), says("B", 1, "old news")])
        .await
        .unwrap();
    assert_eq!(ids(&search, &log, "old").await, ["A", "B"]);
    let mut edit = says("E", 1, "");
    edit.message.body = Body::Edited {
        target: MessageId::parse("A").unwrap(),
        body: "new words".to_owned(),
    };
    let gone = Fact::DeletedForMe {
        chat: user(1).into(),
        id: MessageId::parse("B").unwrap(),
        at: Timestamp::from_secs(2),
    };
    log.take(vec![edit]).await.unwrap();
    log.learn(vec![gone]).await.unwrap();
    assert!(ids(&search, &log, "old").await.is_empty());
    assert_eq!(ids(&search, &log, "new").await, ["A"]);
    assert!(log.unindexed(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_index_that_was_away_catches_up_and_forgets_who_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = store().await;
    let log = journal(&store, "one").await;
    let search = Search::open(dir.path()).await.unwrap();
    log.take(vec![says("A", 1, "first")]).await.unwrap();
    assert_eq!(ids(&search, &log, "first").await, ["A"]);
    drop(search);
    log.take(
        (0..600)
            .map(|at| says(&format!("M{at}"), 1, "many"))
            .collect(),
    )
    .await
    .unwrap();
    // The library lets go of its folder when its threads have ended.
    let search = Search::open(dir.path()).await.unwrap();
    search.add(&log);
    search.look().await;
    assert_eq!(search.files.last_number("one").unwrap(), 601);
    let found = search.find(&log, "many", &[], (0, 10)).await.unwrap();
    assert_eq!(found.total, 600);
    let mut absent = HashSet::new();
    search.sweep(&mut absent).await.unwrap();
    assert_eq!(search.files.sessions().unwrap(), ["one"]);
    search.journals.lock().unwrap().clear();
    search.sweep(&mut absent).await.unwrap();
    search.sweep(&mut absent).await.unwrap();
    assert_eq!(search.files.last_number("one").unwrap(), 0);
}

#[tokio::test]
async fn a_damaged_index_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("v1");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("meta.json"), b"not json").unwrap();
    let search = Search::open(dir.path()).await.unwrap();
    assert_eq!(search.files.last_number("one").unwrap(), 0);
}

/// Figures for documents: how large the index gets, and how long a search takes.
#[tokio::test]
#[ignore = "prints figures; run by hand"]
#[expect(
    clippy::too_many_lines,
    reason = "one measurement from its beginning to its end"
)]
async fn figures() {
    const MESSAGES: u64 = 100_000;
    const WORDS: [&str; 24] = [
        "the",
        "meeting",
        "tomorrow",
        "station",
        "please",
        "call",
        "invoice",
        "dinner",
        "thanks",
        "photo",
        "address",
        "morning",
        "train",
        "project",
        "birthday",
        "weekend",
        "number",
        "order",
        "price",
        "delivery",
        "Straße",
        "можно",
        "東京",
        "gracias",
    ];
    let dir = tempfile::tempdir().unwrap();
    let search = Search::open(dir.path()).await.unwrap();
    let store = store().await;
    let scope = SessionScope {
        session: "default/big".parse().unwrap(),
        uuid: "big".into(),
        epoch: Epoch(1),
    };
    let limits = Limits {
        messages_max: MESSAGES,
        bytes_max: u64::MAX,
        age_max: None,
        events_max: 10,
        events_bytes_max: u64::MAX,
        search: true,
    };
    let log = Journal::open(scope, store, limits, ()).await.unwrap().0;
    let mut bytes = 0;
    for batch in 0..MESSAGES / 100 {
        let message = |at: u64| {
            let seed = (batch * 100 + at).wrapping_mul(6_364_136_223_846_793_005);
            let word = |n: u64| WORDS[((seed >> (n * 4)) % 24) as usize];
            let words: Vec<_> = (0..12).map(word).collect();
            let text = format!("{} {}", words.join(" "), seed % 50_000);
            says(&format!("M{batch}x{at}"), seed % 200, &text)
        };
        let messages: Vec<_> = (0..100).map(message).collect();
        bytes += messages
            .iter()
            .filter_map(|m| m.message.body.words())
            .map(str::len)
            .sum::<usize>();
        log.take(messages).await.unwrap();
    }
    let begun = tokio::time::Instant::now();
    search.find(&log, "nothing", &[], (0, 1)).await.unwrap();
    println!(
        "indexed {MESSAGES} messages of {bytes} bytes in {:?}",
        begun.elapsed()
    );
    let size: u64 = std::fs::read_dir(dir.path().join("v1"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    println!(
        "{} bytes, {} per 1,000 messages",
        size,
        size / (MESSAGES / 1_000)
    );
    for query in ["invoice train", "4999", "station pro", "東京", "the"] {
        let begun = tokio::time::Instant::now();
        let found = search.find(&log, query, &[], (0, 50)).await.unwrap();
        println!("{query:?}: {} found in {:?}", found.total, begun.elapsed());
    }
}
