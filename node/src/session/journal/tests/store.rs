//! What is known of conversations and people, and where it comes from.

use switchboard_vocab::chats::{self, Mute};
use switchboard_vocab::contacts;
use switchboard_vocab::events::chats::Event as ChatEvent;
use switchboard_vocab::events::contacts::Event as ContactEvent;
use switchboard_vocab::events::sessions::Event as SessionEvent;
use switchboard_whatsapp::{ChatFact, ContactFact, Fact, History};

use super::*;
use crate::session::journal::chats::CLEAR_STEP_MAX;

fn chat(at: u64) -> ChatId {
    ChatId::User(user(at))
}

fn tokens(events: &[Envelope]) -> Vec<&'static str> {
    events.iter().map(|e| e.event.type_token()).collect()
}

async fn list(fixture: &Fixture) -> Vec<chats::Chat> {
    let filter = chats::List {
        archived: None,
        offset: 0,
        limit: 100,
    };
    fixture.journal.chats(&filter).await.unwrap().chats
}

#[tokio::test]
async fn reading_anywhere_lowers_what_is_unread() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    let batch = ["A", "B", "C"].map(|id| incoming(message(id, 1, 1)));
    journal.take(batch.to_vec()).await.unwrap();
    journal
        .take(vec![incoming(message("D", 1, 2))])
        .await
        .unwrap();
    let unread = async || journal.chat(&chat(1)).await.unwrap().unwrap().unread;
    assert_eq!(unread().await, 4);
    // The phone read the second one: what came with it in the same second is still unread.
    let mut read = receipt("B", ReceiptKind::Read);
    read.user = user(9_999);
    journal.receipt(read.clone()).await.unwrap();
    assert_eq!(unread().await, 2);
    journal.receipt(read).await.unwrap();
    assert_eq!(unread().await, 2);
    journal
        .read_here(vec![MessageId::parse("D").unwrap()])
        .await
        .unwrap();
    assert_eq!(unread().await, 0);
    journal
        .take(vec![incoming(message("E", 1, 3))])
        .await
        .unwrap();
    assert_eq!(unread().await, 1);
    journal.read_all_here(chat(1)).await.unwrap();
    assert_eq!(unread().await, 0);
    assert_eq!(journal.unread(&chat(1)).await.unwrap(), []);
}

#[tokio::test]
async fn facts_learned_again_change_and_tell_nothing() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    journal
        .take(vec![incoming(message("A", 1, 1))])
        .await
        .unwrap();
    let archived = Fact::Chat(ChatFact {
        archived: Some(true),
        muted: Some(Some(Mute::Forever)),
        ..ChatFact::of(chat(1))
    });
    let saved = Fact::Contact(ContactFact {
        saved: Some(("Ann Lee".to_owned(), Some("Ann".to_owned()))),
        ..ContactFact::of(user(1))
    });
    let starred = Fact::Starred {
        chat: chat(1),
        id: MessageId::parse("A").unwrap(),
        starred: true,
    };
    let facts = || {
        vec![
            archived.clone(),
            saved.clone(),
            starred.clone(),
            Fact::Blocked(vec![user(2)]),
        ]
    };
    journal.learn(facts()).await.unwrap();
    let told = tokens(&fixture.events().await);
    let expected = [
        "message-received",
        "chat-added",
        "chat-changed",
        "contact-added",
        "message-changed",
        "contact-added",
    ];
    assert_eq!(told, expected);
    journal.learn(facts()).await.unwrap();
    assert_eq!(fixture.events().await.len(), expected.len());
    let shown = journal.chat(&chat(1)).await.unwrap().unwrap();
    assert_eq!(shown.name.as_deref(), Some("Ann Lee"));
    assert!(shown.archived && shown.last_message.unwrap().marks.starred);
    journal.learn(vec![Fact::Blocked(vec![])]).await.unwrap();
    assert!(!journal.contact(&user(2)).await.unwrap().unwrap().blocked);
    journal
        .learn(vec![Fact::ContactRemoved { user: user(1) }])
        .await
        .unwrap();
    assert!(journal.saved_contacts().await.unwrap().is_empty());
    let last = fixture.events().await.pop().unwrap();
    assert!(matches!(
        last.event,
        Event::Contacts(ContactEvent::Removed(_))
    ));
}

