//! Profiles: names, about texts, pictures, business cards and what queries about users answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_simulator::core::phone_user::ProfileChange;
use switchboard_simulator::core::profile::{Business, BusinessCategory, OpeningHours};
use wacore::net::{HttpClient as _, HttpRequest};
use wacore::types::events::Event;

use crate::client::{TestClient, jid, pn, simulator};
use crate::http::PlainHttp;

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";
const NOBODY: &str = "4915100000009";

async fn download(url: &str) -> Vec<u8> {
    let answer = PlainHttp.execute(HttpRequest::get(url)).await.unwrap();
    assert_eq!(answer.status_code, 200, "{url}");
    answer.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn about_texts_are_seen_and_announced() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    // Asking makes Bob one who hears of changes.
    assert_eq!(bob.info(ALICE).await.status, None);
    alice
        .client
        .profile()
        .set_status_text("busy")
        .await
        .unwrap();
    let heard = bob
        .wait_for("the new text", |e| match e {
            Event::UserAboutUpdate(u) => Some((u.jid.clone(), u.status.clone())),
            _ => None,
        })
        .await;
    assert_eq!(heard, (jid(ALICE), "busy".to_owned()));
    let seen = bob.info(ALICE).await;
    assert_eq!(seen.status.as_deref(), Some("busy"));
    assert_eq!(seen.devices, [0, 1]);
    assert!(seen.lid.is_some() && !seen.is_business);
    let profile = simulator.phone_profile(ALICE).unwrap();
    assert_eq!(profile.about.as_deref(), Some("busy"));
    alice.stop().await;
    bob.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_set_fetched_announced_and_removed() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let alice2 = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    assert_eq!(bob.info(ALICE).await.picture_id, None);
    let image = vec![0xFF, 0xD8, 1, 2, 3];
    let set = alice
        .client
        .profile()
        .set_profile_picture(image.clone())
        .await
        .unwrap();
    let changed = |removed: bool| {
        move |e: &Event| match e {
            Event::PictureUpdate(u) if u.removed == removed => Some(u.picture_id.clone()),
            _ => None,
        }
    };
    for witness in [&alice2, &bob] {
        let id = witness.wait_for("the new picture", changed(false)).await;
        assert_eq!(id.as_deref(), Some(&*set.id));
    }
    assert_eq!(bob.info(ALICE).await.picture_id, Some(set.id.clone()));
    for preview in [true, false] {
        let contacts = bob.client.contacts();
        let found = contacts.get_profile_picture(&jid(ALICE), preview).await;
        let found = found.unwrap().unwrap();
        assert_eq!(found.id, set.id);
        assert_eq!(download(&found.url).await, image);
    }
    let newer = ProfileChange {
        picture: Some(STANDARD.encode([9; 20])),
        ..ProfileChange::default()
    };
    simulator.change_profile(ALICE, newer).unwrap();
    alice.wait_for("the phone's picture", changed(false)).await;
    let own = alice.client.contacts();
    let own = own.get_profile_picture(&jid(ALICE), false).await.unwrap();
    assert_eq!(download(&own.unwrap().url).await, [9; 20]);

    alice
        .client
        .profile()
        .remove_profile_picture()
        .await
        .unwrap();
    bob.wait_for("its end", changed(true)).await;
    let contacts = bob.client.contacts();
    let gone = contacts.get_profile_picture(&jid(ALICE), true).await;
    assert!(gone.unwrap().is_none());
    for client in [alice, alice2, bob] {
        client.stop().await;
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_name_reaches_own_devices_and_stands_on_messages() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let alice2 = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    alice
        .client
        .profile()
        .set_push_name("Alicia")
        .await
        .unwrap();
    // The name may come twice: from the server at once, and with the synced settings.
    let called = |name: &'static str| {
        move |e: &Event| match e {
            Event::SelfPushNameUpdated(u) if u.from_server && u.new_name == name => Some(()),
            _ => None,
        }
    };
    alice2.wait_for("the name", called("Alicia")).await;
    alice.send_text(&pn(BOB), "hi").await;
    assert_eq!(bob.next_text().await.1.info.push_name, "Alicia");

    let change = ProfileChange {
        name: Some("Al".to_owned()),
        ..ProfileChange::default()
    };
    simulator.change_profile(ALICE, change).unwrap();
    for client in [&alice, &alice2] {
        client.wait_for("the newer name", called("Al")).await;
    }
    for client in [alice, alice2, bob] {
        client.stop().await;
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_registered_unknown_or_none() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let asked = [jid(BOB), jid(NOBODY), jid("123")];
    let answers = alice
        .client
        .contacts()
        .is_on_whatsapp(&asked)
        .await
        .unwrap();
    let there: Vec<_> = answers.iter().map(|a| a.is_registered).collect();
    assert_eq!(
        there,
        [true, false],
        "the third is no number and has no address"
    );
    let lid = answers[0].lid.clone().unwrap();
    let by_lid = alice
        .client
        .contacts()
        .is_on_whatsapp(&[lid])
        .await
        .unwrap();
    assert_eq!(by_lid[0].pn_jid.as_ref(), Some(&jid(BOB)));
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_shows_its_name_and_card() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    assert!(!alice.info(BOB).await.is_business);
    let nothing = alice.client.get_business_profile(&jid(BOB)).await.unwrap();
    assert!(nothing.is_none());
    let card = Business {
        name: "Bob & Sons".to_owned(),
        description: "Everything".to_owned(),
        email: Some("bob@example.com".to_owned()),
        websites: vec!["https://example.com".to_owned()],
        categories: vec![BusinessCategory {
            id: "7".to_owned(),
            name: "Shop".to_owned(),
        }],
        address: Some("1 Main Street".to_owned()),
        timezone: Some("Europe/Berlin".to_owned()),
        hours: vec![OpeningHours {
            day: "mon".to_owned(),
            mode: "specific_hours".to_owned(),
            open: Some(480),
            close: Some(1080),
        }],
    };
    let change = ProfileChange {
        business: Some(card),
        ..ProfileChange::default()
    };
    simulator.change_profile(BOB, change).unwrap();
    let name = alice
        .wait_for("the business", |e| match e {
            Event::BusinessStatusUpdate(u) => Some(u.verified_name.clone()),
            _ => None,
        })
        .await;
    assert_eq!(name.as_deref(), Some("Bob & Sons"));
    let seen = alice.info(BOB).await;
    assert!(seen.is_business);
    let verified = seen.verified_name.unwrap();
    assert_eq!(verified.name.as_deref(), Some("Bob & Sons"));
    let card = alice.client.get_business_profile(&jid(BOB)).await.unwrap();
    let card = card.unwrap();
    assert_eq!(card.wid, Some(jid(BOB)));
    assert_eq!(card.description, "Everything");
    assert_eq!(card.email.as_deref(), Some("bob@example.com"));
    assert_eq!(card.website, ["https://example.com"]);
    assert_eq!(card.categories[0].name, "Shop");
    assert_eq!(card.address.as_deref(), Some("1 Main Street"));
    let hours = card.business_hours.business_config.unwrap();
    assert_eq!(
        (hours[0].open_time, hours[0].close_time),
        (Some(480), Some(1080))
    );
    alice.stop().await;
    simulator.shutdown().await;
}
