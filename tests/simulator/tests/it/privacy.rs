//! Privacy settings, block lists and tokens: stored, told to the own devices, and effective.

use switchboard_simulator::Handle;
use switchboard_simulator::core::phone_user::{ProfileChange, Reading, Typing};
use switchboard_simulator::core::signals::SignalKind;
use wacore::iq::mex_operations::get_privacy_lists;
use wacore::iq::privacy::{
    DisallowedListAction, DisallowedListUpdate, DisallowedListUserEntry, PrivacyCategory,
    PrivacyValue,
};
use wacore::types::events::Event;
use wacore::types::presence::{ChatPresence, ChatPresenceMedia, ReceiptType};
use whatsapp_rust::MexRequest;

use crate::client::{TestClient, jid, pn, simulator, until};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";
const CAROL: &str = "4915100000003";

async fn sees_picture(client: &TestClient, number: &str) -> bool {
    let contacts = client.client.contacts();
    let found = contacts.get_profile_picture(&jid(number), true).await;
    found.unwrap().is_some()
}

/// Hash and members of the client's own exclusion list.
async fn excluded(client: &TestClient, category: &str) -> (String, Vec<String>) {
    let variables = serde_json::json!({"input": {"query_input": [{
        "jid": client.client.lid().unwrap().to_non_ad().to_string(),
        "privacy_contact_list_type": {"category": category},
    }]}});
    let request = MexRequest::new(
        get_privacy_lists::NAME,
        get_privacy_lists::DOC_ID,
        variables,
    );
    let answer = client.client.mex().query(request).await.unwrap();
    let data: get_privacy_lists::Response = serde_json::from_value(answer.data.unwrap()).unwrap();
    let list = data
        .xwa2_fetch_wa_users
        .unwrap()
        .remove(0)
        .privacy_contact_list
        .unwrap();
    let members = list.contacts.unwrap().into_iter().filter_map(|c| c.jid);
    (list.dhash.unwrap(), members.collect())
}

fn contacts(simulator: &Handle, of: &str, add: &[&str]) {
    let change = ProfileChange {
        add_contacts: add.iter().map(|n| (*n).to_owned()).collect(),
        ..ProfileChange::default()
    };
    simulator.change_profile(of, change).unwrap();
}