#[tokio::test]
async fn two_addresses_that_turn_out_to_be_one_person_become_one() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    let lid = UserId::lid("777").unwrap();
    let mut hidden = message("B", 1, 2);
    hidden.chat = ChatId::User(lid.clone());
    hidden.sender = lid.clone();
    hidden.push_name = Some("Ann".to_owned());
    journal
        .take(vec![incoming(message("A", 1, 1)), incoming(hidden)])
        .await
        .unwrap();
    assert_eq!(list(&fixture).await.len(), 2);
    let pair = Fact::Pair {
        phone: user(1),
        lid: lid.clone(),
    };
    journal.learn(vec![pair.clone(), pair]).await.unwrap();
    let chats = list(&fixture).await;
    assert_eq!(chats.len(), 1);
    assert_eq!(
        (&chats[0].id, &chats[0].alt),
        (&chat(1), &Some(lid.clone()))
    );
    assert_eq!(chats[0].unread, 2);
    assert_eq!(chats[0].name.as_deref(), Some("Ann"));
    assert_eq!(chats[0].last_message.as_ref().unwrap().id.as_str(), "B");
    let by_lid = journal.contact(&lid).await.unwrap().unwrap();
    assert_eq!(by_lid.id, user(1));
    // From now on the number stands on what comes by the other address.
    let mut later = message("C", 1, 3);
    later.chat = ChatId::User(lid.clone());
    later.sender = lid;
    journal.take(vec![incoming(later)]).await.unwrap();
    let last = fixture.all().await.pop().unwrap();
    assert_eq!(
        (last.chat_alt, last.sender_alt),
        (Some(user(1)), Some(user(1)))
    );
}

#[tokio::test]
async fn history_is_older_than_what_came_before_it_and_told_as_a_whole() {
    let mut fixture = Fixture::new(EngineKind::Sled, WIDE).await;
    let journal = &fixture.journal;
    journal
        .take(vec![incoming(message("N", 1, 100))])
        .await
        .unwrap();
    let early = Fact::Starred {
        chat: chat(1),
        id: MessageId::parse("H2").unwrap(),
        starred: true,
    };
    journal.learn(vec![early]).await.unwrap();
    let messages = || {
        let old = (1..=300).map(|at| incoming(message(&format!("H{at}"), 1, at % 50)));
        old.chain([incoming(message("N", 1, 100))])
            .collect::<Vec<_>>()
    };
    let part = |last: bool| History {
        part: "FULL".to_owned(),
        progress: Some(50),
        facts: vec![Fact::Chat(ChatFact {
            unread: Some(7),
            ..ChatFact::of(chat(1))
        })],
        messages: messages(),
        last,
    };
    journal.take_history(part(false)).await.unwrap();
    journal.take_history(part(true)).await.unwrap();
    let events = fixture.events().await;
    assert_eq!(
        tokens(&events),
        ["message-received", "chat-added", "session-history-taken"]
    );
    let Event::Sessions(SessionEvent::HistoryTaken(taken)) = &events[2].event else {
        panic!("no history");
    };
    assert_eq!((taken.chats, taken.messages), (2, 300));
    assert_eq!(taken.numbers, Some((2, 301)));
    fixture.reopen(EngineKind::Sled).await;
    let all = fixture.all().await;
    assert_eq!(all.len(), 301);
    assert!(all.is_sorted_by_key(|m| (m.at, m.number)));
    assert_eq!(
        all.last().unwrap().number,
        1,
        "it came first and is the newest"
    );
    let starred: Vec<_> = all
        .iter()
        .filter(|m| m.marks.starred)
        .map(|m| m.id.as_str())
        .collect();
    assert_eq!(starred, ["H2"]);
    assert!(
        all.iter()
            .all(|m| m.context.from_history == (m.number != 1))
    );
    let shown = fixture.journal.chat(&chat(1)).await.unwrap().unwrap();
    assert_eq!(
        (shown.unread, shown.last_at),
        (7, Some(Timestamp::from_secs(100)))
    );
}

