//! Files: uploaded, listed, sent by id, fetched, removed; those of others' messages too.

use std::path::Path;

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
    desk.simulator
        .inbox_has(OWN, "their picture on the own phone", |m| {
            m["text"] == "theirs"
        })
        .await?;
    let (status, fetched) = desk
        .raw(Method::GET, &format!("/media/{theirs}"), Value::Null)
        .await?;
    ensure!(
        status.is_success(),
        "their file answers {status}: {fetched}"
    );
    let whole = fetched == Value::String(String::from_utf8_lossy(&bytes).into_owned());
    ensure!(whole, "another file came");
    Ok(())
}

/// Files of the kinds that the settings name are downloaded before anybody asks, and no others.
pub(crate) async fn by_themselves(desk: &Desk) -> Result<()> {
    let chosen = json!({"media": {"auto_download": ["image"]}});
    desk.call(Method::PATCH, "/settings", chosen).await?;
    let settings = desk.get("/settings").await?;
    ensure!(
        settings["media"]["auto_download"] == json!(["image"]),
        "{settings}"
    );
    let film = include_bytes!("../../../../node/src/media/fixtures/film.mp4");
    let picture = picture(11)?;
    let id = sent(desk, "video", "video/mp4", film).await?;
    sent(desk, "image", "image/png", &picture).await?;
    let disk = desk.disk();
    switchboard_harness::wait::until("the picture on the disk", async || {
        match is_on(disk, &picture) {
            Ok(true) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    // Files come one after the other, and the film was first.
    ensure!(
        !is_on(disk, film)?,
        "the film came although nobody asked for it"
    );
    let (status, answer) = desk
        .raw(Method::GET, &format!("/media/{id}"), Value::Null)
        .await?;
    ensure!(status.is_success(), "{status} {answer}");
    ensure!(is_on(disk, film)?, "the film did not come when asked for");
    Ok(())
}

/// The partner sends a file; its id in our API once the webhook has told of it.
async fn sent(desk: &Desk, kind: &str, mimetype: &str, bytes: &[u8]) -> Result<String> {
    let media = json!({"kind": kind, "mimetype": mimetype, "data": STANDARD.encode(bytes)});
    let draft = json!({"to": OWN, "media": media});
    desk.phone(Method::POST, &format!("{PEER}/send"), draft)
        .await?;
    let told = desk
        .told(kind, |p| p["messages"][0]["type"] == kind)
        .await?;
    let id = told["messages"][0][kind]["id"].as_str().unwrap_or_default();
    ensure!(!id.is_empty(), "{told}");
    Ok(id.to_owned())
}

/// Whether some file below the folder holds exactly this.
fn is_on(folder: &Path, bytes: &[u8]) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let found = if kind.is_dir() {
            is_on(&entry.path(), bytes)?
        } else {
            kind.is_file() && std::fs::read(entry.path()).is_ok_and(|read| read == bytes)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
