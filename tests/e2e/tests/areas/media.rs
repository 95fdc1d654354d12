//! Files: uploaded, listed, sent by id, fetched, removed; those of others' messages too.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_e2e::picture;

use super::desk::{Desk, OWN, PEER};

/// The life of an own file and of another's.
pub(crate) async fn files(desk: &Desk) -> Result<()> {
    let bytes = picture(7)?;
    let data = format!("data:image/png;base64,{}", STANDARD.encode(&bytes));
    let stored = desk.post("/media", json!({"media": data})).await?;
    let id = stored["media"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    ensure!(!id.is_empty(), "{stored}");
    desk.send("image", json!({"media": id, "caption": "by id"}))
        .await?;
    desk.peer_sees("the picture", |m| {
        m["kind"] == "image" && m["text"] == "by id"
    })
    .await?;
    let list = desk.get("/media").await?;
    ensure!(list.to_string().contains(&id), "{list}");
    // One that was never sent is gone for good; one that was is fetched from WhatsApp again when somebody asks.
    let unsent = format!("data:image/png;base64,{}", STANDARD.encode(picture(8)?));
    let stored = desk.post("/media", json!({"media": unsent})).await?;
    let id = stored["media"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    desk.call(Method::DELETE, &format!("/media/{id}"), Value::Null)
        .await?;
    let (status, _) = desk
        .raw(Method::GET, &format!("/media/{id}"), Value::Null)
        .await?;
    ensure!(status == 404, "the removed file answers {status}");
    let (status, answer) = desk
        .raw(
            Method::POST,
            "/messages/image",
            json!({"to": PEER, "media": id}),
        )
        .await?;
    ensure!(status.is_client_error(), "{status} {answer}");

    let media = json!({"kind": "image", "mimetype": "image/png", "data": STANDARD.encode(&bytes)});
    let draft = json!({"to": OWN, "text": "theirs", "media": media});
    let sent = desk
        .phone(Method::POST, &format!("{PEER}/send"), draft)
        .await?;
    let told = desk
        .told("their picture", |p| {
            p["messages"][0]["image"]["caption"] == "theirs"
        })
        .await?;
    let theirs = told["messages"][0]["image"]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    // The media host has lost it: the phone uploads it again.
    let expire = json!({"id": sent["id"]});
    desk.phone(Method::POST, &format!("{PEER}/expire-media"), expire)
        .await?;
    let (status, _) = desk
        .raw(Method::GET, &format!("/media/{theirs}"), Value::Null)
        .await?;
    ensure!(
        status.is_success() || status == 404,
        "their file answers {status}"
    );
    Ok(())
}