#[tokio::test]
async fn an_emptied_conversation_keeps_what_came_since() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    let batch = (0..700).map(|at| incoming(message(&format!("M{at}"), 1, at / 10)));
    journal.take(batch.collect()).await.unwrap();
    journal
        .take(vec![incoming(message("X", 2, 1))])
        .await
        .unwrap();
    let cleared = Fact::ChatCleared {
        chat: chat(1),
        until: Some(Timestamp::from_secs(59)),
        keeps_starred: false,
    };
    journal.learn(vec![cleared.clone(), cleared]).await.unwrap();
    let count = async |with| {
        let filter = ListMessages {
            chat: Some(with),
            ..everything()
        };
        journal.list(&filter).await.unwrap().total
    };
    assert_eq!((count(chat(1)).await, count(chat(2)).await), (100, 1));
    assert_eq!(journal.chat(&chat(1)).await.unwrap().unwrap().unread, 100);
    let deleted = |until| Fact::ChatDeleted {
        chat: chat(1),
        until,
    };
    let early = deleted(Some(Timestamp::from_secs(60)));
    journal.learn(vec![early]).await.unwrap();
    assert_eq!(count(chat(1)).await, 90);
    assert!(
        journal.chat(&chat(1)).await.unwrap().is_some(),
        "it went on"
    );
    journal
        .learn(vec![deleted(None), deleted(None)])
        .await
        .unwrap();
    assert!(journal.chat(&chat(1)).await.unwrap().is_none());
    let events = fixture.events().await;
    let of = |wanted: fn(&ChatEvent) -> bool| {
        let is = |e: &&Envelope| matches!(&e.event, Event::Chats(event) if wanted(event));
        events.iter().filter(is).count()
    };
    assert_eq!(of(|e| matches!(e, ChatEvent::Cleared { .. })), 1);
    assert_eq!(of(|e| matches!(e, ChatEvent::Removed { .. })), 1);
}

#[tokio::test]
async fn stars_outlast_a_conversation_that_is_cleared_without_them() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    // More stars in a row than one step removes, and something behind them.
    let stars = u64::try_from(CLEAR_STEP_MAX).unwrap() + 20;
    let all = stars + 30;
    let batch = (0..all).map(|at| incoming(message(&format!("M{at}"), 1, at)));
    journal.take(batch.collect()).await.unwrap();
    let star = |at| Fact::Starred {
        chat: chat(1),
        id: MessageId::parse(&format!("M{at}")).unwrap(),
        starred: true,
    };
    let starred = (0..stars).chain([all - 1]).map(star);
    journal.learn(starred.collect()).await.unwrap();
    let left = async || {
        let of_chat = ListMessages {
            chat: Some(chat(1)),
            ..everything()
        };
        let list = journal.list(&of_chat).await.unwrap();
        assert!(list.messages.iter().all(|message| message.marks.starred));
        list.total
    };
    let cleared = |keeps_starred| Fact::ChatCleared {
        chat: chat(1),
        until: None,
        keeps_starred,
    };
    journal.learn(vec![cleared(true)]).await.unwrap();
    assert_eq!(left().await, stars + 1);
    journal.learn(vec![cleared(false)]).await.unwrap();
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn progress_is_kept_for_each_person() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    let mut to_group = own("S", 1);
    to_group.chat = "123@g.us".parse().unwrap();
    journal.claim(claimed(to_group)).await.unwrap();
    journal.dispatched(dispatched("S")).await.unwrap();
    for (who, kind) in [
        (1, ReceiptKind::Delivered),
        (2, ReceiptKind::Read),
        (1, ReceiptKind::Delivered),
        (1, ReceiptKind::Read),
        (2, ReceiptKind::Played),
    ] {
        let mut receipt = receipt("S", kind);
        receipt.chat = "123@g.us".parse().unwrap();
        receipt.user = user(who);
        journal.receipt(receipt).await.unwrap();
    }
    let progress = journal.progress(1).await.unwrap();
    let at = Some(Timestamp::from_secs(8));
    let reached: Vec<_> = progress
        .into_iter()
        .map(|p| (p.user, p.delivered_at, p.read_at, p.played_at))
        .collect();
    assert_eq!(reached, [(user(1), at, at, None), (user(2), at, at, at)]);
    assert_eq!(statuses(&fixture.events().await).len(), 4, "one came twice");
}

