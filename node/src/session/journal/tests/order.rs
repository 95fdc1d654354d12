//! Listings of conversations and people show what a look at every row shows, page by page, after whatever happened.

use std::cmp::Reverse;

use switchboard_keystore::{Kind, Op, PAGE_ENTRIES_MAX, ScanRange};
use switchboard_vocab::chats::{self, Chat};
use switchboard_vocab::contacts::{self, CheckedUser, Contact};
use switchboard_whatsapp::{ChatFact, ContactFact, Fact};

use super::*;
use crate::session::journal::checked::{CHECK_AGE_MAX, CHECKED_MAX};

/// A page that nothing here fits into.
const PAGE: u32 = 3;
const FLAGS: [Option<bool>; 3] = [None, Some(true), Some(false)];

async fn every(journal: &Journal, kind: Kind) -> Vec<(Vec<u8>, Vec<u8>)> {
    let range = ScanRange::all(PAGE_ENTRIES_MAX);
    let page = journal.store.scan(&journal.namespace, kind, range);
    page.await.unwrap().entries
}

/// Whether the orders say what the rows say, and nothing else is in them.
pub(super) async fn agree(journal: &Journal) {
    let rows = every(journal, kinds::CHAT).await;
    let decoded = rows.iter().map(|(_, row)| rows::decode("chat", row));
    let mut all: Vec<rows::ChatRow> = decoded.collect::<Result<_, _>>().unwrap();
    all.sort_by_key(|row| (Reverse(row.chat.last_at), row.chat.id.to_string()));
    for archived in FLAGS {
        let wanted = all.iter().map(|row| &row.chat);
        let wanted = wanted.filter(|chat| archived.is_none_or(|flag| chat.archived == flag));
        let wanted: Vec<&ChatId> = wanted.map(|chat| &chat.id).collect();
        let found = chats_of(journal, archived).await;
        assert_eq!(
            found.iter().map(|chat| &chat.id).collect::<Vec<_>>(),
            wanted
        );
    }
    assert_eq!(every(journal, kinds::CHAT_ORDER).await.len(), all.len());
    let rows = every(journal, kinds::CONTACT).await;
    let decoded = rows.iter().map(|(_, row)| rows::decode("contact", row));
    let all: Vec<Contact> = decoded.collect::<Result<_, _>>().unwrap();
    for saved in FLAGS {
        let wanted = all.iter();
        let wanted = wanted.filter(|contact| saved.is_none_or(|flag| contact.saved == flag));
        let wanted: Vec<Contact> = wanted.cloned().collect();
        assert_eq!(contacts_of(journal, saved).await, wanted);
        if saved == Some(true) {
            assert_eq!(journal.saved_contacts().await.unwrap(), wanted);
        }
    }
    assert_eq!(every(journal, kinds::CONTACT_ORDER).await.len(), all.len());
}

/// Page by page; each says how many there are in all.
async fn chats_of(journal: &Journal, archived: Option<bool>) -> Vec<Chat> {
    let mut all: Vec<Chat> = Vec::new();
    loop {
        let list = chats::List {
            archived,
            offset: u32::try_from(all.len()).unwrap(),
            limit: PAGE,
        };
        let page = journal.chats(&list).await.unwrap();
        let is_end = page.chats.is_empty();
        all.extend(page.chats);
        assert!(page.total >= u64::try_from(all.len()).unwrap());
        if is_end {
            assert_eq!(page.total, u64::try_from(all.len()).unwrap());
            return all;
        }
    }
}

async fn contacts_of(journal: &Journal, saved: Option<bool>) -> Vec<Contact> {
    let mut all: Vec<Contact> = Vec::new();
    loop {
        let list = contacts::List {
            saved,
            offset: u32::try_from(all.len()).unwrap(),
            limit: PAGE,
        };
        let page = journal.contacts(&list).await.unwrap();
        let is_end = page.contacts.is_empty();
        all.extend(page.contacts);
        if is_end {
            assert_eq!(page.total, u64::try_from(all.len()).unwrap());
            return all;
        }
    }
}

fn archived(with: u64) -> Fact {
    Fact::Chat(ChatFact {
        archived: Some(true),
        ..ChatFact::of(ChatId::User(user(with)))
    })
}

fn saved(who: u64) -> Fact {
    Fact::Contact(ContactFact {
        saved: Some((format!("Person {who}"), None)),
        ..ContactFact::of(user(who))
    })
}

/// Numbers that WhatsApp was asked for.
const CHECKED: u64 = 9;

fn checked(who: u64, at: Timestamp) -> CheckedRow {
    let user = CheckedUser {
        user: user(who),
        registered: true,
        phone: None,
        lid: None,
        verified_name: None,
    };
    CheckedRow { user, at }
}

/// More conversations than one step of the migration takes.
const CHATS: u64 = 300;

