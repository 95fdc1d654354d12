//! Others' presence: whoever is watched is seen coming, writing and going; whoever is not, is not.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::desk::{Desk, OWN, PEER};

/// Watches the partner, and nobody else.
pub(crate) async fn watched(desk: &Desk) -> Result<()> {
    let other = "15550122003";
    desk.simulator.add_phone(other).await?;
    for number in [PEER, other] {
        present(desk, number, false).await?;
    }
    // Typing comes under a LID, and a message tells whose it is.
    desk.simulator.phone_sends(PEER, OWN, "hello").await?;
    desk.told("the greeting", |p| {
        p["messages"][0]["text"]["body"] == "hello"
    })
    .await?;
    // Without a name WhatsApp shows nobody.
    let online = json!({"presence": "online"});
    let (status, answer) = desk
        .raw(Method::PUT, "/presences/me", online.clone())
        .await?;
    ensure!(
        status.is_client_error() && answer.to_string().contains("no name yet"),
        "{status} {answer}"
    );
    desk.call(Method::PATCH, "/users/profile", json!({"name": "Desk"}))
        .await?;
    desk.call(Method::PUT, "/presences/me", online).await?;
    desk.post(&format!("/presences/{PEER}"), Value::Null)
        .await?;
    // Whoever is not watched comes first: what is told of the partner is told later.
    present(desk, other, true).await?;
    present(desk, PEER, true).await?;
    told(desk, PEER, "online").await?;
    for (state, word) in [("composing", "typing"), ("recording", "recording")] {
        let act = json!({"to": OWN, "state": state});
        desk.phone(Method::POST, &format!("{PEER}/typing"), act)
            .await?;
        told(desk, PEER, word).await?;
        desk.shows(&format!("/presences/{PEER}"), word, |p| p["status"] == word)
            .await?;
    }
    present(desk, PEER, false).await?;
    told(desk, PEER, "offline").await?;
    // That they were away was told before, when the watching began.
    desk.shows(&format!("/presences/{PEER}"), "offline again", |p| {
        p["status"] == "offline" && p["last_seen"].is_u64()
    })
    .await?;
    let calls = desk.receiver.calls("desk");
    let strangers = calls
        .iter()
        .any(|call| call.json()["presences"].to_string().contains(other));
    ensure!(!strangers, "somebody was told of who is not watched");
    Ok(())
}

async fn present(desk: &Desk, number: &str, available: bool) -> Result<()> {
    let presence = json!({"available": available});
    desk.phone(Method::POST, &format!("{number}/presence"), presence)
        .await
        .map(drop)
}

/// The webhook says that this person is that.
async fn told(desk: &Desk, number: &str, status: &str) -> Result<()> {
    let presence = |p: &Value| {
        p["presences"][0]["contact_id"] == number && p["presences"][0]["status"] == status
    };
    desk.told(&format!("{number} {status}"), presence)
        .await
        .map(drop)
}