#[tokio::test]
async fn what_could_not_be_read_gives_way_to_what_can() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    let mut lost = message("A", 1, 1);
    lost.body = Body::Unreadable {
        reason: "no key".to_owned(),
    };
    let lost = || Fact::Unreadable(Box::new(incoming(lost.clone())));
    journal.learn(vec![lost(), lost()]).await.unwrap();
    journal
        .take(vec![incoming(message("A", 1, 1))])
        .await
        .unwrap();
    journal.learn(vec![lost()]).await.unwrap();
    let all = fixture.all().await;
    let words: Vec<_> = all.iter().map(|m| m.body.words()).collect();
    assert_eq!(words, [Some("hello A")]);
    assert_eq!(kinds_of(&fixture.events().await), ["message-received"; 2]);
}

#[tokio::test]
async fn the_oldest_go_first_by_number_age_and_bytes() {
    let few = Limits {
        messages_max: 3,
        ..WIDE
    };
    let fixture = Fixture::new(EngineKind::Memory, few).await;
    // Later ones are older: the time decides.
    for (id, secs) in [("A", 50), ("B", 40), ("C", 30), ("D", 20), ("E", 60)] {
        fixture
            .journal
            .take(vec![incoming(message(id, 1, secs))])
            .await
            .unwrap();
    }
    let ids = async |fixture: &Fixture| {
        let all = fixture.all().await;
        all.into_iter()
            .map(|m| m.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&fixture).await, ["B", "A", "E"]);
    let small = Limits {
        bytes_max: 2_000,
        ..WIDE
    };
    let fixture = Fixture::new(EngineKind::Memory, small).await;
    for at in 0..40 {
        let next = incoming(message(&format!("M{at}"), 1, at));
        fixture.journal.take(vec![next]).await.unwrap();
    }
    let head = fixture.journal.head();
    assert!(head.bytes <= 2_000 && head.messages >= 2, "{head:?}");
    assert_eq!(fixture.all().await.len() as u64, head.messages);
    let young = Limits {
        age_max: Some(Duration::from_secs(60)),
        ..WIDE
    };
    let fixture = Fixture::new(EngineKind::Memory, young).await;
    let mut fresh = message("F", 1, 0);
    fresh.at = crate::clock::now();
    let batch = vec![incoming(message("O", 1, 5)), incoming(fresh)];
    fixture.journal.take(batch).await.unwrap();
    let mut fixture = fixture;
    // A look at the age comes with every start.
    fixture.reopen(EngineKind::Memory).await;
    let gone = async {
        while ids(&fixture).await != ["F"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("the old one stays");
}

#[tokio::test]
async fn a_heavy_outbox_drops_its_oldest_events() {
    let light = Limits {
        events_bytes_max: 20_000,
        ..WIDE
    };
    let fixture = Fixture::new(EngineKind::Memory, light).await;
    for at in 0..200 {
        let next = incoming(message(&format!("M{at}"), 1, at));
        fixture.journal.take(vec![next]).await.unwrap();
    }
    let left = fixture.events().await;
    assert!(left.len() < 100 && left.len() >= 16, "{}", left.len());
    assert_eq!(
        left.last().unwrap().sequence,
        fixture.journal.head().last_sequence
    );
    assert_eq!(fixture.all().await.len(), 200, "the log loses none");
}

#[tokio::test]
async fn people_are_listed_by_page() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let facts = (0..30).map(|at| {
        let mut fact = ContactFact::of(user(at));
        fact.saved = (at % 2 == 0).then(|| (format!("P{at}"), None));
        Fact::Contact(fact)
    });
    fixture.journal.learn(facts.collect()).await.unwrap();
    let filter = contacts::List {
        saved: Some(true),
        offset: 10,
        limit: 3,
    };
    let page = fixture.journal.contacts(&filter).await.unwrap();
    let ids: Vec<_> = page.contacts.into_iter().map(|c| c.id).collect();
    assert_eq!((ids, page.total), (vec![user(20), user(22), user(24)], 15));
}
