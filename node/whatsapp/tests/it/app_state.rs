//! The synchronised state both ways, with the account's own phone as the witness.

use std::time::Duration;

use switchboard_keystore::{Kind, Namespace, ScanRange};
use switchboard_simulator::faults::{Fault, Request};
use switchboard_simulator::journal::Direction;
use switchboard_simulator::phone::{Act, MessageRef, State};
use switchboard_vocab::chats::Mute;
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};
use switchboard_whatsapp::{AppStateChange, ChatFact, ChatTail, Error, Fact, Target};

use crate::bench::{DEADLINE, Session, World, chat, eventually};

const ANNA: &str = "15550001";
const BERT: &str = "15550002";
const CORA: &str = "15550003";
/// Where it is written which versions other devices made.
const TOLD: Kind = Kind(0x1C);
/// How late WhatsApp's answers are: time enough to do something else.
const LATE_MS: u64 = 400;

fn jid(number: &str) -> String {
    format!("{number}@s.whatsapp.net")
}

fn target(id: &str) -> Target {
    Target {
        id: MessageId::parse(id).unwrap(),
        from_me: true,
        sender: None,
    }
}

fn tail(number: &str) -> ChatTail {
    ChatTail {
        chat: chat(number),
        last: Some((target("M1"), Timestamp::from_secs(1_700_000_000))),
    }
}

async fn change(session: &Session, change: AppStateChange) {
    session.account.change_app_state(change).await.unwrap();
}

