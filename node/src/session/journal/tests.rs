//! The journal against a plain model, on a real store that is closed and opened again.

mod effects;
mod figures;
mod layout;
mod model;
mod order;
mod outbox;
mod own_phone;
mod store;
mod world;

use switchboard_keystore::{EngineKind, MasterKey};
use switchboard_vocab::content::{Body, Context, Marks, MediaBody, MediaKind, Text};
use switchboard_vocab::events::messages::Event as MessageEvent;
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::messages::{DeliveryStatus, ListMessages, ListOrder};
use switchboard_vocab::{ChatId, Epoch, ErrorCode, UserId};
use switchboard_whatsapp::{Incoming, Intake, ReceiptKind};

use super::*;
use crate::ports::Outbox;

const WIDE: Limits = Limits {
    messages_max: 1_000,
    bytes_max: u64::MAX,
    age_max: None,
    events_max: 1_000,
    events_bytes_max: u64::MAX,
    search: false,
};
const SINK: &str = "stream";

struct Fixture {
    dir: tempfile::TempDir,
    store: Arc<dyn KeyStore>,
    journal: Arc<Journal>,
    limits: Limits,
}

fn scope(epoch: u64) -> SessionScope {
    SessionScope {
        session: "default/one".parse().unwrap(),
        uuid: "11111111".into(),
        epoch: Epoch(epoch),
    }
}

async fn store_in(dir: &std::path::Path, engine: EngineKind) -> Arc<dyn KeyStore> {
    let master = MasterKey::new(*b"a key for tests of 32 bytes long");
    let mut config = switchboard_keystore::Config::new(dir, engine, master);
    config.cache_bytes = 8 << 20;
    switchboard_keystore::open(config).await.unwrap().store
}

impl Fixture {
    async fn new(engine: EngineKind, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = store_in(dir.path(), engine).await;
        let (journal, _) = Journal::open(scope(1), Arc::clone(&store), limits, ())
            .await
            .unwrap();
        journal.pass(SINK, 0).await.unwrap();
        Self {
            dir,
            store,
            journal,
            limits,
        }
    }

    /// Ends the journal, and with it the process as far as the store can tell.
    async fn reopen(&mut self, engine: EngineKind) {
        self.journal.close().await;
        if engine != EngineKind::Memory {
            self.store.close().await.unwrap();
            self.store = store_in(self.dir.path(), engine).await;
        }
        let opened = Journal::open(scope(1), Arc::clone(&self.store), self.limits, ()).await;
        self.journal = opened.unwrap().0;
    }

    async fn events(&self) -> Vec<Envelope> {
        let mut all = Vec::new();
        loop {
            let after = all.last().map_or(0, |e: &Envelope| e.sequence);
            let page = self.journal.read(after, 7).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    async fn all(&self) -> Vec<Message> {
        self.journal.list(&everything()).await.unwrap().messages
    }
}

fn everything() -> ListMessages {
    ListMessages {
        chat: None,
        after_number: None,
        from_me: None,
        author: None,
        kinds: None,
        from: None,
        until: None,
        order: ListOrder::OldestFirst,
        offset: 0,
        limit: 500,
    }
}

fn user(at: u64) -> UserId {
    UserId::phone(&format!("49151000{at:04}")).unwrap()
}

fn message(id: &str, writer: u64, secs: u64) -> Message {
    Message {
        id: MessageId::parse(id).unwrap(),
        number: 0,
        chat: ChatId::User(user(writer)),
        chat_alt: None,
        sender: user(writer),
        sender_alt: None,
        from_me: false,
        push_name: None,
        at: Timestamp::from_secs(secs),
        body: Body::Text(Text {
            body: format!("hello {id}"),
            ..Text::default()
        }),
        quoted: None,
        status: DeliveryStatus::Delivered,
        forwarded: false,
        context: Context::default(),
        marks: Marks::default(),
        proto_json: None,
    }
}

fn own(id: &str, to: u64) -> Message {
    let mut message = message(id, to, 5);
    message.from_me = true;
    message.sender = user(9_999);
    message
}

fn incoming(message: Message) -> Incoming {
    Incoming {
        message,
        media_keys: None,
        proto: None,
    }
}

fn claimed(message: Message) -> Claimed {
    Claimed {
        message,
        media: None,
        audience: None,
    }
}

fn dispatched(id: &str) -> Dispatched {
    Dispatched {
        id: MessageId::parse(id).unwrap(),
        at: Timestamp::from_secs(6),
        proto: Some(bytes::Bytes::from_static(b"sent")),
        media_keys: None,
    }
}

fn acked(id: &str, error: Option<u16>) -> Acked {
    Acked {
        id: MessageId::parse(id).unwrap(),
        chat: ChatId::User(user(1)),
        error,
        at: Timestamp::from_secs(7),
    }
}

fn receipt(id: &str, kind: ReceiptKind) -> Receipt {
    Receipt {
        chat: ChatId::User(user(1)),
        user: user(1),
        ids: vec![MessageId::parse(id).unwrap()],
        kind,
        at: Timestamp::from_secs(8),
    }
}

/// What was told about messages.
fn kinds_of(events: &[Envelope]) -> Vec<&'static str> {
    let tokens = events.iter().map(|e| e.event.type_token());
    tokens
        .filter(|token| token.starts_with("message-"))
        .collect()
}

fn statuses(events: &[Envelope]) -> Vec<DeliveryStatus> {
    let mut found = Vec::new();
    for envelope in events {
        if let Event::Messages(MessageEvent::StatusChanged(change)) = &envelope.event {
            found.push(change.status);
        }
    }
    found
}

#[tokio::test]
async fn a_message_delivered_again_is_neither_logged_nor_told_again() {
    let mut fixture = Fixture::new(EngineKind::Sled, WIDE).await;
    let batch = || vec![incoming(message("A", 1, 1)), incoming(message("B", 1, 2))];
    fixture.journal.take(batch()).await.unwrap();
    fixture.reopen(EngineKind::Sled).await;
    let mut again = batch();
    // Between the two deliveries the writer's other address became known, and it is now the first one.
    again[0].message.sender_alt = Some(again[0].message.sender.clone());
    again[0].message.sender = UserId::lid("777").unwrap();
    again.push(incoming(message("C", 1, 3)));
    again.push(incoming(message("C", 1, 3)));
    fixture.journal.take(again).await.unwrap();
    let numbers: Vec<_> = fixture.all().await.iter().map(|m| m.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let events = fixture.events().await;
    assert_eq!(kinds_of(&events), ["message-received"; 3]);
    let sequences: Vec<_> = events.iter().map(|e| e.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4], "one more for the new conversation");
}

#[tokio::test]
async fn a_stranger_cannot_hide_a_message_by_using_its_id_first() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    fixture
        .journal
        .take(vec![incoming(message("A", 1, 1))])
        .await
        .unwrap();
    fixture
        .journal
        .take(vec![incoming(message("A", 2, 2))])
        .await
        .unwrap();
    assert_eq!(fixture.all().await.len(), 2);
    fixture.journal.claim(claimed(own("A", 3))).await.unwrap();
    fixture.journal.dispatched(dispatched("A")).await.unwrap();
    fixture.journal.acked(acked("A", None)).await.unwrap();
    let all = fixture.all().await;
    let status: Vec<_> = all.iter().map(|m| m.status).collect();
    let delivered = DeliveryStatus::Delivered;
    assert_eq!(status, [delivered, delivered, DeliveryStatus::Server]);
}

