//! Pairing by QR and by code, login, and what ends a login.

use switchboard_simulator::Error;
use wacore::types::events::Event;
use whatsapp_rust::pair_code::PairCodeOptions;

use crate::client::{DEADLINE, TestClient, pn, simulator, until};

const NUMBER: &str = "4915112345678";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn qr_pairing_connects_and_logs_in_again_from_the_store() {
    let simulator = simulator().await;
    let client = TestClient::unpaired(&simulator).await;
    let linked = client.pair(&simulator, NUMBER).await;
    assert_eq!(linked.jid, format!("{NUMBER}:1@s.whatsapp.net"));

    until("the receipt for the key share", || {
        let report = simulator.journal();
        let device = report.device(&format!("{NUMBER}:1")).unwrap();
        device.queued == 0 && device.inbound.contains_key("receipt:peer_msg")
    })
    .await;
    client.settled(&simulator, NUMBER).await;
    let backend = client.stop().await;
    let again = TestClient::with_backend(&simulator, backend).await;
    again.start().await;
    again.connected().await;

    let report = simulator.journal();
    let device = report.device(&format!("{NUMBER}:1")).unwrap();
    assert_eq!(
        (
            device.connects,
            device.sockets_open_max,
            device.conflicts_sent
        ),
        (2, 1, 0)
    );
    // The phone sent the app-state key and an empty past: nothing else sends messages here.
    assert_eq!(device.outbound["message"].count, 2);
    let patterns: Vec<_> = report.events.iter().map(|e| e.event).collect();
    assert!(patterns.contains(&"handshake IK") && !patterns.contains(&"handshake XX"));
    again.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_pairing_refuses_a_mistyped_code_and_takes_the_right_one() {
    let simulator = simulator().await;
    let client = TestClient::unpaired(&simulator).await;
    client.start().await;
    client.client.wait_for_socket(DEADLINE).await.unwrap();
    let options = PairCodeOptions {
        phone_number: NUMBER.to_owned(),
        ..PairCodeOptions::default()
    };
    let code = client.client.pair_with_code(options).await.unwrap();

    let nobody = simulator.enter_code("4915100000000", &code).await;
    assert!(matches!(nobody, Err(Error::NotFound(_))), "{nobody:?}");
    let wrong = if code.starts_with("ABCD") {
        "WXYZ1234"
    } else {
        "ABCD1234"
    };
    let refused = simulator.enter_code(NUMBER, wrong).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let linked = simulator.enter_code(NUMBER, &code).await.unwrap();
    assert_eq!(linked.number, NUMBER);
    client.connected().await;
    client.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_push_name_is_the_same_account() {
    let simulator = simulator().await;
    let mut jids = Vec::new();
    for name in ["anna", "ben", "anna"] {
        let client = TestClient::unpaired(&simulator).await;
        client.start().await;
        let linked = simulator
            .scan_qr(&client.qr().await, None, Some(name))
            .unwrap();
        client.connected().await;
        client.stop().await;
        jids.push(linked.jid);
    }
    let user = |n: usize| jids[n].split(':').next().unwrap().to_owned();
    assert_eq!(user(0), user(2));
    assert_ne!(user(0), user(1));
    assert!(jids[2].contains(":2@"), "{jids:?}");
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_good_for_one_pairing_and_only_if_someone_waits_with_it() {
    let simulator = simulator().await;
    let client = TestClient::unpaired(&simulator).await;
    client.start().await;
    let code = client.qr().await;
    let garbled = code.replacen('2', "3", 1);
    assert!(matches!(
        simulator.scan_qr(&garbled, None, None),
        Err(Error::NotFound(_))
    ));
    assert!(matches!(
        simulator.scan_qr("hello", None, None),
        Err(Error::Refused(_))
    ));
    simulator.scan_qr(&code, Some(NUMBER), None).unwrap();
    assert!(simulator.scan_qr(&code, Some(NUMBER), None).is_err());
    client.connected().await;
    client.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_login_replaces_the_first() {
    let simulator = simulator().await;
    let first = TestClient::paired(&simulator, NUMBER).await;
    let second = TestClient::with_backend(&simulator, first.backend.clone()).await;
    second.start().await;
    second.connected().await;
    first
        .wait_for("the replacement", |e| {
            matches!(e, Event::StreamReplaced(_)).then_some(())
        })
        .await;
    first.ended().await;
    let report = simulator.journal();
    let device = report.device(&format!("{NUMBER}:1")).unwrap();
    assert_eq!((device.conflicts_sent, device.sockets_open), (1, 1));
    second.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_out_removes_the_device_and_its_login_fails() {
    let simulator = simulator().await;
    let client = TestClient::paired(&simulator, NUMBER).await;
    let device = format!("{NUMBER}:1");
    client.client.logout().await;
    until("the removal", || {
        simulator
            .journal()
            .events
            .iter()
            .any(|e| e.event == "device removed")
    })
    .await;
    assert!(matches!(
        simulator.unlink(NUMBER, 1),
        Err(Error::NotFound(_))
    ));
    assert_eq!(simulator.journal().device(&device).unwrap().sockets_open, 0);
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_companion_taken_off_on_the_phone_is_logged_out() {
    let simulator = simulator().await;
    let client = TestClient::paired(&simulator, NUMBER).await;
    let away = TestClient::paired(&simulator, NUMBER).await;
    let away_backend = away.stop().await;
    simulator.unlink(NUMBER, 1).unwrap();
    client
        .wait_for("the logout", |e| {
            matches!(e, Event::LoggedOut(_)).then_some(())
        })
        .await;

    // Device 2 is gone while it is not connected: its next login is refused.
    simulator.unlink(NUMBER, 2).unwrap();
    let again = TestClient::with_backend(&simulator, away_backend).await;
    again.start().await;
    let on_connect = again
        .wait_for("the refusal", |e| match e {
            Event::LoggedOut(out) => Some(out.on_connect),
            _ => None,
        })
        .await;
    assert!(on_connect);
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_runs_low_on_keys_uploads_more() {
    let simulator = simulator().await;
    let client = TestClient::paired(&simulator, NUMBER).await;
    let uploads = || {
        let report = simulator.journal();
        let device = report.device(&format!("{NUMBER}:1")).unwrap();
        let told = device
            .outbound
            .get("notification:encrypt")
            .map_or(0, |c| c.count);
        (device.inbound["iq:encrypt"].count, told)
    };
    let before = uploads();
    assert_eq!(before.1, 0);
    // Each stranger takes one of the 20 one-time keys, and the key share took one.
    for n in 0..16 {
        let stranger = format!("49152000000{n:02}");
        simulator.add_phone(&stranger, "stranger").unwrap();
        simulator
            .phone_text(&stranger, &pn(NUMBER), "hello")
            .unwrap();
    }
    assert_eq!(client.texts(16).await.len(), 16);
    until("the upload", || {
        let now = uploads();
        now.1 == 1 && now.0 > before.0
    })
    .await;
    client.stop().await;
    simulator.shutdown().await;
}
