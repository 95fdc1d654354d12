//! Users of phones over HTTP, and what they can do only there.

use serde_json::{Value, json};
use switchboard_simulator::phone::Kind;
use wacore::types::events::Event;
use wacore::types::presence::ReceiptType;
use waproto::whatsapp as wa;
use whatsapp_rust::Jid;

use crate::client::{TestClient, pn, simulator, until};
use crate::http;

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

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
