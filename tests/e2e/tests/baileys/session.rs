//! Baileys and a session of ours, driven through the REST API: what one side sends, the other shows.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_e2e::{World, id_on, picture};
use switchboard_harness::baileys::Baileys;
use switchboard_harness::drivers;

use crate::phone::hash;
use crate::shows::{filled, holds};

const BAILEYS: &str = "15550112011";
const OURS: &str = "15550112012";

/// One kind between Baileys and a session. `{baileys}` and `{ours}` are the phone numbers, `{our_call}` and `{our_id}` name the
/// first text of ours in our API and in Baileys, `{their_call}` and `{their_id}` that of Baileys.
#[derive(Default)]
struct Row {
    name: &'static str,
    /// Method, path and body of the call.
    we_send: Option<(Method, &'static str, Value)>,
    /// What Baileys' message has to hold then.
    baileys_shows: Value,
    /// Baileys' content and options.
    baileys_sends: Option<(Value, Value)>,
    /// What the message in the webhook has to hold then.
    we_show: Value,
    /// The file that both directions carry.
    file: Option<Vec<u8>>,
}

const VCARD: &str =
    "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nTEL;type=CELL;waid=15550119999:+1 555 011 9999\nEND:VCARD";

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn rows() -> Result<Vec<Row>> {
    let mut rows = words();
    rows.extend(files()?);
    rows.extend(others());
    rows.extend(acts());
    Ok(rows)
}

fn words() -> Vec<Row> {
    vec![
        Row {
            name: "text",
            we_send: Some((
                Method::POST,
                "/messages/text",
                json!({"body": "words of ours"}),
            )),
            baileys_shows: json!({"text": "words of ours"}),
            baileys_sends: Some((json!({"text": "words of baileys"}), json!({}))),
            we_show: json!({"type": "text", "text": {"body": "words of baileys"}}),
            ..Row::default()
        },
        Row {
            name: "text with a mention",
            we_send: Some((
                Method::POST,
                "/messages/text",
                json!({"body": "look @{baileys}", "mentions": ["{baileys}"]}),
            )),
            baileys_shows: json!({"text": "look @{baileys}"}),
            baileys_sends: Some((
                json!({"text": "look @{ours}", "mentions": ["{ours}@s.whatsapp.net"]}),
                json!({}),
            )),
            we_show: json!({"type": "text", "text": {"body": "look @{ours}"}, "context": {"mentions": ["{ours}"]}}),
            ..Row::default()
        },
        Row {
            name: "text with a quote",
            we_send: Some((
                Method::POST,
                "/messages/text",
                json!({"body": "an answer of ours", "quoted": "{their_call}"}),
            )),
            baileys_shows: json!({"extendedTextMessage": {"text": "an answer of ours", "contextInfo": {"stanzaId": "{their_id}"}}}),
            baileys_sends: Some((
                json!({"text": "an answer of baileys"}),
                json!({"quoted": {"$message": "{our_id}"}}),
            )),
            we_show: json!({"type": "text", "text": {"body": "an answer of baileys"}, "context": {"quoted_id": "{our_call}"}}),
            ..Row::default()
        },
    ]
}

fn files() -> Result<Vec<Row>> {
    let png = picture(5)?;
    let paper = b"%PDF-1.4 not really a paper".to_vec();
    let sound = b"OggS not really a sound".to_vec();
    Ok(vec![
        Row {
            name: "image",
            we_send: Some((
                Method::POST,
                "/messages/image",
                json!({"media": format!("data:image/png;base64,{}", base64(&png)), "caption": "ours"}),
            )),
            baileys_shows: json!({"imageMessage": {"caption": "ours", "mimetype": "image/png"}}),
            baileys_sends: Some((
                json!({"image": {"$bytes": base64(&png)}, "mimetype": "image/png", "caption": "theirs"}),
                json!({}),
            )),
            we_show: json!({"type": "image", "image": {"caption": "theirs", "mime_type": "image/png"}}),
            file: Some(png),
        },
        Row {
            name: "document",
            we_send: Some((
                Method::POST,
                "/messages/document",
                json!({"media": format!("data:application/pdf;base64,{}", base64(&paper)), "filename": "paper.pdf"}),
            )),
            baileys_shows: json!({"documentMessage": {"fileName": "paper.pdf", "mimetype": "application/pdf"}}),
            baileys_sends: Some((
                json!({"document": {"$bytes": base64(&paper)}, "mimetype": "application/pdf", "fileName": "theirs.pdf"}),
                json!({}),
            )),
            we_show: json!({"type": "document", "document": {"file_name": "theirs.pdf", "mime_type": "application/pdf"}}),
            file: Some(paper),
        },
        Row {
            name: "voice",
            baileys_sends: Some((
                json!({"audio": {"$bytes": base64(&sound)}, "mimetype": "audio/ogg; codecs=opus", "ptt": true, "seconds": 2}),
                json!({}),
            )),
            we_show: json!({"type": "voice", "voice": {"seconds": 2}}),
            file: Some(sound),
            ..Row::default()
        },
    ])
}

fn others() -> Vec<Row> {
    vec![
        Row {
            name: "location",
            we_send: Some((
                Method::POST,
                "/messages/location",
                json!({"latitude": 48.137, "longitude": 11.575, "name": "Munich"}),
            )),
            baileys_shows: json!({"locationMessage": {"degreesLatitude": 48.137, "degreesLongitude": 11.575, "name": "Munich"}}),
            baileys_sends: Some((
                json!({"location": {"degreesLatitude": 52.52, "degreesLongitude": 13.405, "name": "Berlin"}}),
                json!({}),
            )),
            we_show: json!({"type": "location", "location": {"latitude": 52.52, "longitude": 13.405, "name": "Berlin"}}),
            ..Row::default()
        },
        Row {
            name: "contact",
            we_send: Some((
                Method::POST,
                "/messages/contact",
                json!({"name": "Ada", "vcard": VCARD}),
            )),
            baileys_shows: json!({"contactMessage": {"displayName": "Ada", "vcard": VCARD}}),
            baileys_sends: Some((
                json!({"contacts": {"displayName": "Ada", "contacts": [{"displayName": "Ada", "vcard": VCARD}]}}),
                json!({}),
            )),
            we_show: json!({"type": "contact", "contact": {"vcard": VCARD}}),
            ..Row::default()
        },
        Row {
            name: "poll",
            we_send: Some((
                Method::POST,
                "/messages/poll",
                json!({"title": "cake?", "options": ["now", "later"], "count": 1}),
            )),
            baileys_shows: json!({"pollCreationMessageV3": {"name": "cake?", "options": [{"optionName": "now"}, {"optionName": "later"}]}}),
            baileys_sends: Some((
                json!({"poll": {"name": "tea?", "values": ["yes", "no"], "selectableCount": 1}}),
                json!({}),
            )),
            we_show: json!({"type": "poll", "poll": {"title": "tea?", "options": ["yes", "no"]}}),
            ..Row::default()
        },
    ]
}

fn acts() -> Vec<Row> {
    vec![
        Row {
            name: "reaction",
            we_send: Some((
                Method::PUT,
                "/messages/{their_call}/reaction",
                json!({"emoji": "🎉"}),
            )),
            baileys_shows: json!({"reactionMessage": {"text": "🎉", "key": {"id": "{their_id}"}}}),
            baileys_sends: Some((
                json!({"react": {"text": "👍", "key": {"$key": "{our_id}"}}}),
                json!({}),
            )),
            we_show: json!({"type": "action", "action": {"type": "reaction", "emoji": "👍", "target": "{our_call}"}}),
            ..Row::default()
        },
        Row {
            name: "edit",
            baileys_sends: Some((
                json!({"text": "better words of baileys", "edit": {"$key": "{their_id}"}}),
                json!({}),
            )),
            we_show: json!({"type": "action", "action": {"type": "edit", "target": "{their_call}",
                "edited_content": {"body": "better words of baileys"}}}),
            ..Row::default()
        },
        Row {
            name: "revoke",
            baileys_sends: Some((json!({"delete": {"$key": "{their_id}"}}), json!({}))),
            // Told by the id of what is gone.
            we_show: json!("{their_call}"),
            ..Row::default()
        },
    ]
}

/// The two, and the way to call ours.
struct Talk {
    world: World,
    baileys: Baileys,
    http: reqwest::Client,
    session: String,
    token: String,
    /// The first texts: ours in our API and in Baileys, then theirs.
    first: [String; 4],
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
        first: Default::default(),
    };
    let outcome = talk.all().await;
    talk.world.explain(outcome)
}

