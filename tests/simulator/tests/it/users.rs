//! Users of phones over HTTP, and what they can do only there.

use serde_json::{Value, json};
use switchboard_simulator::Outgoing;
use switchboard_simulator::core::phone_user::ProfileChange;
use switchboard_simulator::core::signals::SignalKind;
use switchboard_simulator::phone::Kind;
use wacore::request::{InfoQuery, InfoQueryType};
use wacore::types::events::Event;
use wacore::types::presence::ReceiptType;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeContent, Server};
use waproto::whatsapp as wa;
use waproto::whatsapp::message::extended_text_message::FontType;
use whatsapp_rust::Jid;

use crate::client::{TestClient, pn, simulator, until};
use crate::http;

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";
const CAROL: &str = "4915100000003";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_of_users_speaks_json() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let at = simulator.address();
    let call = |method: &'static str, path: &str, body: Value| {
        let path = format!("/admin/phones/{BOB}/{path}");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        async move {
            let (status, answer) = http::request(method, at, &path, &body).await;
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            (status, answer)
        }
    };
    let change = json!({
        "name": "Robert", "about": "here", "privacy": {"last": "nobody"},
    });
    assert_eq!(
        call("PATCH", "profile", change).await.0,
        400,
        "no such value"
    );
    let change = json!({"nonsense": true});
    assert_eq!(
        call("PATCH", "profile", change).await.0,
        422,
        "no such field"
    );
    let change = json!({
        "name": "Robert", "about": "here", "privacy": {"last": "none"},
        "add_contacts": [ALICE], "business": {"name": "Robert Ltd"},
    });
    let (status, profile) = call("PATCH", "profile", change).await;
    assert_eq!(status, 200, "{profile}");
    assert_eq!(profile["privacy"]["last"], "none");
    assert_eq!(profile["contacts"], json!([ALICE]));
    let (_, profile) = call("GET", "profile", Value::Null).await;
    assert_eq!(
        (&profile["name"], &profile["about"]),
        (&json!("Robert"), &json!("here"))
    );
    assert_eq!(profile["business"]["name"], "Robert Ltd");

    let (status, _) = call(
        "POST",
        "presence",
        json!({"available": true, "watch": ALICE}),
    )
    .await;
    assert_eq!(status, 204);
    let (_, signals) = call("GET", "signals?since=0", Value::Null).await;
    assert_eq!(signals[0]["from"], pn(ALICE));
    let typing = json!({"to": ALICE, "state": "recording"});
    assert_eq!(call("POST", "typing", typing).await.0, 204);
    alice
        .wait_for("recording", |e| {
            matches!(e, Event::ChatPresence(_)).then_some(())
        })
        .await;
    assert_eq!(
        call("POST", "trust", json!({"contact": ALICE})).await.0,
        204
    );
    assert_eq!(call("POST", "trust", json!({"contact": "1"})).await.0, 404);

    let id = alice.send_text(&pn(BOB), "listen").await;
    let read = json!({"chat": ALICE, "ids": [id], "played": true});
    assert_eq!(call("POST", "read", read).await.0, 204);
    alice
        .wait_for("the played receipt", |e| match e {
            Event::Receipt(r) if r.r#type == ReceiptType::Played => Some(()),
            _ => None,
        })
        .await;
    assert_eq!(
        call("POST", "read", json!({"chat": ALICE, "ids": []}))
            .await
            .0,
        400
    );
    let story = json!({"to": "status@broadcast", "text": "to contacts"});
    assert_eq!(call("POST", "send", story).await.0, 200);
    alice.next_text().await;
    let (status, stories) = call("GET", "stories", Value::Null).await;
    assert_eq!(
        (status, stories),
        (200, json!([])),
        "own stories are not in the own inbox"
    );
    let twice = json!({"to": ALICE, "poll": {"question": "?", "options": ["a", "b"]}, "timer": 1});
    assert_eq!(
        call("POST", "send", twice).await.0,
        400,
        "two kinds of content"
    );
    let unknown = json!({"to": ALICE, "text": "x", "quote": "NEVER"});
    assert_eq!(call("POST", "send", unknown).await.0, 404);
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_open_encrypted_edits() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let secret = vec![9; 32];
    let message = wa::Message {
        conversation: Some("typo".to_owned()),
        message_context_info: wa::MessageContextInfo {
            message_secret: Some(secret.clone()),
            ..Default::default()
        }
        .into(),
        ..Default::default()
    };
    let chat: Jid = pn(BOB).parse().unwrap();
    let sent = alice.client.send_message(&chat, message).await.unwrap();
    let text = wa::Message {
        conversation: Some("no typo".to_owned()),
        ..Default::default()
    };
    let id = sent.message_id.clone();
    alice
        .client
        .edit_message_encrypted(chat, id, &secret, text)
        .await
        .unwrap();
    let edit = || {
        let inbox = simulator.phone_inbox(BOB, 0).unwrap();
        inbox.into_iter().find(|r| r.kind == Kind::Edit)
    };
    until("the edit", || edit().is_some()).await;
    let edit = edit().unwrap();
    assert_eq!(edit.text.as_deref(), Some("no typo"));
    assert_eq!(edit.target, Some(sent.message_id));
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blocked_neither_type_nor_show_stories() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    simulator.add_phone(BOB, "bob").unwrap();
    let block = |block: &[&str], unblock: &[&str]| {
        let own = |numbers: &[&str]| numbers.iter().map(|n| (*n).to_owned()).collect();
        let change = ProfileChange {
            block: own(block),
            unblock: own(unblock),
            ..ProfileChange::default()
        };
        simulator.change_profile(BOB, change).unwrap();
    };
    let bob: Jid = pn(BOB).parse().unwrap();
    alice.send_text(&pn(BOB), "hello").await;
    until("the text", || {
        simulator.phone_inbox(BOB, 0).unwrap().len() == 1
    })
    .await;
    block(&[ALICE], &[]);
    let audience = [bob.clone()];
    let post = |text: &'static str| {
        let (status, audience) = (alice.client.status(), &audience);
        async move {
            let font = FontType::SYSTEM;
            let sent = status.send_text(text, 0, font, audience, Default::default());
            sent.await.unwrap().message_id
        }
    };
    let hidden = post("hidden").await;
    alice.client.chatstate().send_composing(&bob).await.unwrap();
    // One connection: when this is answered, what came before was routed.
    let acked = |id: String| {
        move |e: &Event| match e {
            Event::ServerAck(ack) if ack.id == id => Some(()),
            _ => None,
        }
    };
    alice.wait_for("the ack", acked(hidden)).await;
    let id = alice.send_text(&pn(BOB), "blocked").await;
    alice.wait_for("the ack", acked(id)).await;
    block(&[], &[ALICE]);
    let shown = post("shown").await;
    alice.client.chatstate().send_paused(&bob).await.unwrap();
    until("the story", || {
        !simulator.phone_stories(BOB, 0).unwrap().is_empty()
    })
    .await;
    let stories = simulator.phone_stories(BOB, 0).unwrap();
    assert_eq!((stories.len(), &stories[0].id), (1, &shown));
    let typed = || {
        let signals = simulator.phone_signals(BOB, 0).unwrap();
        let kinds = signals.into_iter().map(|s| s.kind);
        kinds
            .filter(|k| matches!(k, SignalKind::Composing | SignalKind::Paused))
            .collect::<Vec<_>>()
    };
    until("the end of typing", || !typed().is_empty()).await;
    assert_eq!(typed(), [SignalKind::Paused]);
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audience_of_stories_is_a_setting() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    for number in [BOB, CAROL] {
        simulator.add_phone(number, "").unwrap();
    }
    let change = ProfileChange {
        add_contacts: vec![BOB.to_owned(), CAROL.to_owned()],
        ..ProfileChange::default()
    };
    simulator.change_profile(ALICE, change).unwrap();
    let privacy = |kind: InfoQueryType, content: Vec<Node>| {
        let node = NodeBuilder::new("privacy").children(content).build();
        let server = Jid::new("", Server::Pn);
        let content = Some(NodeContent::Nodes(vec![node]));
        let query = match kind {
            InfoQueryType::Get => InfoQuery::get("status", server, content),
            InfoQueryType::Set => InfoQuery::set("status", server, content),
        };
        alice.client.send_iq(query)
    };
    let bob: Jid = pn(BOB).parse().unwrap();
    let except = NodeBuilder::new("list")
        .attr("type", "blacklist")
        .children([NodeBuilder::new("user").attr("jid", bob).build()])
        .build();
    let never = privacy(InfoQueryType::Get, Vec::new()).await;
    assert!(never.is_err(), "nothing was chosen yet");
    privacy(InfoQueryType::Set, vec![except]).await.unwrap();
    let answer = privacy(InfoQueryType::Get, Vec::new()).await.unwrap();
    let text = format!("{:?}", answer.get());
    assert!(text.contains("blacklist"), "{text}");
    let out = Outgoing {
        to: "status@broadcast".to_owned(),
        text: "not for Bob".to_owned(),
        ..Outgoing::default()
    };
    let id = simulator.phone_send(ALICE, out).unwrap().id;
    until("carol's phone", || {
        let stories = simulator.phone_stories(CAROL, 0).unwrap();
        stories.iter().any(|s| s.id == id)
    })
    .await;
    assert!(simulator.phone_stories(BOB, 0).unwrap().is_empty());
    alice.stop().await;
    simulator.shutdown().await;
}