async fn filled() -> Fixture {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    let batch = (0..CHATS).map(|at| incoming(message(&format!("M{at}"), at, at * 31 % 97)));
    journal.take(batch.collect()).await.unwrap();
    let facts = (0..CHATS).step_by(7).map(archived);
    let facts = facts.chain((0..CHATS).step_by(5).map(saved));
    // Nothing was ever said in these.
    let facts = facts.chain((CHATS..CHATS + 3).map(archived));
    journal.learn(facts.collect()).await.unwrap();
    let now = crate::clock::now();
    let answers = (0..CHECKED).map(|at| checked(at, now)).collect();
    journal.remember_checked(answers).await.unwrap();
    fixture
}

#[tokio::test]
async fn pages_of_conversations_and_people_are_what_every_row_says() {
    let fixture = filled().await;
    let journal = &fixture.journal;
    agree(journal).await;
    let chat = |with| ChatId::User(user(with));
    let lid = UserId::lid("8123").unwrap();
    let mut by_lid = message("LID", 1, 500);
    by_lid.chat = ChatId::User(lid.clone());
    by_lid.sender = lid.clone();
    journal.take(vec![incoming(by_lid)]).await.unwrap();
    agree(journal).await;
    let facts = vec![
        Fact::Pair {
            phone: user(2),
            lid,
        },
        Fact::ChatDeleted {
            chat: chat(3),
            until: None,
        },
        Fact::ContactRemoved { user: user(5) },
        // They take a number that somebody else had.
        Fact::NumberChanged {
            from: user(10),
            to: user(15),
        },
    ];
    for fact in facts {
        journal.learn(vec![fact]).await.unwrap();
        agree(journal).await;
    }
}

/// The store as the release before the orders left it.
async fn without_orders(fixture: &Fixture, left: bool) {
    fixture.journal.close().await;
    let (store, namespace) = (&fixture.store, &fixture.journal.namespace);
    let head = store.get(namespace, kinds::HEAD, &[]).await.unwrap();
    let mut head: serde_json::Value = serde_json::from_slice(&head.unwrap()[1..]).unwrap();
    let fields = head.as_object_mut().unwrap();
    for field in [
        "chats",
        "chats_archived",
        "contacts",
        "contacts_saved",
        "checked",
    ] {
        if left {
            fields.insert(field.to_owned(), 7.into());
        } else {
            fields.remove(field);
        }
    }
    fields.insert("layout".to_owned(), 1.into());
    let mut ops = vec![Op::Put {
        kind: kinds::HEAD,
        key: Vec::new(),
        value: rows::encode("head", &head).unwrap(),
    }];
    for kind in [kinds::CHAT_ORDER, kinds::CONTACT_ORDER] {
        for (key, _) in every(&fixture.journal, kind).await {
            ops.push(Op::Delete { kind, key });
        }
        if left {
            // A place that nothing has any more.
            let key = b"\x00somebody who is gone".to_vec();
            let value = Vec::new();
            ops.push(Op::Put { kind, key, value });
        }
    }
    let epoch = switchboard_keystore::Epoch(1);
    store.commit(namespace, epoch, ops).await.unwrap();
}

#[tokio::test]
async fn conversations_and_people_of_an_earlier_release_find_their_order() {
    for left in [false, true] {
        let fixture = filled().await;
        without_orders(&fixture, left).await;
        let opened = Journal::open(scope(1), Arc::clone(&fixture.store), WIDE, ()).await;
        let journal = opened.unwrap().0;
        let head = journal.head();
        assert_eq!((head.layout, head.checked), (rows::LAYOUT, CHECKED));
        agree(&journal).await;
        journal.close().await;
    }
}

#[tokio::test]
async fn answers_about_numbers_go_when_nobody_believes_them_or_there_are_too_many() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    let now = crate::clock::now();
    let age = u64::try_from(CHECK_AGE_MAX.as_millis()).unwrap();
    let old = Timestamp::from_millis(now.as_millis() - age - 1);
    let some = (0..100).map(|at| checked(at, old)).collect();
    journal.remember_checked(some).await.unwrap();
    assert_eq!(journal.checked(&user(7)).await.unwrap(), None);
    for at in 100..102 {
        let one = vec![checked(at, now)];
        journal.remember_checked(one).await.unwrap();
    }
    let kept = every(journal, kinds::CHECKED).await;
    assert_eq!((kept.len(), journal.head().checked), (2, 2));
    assert!(journal.checked(&user(101)).await.unwrap().is_some());
    for part in 0..CHECKED_MAX / 500 + 3 {
        let answers = (0..500).map(|at| checked(1_000 + part * 500 + at, now));
        let answers = answers.collect();
        journal.remember_checked(answers).await.unwrap();
        assert!(journal.head().checked <= CHECKED_MAX + 500);
    }
    assert!(journal.head().checked >= CHECKED_MAX);
}
