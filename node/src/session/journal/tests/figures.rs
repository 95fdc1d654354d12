//! What listings cost in a large store, next to a small one: what a page costs must not follow from what is behind it.

use std::collections::BTreeSet;
use std::time::Duration;

use switchboard_vocab::content::BodyKind;
use switchboard_vocab::{chats, contacts};
use switchboard_whatsapp::{ChatFact, ContactFact, Fact};

use super::*;

/// A page of the richest dialect.
const PAGE: u32 = 100;
/// How often each call is made; the median counts.
const RUNS: usize = 5;
/// One in so many messages is the account's own, and one in so many a reaction.
const OWN_EVERY: u64 = 4;
const REACTION_EVERY: u64 = 11;

/// One message in so many is in one busy conversation; the others are in all alike.
const BUSY_EVERY: u64 = 3;
const BUSY: u64 = 7;

/// A store of so many conversations and messages.
#[derive(Debug, Clone, Copy)]
struct Size {
    chats: u64,
    messages: u64,
}

/// The numbers of an installation, and a tenth of them.
const SIZES: [Size; 2] = [
    Size {
        chats: 500,
        messages: 10_000,
    },
    Size {
        chats: 5_000,
        messages: 100_000,
    },
];

async fn filled(size: Size) -> Fixture {
    let limits = Limits {
        messages_max: size.messages,
        events_max: 10,
        ..WIDE
    };
    let fixture = Fixture::new(EngineKind::Sled, limits).await;
    let journal = &fixture.journal;
    let one = |at: u64| {
        let busy = at.is_multiple_of(BUSY_EVERY);
        let with = if busy { BUSY } else { at % size.chats };
        let mut message = message(&format!("M{at}"), with, 1_000 + at);
        if at.is_multiple_of(OWN_EVERY) {
            message.from_me = true;
            message.sender = user(9_999);
        } else if at.is_multiple_of(REACTION_EVERY) && at >= size.chats {
            message.body = Body::Reaction {
                to: MessageId::parse(&format!("M{}", at - size.chats)).unwrap(),
                emoji: "👍".to_owned(),
            };
        }
        incoming(message)
    };
    let numbers: Vec<u64> = (0..size.messages).collect();
    for batch in numbers.chunks(500) {
        let batch = batch.iter().map(|at| one(*at)).collect();
        journal.take(batch).await.unwrap();
    }
    let people: Vec<u64> = (0..size.chats).collect();
    for batch in people.chunks(100) {
        let person = |at: &u64| {
            let saved = at.is_multiple_of(2).then(|| (format!("Person {at}"), None));
            Fact::Contact(ContactFact {
                saved,
                ..ContactFact::of(user(*at))
            })
        };
        let archived = batch.iter().filter(|at| at.is_multiple_of(10)).map(|at| {
            Fact::Chat(ChatFact {
                archived: Some(true),
                ..ChatFact::of(ChatId::User(user(*at)))
            })
        });
        let facts = batch.iter().map(person).chain(archived).collect();
        journal.learn(facts).await.unwrap();
    }
    fixture
}

/// The median of several runs.
async fn median(mut run: impl AsyncFnMut() -> u64) -> (u64, Duration) {
    let mut took = Vec::new();
    let mut total = 0;
    for _ in 0..RUNS {
        let begun = tokio::time::Instant::now();
        total = run().await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    (total, took[RUNS / 2])
}

async fn people(journal: &Journal, last: u32) {
    for (name, offset) in [("first page", 0), ("last page", last)] {
        for archived in [None, Some(true)] {
            let list = chats::List {
                archived,
                offset,
                limit: PAGE,
            };
            let (total, took) = median(async || journal.chats(&list).await.unwrap().total).await;
            println!("  chats::List, archived {archived:?}, {name}: {took:?} ({total} in all)");
        }
        for saved in [None, Some(true)] {
            let list = contacts::List {
                saved,
                offset,
                limit: PAGE,
            };
            let (total, took) = median(async || journal.contacts(&list).await.unwrap().total).await;
            println!("  contacts::List, saved {saved:?}, {name}: {took:?} ({total} in all)");
        }
    }
}

/// Every filter of the listing of messages, by its name.
fn filters(size: Size) -> Vec<(&'static str, ListMessages)> {
    let newest = ListMessages {
        order: ListOrder::NewestFirst,
        limit: PAGE,
        ..everything()
    };
    let talk = BTreeSet::from([BodyKind::Text, BodyKind::Media]);
    let middle = Timestamp::from_secs(1_000 + size.messages / 2);
    let late = Timestamp::from_secs(1_000 + size.messages / 2 + 500);
    vec![
        ("nothing", newest.clone()),
        (
            "from_me",
            ListMessages {
                from_me: Some(true),
                ..newest.clone()
            },
        ),
        (
            "author",
            ListMessages {
                author: Some(user(BUSY)),
                ..newest.clone()
            },
        ),
        (
            "kinds",
            ListMessages {
                kinds: Some(talk),
                ..newest.clone()
            },
        ),
        (
            "500 seconds",
            ListMessages {
                from: Some(middle),
                until: Some(late),
                ..newest.clone()
            },
        ),
        (
            "the newest 100 numbers",
            ListMessages {
                after_number: Some(size.messages - 100),
                ..newest.clone()
            },
        ),
        (
            "oldest first",
            ListMessages {
                order: ListOrder::OldestFirst,
                ..newest
            },
        ),
    ]
}

async fn talk(journal: &Journal, size: Size) {
    let (busy, quiet) = (ChatId::User(user(BUSY)), ChatId::User(user(BUSY + 1)));
    for (name, filter) in filters(size) {
        for (place, chat) in [
            ("in a quiet chat", Some(quiet.clone())),
            ("in the busy chat", Some(busy.clone())),
            ("in all", None),
        ] {
            let filter = ListMessages {
                chat,
                ..filter.clone()
            };
            let (total, first) = median(async || journal.list(&filter).await.unwrap().total).await;
            let offset = u32::try_from(total.saturating_sub(u64::from(PAGE))).unwrap();
            let end = ListMessages { offset, ..filter };
            let (_, last) = median(async || journal.list(&end).await.unwrap().total).await;
            println!(
                "  messages::List {place}, {name}: {first:?}, last page {last:?} ({total} in all)"
            );
        }
    }
}

/// Figures for documents: what a page costs in a small store and in a large one.
#[tokio::test]
#[ignore = "prints figures; run by hand"]
async fn figures() {
    for size in SIZES {
        let fixture = filled(size).await;
        println!("{size:?}, pages of {PAGE}");
        let last = u32::try_from(size.chats).unwrap() - PAGE;
        people(&fixture.journal, last).await;
        talk(&fixture.journal, size).await;
        fixture.journal.close().await;
    }
}
