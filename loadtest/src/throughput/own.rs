//! The product's side: `switchboard up`, spoken to in whapi's dialect, and a webhook that answers at once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::{NewSession, Stack};
use switchboard_harness::webhook::{Call, Receiver};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{ANSWER_MAX, Conversation, Heard, Side, Turn, micros, words};
use crate::sessions;

/// The first number of the phones that sessions talk with.
const FIRST_PEER: u64 = 15_556_000_000;
/// Webhook calls that wait to be looked at.
const CALLS_WAITING_MAX: usize = 1_024;
/// Pause between two questions whether the server has acknowledged a conversation's last message.
const ACK_ASK_EVERY: Duration = Duration::from_millis(10);
/// From this code on the server has a message. Source: whapi's `StatusEnum`, 2 is "sent".
const CODE_SENT: u64 = 2;

pub(super) struct Own {
    stack: Stack,
    sessions: Vec<NewSession>,
    http: reqwest::Client,
    heard: Heard,
    conversations: Vec<Conversation>,
    _receiver: Receiver,
}

impl Own {
    pub(super) async fn start(simulator: &Simulator, count: usize, of_each: usize) -> Result<Self> {
        let conversations =
            super::conversations(simulator, count, of_each, sessions::number, FIRST_PEER).await?;
        let stack = Stack::up(simulator, None).await?;
        let heard = Heard::default();
        let receiver = listen(heard.clone()).await?;
        let http = switchboard_harness::http::client();
        let started = futures::stream::iter(0..count)
            .map(|at| {
                let hook = receiver.hook(&sessions::id(at));
                let (stack, http) = (&stack, &http);
                async move {
                    let session = stack.create_session(&sessions::id(at)).await?;
                    sessions::link(stack, simulator, at).await?;
                    let hooks = json!({"webhooks": [{"url": hook, "mode": "body",
                        "events": [{"type": "messages", "method": "post"}]}]});
                    let url = format!("{}/settings", stack.url);
                    let request = http.patch(url).bearer_auth(&session.token).json(&hooks);
                    answered(request).await?;
                    anyhow::Ok(session)
                }
            })
            .buffered(sessions::PAIRINGS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(Self {
            stack,
            sessions: started,
            http,
            heard,
            conversations,
            _receiver: receiver,
        })
    }

    /// The log of every session has so many messages of each conversation.
    async fn logged(&self, of_each: u64) -> Result<()> {
        for (at, session) in self.sessions.iter().enumerate() {
            let talks = self.conversations.iter().filter(|t| t.session == at);
            let wanted = of_each * talks.count() as u64;
            let url = format!("{}/messages/list?count=1", self.stack.url);
            let list = answered(self.http.get(url).bearer_auth(&session.token)).await?;
            ensure!(
                list["total"] == wanted,
                "the log of {} has {} messages instead of {wanted}",
                session.id,
                list["total"]
            );
        }
        Ok(())
    }
}

/// A customer of one session.
struct Customer {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Customer {
    /// Writes to one phone; returns the id of the last message too.
    async fn speak(
        &self,
        talk: &Conversation,
        each: usize,
        turn: &str,
    ) -> Result<(Histogram<u64>, String)> {
        let url = format!("{}/messages/text", self.url);
        let mut latency_us = Histogram::new(3)?;
        let mut last = Value::Null;
        for count in 0..each {
            let body = json!({"to": talk.peer, "body": words("reads", turn, count, &talk.peer)});
            let begin = Instant::now();
            last = answered(self.http.post(&url).bearer_auth(&self.token).json(&body)).await?;
            latency_us.record(micros(begin.elapsed()))?;
        }
        let id = last["message"]["id"].as_str().context("no message id")?;
        Ok((latency_us, id.to_owned()))
    }

    /// Waits until the server has a message; those before it in the conversation it has had before.
    async fn acknowledged(&self, id: &str) -> Result<()> {
        let url = format!("{}/statuses/{id}", self.url);
        loop {
            let told = answered(self.http.get(&url).bearer_auth(&self.token)).await?;
            let code = told["statuses"][0]["code"].as_u64();
            if code.context("no status")? >= CODE_SENT {
                return Ok(());
            }
            tokio::time::sleep(ACK_ASK_EVERY).await;
        }
    }
}

#[async_trait]
impl Side for Own {
    fn name(&self) -> &'static str {
        "switchboard up"
    }

    async fn send(&mut self, each: usize, turn: &str) -> Result<Turn> {
        let begin = Instant::now();
        let mut talks = JoinSet::new();
        for talk in self.conversations.iter().cloned() {
            let session = self.sessions.get(talk.session).context("no such session")?;
            let customer = Customer {
                http: self.http.clone(),
                url: self.stack.url.clone(),
                token: session.token.clone(),
            };
            let turn = turn.to_owned();
            talks.spawn(async move {
                let (latency_us, last) = customer.speak(&talk, each, &turn).await?;
                anyhow::Ok((latency_us, last, customer))
            });
        }
        let (mut latency_us, mut last) = (Histogram::new(3)?, Vec::new());
        while let Some(talk) = talks.join_next().await {
            let (one, id, customer) = talk??;
            latency_us.add(one)?;
            last.push((id, customer));
        }
        let answered = begin.elapsed();
        // One question at a time: asking must not be what is measured.
        for (id, customer) in last {
            let acked = customer.acknowledged(&id);
            tokio::time::timeout(ANSWER_MAX, acked)
                .await
                .context("a last message was not acknowledged")??;
        }
        Ok(Turn {
            latency_us,
            answered,
            took: begin.elapsed(),
        })
    }

    fn pid(&self) -> Result<u32> {
        self.stack.router.pid().context("the product's process")
    }

    fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }

    fn heard(&self) -> &Heard {
        &self.heard
    }

    async fn kept(&self, of_each: u64) -> Result<()> {
        self.logged(of_each).await
    }
}

/// A webhook that says which texts came.
async fn listen(heard: Heard) -> Result<Receiver> {
    let (told, mut calls) = mpsc::channel::<Call>(CALLS_WAITING_MAX);
    let receiver = Receiver::start_telling(told).await?;
    drop(tokio::task::spawn(async move {
        while let Some(call) = calls.recv().await {
            let payload = call.json();
            for message in payload["messages"].as_array().into_iter().flatten() {
                if let (Some(false), Some(text)) = (
                    message["from_me"].as_bool(),
                    message["text"]["body"].as_str(),
                ) {
                    heard.saw(text);
                }
            }
        }
    }));
    Ok(receiver)
}

async fn answered(request: reqwest::RequestBuilder) -> Result<Value> {
    let answer = request.timeout(ANSWER_MAX).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        bail!("the product answered {status}: {text}");
    }
    Ok(serde_json::from_str(&text)?)
}
