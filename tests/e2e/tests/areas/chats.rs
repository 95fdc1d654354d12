//! Conversations: changed by calls, seen on the phone; changed on the phone, told by webhooks.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::desk::{Desk, OWN, PEER, peer_chat};

/// Both directions of every change.
pub(crate) async fn both_ways(desk: &Desk) -> Result<()> {
    desk.simulator.phone_sends(PEER, OWN, "hello").await?;
    let path = format!("/chats/{}", peer_chat());
    desk.shows(&path, "the chat", |chat| chat["unread"] == 1)
        .await?;

    desk.post(&path, json!({"archive": true})).await?;
    own_chat(desk, "an archived chat", |chat| chat["archived"] == true).await?;
    desk.post(&path, json!({"archive": false})).await?;
    own_chat(desk, "a chat out of the archive", |chat| {
        chat["archived"] != true
    })
    .await?;
    desk.call(Method::PATCH, &path, json!({"pin": true}))
        .await?;
    own_chat(desk, "a pinned chat", |chat| chat["pinned"] == true).await?;
    let chat = desk.get(&path).await?;
    ensure!(chat["pin"] == true, "the pin is not shown: {chat}");
    desk.call(
        Method::PATCH,
        &path,
        json!({"mute_until": 4_000_000_000_000_u64}),
    )
    .await?;
    own_chat(desk, "a mute chat", |chat| {
        chat["muted_until_ms"] == 4_000_000_000_000_u64
    })
    .await?;
    desk.call(Method::PATCH, &path, json!({"ephemeral": "day"}))
        .await?;
    desk.peer_sees("a timer", |m| m["kind"] == "timer" && m["text"] == "86400")
        .await?;
    desk.send("text", json!({"body": "gone tomorrow"})).await?;
    desk.peer_sees("a text that disappears", |m| {
        m["text"] == "gone tomorrow" && m["ephemeral"] == true
    })
    .await?;

    phone_does(
        desk,
        json!({"action": "pin", "chat": PEER, "on": false}),
        |chat| chat["pin"] != true,
    )
    .await?;
    phone_does(desk, json!({"action": "archive", "chat": PEER}), |chat| {
        chat["archive"] == true
    })
    .await?;
    desk.told("the archived chat", |p| {
        p["chats_updates"][0]["after_update"]["archive"] == true
            && p["chats_updates"][0]["before_update"]["archive"] != true
    })
    .await?;
    phone_does(desk, json!({"action": "mark_read", "chat": PEER}), |chat| {
        chat["unread"] == 0
    })
    .await?;

    let listed = desk.get("/chats").await?;
    ensure!(
        listed["chats"].to_string().contains(PEER),
        "the chat is not listed: {listed}"
    );
    deleted(desk, &path).await
}

/// Another device is faster a few times: the change is made all the same. One that always is makes it busy, not broken.
pub(crate) async fn outlasts(desk: &Desk) -> Result<()> {
    /// More than the client library tries in a row.
    const CONFLICTS: u32 = 6;
    desk.simulator.phone_sends(PEER, OWN, "hello").await?;
    let path = format!("/chats/{}", peer_chat());
    desk.shows(&path, "the chat", |chat| chat["unread"] == 1)
        .await?;
    let conflicts =
        |count: u32| json!({"kind": "conflict", "number": OWN, "device": 1, "count": count});
    desk.simulator.fault(&conflicts(CONFLICTS)).await?;
    desk.call(Method::PATCH, &path, json!({"pin": true}))
        .await?;
    own_chat(desk, "a pinned chat", |chat| chat["pinned"] == true).await?;
    desk.simulator.fault(&conflicts(0)).await?;
    let unpin = || json!({"pin": false});
    let (status, answer) = desk.raw(Method::PATCH, &path, unpin()).await?;
    ensure!(status == 429, "{status}: {answer}");
    ensure!(
        answer.to_string().contains("other devices"),
        "the reason is not told: {answer}"
    );
    desk.simulator.clear_faults().await?;
    desk.call(Method::PATCH, &path, unpin()).await?;
    own_chat(desk, "a chat without a pin", |chat| chat["pinned"] != true).await
}

/// A deleted chat is gone on every device.
async fn deleted(desk: &Desk, path: &str) -> Result<()> {
    desk.call(Method::DELETE, path, Value::Null).await?;
    desk.own_phone_shows("a deleted chat", |state| {
        state["chats"].as_object().is_none_or(|chats| {
            chats
                .iter()
                .filter(|(jid, _)| jid.contains(PEER))
                .all(|(_, chat)| !chat["deleted_at_ms"].is_null())
        })
    })
    .await?;
    let (status, answer) = desk.raw(Method::GET, path, Value::Null).await?;
    ensure!(
        status.is_client_error(),
        "the deleted chat is still there: {answer}"
    );
    Ok(())
}

/// Does something on the account's phone, once, and waits until the session shows it.
async fn phone_does(desk: &Desk, act: Value, fits: impl Fn(&Value) -> bool) -> Result<()> {
    let path = format!("/chats/{}", peer_chat());
    let what = act.to_string();
    desk.phone(Method::POST, &format!("{OWN}/act"), act).await?;
    desk.shows(&path, &what, fits).await.map(drop)
}

async fn own_chat(desk: &Desk, what: &str, fits: impl Fn(&Value) -> bool) -> Result<()> {
    desk.own_phone_shows(what, |state| {
        state["chats"]
            .as_object()
            .is_some_and(|chats| chats.values().any(&fits))
    })
    .await
    .map(drop)
}
