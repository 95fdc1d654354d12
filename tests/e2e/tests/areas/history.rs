//! The past of the phone: what it had before the session was linked.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;

use super::desk::{Desk, OWN, PEER, peer_chat};

/// Links a phone with a past and looks for it.
pub(crate) async fn past(_: &Desk) -> Result<()> {
    let desk = Desk::unpaired(61).await?;
    let result = listed(&desk).await;
    desk.explain(result)
}

async fn listed(desk: &Desk) -> Result<()> {
    let act = json!({"action": "save_contact", "contact": PEER, "full_name": "Gerda Gauss"});
    desk.phone(Method::POST, &format!("{OWN}/act"), act).await?;
    let chats = json!([{
        "with": PEER, "unread": 1,
        "messages": [
            {"from_me": false, "text": "long ago", "timestamp": 1_790_000_000},
            {"from_me": true, "text": "so it was", "timestamp": 1_790_000_060},
        ],
    }]);
    desk.phone(
        Method::POST,
        &format!("{OWN}/history"),
        json!({"chats": chats}),
    )
    .await?;
    desk.pair().await?;
    let path = format!("/messages/list/{}", peer_chat());
    let list = desk
        .shows(&path, "both old messages", |list| {
            let text = list.to_string();
            text.contains("long ago") && text.contains("so it was")
        })
        .await?;
    desk.send("text", json!({"body": "now"})).await?;
    let newest = desk.get(&format!("{path}?count=1")).await?;
    ensure!(
        newest.to_string().contains("now"),
        "newest first: {newest} of {list}"
    );
    desk.shows(&format!("/contacts/{PEER}"), "the address book", |c| {
        c["name"] == "Gerda Gauss"
    })
    .await?;
    // Nothing of the past is told as if it happened now.
    let told = desk.receiver.calls("desk");
    let retold = told
        .iter()
        .any(|call| call.json()["messages"].to_string().contains("long ago"));
    ensure!(!retold, "the past was told as news");
    Ok(())
}