#[tokio::test]
async fn an_own_message_moves_forward_only() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    assert!(matches!(
        journal.claim(claimed(own("S", 1))).await.unwrap(),
        Claim::New(_)
    ));
    let sent = journal.dispatched(dispatched("S")).await.unwrap();
    assert_eq!((sent.number, sent.status), (1, DeliveryStatus::Pending));
    for kind in [ReceiptKind::Read, ReceiptKind::Delivered, ReceiptKind::Read] {
        journal.receipt(receipt("S", kind)).await.unwrap();
    }
    journal.acked(acked("S", None)).await.unwrap();
    journal.acked(acked("S", Some(479))).await.unwrap();
    assert_eq!(fixture.all().await[0].status, DeliveryStatus::Read);
    let events = fixture.events().await;
    assert_eq!(
        kinds_of(&events),
        ["message-sent", "message-status-changed"]
    );
    assert_eq!(statuses(&events), [DeliveryStatus::Read]);
}

#[tokio::test]
async fn a_refusal_by_whatsapp_fails_the_message() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    fixture.journal.claim(claimed(own("S", 1))).await.unwrap();
    fixture.journal.dispatched(dispatched("S")).await.unwrap();
    fixture.journal.acked(acked("S", Some(463))).await.unwrap();
    assert_eq!(fixture.all().await[0].status, DeliveryStatus::Failed);
    assert_eq!(statuses(&fixture.events().await), [DeliveryStatus::Failed]);
}

#[tokio::test]
async fn the_same_id_is_one_message_whatever_became_of_it() {
    let mut fixture = Fixture::new(EngineKind::Sled, WIDE).await;
    let maybe = OpError::new(ErrorCode::NotConnected, "the connection broke").maybe_executed();
    fixture.journal.claim(claimed(own("M", 1))).await.unwrap();
    fixture
        .journal
        .not_sent(MessageId::parse("M").unwrap(), maybe.clone())
        .await
        .unwrap();
    fixture.journal.claim(claimed(own("N", 1))).await.unwrap();
    let not = OpError::new(ErrorCode::NotConnected, "not connected");
    fixture
        .journal
        .not_sent(MessageId::parse("N").unwrap(), not)
        .await
        .unwrap();
    fixture.journal.claim(claimed(own("D", 1))).await.unwrap();
    fixture.journal.dispatched(dispatched("D")).await.unwrap();
    fixture.reopen(EngineKind::Sled).await;
    let journal = &fixture.journal;
    let known = journal.claim(claimed(own("M", 1))).await.unwrap();
    assert!(matches!(known, Claim::Known(_, Fate::Unknown { error }) if error == maybe));
    // What certainly did not leave may be tried again, as the same message.
    let again = journal.claim(claimed(own("N", 1))).await.unwrap();
    assert!(matches!(again, Claim::New(message) if message.number == 2));
    let elsewhere = journal.claim(claimed(own("M", 2))).await.unwrap();
    assert!(matches!(elsewhere, Claim::Known(..)));
    let done = journal.claim(claimed(own("D", 1))).await.unwrap();
    assert!(matches!(done, Claim::Known(message, Fate::Dispatched) if message.number == 3));
}

