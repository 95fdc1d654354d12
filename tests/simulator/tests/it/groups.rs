//! Groups: made, written to with sender keys, changed and left.

use switchboard_simulator::Config;
use switchboard_simulator::core::ids::Addressing;
use switchboard_simulator::faults::{Fault, Request};
use switchboard_simulator::journal::Direction;
use wacore::iq::groups::{GroupCreateOptions, GroupParticipantOptions, GroupSubject};
use wacore::types::events::Event;
use whatsapp_rust::Jid;

use crate::client::{TestClient, pn, simulator, simulator_with};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";
const CAROL: &str = "4915100000003";

pub(crate) async fn make_group(by: &TestClient, members: &[&str]) -> Jid {
    let participants = members
        .iter()
        .map(|m| GroupParticipantOptions {
            jid: pn(m).parse().unwrap(),
            phone_number: None,
            privacy: None,
        })
        .collect();
    let options: GroupCreateOptions = GroupCreateOptions::builder()
        .subject("a group")
        .participants(participants)
        .build();
    by.client
        .groups()
        .create_group(options)
        .await
        .unwrap()
        .metadata
        .id
}

async fn write_to_all(addressing: Addressing) {
    let simulator = simulator_with(Config {
        group_addressing: addressing,
        ..Config::default()
    })
    .await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let alice2 = TestClient::paired(&simulator, ALICE).await;
    // A client that has not heard of a device yet leaves it out, and does not answer when it asks.
    alice.hears_of_device(2).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    simulator.add_phone(CAROL, "carol").unwrap();
    let group = make_group(&alice, &[BOB, CAROL]).await;
    bob.wait_for("the new group", |e| {
        matches!(e, Event::GroupUpdate(_)).then_some(())
    })
    .await;

    for text in ["first", "second"] {
        alice.send_text(&group.to_string(), text).await;
        for receiver in [&bob, &alice2] {
            let (got, message) = receiver.next_text().await;
            assert_eq!((got.as_str(), &message.info.source.chat), (text, &group));
            assert_eq!(
                message.info.source.sender.is_lid(),
                addressing == Addressing::Lid
            );
        }
    }
    bob.send_text(&group.to_string(), "answer").await;
    assert_eq!(alice.next_text().await.0, "answer");
    simulator
        .phone_text(CAROL, &group.to_string(), "from carol's phone")
        .unwrap();
    for receiver in [&alice, &bob] {
        let texts = receiver.texts(1).await;
        assert_eq!(texts, ["from carol's phone"]);
    }
    for client in [alice, alice2, bob] {
        client.stop().await;
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_reach_all_members_by_lid() {
    write_to_all(Addressing::Lid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_reach_all_members_by_number() {
    write_to_all(Addressing::Pn).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let carol = TestClient::paired(&simulator, CAROL).await;
    let group = make_group(&alice, &[BOB]).await;
    let to = group.to_string();
    alice.send_text(&to, "without carol").await;
    bob.next_text().await;

    let carol_jid: Jid = pn(CAROL).parse().unwrap();
    let added = alice
        .client
        .groups()
        .add_participants(&group, &[carol_jid])
        .await
        .unwrap();
    assert!(added.iter().all(|a| a.error.is_none()), "{added:?}");
    alice.send_text(&to, "with carol").await;
    assert_eq!(bob.next_text().await.0, "with carol");
    assert_eq!(carol.next_text().await.0, "with carol");

    carol.client.groups().leave(&group).await.unwrap();
    assert!(
        carol
            .client
            .groups()
            .get_participating()
            .await
            .unwrap()
            .is_empty()
    );
    let subject = GroupSubject::new("renamed").unwrap();
    bob.client
        .groups()
        .set_subject(&group, subject)
        .await
        .unwrap();
    let metadata = alice.client.groups().get_metadata(&group).await.unwrap();
    assert_eq!(
        (metadata.subject.as_str(), metadata.participants.len()),
        ("renamed", 2)
    );
    assert!(simulator.phone_text(CAROL, &to, "I am gone").is_err());
    alice.send_text(&to, "carol is gone").await;
    assert_eq!(bob.next_text().await.0, "carol is gone");
    for client in [alice, bob, carol] {
        client.stop().await;
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_the_sender_has_not_heard_of_gets_the_message_from_its_phone() {
    let simulator = simulator_with(Config::default()).await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let deaf = Request {
        number: Some(ALICE.to_owned()),
        device: Some(1),
        direction: Some(Direction::Out),
        stanza: Some("notification:devices".to_owned()),
        count: Some(0),
        ..Request::new(Fault::Drop)
    };
    simulator.inject(deaf).unwrap();
    let alice2 = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let group = make_group(&alice, &[BOB]).await;
    for text in ["first", "second"] {
        alice.send_text(&group.to_string(), text).await;
        for receiver in [&bob, &alice2] {
            assert_eq!(receiver.next_text().await.0, text);
        }
    }
    // The sender's client does not answer a device that it does not know, so its phone did.
    let report = simulator.journal();
    let log = report.device(&format!("{ALICE}:2")).unwrap();
    assert!(log.inbound.contains_key("receipt:retry"));
    for client in [alice, alice2, bob] {
        client.stop().await;
    }
    simulator.shutdown().await;
}
