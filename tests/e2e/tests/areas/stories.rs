//! Stories: posted, seen, copied, deleted.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_e2e::picture;

use super::desk::{Desk, OWN, PEER, id_of};

/// Both directions.
pub(crate) async fn stories(desk: &Desk) -> Result<()> {
    let text =
        json!({"caption": "good morning", "background_color": "#FF112233", "contacts": [PEER]});
    let posted = desk.post("/stories/send/text", text).await?;
    let id = id_of(&posted["message"])?;
    let seen = sees(desk, "a text story", |s| s["text"] == "good morning").await?;
    let data = format!("data:image/png;base64,{}", STANDARD.encode(picture(5)?));
    let media = json!({"media": data, "caption": "a view", "contacts": [PEER]});
    desk.post("/stories/send/media", media).await?;
    sees(desk, "a picture story", |s| {
        s["kind"] == "image" && s["text"] == "a view"
    })
    .await?;

    let read = json!({"chat": "status@broadcast", "ids": [seen["id"]], "author": OWN});
    desk.phone(Method::POST, &format!("{PEER}/read"), read)
        .await?;
    let views = desk
        .shows(&format!("/statuses/{id}"), "the view", |list| {
            list["statuses"][0]["status"] == "read"
        })
        .await?;
    let view = &views["statuses"][0];
    ensure!(view["viewer_id"] == PEER, "whose view: {views}");
    let at = view["timestamp"].as_str().map(str::parse::<u64>);
    ensure!(matches!(at, Some(Ok(at)) if at > 0), "when: {views}");
    let count = views["statuses"].as_array().map_or(0, Vec::len);
    ensure!(count == 1, "one person looked: {views}");

    let theirs = json!({"to": "status@broadcast", "text": "their story", "audience": [OWN]});
    desk.phone(Method::POST, &format!("{PEER}/send"), theirs)
        .await?;
    let list = desk
        .shows("/stories", "the partner's story", |list| {
            list.to_string().contains("their story")
        })
        .await?;
    let all = list["messages"]
        .as_array()
        .or_else(|| list["stories"].as_array());
    let all = all.cloned().unwrap_or_default();
    let theirs = all.iter().find(|s| s.to_string().contains("their story"));
    let theirs = id_of(theirs.unwrap_or(&Value::Null))?;
    desk.call(
        Method::PUT,
        &format!("/stories/{theirs}"),
        json!({"contacts": [PEER]}),
    )
    .await?;
    sees(desk, "the copied story", |s| s["text"] == "their story").await?;
    let one = desk.get(&format!("/stories/{id}")).await?;
    ensure!(one.to_string().contains("good morning"), "{one}");

    let nobody = json!({"caption": "nobody", "contacts": ["15550199997"]});
    let (status, answer) = desk.raw(Method::POST, "/stories/send/text", nobody).await?;
    ensure!(
        status.is_client_error(),
        "a story to nobody: {status} {answer}"
    );
    Ok(())
}

async fn sees(desk: &Desk, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    let path = format!("{PEER}/stories");
    switchboard_harness::wait::until(what, async || {
        let stories = desk.phone(Method::GET, &path, Value::Null).await;
        let stories = stories.map_err(|e| format!("{e:#}"))?;
        let all = stories.as_array().or_else(|| stories["records"].as_array());
        let found = all.and_then(|all| all.iter().find(|s| fits(s)).cloned());
        found.ok_or_else(|| stories.to_string())
    })
    .await
}
