//! Stories: posted by companions and phones, seen, deleted, reacted to and answered.

use serde_json::json;
use switchboard_simulator::core::phone_user::{ProfileChange, Reading};
use switchboard_simulator::core::signals::SignalKind;
use switchboard_simulator::phone::Kind;
use switchboard_simulator::{Handle, Outgoing};
use wacore::download::MediaType;
use wacore::types::events::Event;
use waproto::whatsapp as wa;
use waproto::whatsapp::message::extended_text_message::FontType;
use whatsapp_rust::Jid;

use crate::client::{TestClient, jid, simulator, until};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";
const CAROL: &str = "4915100000003";
const STORIES: &str = "status@broadcast";

async fn shows(simulator: &Handle, number: &str, id: &str) -> switchboard_simulator::phone::Record {
    let find = || {
        let stories = simulator.phone_stories(number, 0).unwrap();
        stories.into_iter().find(|r| r.id == id)
    };
    until("the story on the phone", || find().is_some()).await;
    find().unwrap()
}

/// The receipt of one viewer for one story. The stanza is looked at: the client's own event keeps the participant of groups only.
fn seen(story: &str, viewer: &Jid) -> impl Fn(&Event) -> Option<()> {
    move |event| {
        let Event::RawNode(node) = event else {
            return None;
        };
        let node = node.get();
        let is = |name: &str, value: &str| node.get_attr(name).is_some_and(|v| v == value);
        let fits = node.tag == "receipt"
            && is("from", STORIES)
            && is("type", "read")
            && is("id", story)
            && is("participant", &viewer.to_string());
        fits.then_some(())
    }
}

