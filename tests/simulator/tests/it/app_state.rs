//! App state: what the phone does reaches companions, what they do reaches the phone, and both agree
//! on every MAC.

use switchboard_simulator::Handle;
use switchboard_simulator::phone::{Act, MessageRef, State};
use wacore::store::traits::AppSyncStore as _;
use wacore::types::events::Event;
use whatsapp_rust::Jid;

use crate::client::{TestClient, pn, simulator, until};
use crate::http::request;

pub(crate) const ALICE: &str = "4915100000001";
pub(crate) const BOB: &str = "4915100000002";
const CAROL: &str = "4915100000003";

/// Lines of the journal about wrong app state.
pub(crate) fn noted(simulator: &Handle) -> Vec<&'static str> {
    let events = simulator.journal().events.into_iter().map(|e| e.event);
    events
        .filter(|e| e.starts_with("app state") && *e != "app state: conflict")
        .collect()
}

pub(crate) fn bob() -> String {
    BOB.to_owned()
}

fn message() -> MessageRef {
    MessageRef {
        chat: bob(),
        id: "3EB0AA".to_owned(),
        from_me: true,
        participant: None,
    }
}

pub(crate) async fn state_until(
    simulator: &Handle,
    what: &str,
    done: impl Fn(&State) -> bool,
) -> State {
    until(what, || done(&simulator.phone_state(ALICE).unwrap())).await;
    simulator.phone_state(ALICE).unwrap()
}

