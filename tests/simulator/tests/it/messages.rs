//! Direct messages: to companions and phones, live and from the offline queue, with receipts and
//! retries.

use switchboard_simulator::Config;
use wacore::store::traits::SignalStore as _;
use wacore::types::events::Event;
use wacore::types::jid::JidExt as _;
use wacore::types::presence::ReceiptType;
use wacore_binary::JidExt as _;
use whatsapp_rust::Jid;

use crate::client::{TestClient, pn, simulator, simulator_with, until};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

/// One message each way, the second as an answer to the chat the first came from.
async fn talk(config: Config, expect_lid: bool) {
    let simulator = simulator_with(config).await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;

    alice.send_text(&pn(BOB), "hello bob").await;
    let (text, message) = bob.next_text().await;
    assert_eq!(text, "hello bob");
    let source = &message.info.source;
    assert!(!source.is_from_me);
    assert_eq!(source.chat.is_lid(), expect_lid);
    assert!(source.sender_alt.is_some(), "both addresses are known");
    assert_eq!(message.info.push_name, format!("name of {ALICE}"));

    bob.send_text(&source.chat.to_string(), "hello alice").await;
    assert_eq!(alice.next_text().await.0, "hello alice");
    alice.stop().await;
    bob.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_messages_both_ways_by_lid() {
    talk(
        Config {
            lid_migrated: true,
            ..Config::default()
        },
        true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_messages_both_ways_by_number() {
    talk(
        Config {
            lid_migrated: false,
            ..Config::default()
        },
        false,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_companion_of_both_sides_gets_its_copy() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let alice2 = TestClient::paired(&simulator, ALICE).await;
    alice.hears_of_device(2).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let bob2 = TestClient::paired(&simulator, BOB).await;

    let id = alice.send_text(&pn(BOB), "to all").await;
    for receiver in [&bob, &bob2] {
        let (text, message) = receiver.next_text().await;
        assert_eq!((text.as_str(), &*message.info.id), ("to all", &*id));
    }
    let (text, message) = alice2.next_text().await;
    assert_eq!(text, "to all");
    assert!(message.info.source.is_from_me);

    // A companion that joins later is found without asking again.
    let bob3 = TestClient::paired(&simulator, BOB).await;
    alice.hears_of_device(3).await;
    alice.send_text(&pn(BOB), "to more").await;
    assert_eq!(bob3.next_text().await.0, "to more");
    for client in [alice, alice2, bob, bob2, bob3] {
        client.stop().await;
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_without_companions_writes_first() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let sent = simulator.phone_text(BOB, ALICE, "from the phone").unwrap();
    let (text, message) = alice.next_text().await;
    assert_eq!(
        (text.as_str(), &*message.info.id),
        ("from the phone", &*sent.id)
    );
    assert_eq!(message.info.source.sender.device, 0);

    // The own phone's messages arrive as sent by oneself, in the chat they went to.
    simulator
        .phone_text(ALICE, &pn(BOB), "from my phone")
        .unwrap();
    let (text, message) = alice.next_text().await;
    assert_eq!(text, "from my phone");
    assert!(message.info.source.is_from_me);
    assert!(
        !message
            .info
            .source
            .chat
            .is_same_user_as(&message.info.source.sender)
    );
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_read_what_they_get_and_what_their_companions_send() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let id = alice.send_text(&pn(BOB), "to the phone").await;
    for (number, own) in [(BOB, false), (ALICE, true)] {
        until("the inbox", || {
            !simulator.phone_inbox(number, 0).unwrap().is_empty()
        })
        .await;
        let inbox = simulator.phone_inbox(number, 0).unwrap();
        assert_eq!(inbox.len(), 1);
        let record = &inbox[0];
        assert_eq!(
            (record.text.as_deref(), record.id.as_str()),
            (Some("to the phone"), &*id)
        );
        assert_eq!(record.own, own);
        assert_eq!(record.chat, pn(if own { BOB } else { ALICE }));
        assert!(record.from.starts_with(ALICE));
    }
    // The phone answers in the same session, and Alice's next message finds it.
    simulator.phone_text(BOB, ALICE, "back").unwrap();
    assert_eq!(alice.next_text().await.0, "back");
    alice.send_text(&pn(BOB), "forth").await;
    until("the next one", || {
        simulator.phone_inbox(BOB, 1).unwrap().len() == 1
    })
    .await;
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offline_backlog_arrives_complete_in_order_and_once() {
    const COUNT: usize = 250;
    let simulator = simulator().await;
    let bob = TestClient::paired(&simulator, BOB).await;
    bob.settled(&simulator, BOB).await;
    let backend = bob.stop().await;
    simulator.add_phone(ALICE, "alice").unwrap();
    let texts: Vec<String> = (0..COUNT).map(|n| format!("text {n}")).collect();
    for text in &texts {
        simulator.phone_text(ALICE, BOB, text).unwrap();
    }

    let bob = TestClient::with_backend(&simulator, backend).await;
    bob.start().await;
    assert_eq!(bob.texts(COUNT).await, texts);
    let count = bob
        .wait_for("the end of the queue", |e| match e {
            Event::OfflineSyncCompleted(done) => Some(done.count),
            _ => None,
        })
        .await;
    assert_eq!(count, i32::try_from(COUNT).unwrap());

    // Everything is acknowledged, a little later: the next login finds nothing.
    until("the receipts", || {
        simulator
            .journal()
            .device(&format!("{BOB}:1"))
            .unwrap()
            .queued
            == 0
    })
    .await;
    let backend = bob.stop().await;
    let bob = TestClient::with_backend(&simulator, backend).await;
    bob.start().await;
    let preview = bob
        .wait_for("the preview", |e| match e {
            Event::OfflineSyncPreview(preview) => Some(preview.total),
            _ => None,
        })
        .await;
    assert_eq!(preview, 0);
    bob.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_travel_back() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    bob.client.presence().set_available().await.unwrap();
    let id = alice.send_text(&pn(BOB), "read me").await;
    let (_, message) = bob.next_text().await;
    let receipt = |wanted: ReceiptType| {
        let id = id.clone();
        move |e: &Event| match e {
            Event::Receipt(r) if r.r#type == wanted && r.message_ids.iter().any(|m| **m == *id) => {
                Some(r.source.sender.device)
            }
            _ => None,
        }
    };
    let mut devices = [
        alice
            .wait_for("delivery", receipt(ReceiptType::Delivered))
            .await,
        alice
            .wait_for("delivery", receipt(ReceiptType::Delivered))
            .await,
    ];
    devices.sort_unstable();
    assert_eq!(devices, [0, 1], "phone and companion");
    bob.client
        .mark_as_read(&message.info.source.chat, None, &[&*message.info.id])
        .await
        .unwrap();
    alice
        .wait_for("the read receipt", receipt(ReceiptType::Read))
        .await;
    alice.stop().await;
    bob.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_asked_for_and_sent_again() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    // Talk both ways, so that Alice's next message is no prekey message.
    alice.send_text(&pn(BOB), "one").await;
    let (_, first) = bob.next_text().await;
    bob.send_text(&first.info.source.chat.to_string(), "two")
        .await;
    alice.next_text().await;

    let backend = bob.stop().await;
    let source = &first.info.source;
    let alt: Vec<Jid> = source.sender_alt.iter().map(|a| a.with_device(1)).collect();
    for address in std::iter::once(&source.sender).chain(&alt) {
        backend
            .delete_session(&address.to_protocol_address_string())
            .await
            .unwrap();
    }
    let bob = TestClient::with_backend(&simulator, backend).await;
    bob.start().await;
    bob.connected().await;
    alice.send_text(&pn(BOB), "three").await;
    assert_eq!(bob.next_text().await.0, "three");
    let report = simulator.journal();
    let alice_log = report.device(&format!("{ALICE}:1")).unwrap();
    assert!(alice_log.outbound["receipt:retry"].count >= 1);
    alice.stop().await;
    bob.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_and_typing_are_forwarded() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    bob.client.presence().set_available().await.unwrap();
    until("bob's presence", || {
        let report = simulator.journal();
        let log = report.device(&format!("{BOB}:1")).unwrap();
        log.inbound.contains_key("presence:available")
    })
    .await;
    let bob_jid: Jid = pn(BOB).parse().unwrap();
    alice
        .client
        .presence()
        .subscribe(bob_jid.clone())
        .await
        .unwrap();
    let there = |unavailable: bool| {
        move |e: &Event| match e {
            Event::Presence(p) if p.unavailable == unavailable => Some(()),
            _ => None,
        }
    };
    alice.wait_for("bob to be there", there(false)).await;
    alice.send_text(&pn(BOB), "hi").await;
    let (_, message) = bob.next_text().await;
    bob.client
        .chatstate()
        .send_composing(&message.info.source.chat)
        .await
        .unwrap();
    alice
        .wait_for("typing", |e| {
            matches!(e, Event::ChatPresence(_)).then_some(())
        })
        .await;
    bob.stop().await;
    alice.wait_for("bob to be gone", there(true)).await;
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_nobody_is_refused() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let jids = [pn(BOB).parse().unwrap(), pn(ALICE).parse().unwrap()];
    let known = alice.client.contacts().is_on_whatsapp(&jids).await.unwrap();
    let there: Vec<bool> = known.iter().map(|k| k.is_registered).collect();
    assert_eq!(there, [false, true]);
    alice.stop().await;
    simulator.shutdown().await;
}