impl Talk {
    async fn all(&mut self) -> Result<()> {
        let [our_call, our_id] = self
            .out(
                None,
                &(
                    Method::POST,
                    "/messages/text",
                    json!({"body": "first of ours"}),
                ),
                &json!({"text": "first of ours"}),
            )
            .await?;
        let (content, shown) = (
            json!({"text": "first of baileys"}),
            json!({"text": {"body": "first of baileys"}}),
        );
        let [their_call, their_id] = self.back(None, &(content, json!({})), &shown).await?;
        self.first = [our_call, our_id, their_call, their_id];
        let mut failed = Vec::new();
        for row in rows()? {
            let file = row.file.as_deref();
            if let Some(call) = &row.we_send {
                let sent = self.out(file, call, &row.baileys_shows).await;
                failed.extend(said(row.name, "from us", sent));
            }
            if let Some(content) = &row.baileys_sends {
                let sent = self.back(file, content, &row.we_show).await;
                failed.extend(said(row.name, "from Baileys", sent));
            }
        }
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        Ok(())
    }

    fn fill(&self, value: &Value) -> Value {
        let [our_call, our_id, their_call, their_id] = &self.first;
        filled(
            value,
            &[
                ("baileys", BAILEYS),
                ("ours", OURS),
                ("our_call", our_call),
                ("our_id", our_id),
                ("their_call", their_call),
                ("their_id", their_id),
            ],
        )
    }

