//! Baileys and a session of ours, driven through the REST API: what one side sends, the other shows.

mod answers;
mod files;
mod refused;
mod rows;
mod tappable;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use switchboard_e2e::{World, id_on};
use switchboard_harness::baileys::Baileys;
use switchboard_harness::drivers;

use crate::phone::hash;
use crate::shows::{filled, holds};
use rows::{Row, Seen, Theirs};

const BAILEYS: &str = "15550112011";
const OURS: &str = "15550112012";

/// The two, and the way to call ours.
struct Talk {
    world: World,
    baileys: Baileys,
    http: reqwest::Client,
    session: String,
    token: String,
    /// What `{first.our_id}` and the like stand for.
    names: Vec<(String, String)>,
}

pub(crate) async fn exchange() -> Result<()> {
    let id = id_on("node-1", "witness")?;
    let world = World::start(37, &id).await?;
    let new = world.stack.create_session(&id).await?;
    let driver = drivers::whapi(&world.stack, &new);
    drivers::pair(driver.as_ref(), &world.simulator, OURS).await?;
    driver.set_webhook(&world.receiver.hook(&id)).await?;
    let baileys = Baileys::pair(&world.simulator, world.folder(), BAILEYS).await?;
    let names = [("baileys", BAILEYS), ("ours", OURS)];
    let mut talk = Talk {
        world,
        baileys,
        http: switchboard_harness::http::client(),
        session: new.id,
        token: new.token,
        names: names
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    let outcome = talk.all().await;
    talk.world.explain(outcome)
}

impl Talk {
    async fn all(&mut self) -> Result<()> {
        let mut failed = Vec::new();
        for row in rows::all()? {
            failed.extend(self.row(&row).await);
        }
        let polls = self.polls().await;
        failed.extend(said("polls", "both ways", &polls));
        let events = self.events().await;
        failed.extend(said("events", "both ways", &events));
        let refused = self.refused().await;
        failed.extend(said("what cannot be sent", "from us", &refused));
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        Ok(())
    }

    /// Plays one kind in both directions; returns what went wrong.
    async fn row(&mut self, row: &Row) -> Vec<String> {
        let mut failed = Vec::new();
        let file = row.file.as_deref();
        if let Some(call) = &row.we_send {
            let sent = self.out(file, call, &row.baileys_shows).await;
            failed.extend(said(row.name, "from us", &sent));
            self.name(row.name, "our", sent);
        }
        if let Some(content) = &row.baileys_sends {
            let sent = self.back(file, content, &row.we_show).await;
            failed.extend(said(row.name, "from Baileys", &sent));
            self.name(row.name, "their", sent);
        }
        failed
    }

    fn name(&mut self, row: &str, whose: &str, sent: Result<[String; 2]>) {
        if let Ok([call, id]) = sent {
            self.names.push((format!("{row}.{whose}_call"), call));
            self.names.push((format!("{row}.{whose}_id"), id));
        }
    }

    fn fill(&self, value: &Value) -> Value {
        let names = self.names.iter();
        let names: Vec<_> = names.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        filled(value, &names)
    }

    /// A call, and what it answers.
    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let url = format!("{}{path}", self.world.stack.url);
        let mut call = self.http.request(method, url).bearer_auth(&self.token);
        if !body.is_null() {
            call = call.json(body);
        }
        let answer = call.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok((status, answer))
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let (status, answer) = self.call(Method::GET, path, &Value::Null).await?;
        ensure!(status.is_success(), "GET {path}: {status}: {answer}");
        Ok(answer)
    }

    /// We send, Baileys shows. Returns the id of the message in our API, where the answer names it, and in Baileys.
    async fn out(
        &mut self,
        file: Option<&[u8]>,
        (method, path, body): &(Method, &str, Value),
        shown: &Seen,
    ) -> Result<[String; 2]> {
        let mut body = self.fill(body);
        if *method == Method::POST {
            body["to"] = BAILEYS.into();
        }
        let path = self.fill(&Value::from(*path));
        let path = path.as_str().unwrap_or_default();
        let (status, answer) = self.call(method.clone(), path, &body).await?;
        ensure!(status.is_success(), "{status}: {answer}");
        let id = self.seen(shown).await?;
        if let Some(file) = file {
            let seen = self.baileys.download(&id).await.context("download")?;
            ensure!(seen == hash(file), "the file is another");
        }
        let own = answer["message"]["id"].as_str().unwrap_or_default();
        Ok([own.to_owned(), id])
    }

    /// Waits until Baileys shows it; the id of the message.
    async fn seen(&self, shown: &Seen) -> Result<String> {
        match shown {
            Seen::Message(wanted) => {
                let wanted = self.fill(wanted);
                let fits = |data: &Value| {
                    let mut messages = data["messages"].as_array()?.iter();
                    let found = messages.find(|m| shows(&m["message"], &wanted))?;
                    Some(found["key"]["id"].as_str()?.to_owned())
                };
                let what = wanted.to_string();
                self.baileys.event("messages.upsert", &what, fits).await
            }
            Seen::Change(id, wanted) => {
                let (id, wanted) = (self.fill(&(*id).into()), self.fill(wanted));
                let fits = |data: &Value| {
                    let mut updates = data.as_array()?.iter();
                    let found =
                        updates.find(|u| u["key"]["id"] == id && holds(&u["update"], &wanted));
                    found.map(|_| id.as_str().unwrap_or_default().to_owned())
                };
                let what = wanted.to_string();
                self.baileys.event("messages.update", &what, fits).await
            }
        }
    }

    /// Baileys sends, we show. Returns the id of the message in our API and in Baileys.
    async fn back(
        &mut self,
        file: Option<&[u8]>,
        sent: &Theirs,
        shown: &Value,
    ) -> Result<[String; 2]> {
        let to = format!("{OURS}@s.whatsapp.net");
        let id = match sent {
            Theirs::Content(content, options) => {
                let (content, options) = (self.fill(content), self.fill(options));
                self.baileys.send(&to, &content, &options).await?
            }
            Theirs::Message(message, options) => {
                let (message, options) = (self.fill(message), self.fill(options));
                self.baileys.relay(&to, &message, &options).await?
            }
        };
        let wanted = self.fill(shown);
        let message = self.told("their message", &wanted).await?;
        let own = message["id"].as_str().or_else(|| message.as_str());
        let own = own.context("its id")?.to_owned();
        // What was deleted is only named.
        if !wanted.is_string() {
            let kept = self.get(&format!("/messages/{own}")).await?;
            ensure!(holds(&kept, &wanted), "the log has {kept}, not {wanted}");
        }
        if let Some(file) = file {
            self.fetches(&message, file).await?;
        }
        Ok([own, id])
    }

    /// Waits until the webhook has a message that holds this, or the id of one that is gone.
    async fn told(&self, what: &str, wanted: &Value) -> Result<Value> {
        let fits = |call: &Value| {
            let lists = [&call["messages"], &call["messages_removed"]];
            let told = lists.into_iter().filter_map(Value::as_array).flatten();
            told.into_iter().find(|m| holds(m, wanted)).cloned()
        };
        let what = format!("{what} {wanted}");
        let receiver = &self.world.receiver;
        let call = receiver
            .got(&self.session, &what, |call| fits(&call.json()).is_some())
            .await?;
        fits(&call.json()).context("the message")
    }

    /// The link of a message leads to that file.
    async fn fetches(&self, message: &Value, file: &[u8]) -> Result<()> {
        let kind = message["type"].as_str().context("its type")?;
        let link = message[kind]["link"].as_str();
        let link = link.context("a link to the file")?;
        let seen = self.http.get(link).send().await?.error_for_status()?;
        let same = hash(&seen.bytes().await?) == hash(file);
        ensure!(same, "the file is another");
        Ok(())
    }
}

/// Says how it went; returns what to fail with.
fn said<T>(name: &str, direction: &str, outcome: &Result<T>) -> Option<String> {
    let error = outcome.as_ref().err();
    let failed = error.map(|e| format!("{name}, {direction}: {e:#}"));
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
