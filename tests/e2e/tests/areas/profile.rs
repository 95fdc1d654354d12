//! The own profile and presence, as others see them, and others' presence.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_e2e::picture;

use super::desk::{Desk, OWN, PEER};

/// Changes the profile and looks at it from outside.
pub(crate) async fn profile(desk: &Desk) -> Result<()> {
    let status = desk.status().await?;
    ensure!(
        status["status"]["client_version"].is_string(),
        "the client's release is not told: {status}"
    );
    let icon = format!("data:image/png;base64,{}", STANDARD.encode(picture(3)?));
    let change = json!({"name": "Front desk", "about": "open till five", "icon": icon});
    desk.call(Method::PATCH, "/users/profile", change).await?;
    let seen = desk
        .phone(Method::GET, &format!("{OWN}/profile"), Value::Null)
        .await?;
    ensure!(
        seen["about"].to_string().contains("open till five"),
        "{seen}"
    );
    ensure!(seen["picture_sha256"].is_string(), "{seen}");
    let own = desk.get("/users/profile").await?;
    ensure!(
        own["name"] == "Front desk" && own["about"] == "open till five",
        "{own}"
    );
    ensure!(own["icon"].is_string(), "{own}");

    let watch = json!({"available": true, "watch": OWN});
    desk.phone(Method::POST, &format!("{PEER}/presence"), watch)
        .await?;
    desk.call(Method::PUT, "/presences/me", json!({"presence": "online"}))
        .await?;
    signal(desk, "available").await?;
    desk.call(
        Method::PUT,
        &format!("/presences/{PEER}"),
        json!({"presence": "typing"}),
    )
    .await?;
    signal(desk, "composing").await?;
    desk.call(
        Method::PUT,
        &format!("/presences/{PEER}"),
        json!({"presence": "pause"}),
    )
    .await?;
    signal(desk, "paused").await?;

    desk.post(&format!("/presences/{PEER}"), Value::Null)
        .await?;
    desk.shows(&format!("/presences/{PEER}"), "the partner online", |p| {
        p.to_string().contains("\"online\"")
    })
    .await?;
    let typing = json!({"to": OWN, "state": "composing"});
    desk.phone(Method::POST, &format!("{PEER}/typing"), typing)
        .await?;
    desk.told("the partner typing", |p| {
        p["presences"].to_string().contains("typing")
    })
    .await
    .map(drop)
}

async fn signal(desk: &Desk, kind: &str) -> Result<()> {
    let path = format!("{PEER}/signals");
    switchboard_harness::wait::until(kind, async || {
        match desk.phone(Method::GET, &path, Value::Null).await {
            Ok(all) if all.to_string().contains(&format!("\"{kind}\"")) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}