    /// We send, Baileys shows. Returns the id of the message in our API, where the answer names it, and in Baileys.
    async fn out(
        &mut self,
        file: Option<&[u8]>,
        (method, path, body): &(Method, &str, Value),
        shown: &Value,
    ) -> Result<[String; 2]> {
        let mut body = self.fill(body);
        if *method == Method::POST {
            body["to"] = BAILEYS.into();
        }
        let path = self.fill(&Value::from(*path));
        let url = format!(
            "{}{}",
            self.world.stack.url,
            path.as_str().unwrap_or_default()
        );
        let call = self
            .http
            .request(method.clone(), url)
            .bearer_auth(&self.token);
        let answer = call.json(&body).send().await?;
        let status = answer.status();
        let answer = answer.text().await?;
        ensure!(status.is_success(), "{status}: {answer}");
        let answer: Value = serde_json::from_str(&answer)?;
        let wanted = self.fill(shown);
        let id = self
            .baileys
            .event("messages.upsert", &wanted.to_string(), |data| {
                let mut messages = data["messages"].as_array()?.iter();
                let found = messages.find(|m| shows(&m["message"], &wanted))?;
                Some(found["key"]["id"].as_str()?.to_owned())
            })
            .await?;
        if let Some(file) = file {
            let seen = self.baileys.download(&id).await.context("download")?;
            ensure!(seen == hash(file), "the file is another");
        }
        let own = answer["message"]["id"].as_str().unwrap_or_default();
        Ok([own.to_owned(), id])
    }

    /// Baileys sends, we show. Returns the id of the message in our API and in Baileys.
    async fn back(
        &mut self,
        file: Option<&[u8]>,
        (content, options): &(Value, Value),
        shown: &Value,
    ) -> Result<[String; 2]> {
        let to = format!("{OURS}@s.whatsapp.net");
        let (content, options) = (self.fill(content), self.fill(options));
        let id = self.baileys.send(&to, &content, &options).await?;
        let wanted = self.fill(shown);
        let fits = |call: &Value| {
            let lists = [&call["messages"], &call["messages_removed"]];
            let told = lists.into_iter().filter_map(Value::as_array).flatten();
            told.into_iter().find(|m| holds(m, &wanted)).cloned()
        };
        let call = self
            .world
            .receiver
            .got(&self.session, &wanted.to_string(), |call| {
                fits(&call.json()).is_some()
            })
            .await?;
        let message = fits(&call.json()).context("the message")?;
        if let Some(file) = file {
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
        let own = message["id"].as_str().or_else(|| message.as_str());
        Ok([own.context("its id")?.to_owned(), id])
    }
}

/// Says how it went; returns what to fail with.
fn said(name: &str, direction: &str, outcome: Result<[String; 2]>) -> Option<String> {
    let failed = outcome.err().map(|e| format!("{name}, {direction}: {e:#}"));
    let word = if failed.is_some() {
        "NOT THE SAME"
    } else {
        "same"
    };
    println!("{name}, {direction}: {word}");
    failed
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