/// Waits until a client has read all of a collection. The client ignores a notification that comes while it
/// reads the same collection, as it does for a moment after linking, and stays behind until the next one: so
/// the phone writes again now and then.
pub(crate) async fn caught_up(simulator: &Handle, client: &TestClient, collection: &str) {
    let reading = async {
        loop {
            for _ in 0..100 {
                let wanted = simulator.phone_state(ALICE).unwrap().versions[collection];
                let at = client.backend.get_version(collection).await.unwrap();
                if at.version == wanted {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let again = [
                Act::SetTimeFormat {
                    twenty_four_hours: true,
                },
                Act::MuteStatus {
                    contact: CAROL.to_owned(),
                    on: true,
                },
                Act::EditLabel {
                    id: "99".to_owned(),
                    name: "again".to_owned(),
                    color: 1,
                },
            ];
            simulator.act(ALICE, &again).unwrap();
        }
    };
    tokio::time::timeout(crate::client::DEADLINE, reading)
        .await
        .expect("the client catches up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_user_does_with_chats_on_the_phone_reaches_a_companion() {
    let simulator = simulator().await;
    simulator.add_phone(BOB, "bob").unwrap();
    simulator.add_phone(CAROL, "carol").unwrap();
    let alice = TestClient::paired(&simulator, ALICE).await;
    let carol = || CAROL.to_owned();
    let acts = [
        Act::Pin {
            chat: bob(),
            on: true,
        },
        Act::Archive {
            chat: carol(),
            on: true,
        },
        Act::Mute {
            chat: bob(),
            until_ms: None,
            on: true,
        },
        Act::MarkUnread { chat: bob() },
        Act::ClearChat {
            chat: bob(),
            delete_starred: true,
            delete_media: false,
        },
        Act::DeleteChat {
            chat: carol(),
            delete_media: true,
        },
    ];
    simulator.act(ALICE, &acts).unwrap();
    caught_up(&simulator, &alice, "regular_low").await;
    caught_up(&simulator, &alice, "regular_high").await;
    let jid = alice
        .wait_for("the pin", |e| match e {
            Event::PinUpdate(u) if u.action.pinned == Some(true) => Some(u.jid.clone()),
            _ => None,
        })
        .await;
    assert!(jid.is_lid(), "chats have moved to LIDs");
    let archived = alice
        .wait_for("the archive", |e| match e {
            Event::ArchiveUpdate(u) => Some((u.jid.clone(), u.action.archived)),
            _ => None,
        })
        .await;
    assert_eq!(archived.1, Some(true));
    let unpinned = alice
        .wait_for("the unpin that goes with it", |e| match e {
            Event::PinUpdate(u) => Some(u.jid.clone()),
            _ => None,
        })
        .await;
    assert_eq!(unpinned, archived.0);
    let until_ms = alice
        .wait_for("the mute", |e| match e {
            Event::MuteUpdate(u) => u.action.mute_end_timestamp,
            _ => None,
        })
        .await;
    assert_eq!(until_ms, -1);
    let read = alice
        .wait_for("the unread mark", |e| match e {
            Event::MarkChatAsReadUpdate(u) => u.action.read,
            _ => None,
        })
        .await;
    assert!(!read);
    let cleared = alice
        .wait_for("the clearing", |e| match e {
            Event::ClearChatUpdate(u) => Some((u.delete_starred, u.delete_media)),
            _ => None,
        })
        .await;
    assert_eq!(cleared, (true, false));
    alice
        .wait_for("the deletion", |e| match e {
            Event::DeleteChatUpdate(u) => u.delete_media.then_some(()),
            _ => None,
        })
        .await;
    assert_eq!(noted(&simulator), Vec::<&str>::new());
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_contacts_labels_and_settings_of_the_phone_reach_a_companion() {
    let simulator = simulator().await;
    simulator.add_phone(BOB, "bob").unwrap();
    let alice = TestClient::paired(&simulator, ALICE).await;
    let acts = [
        Act::Star {
            message: message(),
            on: true,
        },
        Act::DeleteMessageForMe {
            message: message(),
            delete_media: false,
            timestamp: Some(5),
        },
        Act::SaveContact {
            contact: bob(),
            full_name: Some("Bob Baker".to_owned()),
            first_name: Some("Bob".to_owned()),
        },
        Act::EditLabel {
            id: "4".to_owned(),
            name: "friends".to_owned(),
            color: 2,
        },
        Act::LabelChat {
            id: "4".to_owned(),
            chat: bob(),
            on: true,
        },
        Act::MuteStatus {
            contact: bob(),
            on: true,
        },
        Act::SetPushName {
            name: "Alice A.".to_owned(),
        },
        Act::SetTimeFormat {
            twenty_four_hours: true,
        },
        Act::SetUnarchiveChats { on: false },
        Act::SetLocale {
            locale: "de".to_owned(),
        },
    ];
    simulator.act(ALICE, &acts).unwrap();
    caught_up(&simulator, &alice, "regular").await;
    caught_up(&simulator, &alice, "regular_high").await;
    let id = alice
        .wait_for("the star", |e| match e {
            Event::StarUpdate(u) => Some(u.message_id.clone()),
            _ => None,
        })
        .await;
    assert_eq!(id, "3EB0AA");
    alice
        .wait_for("the deletion of a message", |e| match e {
            Event::DeleteMessageForMeUpdate(u) => Some(u.from_me),
            _ => None,
        })
        .await;
    let contact = alice
        .wait_for("the contact", |e| match e {
            Event::ContactUpdate(u) => Some((u.jid.to_string(), u.action.clone())),
            _ => None,
        })
        .await;
    assert_eq!(contact.0, pn(BOB));
    assert_eq!(contact.1.full_name.as_deref(), Some("Bob Baker"));
    assert!(contact.1.lid_jid.as_ref().unwrap().ends_with("@lid"));
    alice
        .wait_for("the label", |e| match e {
            Event::LabelEditUpdate(u) => {
                (u.action.name.as_deref() == Some("friends")).then_some(())
            }
            _ => None,
        })
        .await;
    alice
        .wait_for("the label on the chat", |e| match e {
            Event::LabelAssociationUpdate(u) => u.action.labeled,
            _ => None,
        })
        .await;
    alice
        .wait_for("the muted status", |e| match e {
            Event::UserStatusMuteUpdate(u) => u.muted.then_some(()),
            _ => None,
        })
        .await;
    let name = alice
        .wait_for("the new name", |e| match e {
            Event::SelfPushNameUpdated(u) => Some(u.new_name.clone()),
            _ => None,
        })
        .await;
    assert_eq!(name, "Alice A.");
    // A removal has no event; the client shows that it counts right by what it writes afterwards.
    simulator
        .act(ALICE, &[Act::DeleteContact { contact: bob() }])
        .unwrap();
    assert!(
        simulator
            .act(ALICE, &[Act::DeleteContact { contact: bob() }])
            .is_err()
    );
    let jid: Jid = pn(BOB).parse().unwrap();
    until("the client to read the removal", || {
        let log = simulator.journal();
        log.device(&format!("{ALICE}:1")).unwrap().queued == 0
    })
    .await;
    alice
        .client
        .chat_actions()
        .save_contact(&jid, Some("Bobby".to_owned()), None, true)
        .await
        .unwrap();
    let state = state_until(&simulator, "the new contact", |s| !s.contacts.is_empty()).await;
    assert_eq!(state.contacts[&pn(BOB)].full_name.as_deref(), Some("Bobby"));
    let path = format!("/admin/phones/{ALICE}/profile");
    let (_, profile) = request("GET", simulator.address(), &path, "").await;
    let known = format!(r#""contacts":["{BOB}"]"#);
    assert!(profile.contains(&known), "the service knows the contact");
    assert_eq!(state.settings.locale.as_deref(), Some("de"));
    assert_eq!(state.settings.unarchive_chats, Some(false));
    assert_eq!(noted(&simulator), Vec::<&str>::new());
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_companion_does_reaches_the_phone_and_the_other_companions() {
    let simulator = simulator().await;
    simulator.add_phone(BOB, "bob").unwrap();
    let alice = TestClient::paired(&simulator, ALICE).await;
    let other = TestClient::paired(&simulator, ALICE).await;
    let jid: Jid = pn(BOB).parse().unwrap();
    let chats = alice.client.chat_actions();
    chats.archive_chat(&jid, None).await.unwrap();
    chats.mute_chat(&jid).await.unwrap();
    chats.mark_chat_as_read(&jid, false, None).await.unwrap();
    chats
        .star_message(&jid, None, "3EB0BB", true)
        .await
        .unwrap();
    alice
        .client
        .labels()
        .create_label("9", "work", 1)
        .await
        .unwrap();
    alice
        .client
        .labels()
        .add_chat_label("9", &jid)
        .await
        .unwrap();
    let state = state_until(&simulator, "the label", |s| {
        s.chats.get(&pn(BOB)).is_some_and(|c| !c.labels.is_empty())
    })
    .await;
    let chat = &state.chats[&pn(BOB)];
    assert!(chat.archived && chat.unread && !chat.pinned);
    assert_eq!(chat.muted_until_ms, Some(-1));
    assert_eq!(state.labels["9"].name, "work");
    assert_eq!(state.starred.first().unwrap().id, "3EB0BB");
    caught_up(&simulator, &other, "regular").await;
    caught_up(&simulator, &other, "regular_low").await;
    other
        .wait_for("the label on the chat", |e| match e {
            Event::LabelAssociationUpdate(u) => u.action.labeled,
            _ => None,
        })
        .await;

    // By HTTP, and taken back.
    let address = simulator.address();
    let path = format!("/admin/phones/{ALICE}/act");
    let body = format!(r#"[{{"action":"archive","chat":"{BOB}","on":false}}]"#);
    assert_eq!(request("POST", address, &path, &body).await.0, 204);
    for client in [&alice, &other] {
        client
            .wait_for("the chat to come back", |e| match e {
                Event::ArchiveUpdate(u) => (u.action.archived == Some(false)).then_some(()),
                _ => None,
            })
            .await;
    }
    let body = r#"{"action":"nonsense"}"#;
    assert!(request("POST", address, &path, body).await.0 >= 400);
    let path = format!("/admin/phones/{ALICE}/state");
    let (status, body) = request("GET", address, &path, "").await;
    assert_eq!(status, 200);
    let state: State = serde_json::from_str(&body).unwrap();
    assert!(!state.chats[&pn(BOB)].archived);
    assert_eq!(noted(&simulator), Vec::<&str>::new());
    alice.stop().await;
    other.stop().await;
    simulator.shutdown().await;
}