async fn shows(world: &World, number: &str, what: &str, is_so: impl Fn(&State) -> bool) {
    eventually(what, || {
        is_so(&world.simulator.phone_state(number).unwrap())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_phone_sees_what_the_session_changes() {
    let world = World::new().await;
    let anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    change(&anna, AppStateChange::Archive(tail(BERT), true)).await;
    change(&anna, AppStateChange::Mute(chat(BERT), Some(Mute::Forever))).await;
    change(&anna, AppStateChange::MarkRead(tail(BERT), false)).await;
    let bert = |state: &State| state.chats.get(&jid(BERT)).cloned().unwrap_or_default();
    shows(
        &world,
        ANNA,
        "the chat is archived, mute and unread",
        |state| {
            let chat = bert(state);
            chat.archived && chat.muted_until_ms == Some(-1) && chat.unread
        },
    )
    .await;
    change(&anna, AppStateChange::Archive(tail(BERT), false)).await;
    change(&anna, AppStateChange::Pin(chat(BERT), true)).await;
    change(&anna, AppStateChange::Mute(chat(BERT), None)).await;
    change(&anna, AppStateChange::MarkRead(tail(BERT), true)).await;
    change(&anna, AppStateChange::Star(chat(BERT), target("M1"), true)).await;
    let deleted = AppStateChange::DeleteForMe(chat(BERT), target("M2"), Timestamp::from_secs(5));
    change(&anna, deleted).await;
    shows(&world, ANNA, "the chat is pinned and read", |state| {
        let chat = bert(state);
        chat.pinned && !chat.archived && chat.muted_until_ms.is_none() && !chat.unread
    })
    .await;
    shows(
        &world,
        ANNA,
        "one message has a star and one is gone",
        |state| {
            let starred = state.starred.iter().any(|message| message.id == "M1");
            starred
                && state
                    .deleted_messages
                    .iter()
                    .any(|message| message.id == "M2")
        },
    )
    .await;
    change(&anna, AppStateChange::Pin(chat(BERT), false)).await;
    change(&anna, AppStateChange::Clear(tail(BERT))).await;
    shows(&world, ANNA, "the chat is empty", |state| {
        let chat = bert(state);
        chat.cleared_at_ms.is_some() && !chat.pinned
    })
    .await;
    change(&anna, AppStateChange::Delete(tail(BERT))).await;
    shows(&world, ANNA, "the chat is gone", |state| {
        bert(state).deleted_at_ms.is_some()
    })
    .await;
    let past = AppStateChange::Mute(chat(BERT), Some(Mute::Until(Timestamp::from_secs(1))));
    let refused = anna.account.change_app_state(past).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_come_and_go() {
    let world = World::new().await;
    let anna = world.linked("anna", ANNA).await;
    let user = |number: &str| UserId::phone(number).unwrap();
    for number in [BERT, CORA] {
        world.simulator.add_phone(number, "Somebody").unwrap();
        let name = format!("Person {number}");
        change(&anna, AppStateChange::SaveContact(user(number), name, None)).await;
    }
    let is_saved = |state: &State, number: &str| {
        let contact = state.contacts.get(&jid(number));
        contact.is_some_and(|contact| contact.full_name == Some(format!("Person {number}")))
    };
    shows(&world, ANNA, "both are in the address book", |state| {
        is_saved(state, BERT) && is_saved(state, CORA)
    })
    .await;
    // The second removal stands on a version that the first one moved.
    for number in [BERT, CORA] {
        change(&anna, AppStateChange::RemoveContact(user(number))).await;
        shows(&world, ANNA, "the contact is gone", |state| {
            !state.contacts.contains_key(&jid(number))
        })
        .await;
    }
    let gone = AppStateChange::RemoveContact(UserId::phone("15550099").unwrap());
    let refused = anna.account.change_app_state(gone).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    // The library's own changes of the same collection still work.
    let again = AppStateChange::SaveContact(user(BERT), format!("Person {BERT}"), None);
    change(&anna, again).await;
    shows(&world, ANNA, "the contact is back", |state| {
        is_saved(state, BERT)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one thing after the other")]
async fn the_session_learns_what_the_phone_changes() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let bert = chat(BERT);
    // Records name people by LID; the number behind it is known once it was asked for.
    let user = UserId::phone(BERT).unwrap();
    anna.account.check(&[user]).await.unwrap();
    let message = MessageRef {
        chat: BERT.to_owned(),
        id: "M1".to_owned(),
        from_me: true,
        participant: None,
    };
    let name = || BERT.to_owned();
    let id = MessageId::parse("M1").unwrap();
    let is_bert = |chat: &ChatId| *chat == bert;
    let about = |fact: &Fact, is_so: fn(&ChatFact) -> bool| matches!(fact, Fact::Chat(told) if is_bert(&told.chat) && is_so(told));
    let saved = Some(("Bert B".to_owned(), Some("Bert".to_owned())));
    let mut learns = async |act: Act, is_it: &dyn Fn(&Fact) -> bool| {
        world
            .simulator
            .act(ANNA, std::slice::from_ref(&act))
            .unwrap();
        anna.fact(|fact| is_it(fact).then_some(())).await;
    };
    let act = Act::Archive {
        chat: name(),
        on: true,
    };
    learns(act, &|fact| about(fact, |told| told.archived == Some(true))).await;
    let act = Act::Mute {
        chat: name(),
        until_ms: None,
        on: true,
    };
    learns(act, &|fact| {
        about(fact, |told| told.muted == Some(Some(Mute::Forever)))
    })
    .await;
    let act = Act::MarkUnread { chat: name() };
    learns(act, &|fact| {
        about(fact, |told| told.marked_unread == Some(true))
    })
    .await;
    let act = Act::Star {
        message: message.clone(),
        on: true,
    };
    learns(
        act,
        &|fact| matches!(fact, Fact::Starred { id: told, starred: true, .. } if *told == id),
    )
    .await;
    let act = Act::SaveContact {
        contact: name(),
        full_name: Some("Bert B".to_owned()),
        first_name: Some("Bert".to_owned()),
    };
    learns(
        act,
        &|fact| matches!(fact, Fact::Contact(told) if told.saved == saved),
    )
    .await;
    let act = Act::DeleteMessageForMe {
        message,
        delete_media: false,
        timestamp: None,
    };
    learns(
        act,
        &|fact| matches!(fact, Fact::DeletedForMe { id: told, .. } if *told == id),
    )
    .await;
    for keeps in [true, false] {
        let act = Act::ClearChat {
            chat: name(),
            delete_starred: !keeps,
            delete_media: false,
        };
        learns(
            act,
            &|fact| matches!(fact, Fact::ChatCleared { chat, keeps_starred, .. } if is_bert(chat) && *keeps_starred == keeps),
        )
        .await;
    }
    let act = Act::DeleteChat {
        chat: name(),
        delete_media: false,
    };
    learns(
        act,
        &|fact| matches!(fact, Fact::ChatDeleted { chat, .. } if is_bert(chat)),
    )
    .await;
    let act = Act::SetPushName {
        name: "Anna Two".to_owned(),
    };
    learns(
        act,
        &|fact| matches!(fact, Fact::OwnName(name) if name == "Anna Two"),
    )
    .await;
}

/// The answer of the first reading is late, and the second change is told right behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_a_collection_is_read_is_learnt_too() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let pin = |on| Act::Pin {
        chat: BERT.to_owned(),
        on,
    };
    let archive = |on| Act::Archive {
        chat: BERT.to_owned(),
        on,
    };
    let asked = || {
        let journal = world.simulator.journal();
        let device = journal.device(&format!("{ANNA}:1")).unwrap();
        let asked = device.inbound.get("iq:w:sync:app:state");
        asked.map_or(0, |tally| tally.count)
    };
    for round in 0..5 {
        let on = round % 2 == 0;
        let before = asked();
        let late = Request {
            number: Some(ANNA.to_owned()),
            direction: Some(Direction::Out),
            stanza: Some("iq:result".to_owned()),
            ..Request::new(Fault::Delay { ms: LATE_MS })
        };
        world.simulator.inject(late).unwrap();
        world.simulator.act(ANNA, &[pin(on)]).unwrap();
        eventually("the session asks", || asked() > before).await;
        world.simulator.act(ANNA, &[archive(on)]).unwrap();
        anna.fact(|fact| match fact {
            Fact::Chat(told) if told.archived == Some(on) => Some(()),
            _ => None,
        })
        .await;
    }
}

/// What is written down of the versions that were told.
async fn told(world: &World) -> Vec<(Vec<u8>, Vec<u8>)> {
    let namespace = Namespace::session("default/anna").unwrap();
    let rows = world.store.scan(&namespace, TOLD, ScanRange::all(10));
    rows.await.unwrap().entries
}

/// WhatsApp tells once that something changed. The process that was told ends before it could read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_and_not_read_is_read_by_the_next_process() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let before = told(&world).await;
    let lost = Request {
        number: Some(ANNA.to_owned()),
        direction: Some(Direction::Out),
        stanza: Some("iq:result".to_owned()),
        // Until the rules are deleted.
        count: Some(0),
        ..Request::new(Fault::Drop)
    };
    world.simulator.inject(lost).unwrap();
    let pin = Act::Pin {
        chat: BERT.to_owned(),
        on: true,
    };
    world.simulator.act(ANNA, &[pin]).unwrap();
    let until = tokio::time::Instant::now() + DEADLINE;
    while told(&world).await == before {
        assert!(tokio::time::Instant::now() < until, "nothing is written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    anna.stop().await;
    drop(anna);
    world.simulator.inject(Request::new(Fault::Clear)).unwrap();
    let mut anna = world.open("anna", 2).await;
    anna.start();
    anna.fact(|fact| match fact {
        Fact::Chat(told) if matches!(told.pinned_at, Some(Some(_))) => Some(()),
        _ => None,
    })
    .await;
    anna.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_outlasts_the_changes_of_others_and_says_so_when_it_cannot() {
    /// What the library tries in a row.
    const LIBRARY_TRIES: u32 = 5;
    let world = World::new().await;
    let anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    let conflicts = |count| Request {
        number: Some(ANNA.to_owned()),
        count: Some(count),
        ..Request::new(Fault::Conflict)
    };
    world.simulator.inject(conflicts(LIBRARY_TRIES)).unwrap();
    change(&anna, AppStateChange::Pin(chat(BERT), true)).await;
    shows(&world, ANNA, "the chat is pinned", |state| {
        state.chats.get(&jid(BERT)).is_some_and(|chat| chat.pinned)
    })
    .await;
    world.simulator.inject(conflicts(0)).unwrap();
    let unpin = AppStateChange::Pin(chat(BERT), false);
    let refused = anna.account.change_app_state(unpin.clone()).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    world.simulator.inject(Request::new(Fault::Clear)).unwrap();
    change(&anna, unpin).await;
    shows(&world, ANNA, "the chat is not pinned", |state| {
        state.chats.get(&jid(BERT)).is_none_or(|chat| !chat.pinned)
    })
    .await;
}