fn told(simulator: &Handle, device: &str, kind: &str) -> u64 {
    let report = simulator.journal();
    let log = report.device(device).unwrap();
    log.outbound.get(kind).map_or(0, |k| k.count.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_kept_told_to_own_devices_and_refused_when_impossible() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let alice2 = TestClient::paired(&simulator, ALICE).await;
    let before = alice.client.fetch_privacy_settings().await.unwrap();
    assert_eq!(before.settings.len(), 9);
    let last = before.get_value(&PrivacyCategory::Last);
    assert_eq!(last, Some(&PrivacyValue::All));
    let sets = [
        (PrivacyCategory::Last, PrivacyValue::Contacts),
        (PrivacyCategory::Online, PrivacyValue::MatchLastSeen),
        (PrivacyCategory::Profile, PrivacyValue::None),
        (PrivacyCategory::Status, PrivacyValue::Contacts),
        (PrivacyCategory::ReadReceipts, PrivacyValue::None),
        (PrivacyCategory::GroupAdd, PrivacyValue::Contacts),
        (PrivacyCategory::CallAdd, PrivacyValue::Known),
        (PrivacyCategory::Messages, PrivacyValue::Contacts),
        (PrivacyCategory::DefenseMode, PrivacyValue::OnStandard),
    ];
    for (category, value) in sets.clone() {
        alice
            .client
            .set_privacy_setting(category, value)
            .await
            .unwrap();
    }
    let after = alice2.client.fetch_privacy_settings().await.unwrap();
    for (category, value) in &sets {
        assert_eq!(after.get_value(category), Some(value));
    }
    until("the other device to be told", || {
        told(
            &simulator,
            &format!("{ALICE}:2"),
            "notification:account_sync",
        ) >= sets.len() as u64
    })
    .await;
    let other = PrivacyCategory::Other("nonsense".to_owned());
    let refused = alice
        .client
        .set_privacy_setting(other, PrivacyValue::All)
        .await;
    assert!(refused.is_err());
    alice
        .client
        .set_default_disappearing_mode(604_800)
        .await
        .unwrap();
    let seconds = alice2
        .wait_for("the default timer", |e| match e {
            Event::DisappearingModeChanged(m) => Some(m.duration),
            _ => None,
        })
        .await;
    assert_eq!(seconds, 604_800);
    assert_eq!(
        simulator.phone_profile(ALICE).unwrap().disappearing,
        604_800
    );
    alice.stop().await;
    alice2.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn about_and_picture_are_shown_to_whom_the_settings_name() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let carol = TestClient::paired(&simulator, CAROL).await;
    alice
        .client
        .profile()
        .set_status_text("secret")
        .await
        .unwrap();
    alice
        .client
        .profile()
        .set_profile_picture(vec![1; 9])
        .await
        .unwrap();
    contacts(&simulator, ALICE, &[BOB, CAROL]);
    for category in [PrivacyCategory::Status, PrivacyCategory::Profile] {
        let client = &alice.client;
        client
            .set_privacy_setting(category, PrivacyValue::Contacts)
            .await
            .unwrap();
    }
    assert_eq!(bob.info(ALICE).await.status.as_deref(), Some("secret"));
    assert!(sees_picture(&bob, ALICE).await);

    let carol_lid = carol.client.lid().unwrap().to_non_ad();
    let exclude = |dhash: &str, action| DisallowedListUpdate {
        dhash: dhash.to_owned(),
        users: vec![DisallowedListUserEntry {
            action,
            jid: carol_lid.clone(),
            pn_jid: Some(jid(CAROL)),
        }],
    };
    let add = exclude("none", DisallowedListAction::Add);
    let set = |update| {
        alice
            .client
            .set_privacy_disallowed_list(PrivacyCategory::Status, update)
    };
    let hash = set(add.clone()).await.unwrap().dhash.unwrap();
    assert!(set(add).await.is_err(), "the list is another by now");
    assert_eq!(
        carol.info(ALICE).await.status.as_deref(),
        Some(""),
        "hidden"
    );
    assert_eq!(bob.info(ALICE).await.status.as_deref(), Some("secret"));
    assert!(sees_picture(&carol, ALICE).await, "only the text is hidden");
    let listed = excluded(&alice, "status").await;
    assert_eq!(listed, (hash.clone(), vec![carol_lid.to_string()]));
    let remove = exclude(&hash, DisallowedListAction::Remove);
    set(remove).await.unwrap();
    assert_eq!(carol.info(ALICE).await.status.as_deref(), Some("secret"));

    let client = &alice.client;
    client
        .set_privacy_setting(PrivacyCategory::Profile, PrivacyValue::None)
        .await
        .unwrap();
    assert!(!sees_picture(&bob, ALICE).await);
    for client in [alice, bob, carol] {
        client.stop().await;
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_seen_and_online_are_hidden_and_shown_again() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    simulator.phone_presence(BOB, true).unwrap();
    alice.client.presence().subscribe(jid(BOB)).await.unwrap();
    let presence = |unavailable: bool, with_time: bool| {
        move |e: &Event| match e {
            Event::Presence(p) if p.unavailable == unavailable => {
                (p.last_seen.is_some() == with_time).then_some(())
            }
            _ => None,
        }
    };
    alice
        .wait_for("bob to be there", presence(false, false))
        .await;
    let set = |name: &str, value: &str| {
        let change = ProfileChange {
            privacy: [(name.to_owned(), value.to_owned())].into(),
            ..ProfileChange::default()
        };
        simulator.change_profile(BOB, change).unwrap();
    };
    set("last", "none");
    alice
        .wait_for("bob without a time", presence(false, false))
        .await;
    set("online", "match_last_seen");
    alice.wait_for("bob to vanish", presence(true, false)).await;
    simulator.phone_presence(BOB, false).unwrap();
    alice
        .wait_for("bob to be away", presence(true, false))
        .await;
    set("last", "all");
    alice
        .wait_for("bob with a time", presence(true, true))
        .await;
    // Who hides it does not see it.
    let client = &alice.client;
    client
        .set_privacy_setting(PrivacyCategory::Last, PrivacyValue::None)
        .await
        .unwrap();
    set("online", "all");
    alice
        .wait_for("no time any more", presence(true, false))
        .await;
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blocked_do_not_arrive_and_see_nothing() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let alice2 = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    alice
        .client
        .profile()
        .set_profile_picture(vec![1; 9])
        .await
        .unwrap();
    bob.send_text(&pn(ALICE), "before").await;
    assert_eq!(alice.next_text().await.0, "before");
    assert!(sees_picture(&bob, ALICE).await);
    bob.client.presence().subscribe(jid(ALICE)).await.unwrap();

    alice.client.blocking().block(&jid(BOB)).await.unwrap();
    assert!(alice.client.blocking().is_blocked(&jid(BOB)).await.unwrap());
    assert_eq!(
        alice2
            .client
            .blocking()
            .get_blocklist()
            .await
            .unwrap()
            .len(),
        1
    );
    until("the other device to be told", || {
        told(
            &simulator,
            &format!("{ALICE}:2"),
            "notification:account_sync",
        ) > 0
    })
    .await;
    assert!(!sees_picture(&bob, ALICE).await);
    let id = bob.send_text(&pn(ALICE), "blocked").await;
    let error = bob
        .wait_for("the ack", |e| match e {
            Event::ServerAck(ack) if ack.id == id => Some(ack.error.clone()),
            _ => None,
        })
        .await;
    assert_eq!(error, None, "the blocked are not told");

    alice.client.blocking().unblock(&jid(BOB)).await.unwrap();
    assert!(
        alice2
            .client
            .blocking()
            .get_blocklist()
            .await
            .unwrap()
            .is_empty()
    );
    bob.send_text(&pn(ALICE), "after").await;
    assert_eq!(
        alice.next_text().await.0,
        "after",
        "what was blocked never comes"
    );
    for client in [alice, alice2, bob] {
        client.stop().await;
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_open_what_is_for_contacts_only() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let change = ProfileChange {
        privacy: [
            ("messages".to_owned(), "contacts".to_owned()),
            ("last".to_owned(), "contacts".to_owned()),
            ("online".to_owned(), "match_last_seen".to_owned()),
        ]
        .into(),
        ..ProfileChange::default()
    };
    simulator.change_profile(BOB, change).unwrap();
    simulator.phone_presence(BOB, true).unwrap();
    let ack = |id: String| {
        move |e: &Event| match e {
            Event::ServerAck(ack) if ack.id == id => Some(ack.error.clone()),
            _ => None,
        }
    };
    let id = alice.send_text(&pn(BOB), "stranger").await;
    assert_eq!(
        alice.wait_for("the refusal", ack(id)).await.as_deref(),
        Some("463")
    );
    alice.client.presence().subscribe(jid(BOB)).await.unwrap();
    let there = |wanted: bool| {
        move |e: &Event| match e {
            Event::Presence(p) if p.unavailable != wanted => Some(()),
            _ => None,
        }
    };
    alice.wait_for("bob hidden", there(false)).await;

    // Whether clients show tokens with messages, the server tells them.
    until("the properties", || {
        let report = simulator.journal();
        let log = report.device(&format!("{ALICE}:1")).unwrap();
        log.inbound.contains_key("iq:abt")
    })
    .await;
    simulator.phone_trusts(BOB, ALICE).unwrap();
    // The client asks again by itself once it has the token.
    alice.wait_for("bob there", there(true)).await;
    let id = alice.send_text(&pn(BOB), "friend").await;
    assert_eq!(alice.wait_for("the ack", ack(id)).await, None);
    until("the message", || {
        simulator.phone_inbox(BOB, 0).unwrap().len() == 1
    })
    .await;
    // The client gave one back, which counts as well.
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_receipts_stay_away_when_either_side_wants() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let read = |id: &str| {
        let reading = Reading {
            chat: ALICE.to_owned(),
            ids: vec![id.to_owned()],
            author: None,
            played: false,
        };
        simulator.phone_reads(BOB, &reading).unwrap();
    };
    let hidden = alice.send_text(&pn(BOB), "one").await;
    let set = |value: &str| {
        let change = ProfileChange {
            privacy: [("readreceipts".to_owned(), value.to_owned())].into(),
            ..ProfileChange::default()
        };
        simulator.change_profile(BOB, change).unwrap();
    };
    set("none");
    read(&hidden);
    set("all");
    let shown = alice.send_text(&pn(BOB), "two").await;
    read(&shown);
    let first = alice
        .wait_for("a read receipt", |e| match e {
            Event::Receipt(r) if r.r#type == ReceiptType::Read => {
                Some(r.message_ids.first().map(ToString::to_string))
            }
            _ => None,
        })
        .await;
    assert_eq!(first, Some(shown));
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_phones_type_and_notice_what_others_do() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    simulator
        .phone_types(BOB, ALICE, Typing::Recording)
        .unwrap();
    let typing = alice
        .wait_for("bob recording", |e| match e {
            Event::ChatPresence(p) => Some((p.state, p.media)),
            _ => None,
        })
        .await;
    assert_eq!(typing, (ChatPresence::Composing, ChatPresenceMedia::Audio));

    simulator.phone_watches(BOB, ALICE).unwrap();
    alice.client.presence().set_available().await.unwrap();
    let sent = simulator.phone_text(BOB, ALICE, "read this").unwrap();
    let (_, message) = alice.next_text().await;
    let chat = &message.info.source.chat;
    alice.client.chatstate().send_composing(chat).await.unwrap();
    alice.client.chatstate().send_paused(chat).await.unwrap();
    alice
        .client
        .mark_as_read(chat, None, &[&*message.info.id])
        .await
        .unwrap();
    let noticed = || {
        let signals = simulator.phone_signals(BOB, 0).unwrap();
        assert!(signals.iter().all(|s| s.from == pn(ALICE)));
        signals
            .into_iter()
            .map(|s| (s.kind, s.ids))
            .collect::<Vec<_>>()
    };
    let wanted = [
        (SignalKind::Available, vec![]),
        (SignalKind::Composing, vec![]),
        (SignalKind::Paused, vec![]),
        (SignalKind::Read, vec![sent.id.clone()]),
        (SignalKind::Delivered, vec![sent.id]),
    ];
    until("all of it", || {
        let noticed = noticed();
        wanted.iter().all(|w| noticed.contains(w))
    })
    .await;
    alice.stop().await;
    until("alice to be gone", || {
        noticed()
            .last()
            .is_some_and(|(kind, _)| *kind == SignalKind::Unavailable)
    })
    .await;
    simulator.shutdown().await;
}