#[tokio::test]
async fn a_receipt_after_a_crash_proves_that_the_message_left() {
    let mut fixture = Fixture::new(EngineKind::Sled, WIDE).await;
    fixture.journal.claim(claimed(own("S", 1))).await.unwrap();
    fixture.reopen(EngineKind::Sled).await;
    assert!(
        fixture.events().await.is_empty(),
        "nothing is known to have left"
    );
    fixture
        .journal
        .receipt(receipt("S", ReceiptKind::Delivered))
        .await
        .unwrap();
    let events = fixture.events().await;
    assert_eq!(
        kinds_of(&events),
        ["message-sent", "message-status-changed"]
    );
    let known = fixture.journal.claim(claimed(own("S", 1))).await.unwrap();
    assert!(matches!(known, Claim::Known(_, Fate::Dispatched)));
}

#[tokio::test]
async fn the_log_keeps_its_newest_messages_and_no_index_of_others() {
    let limits = Limits {
        messages_max: 3,
        ..WIDE
    };
    let fixture = Fixture::new(EngineKind::Memory, limits).await;
    for at in 0..8 {
        let mut message = message(&format!("M{at}"), at % 2, at);
        message.chat_alt = Some(UserId::lid(&format!("{at}")).unwrap());
        message.body = Body::Media(MediaBody {
            kind: MediaKind::Image,
            id: MediaId::parse(&format!("F{at}")).unwrap(),
            mime_type: "image/png".to_owned(),
            size: 1,
            sha256: String::new(),
            caption: None,
            file_name: None,
            width: None,
            height: None,
            seconds: None,
            waveform: None,
            thumbnail: None,
        });
        let keys = Some(vec![1, 2, 3]);
        fixture
            .journal
            .take(vec![Incoming {
                message,
                media_keys: keys,
                proto: None,
            }])
            .await
            .unwrap();
    }
    let numbers: Vec<_> = fixture.all().await.iter().map(|m| m.number).collect();
    assert_eq!(numbers, [6, 7, 8]);
    assert!(
        fixture
            .journal
            .message(&MessageId::parse("M4").unwrap())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        fixture
            .journal
            .media(&MediaId::parse("F4").unwrap())
            .await
            .unwrap()
            .is_none()
    );
    let media = fixture
        .journal
        .media(&MediaId::parse("F7").unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(media.keys, Some(vec![1, 2, 3]));
    let namespace = namespace(&scope(1)).unwrap();
    for (kind, rows) in [
        (kinds::BY_ID, 3),
        (kinds::BY_CHAT, 0),
        (kinds::IN_CHAT, 3),
        (kinds::BY_TIME, 3),
        (kinds::MEDIA, 3),
    ] {
        let all = switchboard_keystore::ScanRange::all(100);
        let page = fixture.store.scan(&namespace, kind, all).await.unwrap();
        assert_eq!(page.entries.len(), rows, "kind {kind:?}");
    }
}

#[tokio::test]
async fn a_later_owner_fences_the_journal_of_an_earlier_one() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let (later, _) = Journal::open(scope(2), Arc::clone(&fixture.store), WIDE, ())
        .await
        .unwrap();
    let refused = fixture
        .journal
        .take(vec![incoming(message("A", 1, 1))])
        .await;
    assert!(refused.is_err());
    fixture.journal.ended().await;
    later
        .take(vec![incoming(message("A", 1, 1))])
        .await
        .unwrap();
    assert_eq!(later.head().last_number, 1);
}

#[tokio::test]
async fn rows_of_an_earlier_session_of_the_name_are_not_opened() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    fixture.journal.close().await;
    let mut other = scope(1);
    other.uuid = "22222222".into();
    let opened = Journal::open(other, Arc::clone(&fixture.store), WIDE, ()).await;
    assert!(matches!(opened, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn both_addresses_of_a_person_are_one_conversation() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let lid = UserId::lid("8123").unwrap();
    let by_phone = message("A", 1, 1);
    let mut by_lid = message("B", 1, 2);
    by_lid.chat = ChatId::User(lid.clone());
    by_lid.chat_alt = Some(user(1));
    let other = message("C", 2, 3);
    let batch = vec![incoming(by_phone), incoming(by_lid), incoming(other)];
    fixture.journal.take(batch).await.unwrap();
    for chat in [ChatId::User(lid), ChatId::User(user(1))] {
        let filter = ListMessages {
            chat: Some(chat),
            ..everything()
        };
        let list = fixture.journal.list(&filter).await.unwrap();
        assert_eq!(
            (list.messages.len(), list.total, list.last_number),
            (2, 2, 3)
        );
    }
}
