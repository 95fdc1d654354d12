//! The synchronised state both ways, with the account's own phone as the witness.

use switchboard_simulator::phone::{Act, MessageRef, State};
use switchboard_vocab::chats::Mute;
use switchboard_vocab::{MessageId, Timestamp, UserId};
use switchboard_whatsapp::{AppStateChange, ChatTail, Error, Fact, Target};

use crate::bench::{Session, World, chat, eventually};

const ANNA: &str = "15550001";
const BERT: &str = "15550002";
const CORA: &str = "15550003";

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
    let acts = [
        Act::Archive {
            chat: name(),
            on: true,
        },
        Act::Mute {
            chat: name(),
            until_ms: None,
            on: true,
        },
        Act::MarkUnread { chat: name() },
        Act::Star {
            message: message.clone(),
            on: true,
        },
        Act::SaveContact {
            contact: name(),
            full_name: Some("Bert B".to_owned()),
            first_name: Some("Bert".to_owned()),
        },
        Act::DeleteMessageForMe {
            message,
            delete_media: false,
            timestamp: None,
        },
        Act::ClearChat {
            chat: name(),
            delete_starred: false,
            delete_media: false,
        },
        Act::DeleteChat {
            chat: name(),
            delete_media: false,
        },
    ];
    world.simulator.act(ANNA, &acts).unwrap();
    let id = MessageId::parse("M1").unwrap();
    anna.fact(|fact| matches!(fact, Fact::ChatDeleted { chat, .. } if *chat == bert).then_some(()))
        .await;
    // One after the other in the same order is not promised between collections: start again and look for each.
    world
        .simulator
        .act(
            ANNA,
            &[Act::SetPushName {
                name: "Anna Two".to_owned(),
            }],
        )
        .unwrap();
    anna.fact(|fact| matches!(fact, Fact::OwnName(name) if name == "Anna Two").then_some(()))
        .await;
    let seen = anna.facts_seen();
    let has = |is_it: &dyn Fn(&Fact) -> bool| seen.iter().any(is_it);
    let about = |fact: &Fact, is_so: &dyn Fn(&switchboard_whatsapp::ChatFact) -> bool| matches!(fact, Fact::Chat(told) if told.chat == bert && is_so(told));
    assert!(
        has(&|fact| about(fact, &|told| told.archived == Some(true))),
        "{seen:#?}"
    );
    assert!(has(
        &|fact| about(fact, &|told| told.muted == Some(Some(Mute::Forever)))
    ));
    assert!(has(
        &|fact| about(fact, &|told| told.marked_unread == Some(true))
    ));
    assert!(has(
        &|fact| matches!(fact, Fact::Starred { id: told, starred: true, .. } if *told == id)
    ));
    assert!(has(
        &|fact| matches!(fact, Fact::DeletedForMe { id: told, .. } if *told == id)
    ));
    assert!(has(
        &|fact| matches!(fact, Fact::ChatCleared { chat, .. } if *chat == bert)
    ));
    let saved = Some(("Bert B".to_owned(), Some("Bert".to_owned())));
    assert!(has(
        &|fact| matches!(fact, Fact::Contact(told) if told.saved == saved)
    ));
}
