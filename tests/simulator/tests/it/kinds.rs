//! Every kind of content a phone sends, as the client gets it, and every kind the client sends, as the
//! phone shows it.

mod answers;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use switchboard_simulator::phone::{Kind, Record};
use switchboard_simulator::{Config, Handle, Outgoing};
use wacore::types::events::{Event, UnavailableType};
use waproto::whatsapp as wa;
use whatsapp_rust::Jid;

use crate::client::{TestClient, jid, pn, simulator_with, until};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

/// Bob's phone sends a draft to Alice; returns its id.
fn send(simulator: &Handle, draft: Value) -> String {
    let mut out: Outgoing = serde_json::from_value(draft).unwrap();
    if out.to.is_empty() {
        out.to = ALICE.to_owned();
    }
    simulator.phone_send(BOB, out).unwrap().id
}

/// The record with this id on Bob's phone.
async fn shown(simulator: &Handle, id: &str) -> Record {
    let find = || {
        let inbox = simulator.phone_inbox(BOB, 0).unwrap();
        inbox.into_iter().find(|r| r.id == id)
    };
    until("the record", || find().is_some()).await;
    find().unwrap()
}

async fn world() -> (Handle, TestClient) {
    world_of(Config::default()).await
}

async fn world_of(config: Config) -> (Handle, TestClient) {
    let simulator = simulator_with(config).await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    (simulator, alice)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_with_all_that_modifies_them() {
    let (simulator, alice) = world().await;
    let first = alice.send_text(&pn(BOB), "what do you think?").await;
    shown(&simulator, &first).await;
    let id = send(
        &simulator,
        json!({
            "text": "see https://example.com @4915100000001",
            "quote": first,
            "mentions": [ALICE],
            "forwarded": 5,
            "ephemeral": 86400,
            "preview": {
                "url": "https://example.com", "title": "Example", "description": "A page",
                "thumbnail": STANDARD.encode([1, 2, 3]),
            },
        }),
    );
    let got = alice.arrives(&id).await;
    let text = got.message.extended_text_message.as_option().unwrap();
    assert_eq!(
        text.text.as_deref(),
        Some("see https://example.com @4915100000001")
    );
    assert_eq!(text.matched_text.as_deref(), Some("https://example.com"));
    assert_eq!(text.title.as_deref(), Some("Example"));
    assert_eq!(text.jpeg_thumbnail.as_deref(), Some(&[1, 2, 3][..]));
    let context = text.context_info.as_option().unwrap();
    assert_eq!(context.stanza_id.as_deref(), Some(&*first));
    let quoted = context.quoted_message.as_option().unwrap();
    assert_eq!(quoted.conversation.as_deref(), Some("what do you think?"));
    let author: Jid = context.participant.as_deref().unwrap().parse().unwrap();
    assert_eq!(author.user, alice.client.lid().unwrap().user);
    assert_eq!(context.mentioned_jid, [pn(ALICE)]);
    assert_eq!(
        (context.is_forwarded, context.forwarding_score),
        (Some(true), Some(5))
    );
    assert_eq!(context.expiration, Some(86400));
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_every_kind() {
    let (simulator, alice) = world().await;
    let content = vec![5; 3000];
    let file = |kind: &str, more: Value| {
        let mut file = json!({
            "kind": kind, "mimetype": "a/b", "data": STANDARD.encode(&content),
        });
        let fields = more.as_object().unwrap().clone();
        file.as_object_mut().unwrap().extend(fields);
        json!({"text": "look", "media": file})
    };
    let id = send(&simulator, file("image", json!({"width": 4, "height": 3})));
    let image = alice.arrives(&id).await.message.image_message.clone();
    assert_eq!((image.width, image.height), (Some(4), Some(3)));
    assert_eq!(alice.client.download(&*image).await.unwrap(), content);

    let id = send(&simulator, file("video", json!({"seconds": 9})));
    let video = alice.arrives(&id).await.message.video_message.clone();
    assert_eq!((video.seconds, video.gif_playback), (Some(9), None));
    assert_eq!(alice.client.download(&*video).await.unwrap(), content);

    let id = send(&simulator, file("gif", json!({})));
    let gif = alice.arrives(&id).await.message.video_message.clone();
    assert_eq!(gif.gif_playback, Some(true));

    let id = send(&simulator, file("ptv", json!({"seconds": 2})));
    let round = alice.arrives(&id).await.message.ptv_message.clone();
    assert_eq!(alice.client.download(&*round).await.unwrap(), content);

    let id = send(&simulator, file("audio", json!({"seconds": 60})));
    let audio = alice.arrives(&id).await.message.audio_message.clone();
    assert_eq!((audio.seconds, audio.ptt), (Some(60), None));

    let wave = STANDARD.encode([7; 64]);
    let id = send(
        &simulator,
        file("voice", json!({"seconds": 6, "waveform": wave})),
    );
    let voice = alice.arrives(&id).await.message.audio_message.clone();
    assert_eq!(
        (voice.ptt, voice.waveform.as_deref()),
        (Some(true), Some(&[7; 64][..]))
    );
    assert_eq!(alice.client.download(&*voice).await.unwrap(), content);

    let id = send(
        &simulator,
        file("document", json!({"file_name": "a.pdf", "pages": 3})),
    );
    let document = alice.arrives(&id).await.message.document_message.clone();
    assert_eq!(document.file_name.as_deref(), Some("a.pdf"));
    assert_eq!(document.page_count, Some(3));
    assert_eq!(alice.client.download(&*document).await.unwrap(), content);

    let id = send(&simulator, file("sticker", json!({"animated": true})));
    let sticker = alice.arrives(&id).await.message.sticker_message.clone();
    assert_eq!(sticker.is_animated, Some(true));
    assert_eq!(alice.client.download(&*sticker).await.unwrap(), content);

    let mut once = file("image", json!({}));
    once["view_once"] = json!(true);
    let id = send(&simulator, once);
    let hidden = alice
        .wait_for(
            "the sign that there is something for the phone",
            |e| match e {
                Event::UndecryptableMessage(u) if *u.info.id == *id => Some(u.unavailable_type),
                _ => None,
            },
        )
        .await;
    assert_eq!(hidden, UnavailableType::ViewOnce);

    let album = send(&simulator, json!({"album": {"images": 1}}));
    let head = alice.arrives(&album).await;
    assert_eq!(head.message.album_message.expected_image_count, Some(1));
    let mut child = file("image", json!({}));
    child["album_id"] = json!(album);
    let id = send(&simulator, child);
    let got = alice.arrives(&id).await;
    let association = &got.message.message_context_info.message_association;
    assert_eq!(association.parent_message_key.id.as_deref(), Some(&*album));
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_people_invitations_and_timers() {
    let (simulator, alice) = world().await;
    let id = send(
        &simulator,
        json!({"location": {"latitude": 52.5, "longitude": 13.4, "name": "Here"}}),
    );
    let place = alice.arrives(&id).await.message.location_message.clone();
    assert_eq!(
        (place.degrees_latitude, place.name.as_deref()),
        (Some(52.5), Some("Here"))
    );
    let id = send(
        &simulator,
        json!({"text": "on my way",
               "location": {"latitude": 1.0, "longitude": 2.0, "live": true, "sequence": 4}}),
    );
    let live = alice
        .arrives(&id)
        .await
        .message
        .live_location_message
        .clone();
    assert_eq!(
        (live.caption.as_deref(), live.sequence_number),
        (Some("on my way"), Some(4))
    );

    let card = json!({"name": "Carol", "vcard": "BEGIN:VCARD\nEND:VCARD"});
    let id = send(&simulator, json!({"contacts": [card]}));
    let one = alice.arrives(&id).await.message.contact_message.clone();
    assert_eq!(one.display_name.as_deref(), Some("Carol"));
    let id = send(&simulator, json!({"contacts": [card, card]}));
    let many = alice
        .arrives(&id)
        .await
        .message
        .contacts_array_message
        .clone();
    assert_eq!(many.contacts.len(), 2);

    let id = send(
        &simulator,
        json!({"text": "join", "group_invite": {"group": "120363@g.us", "code": "abc", "name": "G"}}),
    );
    let invite = alice
        .arrives(&id)
        .await
        .message
        .group_invite_message
        .clone();
    assert_eq!(
        (invite.invite_code.as_deref(), invite.caption.as_deref()),
        (Some("abc"), Some("join"))
    );

    let id = send(&simulator, json!({"timer": 604_800}));
    let timer = alice.arrives(&id).await.message.protocol_message.clone();
    assert_eq!(timer.ephemeral_expiration, Some(604_800));

    let raw = wa::Message {
        conversation: Some("raw".to_owned()),
        ..Default::default()
    };
    let raw = STANDARD.encode(waproto::codec::message_to_vec(&raw));
    let id = send(&simulator, json!({"raw": raw}));
    let got = alice.arrives(&id).await;
    assert_eq!(got.message.conversation.as_deref(), Some("raw"));
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactions_edits_deletions_and_pins() {
    let (simulator, alice) = world().await;
    let hers = alice.send_text(&pn(BOB), "hers").await;
    shown(&simulator, &hers).await;
    let his = send(&simulator, json!({"text": "his"}));
    let chat = alice.arrives(&his).await.info.source.chat.clone();

    let id = send(&simulator, json!({"reaction": {"id": hers, "emoji": "👍"}}));
    let reaction = alice.arrives(&id).await.message.reaction_message.clone();
    assert_eq!(reaction.text.as_deref(), Some("👍"));
    assert_eq!(reaction.key.id.as_deref(), Some(&*hers));
    let key = wa::MessageKey {
        remote_jid: Some(chat.to_string()),
        from_me: Some(false),
        id: Some(his.clone()),
        ..Default::default()
    };
    let sent = alice
        .client
        .send_reaction(chat.clone(), key, "❤")
        .await
        .unwrap();
    let record = shown(&simulator, &sent.message_id).await;
    assert_eq!(
        (record.kind, record.text.as_deref()),
        (Kind::Reaction, Some("❤"))
    );
    assert_eq!(record.target.as_deref(), Some(&*his));

    let id = send(&simulator, json!({"edit": his, "text": "his, better"}));
    let edit = alice.arrives(&id).await;
    let protocol = edited(&edit.message);
    assert_eq!(protocol.key.id.as_deref(), Some(&*his));
    assert_eq!(
        protocol.edited_message.conversation.as_deref(),
        Some("his, better")
    );
    let text = wa::Message {
        conversation: Some("hers, better".to_owned()),
        ..Default::default()
    };
    let plain = alice
        .client
        .edit_message(chat.clone(), &hers, text.clone())
        .await
        .unwrap();
    until("the edit", || {
        let inbox = simulator.phone_inbox(BOB, 0).unwrap();
        inbox
            .iter()
            .any(|r| r.kind == Kind::Edit && r.text.as_deref() == Some("hers, better"))
    })
    .await;
    drop(plain);

    let id = send(&simulator, json!({"pin": {"id": hers, "seconds": 86400}}));
    let pin = alice.arrives(&id).await;
    assert_eq!(
        pin.message.pin_in_chat_message.key.id.as_deref(),
        Some(&*hers)
    );
    let id = send(&simulator, json!({"revoke": his}));
    let revoke = alice.arrives(&id).await.message.protocol_message.clone();
    assert_eq!(revoke.key.id.as_deref(), Some(&*his));
    assert_eq!(
        revoke.r#type,
        Some(wa::message::protocol_message::Type::REVOKE)
    );

    let unknown = Outgoing {
        to: ALICE.to_owned(),
        edit: Some("NEVER".to_owned()),
        ..Outgoing::default()
    };
    assert!(simulator.phone_send(BOB, unknown).is_err());
    alice.stop().await;
    simulator.shutdown().await;
}

/// The protocol message inside an edit, wrapped or not.
fn edited(message: &wa::Message) -> wa::message::ProtocolMessage {
    let wrapped = message.edited_message.as_option();
    let inner = wrapped
        .and_then(|w| w.message.as_option())
        .unwrap_or(message);
    inner.protocol_message.as_option().unwrap().clone()
}
