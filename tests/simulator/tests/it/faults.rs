//! Faults on request, and what the client makes of them.

use switchboard_simulator::faults::{Fault, Request};
use switchboard_simulator::journal::Direction;
use wacore::types::events::Event;

use crate::client::{TestClient, pn, simulator, until};
use crate::http;

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

fn for_device(fault: Fault, number: &str, way: Direction, stanza: &str) -> Request {
    Request {
        number: Some(number.to_owned()),
        device: Some(1),
        direction: Some(way),
        stanza: Some(stanza.to_owned()),
        ..Request::new(fault)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnected_clients_come_back_and_refused_ones_try_again() {
    let simulator = simulator().await;
    let client = TestClient::paired(&simulator, ALICE).await;
    let connects = || {
        simulator
            .journal()
            .device(&format!("{ALICE}:1"))
            .unwrap()
            .connects
    };
    assert_eq!(
        simulator.inject(Request::new(Fault::Disconnect)).unwrap(),
        1
    );
    client.connected().await;
    assert_eq!(connects(), 2);

    simulator
        .inject(Request::new(Fault::TooManyRequests))
        .unwrap();
    simulator
        .inject(Request::new(Fault::StreamError { code: 503 }))
        .unwrap();
    client.connected().await;
    assert_eq!(connects(), 3, "the 429 came before anyone knew who it was");
    client.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_message_comes_with_the_next_login() {
    let simulator = simulator().await;
    simulator.add_phone(ALICE, "alice").unwrap();
    let bob = TestClient::paired(&simulator, BOB).await;
    simulator
        .inject(for_device(Fault::Drop, BOB, Direction::Out, "message"))
        .unwrap();
    simulator.phone_text(ALICE, BOB, "lost").unwrap();
    simulator.phone_text(ALICE, BOB, "found").unwrap();
    assert_eq!(bob.next_text().await.0, "found");
    let report = simulator.journal();
    assert_eq!(
        report.device(&format!("{BOB}:1")).unwrap().faults_dropped,
        1
    );
    simulator.inject(Request::new(Fault::Disconnect)).unwrap();
    assert_eq!(bob.texts(1).await, ["lost"]);
    bob.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubled_message_is_one_event_and_a_delay_keeps_the_order() {
    let simulator = simulator().await;
    simulator.add_phone(ALICE, "alice").unwrap();
    let bob = TestClient::paired(&simulator, BOB).await;
    simulator
        .inject(for_device(Fault::Duplicate, BOB, Direction::Out, "message"))
        .unwrap();
    simulator.phone_text(ALICE, BOB, "twice").unwrap();
    let delay = Fault::Delay { ms: 300 };
    simulator.phone_text(ALICE, BOB, "once").unwrap();
    assert_eq!(bob.texts(2).await, ["twice", "once"]);
    simulator
        .inject(for_device(delay, BOB, Direction::Out, "message"))
        .unwrap();
    simulator.phone_text(ALICE, BOB, "late").unwrap();
    simulator.phone_text(ALICE, BOB, "later").unwrap();
    assert_eq!(bob.texts(2).await, ["late", "later"]);
    bob.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_reaches_the_client() {
    let simulator = simulator().await;
    let client = TestClient::paired(&simulator, ALICE).await;
    let backend = client.stop().await;
    let ban = Request {
        number: Some(ALICE.to_owned()),
        ..Request::new(Fault::Failure { reason: 403 })
    };
    simulator.inject(ban).unwrap();
    let client = TestClient::with_backend(&simulator, backend).await;
    client.start().await;
    client
        .wait_for("the failure", |e| {
            matches!(e, Event::LoggedOut(_) | Event::ConnectFailure(_)).then_some(())
        })
        .await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_to_one_receiver_are_refused() {
    let simulator = simulator().await;
    let client = TestClient::paired(&simulator, ALICE).await;
    for number in [BOB, "4915100000003"] {
        simulator.add_phone(number, "").unwrap();
    }
    let rule = Request {
        number: Some(ALICE.to_owned()),
        to: Some(BOB.to_owned()),
        count: Some(1),
        ..Request::new(Fault::Nack { code: 479 })
    };
    simulator.inject(rule).unwrap();
    let nobody = Request {
        to: Some("4915100000009".to_owned()),
        ..Request::new(Fault::Nack { code: 479 })
    };
    assert!(simulator.inject(nobody).is_err());
    let ack = |id: String| {
        move |e: &Event| match e {
            Event::ServerAck(ack) if ack.id == id => Some(ack.error.clone()),
            _ => None,
        }
    };
    let mut errors = Vec::new();
    for to in ["4915100000003", BOB, BOB] {
        let id = client.send_text(&pn(to), to).await;
        errors.push(client.wait_for("the ack", ack(id)).await);
    }
    assert_eq!(errors, [None, Some("479".to_owned()), None]);
    until("the second message", || {
        !simulator.phone_inbox(BOB, 0).unwrap().is_empty()
    })
    .await;
    assert_eq!(simulator.phone_inbox(BOB, 0).unwrap().len(), 1);
    client.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_speaks_json() {
    let simulator = simulator().await;
    let at = simulator.address();
    let (status, body) = http::request("GET", at, "/admin/info", "").await;
    let info: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(info["server_key"], simulator.info().server_key);
    assert_eq!(info["ws_url"], format!("ws://{at}/ws/chat"));

    let (status, body) = http::request(
        "POST",
        at,
        "/admin/mock-phone/scan-qr?number=49151",
        "nonsense",
    )
    .await;
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("qr text"), "{body}");
    let (status, body) = http::request("POST", at, "/admin/phones", r#"{"number":"x"}"#).await;
    assert_eq!(status, 400, "{body}");

    let client = TestClient::unpaired(&simulator).await;
    client.start().await;
    let path = format!("/admin/mock-phone/scan-qr?number={ALICE}&name=Alice");
    let (status, body) = http::request("POST", at, &path, &client.qr().await).await;
    assert_eq!(status, 200, "{body}");
    client.connected().await;
    let (_, body) =
        http::request("POST", at, "/admin/phones", r#"{"number":"4915100000002"}"#).await;
    assert!(body.contains("@lid"), "{body}");
    let text = format!(r#"{{"to":"{ALICE}","text":"over http"}}"#);
    let path = format!("/admin/phones/{BOB}/send");
    assert_eq!(http::request("POST", at, &path, &text).await.0, 200);
    assert_eq!(client.next_text().await.0, "over http");

    let rule = r#"{"kind":"drop","stanza":"presence","count":0}"#;
    assert_eq!(
        http::request("POST", at, "/admin/faults", rule).await.0,
        200
    );
    let (_, rules) = http::request("GET", at, "/admin/faults", "").await;
    assert!(rules.contains("presence"), "{rules}");
    assert_eq!(
        http::request("DELETE", at, "/admin/faults", "").await.0,
        204
    );
    assert_eq!(http::request("GET", at, "/admin/faults", "").await.1, "[]");
    let (_, journal) = http::request("GET", at, "/admin/journal", "").await;
    let journal: serde_json::Value = serde_json::from_str(&journal).unwrap();
    assert_eq!(journal["devices"][1]["device"], format!("{ALICE}:1"));
    until("a receipt", || {
        let report = simulator.journal();
        let log = report.device(&format!("{ALICE}:1")).unwrap();
        log.inbound.keys().any(|k| k.starts_with("receipt"))
    })
    .await;
    client.stop().await;
    simulator.shutdown().await;
}
