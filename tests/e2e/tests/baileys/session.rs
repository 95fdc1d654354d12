//! Baileys and a session of ours, driven through the REST API: what one side sends, the other shows.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use switchboard_e2e::{World, id_on, picture};
use switchboard_harness::baileys::Baileys;
use switchboard_harness::drivers;

use crate::phone::hash;
use crate::shows::{filled, holds};

const BAILEYS: &str = "15550112011";
const OURS: &str = "15550112012";

/// One kind between Baileys and a session. `{baileys}` and `{ours}` are the phone numbers.
#[derive(Default)]
struct Row {
    name: &'static str,
    /// Path and body of the call.
    we_send: Option<(&'static str, Value)>,
    /// What Baileys' message has to hold then.
    baileys_shows: Value,
    /// Baileys' content.
    baileys_sends: Option<Value>,
    /// What the message in the webhook has to hold then.
    we_show: Value,
    /// The file that both directions carry.
    file: Option<Vec<u8>>,
}

fn rows() -> Result<Vec<Row>> {
    use base64::Engine as _;
    let png = picture(5)?;
    let base64 = base64::engine::general_purpose::STANDARD.encode(&png);
    Ok(vec![
        Row {
            name: "text",
            we_send: Some(("/messages/text", json!({"body": "words of ours"}))),
            baileys_shows: json!({"text": "words of ours"}),
            baileys_sends: Some(json!({"text": "words of baileys"})),
            we_show: json!({"type": "text", "text": {"body": "words of baileys"}}),
            ..Row::default()
        },
        Row {
            name: "image",
            we_send: Some((
                "/messages/image",
                json!({"media": format!("data:image/png;base64,{base64}"), "caption": "ours"}),
            )),
            baileys_shows: json!({"imageMessage": {"caption": "ours", "mimetype": "image/png"}}),
            baileys_sends: Some(
                json!({"image": {"$bytes": base64}, "mimetype": "image/png", "caption": "theirs"}),
            ),
            we_show: json!({"type": "image", "image": {"caption": "theirs", "mime_type": "image/png"}}),
            file: Some(png),
        },
    ])
}

/// The two, and the way to call ours.
struct Talk {
    world: World,
    baileys: Baileys,
    http: reqwest::Client,
    session: String,
    token: String,
}

pub(crate) async fn exchange() -> Result<()> {
    let id = id_on("node-1", "witness")?;
    let world = World::start(37, &id).await?;
    let new = world.stack.create_session(&id).await?;
    let driver = drivers::whapi(&world.stack, &new);
    drivers::pair(driver.as_ref(), &world.simulator, OURS).await?;
    driver.set_webhook(&world.receiver.hook(&id)).await?;
    let baileys = Baileys::pair(&world.simulator, world.folder(), BAILEYS).await?;
    let mut talk = Talk {
        world,
        baileys,
        http: switchboard_harness::http::client(),
        session: new.id,
        token: new.token,
    };
    let outcome = talk.all().await;
    talk.world.explain(outcome)
}

impl Talk {
    async fn all(&mut self) -> Result<()> {
        for row in rows()? {
            if let Some((path, body)) = &row.we_send {
                let sent = self.out(&row, path, body).await;
                sent.with_context(|| format!("{}, from us", row.name))?;
            }
            if let Some(content) = &row.baileys_sends {
                let sent = self.back(&row, content).await;
                sent.with_context(|| format!("{}, from Baileys", row.name))?;
            }
            println!("{}: same", row.name);
        }
        Ok(())
    }

    /// We send, Baileys shows.
    async fn out(&mut self, row: &Row, path: &str, body: &Value) -> Result<()> {
        let names = [("baileys", BAILEYS), ("ours", OURS)];
        let mut body = filled(body, &names);
        body["to"] = BAILEYS.into();
        let url = format!("{}{path}", self.world.stack.url);
        let call = self.http.post(url).bearer_auth(&self.token).json(&body);
        let answer = call.send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{status}: {}", answer.text().await?);
        let wanted = filled(&row.baileys_shows, &names);
        let id = self
            .baileys
            .event("messages.upsert", row.name, |data| {
                let mut messages = data["messages"].as_array()?.iter();
                let found = messages.find(|m| shows(&m["message"], &wanted))?;
                Some(found["key"]["id"].as_str()?.to_owned())
            })
            .await?;
        if let Some(file) = &row.file {
            let seen = self.baileys.download(&id).await.context("download")?;
            ensure!(seen == hash(file), "the file is another");
        }
        Ok(())
    }

    /// Baileys sends, we show.
    async fn back(&mut self, row: &Row, content: &Value) -> Result<()> {
        let names = [("baileys", BAILEYS), ("ours", OURS)];
        let to = format!("{OURS}@s.whatsapp.net");
        self.baileys
            .send(&to, &filled(content, &names), &json!({}))
            .await?;
        let wanted = filled(&row.we_show, &names);
        let fits = |call: &Value| {
            let messages = call["messages"].as_array();
            messages
                .into_iter()
                .flatten()
                .find(|m| holds(m, &wanted))
                .cloned()
        };
        let call = self
            .world
            .receiver
            .got(&self.session, row.name, |call| fits(&call.json()).is_some())
            .await?;
        if let Some(file) = &row.file {
            let message = fits(&call.json()).context("the message")?;
            let kind = message["type"].as_str().context("its type")?;
            let link = message[kind]["link"]
                .as_str()
                .context("a link to the file")?;
            let seen = self.http.get(link).send().await?.error_for_status()?;
            ensure!(
                hash(&seen.bytes().await?) == hash(file),
                "the file is another"
            );
        }
        Ok(())
    }
}

/// Whether Baileys shows it. Words come in two forms, which mean the same.
fn shows(message: &Value, wanted: &Value) -> bool {
    match wanted["text"].as_str() {
        Some(text) => {
            message["conversation"] == text || message["extendedTextMessage"]["text"] == text
        }
        None => holds(message, wanted),
    }
}
