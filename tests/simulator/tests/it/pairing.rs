//! Pairing by QR and by code, login, and what ends a login.

use crate::client::{TestClient, simulator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn qr_pairing_connects_and_logs_in_again_from_the_store() {
    let simulator = simulator().await;
    let client = TestClient::unpaired(&simulator).await;
    let linked = client.pair(&simulator, "4915112345678").await;
    assert_eq!(linked.jid, "4915112345678:1@s.whatsapp.net");

    let backend = client.stop().await;
    let again = TestClient::with_backend(&simulator, backend).await;
    again.start().await;
    again.connected().await;

    let report = simulator.journal();
    let device = report.device("4915112345678:1").unwrap();
    assert_eq!(device.connects, 2);
    assert_eq!(device.sockets_open_max, 1);
    assert_eq!(device.conflicts_sent, 0);
    again.stop().await;
    simulator.shutdown().await;
}
