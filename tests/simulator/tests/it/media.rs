//! Files through the media host.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use switchboard_simulator::phone::Kind;
use switchboard_simulator::{Outgoing, OutgoingFile};
use wacore::download::MediaType;
use waproto::whatsapp as wa;
use whatsapp_rust::Jid;

use crate::client::{TestClient, pn, simulator, until};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

async fn send_image(size: usize) {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let image: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
    let up = alice
        .client
        .upload(image.clone(), MediaType::Image, Default::default())
        .await
        .unwrap();
    let message = wa::Message {
        image_message: buffa::MessageField::some(wa::message::ImageMessage {
            url: Some(up.url),
            direct_path: Some(up.direct_path),
            media_key: Some(up.media_key.to_vec()),
            file_sha256: Some(up.file_sha256.to_vec()),
            file_enc_sha256: Some(up.file_enc_sha256.to_vec()),
            file_length: Some(up.file_length),
            mimetype: Some("image/png".to_owned()),
            caption: Some("look".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let to: Jid = pn(BOB).parse().unwrap();
    alice.client.send_message(&to, message).await.unwrap();
    let got = bob.image().await;
    assert_eq!(got.caption.as_deref(), Some("look"));
    assert_eq!(bob.client.download(&got).await.unwrap(), image);
    until("the phone", || {
        !simulator.phone_inbox(BOB, 0).unwrap().is_empty()
    })
    .await;
    let record = simulator.phone_inbox(BOB, 0).unwrap().remove(0);
    let media = record.media.unwrap();
    assert_eq!(
        (record.kind, record.text.as_deref()),
        (Kind::Image, Some("look"))
    );
    assert!(media.opened);
    assert_eq!(media.size, size as u64);
    assert_eq!(media.sha256, hex::encode(Sha256::digest(&image)));
    alice.stop().await;
    bob.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_goes_through() {
    send_image(200_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_image_asks_what_is_there_first() {
    send_image(6 * 1024 * 1024).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_sends_an_image() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let image = vec![7; 5000];
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
    simulator.phone_send(BOB, out).unwrap();
    let got = alice.image().await;
    assert_eq!(got.caption.as_deref(), Some("mine"));
    assert_eq!(alice.client.download(&got).await.unwrap(), image);
    alice.stop().await;
    simulator.shutdown().await;
}