async fn knows(client: &TestClient, number: &str) {
    let contacts = client.client.contacts();
    contacts.get_user_info(&[jid(number)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_companion_posts_to_its_audience_and_hears_who_saw_it() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let stanzas = alice.client.acquire_raw_node_forwarding();
    let alice2 = TestClient::paired(&simulator, ALICE).await;
    alice.hears_of_device(2).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let carol = simulator.add_phone(CAROL, "carol").unwrap();
    let carol: Jid = carol.lid.parse().unwrap();
    for number in [BOB, CAROL] {
        knows(&alice, number).await;
    }
    let audience = [jid(BOB), jid(CAROL)];
    let status = alice.client.status();
    let mut ids = Vec::new();
    for text in ["first", "second"] {
        let font = FontType::SYSTEM;
        let sent = status.send_text(text, 0xFF00_FF00, font, &audience, Default::default());
        let id = sent.await.unwrap().message_id;
        for witness in [&bob, &alice2] {
            let got = witness.arrives(&id).await;
            assert!(got.info.source.chat.to_string() == STORIES);
            let shown = got.message.extended_text_message.as_option().unwrap();
            assert_eq!(shown.text.as_deref(), Some(text));
        }
        for number in [BOB, CAROL, ALICE] {
            let record = shows(&simulator, number, &id).await;
            assert_eq!(
                (record.kind, record.text.as_deref()),
                (Kind::Text, Some(text))
            );
            assert_eq!(record.own, number == ALICE);
        }
        ids.push(id);
    }
    let image = vec![3; 500];
    let upload = alice
        .client
        .upload(image.clone(), MediaType::Image, Default::default());
    let upload = upload.await.unwrap();
    let sent = status.send_image(upload, vec![1], Some("look"), &audience, Default::default());
    let id = sent.await.unwrap().message_id;
    let got = bob.arrives(&id).await.message.image_message.clone();
    assert_eq!(bob.client.download(&*got).await.unwrap(), image);
    assert_eq!(shows(&simulator, CAROL, &id).await.kind, Kind::Image);

    // Seen by Carol's phone and by Bob's companion.
    let reading = Reading {
        chat: STORIES.to_owned(),
        ids: vec![ids[0].clone()],
        author: Some(ALICE.to_owned()),
        played: false,
    };
    simulator.phone_reads(CAROL, &reading).unwrap();
    alice.wait_for("carol's view", seen(&ids[0], &carol)).await;
    let author = alice.client.lid().unwrap().to_non_ad();
    bob.client
        .mark_as_read(&Jid::status_broadcast(), Some(&author), &[&*ids[1]])
        .await
        .unwrap();
    let viewer = bob.client.lid().unwrap();
    alice.wait_for("bob's view", seen(&ids[1], &viewer)).await;

    let revoked = status
        .revoke(ids[0].clone(), &audience, Default::default())
        .await
        .unwrap();
    let record = shows(&simulator, CAROL, &revoked.message_id).await;
    assert_eq!(
        (record.kind, record.target),
        (Kind::Revoke, Some(ids[0].clone()))
    );
    let got = bob
        .arrives(&revoked.message_id)
        .await
        .message
        .protocol_message
        .clone();
    assert_eq!(got.key.id.as_deref(), Some(&*ids[0]));
    drop(stanzas);
    for client in [alice, alice2, bob] {
        client.stop().await;
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_posts_and_hears_reactions_answers_and_views() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob2 = TestClient::paired(&simulator, BOB).await;
    simulator.add_phone(CAROL, "carol").unwrap();
    let post = |draft: serde_json::Value| {
        let out: Outgoing = serde_json::from_value(draft).unwrap();
        simulator.phone_send(BOB, out)
    };
    assert!(post(json!({"to": STORIES, "text": "to nobody"})).is_err());
    let change = ProfileChange {
        add_contacts: vec![ALICE.to_owned()],
        ..ProfileChange::default()
    };
    simulator.change_profile(BOB, change).unwrap();
    let draft = json!({"to": STORIES, "text": "my day", "background": 0xFF00_0000_u32});
    let id = post(draft).unwrap().id;
    let got = alice.arrives(&id).await;
    let author = got.info.source.sender.to_non_ad();
    assert_eq!(got.info.source.chat.to_string(), STORIES);
    assert_eq!(author.user, bob2.client.lid().unwrap().user);
    assert!(bob2.arrives(&id).await.info.source.is_from_me);
    assert!(simulator.phone_stories(CAROL, 0).unwrap().is_empty());
    let to_carol = post(json!({"to": STORIES, "text": "only you", "audience": [CAROL]}));
    shows(&simulator, CAROL, &to_carol.unwrap().id).await;

    let key = wa::MessageKey {
        remote_jid: Some(STORIES.to_owned()),
        from_me: Some(false),
        id: Some(id.clone()),
        participant: Some(author.to_string()),
    };
    let sent = alice
        .client
        .send_reaction(Jid::status_broadcast(), key, "🔥")
        .await
        .unwrap();
    let record = shows(&simulator, BOB, &sent.message_id).await;
    assert_eq!(
        (record.kind, record.text.as_deref()),
        (Kind::Reaction, Some("🔥"))
    );
    assert_eq!(record.target.as_deref(), Some(&*id));
    alice
        .client
        .mark_as_read(&Jid::status_broadcast(), Some(&author), &[&*id])
        .await
        .unwrap();
    until("the view", || {
        let signals = simulator.phone_signals(BOB, 0).unwrap();
        signals
            .iter()
            .any(|s| s.kind == SignalKind::Read && s.chat == STORIES && s.ids == [id.clone()])
    })
    .await;

    // The other way round: Alice's story, the phone reacts and answers.
    knows(&alice, BOB).await;
    let status = alice.client.status();
    let font = FontType::SYSTEM;
    let audience = [jid(BOB)];
    let hers = status.send_text("hers", 0, font, &audience, Default::default());
    let hers = hers.await.unwrap().message_id;
    shows(&simulator, BOB, &hers).await;
    let reaction = json!({"to": STORIES, "reaction": {"id": hers, "emoji": "❤"}});
    let id = post(reaction).unwrap().id;
    let got = alice.arrives(&id).await.message.reaction_message.clone();
    assert_eq!(
        (got.text.as_deref(), got.key.id.as_deref()),
        (Some("❤"), Some(&*hers))
    );
    let id = post(json!({"to": ALICE, "text": "nice", "quote": hers}))
        .unwrap()
        .id;
    let got = alice.arrives(&id).await;
    let text = got.message.extended_text_message.as_option().unwrap();
    let context = text.context_info.as_option().unwrap();
    assert_eq!(context.stanza_id.as_deref(), Some(&*hers));
    assert_eq!(context.remote_jid.as_deref(), Some(STORIES));
    for client in [alice, bob2] {
        client.stop().await;
    }
    simulator.shutdown().await;
}
