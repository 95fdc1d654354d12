//! The process of bare clients: sends when its input says so, says what it receives.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use futures::StreamExt;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;
use wacore::proto_helpers::MessageExt;
use wacore::types::events::{ChannelEventHandler, Event, Subscription};
use waproto::whatsapp as wa;
use whatsapp_rust::{Client, SendOptions};

use super::heard::Heard;
use super::{ANSWER_MAX, micros, words, yardstick};
use crate::bare::{self, BareClient, Target};

/// A connected client and who waits for which ack.
struct Speaker {
    client: Arc<Client>,
    acks: Heard,
    _paired: BareClient,
    _subscription: Subscription,
}

/// Pairs the clients, says "ready", obeys until its input ends.
pub(crate) async fn serve(target: &Target, sessions: usize, conversations: usize) -> Result<()> {
    let paired = futures::stream::iter(0..sessions)
        .map(|at| bare::pair(target, yardstick::account(target.store, at)))
        .buffered(bare::PAIRINGS_AT_ONCE);
    let paired: Vec<_> = paired.collect().await;
    let mut speakers = Vec::new();
    for result in paired {
        speakers.push(Arc::new(Speaker::new(result?.0)));
    }
    println!("ready {}", speakers.len());
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = orders.next_line().await? {
        let order: serde_json::Value = serde_json::from_str(&order)?;
        let each = usize::try_from(order["each"].as_u64().context("how many")?)?;
        let turn = order["turn"].as_str().context("in which turn")?;
        let begin = Instant::now();
        let mut talks = JoinSet::new();
        for (at, speaker) in speakers.iter().enumerate() {
            for nth in 0..conversations {
                let peer = yardstick::peer(target.store, at * conversations + nth);
                let (speaker, turn) = (Arc::clone(speaker), turn.to_owned());
                talks.spawn(async move { speaker.speak(peer, each, &turn).await });
            }
        }
        let mut latencies = Vec::new();
        while let Some(talk) = talks.join_next().await {
            latencies.extend(talk??);
        }
        println!(
            "sent {}",
            json!({"took_us": micros(begin.elapsed()), "latency_us": latencies})
        );
    }
    Ok(())
}

impl Speaker {
    fn new(paired: BareClient) -> Self {
        let client = Arc::clone(&paired.client);
        let (handler, events) = ChannelEventHandler::new();
        let subscription = client.subscribe_handler(handler);
        let acks = Heard::default();
        let told = acks.clone();
        drop(tokio::task::spawn(async move {
            while let Ok(event) = events.recv().await {
                if let Event::ServerAck(ack) = &*event
                    && ack.error.is_none()
                {
                    told.saw(&ack.id);
                }
                for received in event.messages() {
                    if let Some(text) = received.message.text_content() {
                        println!("got {text}");
                    }
                }
            }
        }));
        Self {
            client,
            acks,
            _paired: paired,
            _subscription: subscription,
        }
    }

    async fn speak(&self, peer: u64, each: usize, turn: &str) -> Result<Vec<u64>> {
        let mut latencies = Vec::with_capacity(each);
        let to = format!("{peer}@s.whatsapp.net").parse::<whatsapp_rust::Jid>()?;
        for count in 0..each {
            let message = wa::Message {
                conversation: Some(words("reads", turn, count, &peer.to_string())),
                ..Default::default()
            };
            let id = self.client.generate_message_id();
            let acked = self.acks.expect(&id);
            let begin = Instant::now();
            let options = SendOptions::default().with_message_id(id);
            self.client
                .send_message_with_options(to.clone(), message, options)
                .await?;
            tokio::time::timeout(ANSWER_MAX, acked)
                .await
                .context("a message was not acknowledged")??;
            latencies.push(micros(begin.elapsed()));
        }
        Ok(latencies)
    }
}
