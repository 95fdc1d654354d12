//! What a companion cannot read or download it gets from its phone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_simulator::faults::{Fault, Request};
use switchboard_simulator::journal::Direction;
use switchboard_simulator::{Handle, Outgoing, OutgoingFile};
use wacore::media_retry::MediaRetryResult;
use wacore::types::events::{Event, UnavailableType};
use whatsapp_rust::Jid;
use whatsapp_rust::features::MediaReuploadRequest;

use crate::client::{TestClient, pn, simulator, until};
use crate::http::request;

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

/// Alice's companion, connected and in a session with Bob's phone, gets messages damaged from now on.
async fn damaged(simulator: &Handle, fault: Fault, count: u32) -> TestClient {
    let alice = TestClient::paired(simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    simulator.phone_text(BOB, ALICE, "first").unwrap();
    alice.next_text().await;
    simulator
        .inject(Request {
            number: Some(ALICE.to_owned()),
            device: Some(1),
            direction: Some(Direction::Out),
            stanza: Some("message".to_owned()),
            count: Some(count),
            ..Request::new(fault)
        })
        .unwrap();
    alice
}

async fn unreadable(client: &TestClient) -> (bool, UnavailableType) {
    client
        .wait_for("an unreadable message", |e| match e {
            Event::UndecryptableMessage(u) => Some((u.is_unavailable, u.unavailable_type)),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_message_is_sent_again() {
    let simulator = simulator().await;
    let alice = damaged(&simulator, Fault::Garble, 1).await;
    simulator.phone_text(BOB, ALICE, "second").unwrap();
    assert!(!unreadable(&alice).await.0);
    assert_eq!(alice.next_text().await.0, "second");
    let retried = |log: &switchboard_simulator::journal::DeviceReport| {
        log.inbound.contains_key("receipt:retry")
    };
    until("the retry receipt", || {
        simulator
            .journal()
            .device(&format!("{ALICE}:1"))
            .is_some_and(retried)
    })
    .await;
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_stays_unreadable_comes_from_the_own_phone() {
    let simulator = simulator().await;
    let alice = damaged(&simulator, Fault::Garble, 0).await;
    let id = simulator.phone_text(BOB, ALICE, "second").unwrap().id;
    unreadable(&alice).await;
    let (text, message) = alice.next_text().await;
    assert_eq!((text.as_str(), &*message.info.id), ("second", &*id));
    assert!(message.info.unavailable_request_id.is_some());
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withheld_message_comes_from_the_own_phone_unless_it_is_view_once() {
    let simulator = simulator().await;
    let once = Fault::Withhold { view_once: true };
    let alice = damaged(&simulator, once, 1).await;
    simulator.phone_text(BOB, ALICE, "only once").unwrap();
    assert_eq!(unreadable(&alice).await, (true, UnavailableType::ViewOnce));
    let body = format!(r#"{{"kind":"withhold","number":"{ALICE}","stanza":"message"}}"#);
    let (status, _) = request("POST", simulator.address(), "/admin/faults", &body).await;
    assert_eq!(status, 200);
    simulator.phone_text(BOB, ALICE, "for phones").unwrap();
    assert_eq!(unreadable(&alice).await, (true, UnavailableType::Unknown));
    let (text, message) = alice.next_text().await;
    assert_eq!(text, "for phones", "what is view-once never comes");
    assert!(message.info.unavailable_request_id.is_some());
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_gone_is_uploaded_again_by_the_phone() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let image = vec![9; 4000];
    let file = OutgoingFile {
        kind: "image".to_owned(),
        mimetype: "image/png".to_owned(),
        data: STANDARD.encode(&image),
        ..OutgoingFile::default()
    };
    let out = Outgoing {
        to: ALICE.to_owned(),
        text: "mine".to_owned(),
        media: Some(file),
        ..Outgoing::default()
    };
    let id = simulator.phone_send(BOB, out).unwrap().id;
    let mut got = alice.image().await;
    until("the phone to have it", || {
        !simulator.phone_inbox(ALICE, 0).unwrap().is_empty()
    })
    .await;
    let expire = format!(r#"{{"id":"{id}"}}"#);
    let path = format!("/admin/phones/{ALICE}/expire-media");
    let (status, _) = request("POST", simulator.address(), &path, &expire).await;
    assert_eq!(status, 204);
    assert!(simulator.expire_media(ALICE, "nonsense").is_err());
    assert!(alice.client.download(&got).await.is_err());

    let chat: Jid = pn(BOB).parse().unwrap();
    let media_key = got.media_key.clone().unwrap();
    let ask = |id: String, key: Vec<u8>| {
        let (client, chat) = (alice.client.clone(), chat.clone());
        async move {
            let request = MediaReuploadRequest {
                msg_id: &id,
                chat_jid: &chat,
                media_key: &key,
                is_from_me: false,
                participant: None,
            };
            client.media_reupload().request(&request).await.unwrap()
        }
    };
    let refused = ask("3EB0NOSUCH".to_owned(), media_key.clone()).await;
    assert!(matches!(refused, MediaRetryResult::NotFound));
    let refused = ask(id.clone(), vec![1; 32]).await;
    assert!(matches!(refused, MediaRetryResult::DecryptionError));
    let MediaRetryResult::Success { direct_path } = ask(id.clone(), media_key).await else {
        panic!("the phone has the file");
    };
    assert_ne!(Some(&direct_path), got.direct_path.as_ref());
    got.direct_path = Some(direct_path);
    got.url = None;
    assert_eq!(alice.client.download(&got).await.unwrap(), image);
    alice.stop().await;
    simulator.shutdown().await;
}
