//! What else happens in groups: who may be added, their picture, and messages about messages.

use serde_json::json;
use switchboard_simulator::core::phone_user::{ProfileChange, Reading, Typing};
use switchboard_simulator::core::signals::SignalKind;
use switchboard_simulator::phone::Kind;
use switchboard_simulator::{Handle, Outgoing};
use wacore::types::events::Event;
use wacore::types::presence::ReceiptType;
use waproto::whatsapp as wa;
use whatsapp_rust::RevokeType;

use crate::client::{TestClient, jid, simulator, until};
use crate::groups::make_group;

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";
const CAROL: &str = "4915100000003";

fn phone_sends(simulator: &Handle, by: &str, draft: serde_json::Value) -> String {
    let out: Outgoing = serde_json::from_value(draft).unwrap();
    simulator.phone_send(by, out).unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_want_to_be_added_is_invited() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let setting = ProfileChange {
        privacy: [("groupadd".to_owned(), "contacts".to_owned())].into(),
        ..ProfileChange::default()
    };
    simulator.change_profile(BOB, setting).unwrap();
    let group = make_group(&alice, &[BOB]).await;
    let members = || async {
        let metadata = alice.client.groups().get_metadata(&group).await.unwrap();
        metadata.participants.len()
    };
    assert_eq!(members().await, 1, "Bob is not in it");
    let answers = alice
        .client
        .groups()
        .add_participants(&group, &[jid(BOB)])
        .await
        .unwrap();
    assert_eq!(answers[0].error.as_deref(), Some("403"));
    let request = answers[0].add_request.as_ref().unwrap();
    let (code, until_s) = (
        request.code.clone(),
        i64::try_from(request.expiration).unwrap(),
    );
    let groups = bob.client.groups();
    let wrong = groups
        .join_with_invite_v4(group.clone(), "0000", until_s, jid(ALICE))
        .await;
    assert!(wrong.is_err());
    groups
        .join_with_invite_v4(group.clone(), &code, until_s, jid(ALICE))
        .await
        .unwrap();
    assert_eq!(members().await, 2);
    alice.send_text(&group.to_string(), "welcome").await;
    assert_eq!(bob.next_text().await.0, "welcome");

    // Contacts may add.
    let group = make_group(&alice, &[]).await;
    let contact = ProfileChange {
        add_contacts: vec![ALICE.to_owned()],
        ..ProfileChange::default()
    };
    simulator.change_profile(BOB, contact).unwrap();
    let answers = alice
        .client
        .groups()
        .add_participants(&group, &[jid(BOB)])
        .await
        .unwrap();
    assert_eq!(answers[0].error, None);
    alice.stop().await;
    bob.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_has_a_picture() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let carol = TestClient::paired(&simulator, CAROL).await;
    let group = make_group(&alice, &[BOB]).await;
    let image = vec![8; 700];
    let set = alice
        .client
        .groups()
        .set_profile_picture(&group, image)
        .await
        .unwrap();
    let update = bob
        .wait_for("the picture", |e| match e {
            Event::PictureUpdate(u) => {
                Some((u.jid.clone(), u.author.clone(), u.picture_id.clone()))
            }
            _ => None,
        })
        .await;
    assert_eq!(
        update,
        (group.clone(), Some(jid(ALICE)), Some(set.id.clone()))
    );
    let found = bob
        .client
        .contacts()
        .get_profile_picture(&group, false)
        .await
        .unwrap();
    assert_eq!(found.unwrap().id, set.id);
    let stranger = carol
        .client
        .contacts()
        .get_profile_picture(&group, false)
        .await
        .unwrap();
    assert!(stranger.is_none());
    alice
        .client
        .groups()
        .remove_profile_picture(&group)
        .await
        .unwrap();
    let gone = bob
        .client
        .contacts()
        .get_profile_picture(&group, false)
        .await
        .unwrap();
    assert!(gone.is_none());
    for client in [alice, bob, carol] {
        client.stop().await;
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_and_clients_act_on_each_others_group_messages() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    for number in [BOB, CAROL] {
        simulator.add_phone(number, "").unwrap();
    }
    let group = make_group(&alice, &[BOB, CAROL]).await;
    let to = group.to_string();
    let shown = |number: &'static str, id: String| {
        let simulator = &simulator;
        async move {
            let find = || {
                let inbox = simulator.phone_inbox(number, 0).unwrap();
                inbox.into_iter().find(|r| r.id == id)
            };
            until("the record", || find().is_some()).await;
            find().unwrap()
        }
    };
    let hers = alice.send_text(&to, "hers").await;
    assert_eq!(shown(BOB, hers.clone()).await.chat, to);
    shown(CAROL, hers.clone()).await;

    let reaction = json!({"to": to, "reaction": {"id": hers, "emoji": "👍"}});
    let id = phone_sends(&simulator, BOB, reaction);
    let got = alice.arrives(&id).await;
    assert_eq!(got.message.reaction_message.key.id.as_deref(), Some(&*hers));
    assert_eq!(shown(CAROL, id).await.target.as_deref(), Some(&*hers));

    let poll = json!({"to": to, "poll": {"question": "?", "options": ["a", "b"]}});
    let poll = phone_sends(&simulator, BOB, poll);
    shown(CAROL, poll.clone()).await;
    let vote = json!({"to": to, "vote": {"poll": poll, "options": ["b"]}});
    let vote = phone_sends(&simulator, CAROL, vote);
    assert_eq!(shown(BOB, vote.clone()).await.options, ["b"]);
    alice.arrives(&vote).await;

    // The admin deletes what another wrote; another may not.
    let his = phone_sends(&simulator, BOB, json!({"to": to, "text": "his"}));
    let author = alice.arrives(&his).await.info.source.sender.to_non_ad();
    shown(CAROL, his.clone()).await;
    let kind = RevokeType::Admin {
        original_sender: author,
    };
    alice
        .client
        .revoke_message(group.clone(), &his, kind)
        .await
        .unwrap();
    until("the deletion", || {
        let inbox = simulator.phone_inbox(CAROL, 0).unwrap();
        inbox
            .iter()
            .any(|r| r.kind == Kind::Revoke && r.target.as_deref() == Some(&*his))
    })
    .await;

    simulator
        .phone_types(CAROL, &to, Typing::Composing)
        .unwrap();
    let typing = alice
        .wait_for("typing", |e| match e {
            Event::ChatPresence(p) => Some(p.source.chat.clone()),
            _ => None,
        })
        .await;
    assert_eq!(typing, group);
    alice
        .client
        .chatstate()
        .send_recording(&group)
        .await
        .unwrap();
    until("recording", || {
        let signals = simulator.phone_signals(BOB, 0).unwrap();
        signals
            .iter()
            .any(|s| s.kind == SignalKind::Recording && s.chat == to)
    })
    .await;
    let reading = Reading {
        chat: to.clone(),
        ids: vec![hers.clone()],
        author: Some(ALICE.to_owned()),
        played: false,
    };
    simulator.phone_reads(BOB, &reading).unwrap();
    let read = alice
        .wait_for("bob's receipt", |e| match e {
            Event::Receipt(r) if r.r#type == ReceiptType::Read => Some((
                r.source.chat.clone(),
                r.message_ids.iter().any(|m| **m == *hers),
            )),
            _ => None,
        })
        .await;
    assert_eq!(read, (group.clone(), true));
    let text = wa::Message {
        conversation: Some("hers, better".to_owned()),
        ..Default::default()
    };
    alice
        .client
        .edit_message(group.clone(), &hers, text)
        .await
        .unwrap();
    until("the edit", || {
        let inbox = simulator.phone_inbox(BOB, 0).unwrap();
        inbox
            .iter()
            .any(|r| r.kind == Kind::Edit && r.text.as_deref() == Some("hers, better"))
    })
    .await;
    alice.stop().await;
    simulator.shutdown().await;
}
