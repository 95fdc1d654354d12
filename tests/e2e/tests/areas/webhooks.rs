//! A webhook before it is trusted: one call of the wanted kind, and why it failed where it did.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::desk::Desk;

/// A network that the installation keeps its hands off.
const PRIVATE: &str = "http://10.1.2.3/hook";

/// Tries a receiver that answers, one that fails, one that is not there and one that must not be called.
pub(crate) async fn tried_out(desk: &Desk) -> Result<()> {
    let url = desk.receiver.hook("tried");
    let test =
        json!({"url": url, "type": "messages", "mode": "body", "headers": {"x-probe": "seven"}});
    let (status, answer) = call(desk, test).await?;
    ensure!(
        status.is_success() && answer["success"] == true,
        "{status} {answer}"
    );
    let [call] = desk
        .receiver
        .calls("tried")
        .try_into()
        .map_err(|calls| anyhow::anyhow!("one call was expected: {calls:?}"))?;
    let payload = call.json();
    ensure!(
        payload["messages"][0]["text"]["body"] == "This is a test"
            && payload["event"] == json!({"type": "messages", "event": "post", "method": "post"})
            && payload["channel_id"].is_string(),
        "{payload}"
    );
    let probe = call.headers.get("x-probe").and_then(|v| v.to_str().ok());
    ensure!(probe == Some("seven"), "{:?}", call.headers);

    let by_path = json!({"url": desk.receiver.hook("by-path"), "type": "statuses", "mode": "path"});
    let (status, answer) = self::call(desk, by_path).await?;
    ensure!(status.is_success(), "{status} {answer}");
    let calls = desk.receiver.calls("by-path/statuses/post");
    let delivered = calls
        .first()
        .map(|call| call.json()["statuses"][0]["status"].clone());
    ensure!(delivered == Some("delivered".into()), "{calls:?}");

    desk.receiver.refuse_next(1);
    let bad = |url: &str| json!({"url": url, "type": "messages", "mode": "body"});
    fails(desk, bad(&desk.receiver.hook("bad")), "status 500").await?;
    let nobody = format!("http://{}/hook", nobody().await?);
    fails(desk, bad(&nobody), "could not be reached").await?;
    fails(desk, bad(PRIVATE), "cannot be used").await
}

async fn call(desk: &Desk, test: Value) -> Result<(StatusCode, Value)> {
    desk.raw(Method::POST, "/settings/webhook_test", test).await
}

/// An address where nobody listens: it was given out and taken back.
async fn nobody() -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?)
}

/// The test says why it failed, in the words of the system.
async fn fails(desk: &Desk, test: Value, why: &str) -> Result<()> {
    let (status, answer) = call(desk, test.clone()).await?;
    ensure!(
        status == StatusCode::BAD_REQUEST,
        "{test}: {status} {answer}"
    );
    let details = answer["error"]["details"].as_str().unwrap_or_default();
    ensure!(
        details.contains(why) && answer["error"]["code"] == 400,
        "{test}: {answer}"
    );
    Ok(())
}
