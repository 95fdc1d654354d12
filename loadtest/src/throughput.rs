//! How many messages go through: `switchboard up` with its stores, log, index and a webhook, beside the bare library with a
//! store in memory.
//!
//! Both sides have as many sessions, each with as many conversations with phones, and one message under way in each
//! conversation. They take turns against the same simulator, so that drift of the machine hits both. The bare library's
//! answer to a send is the server's ack, the product's is that of its API; a turn ends when the server has acknowledged the
//! last message. A message is received when the library's event, or the call of the product's webhook, is there.

mod child;
mod heard;
mod own;
mod table;
mod yardstick;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use serde_json::Value;
use switchboard_harness::simulator::Simulator;
use tokio::task::JoinSet;

use crate::process::usage;
use heard::Heard;
use own::Own;
use table::Row;
use yardstick::Yardstick;

pub(crate) use child::serve as bare_traffic;

/// Longest wait for the answer to one send, or for one message to be heard of.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// What nobody has on this machine: more conversations than phones' numbers are set aside for.
const CONVERSATIONS_MAX: usize = 1_000_000;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Sessions on each side
    #[arg(long, default_value_t = 20)]
    sessions: usize,
    /// Conversations of each session, with one message under way in each
    #[arg(long, default_value_t = 4)]
    conversations: usize,
    /// Messages of a turn
    #[arg(long, default_value_t = 2_000)]
    messages: usize,
    /// Turns of each side in each direction
    #[arg(long, default_value_t = 5)]
    turns: usize,
}

/// A session's conversation with a phone of its own.
#[derive(Debug, Clone)]
struct Conversation {
    /// Which session.
    session: usize,
    /// The number of the session's account.
    account: String,
    /// The number of the phone at the other end.
    peer: String,
}

/// What one turn of one side took.
#[derive(Debug)]
struct Turn {
    latency_us: Histogram<u64>,
    /// Until the last answer.
    answered: Duration,
    /// Until the last ack.
    took: Duration,
}

impl Turn {
    /// The turn of these conversations, once all have ended.
    async fn of(begin: Instant, mut talks: JoinSet<Result<Histogram<u64>>>) -> Result<Self> {
        let mut latency_us = Histogram::new(3)?;
        while let Some(talk) = talks.join_next().await {
            latency_us.add(talk??)?;
        }
        let took = begin.elapsed();
        Ok(Self {
            latency_us,
            answered: took,
            took,
        })
    }
}

/// One side of the comparison.
trait Side {
    /// Every conversation sends so many messages, one after the other.
    async fn send(&mut self, each: usize, turn: &str) -> Result<Turn>;
    /// Its process.
    fn pid(&self) -> Result<u32>;
    /// Its conversations.
    fn conversations(&self) -> &[Conversation];
    /// What it receives.
    fn heard(&self) -> &Heard;
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let pairs = options.sessions * options.conversations;
    ensure!(
        (1..=CONVERSATIONS_MAX).contains(&pairs) && options.turns > 0,
        "there must be 1 to {CONVERSATIONS_MAX} conversations and a turn"
    );
    let each = options.messages.div_ceil(pairs).max(1);
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(folder.path(), 17).await?;
    println!(
        "pairing {} bare clients and as many sessions of the product …",
        options.sessions
    );
    let mut bare = Yardstick::start(&simulator, options.sessions, options.conversations).await?;
    let mut own = Own::start(&simulator, options.sessions, options.conversations).await?;
    // Not measured: both directions meet for the first time.
    for round in ["hello", "hello again"] {
        bare.send(1, round).await?;
        own.send(1, round).await?;
        receive(&simulator, &bare, 1, round).await?;
        receive(&simulator, &own, 1, round).await?;
    }
    let names = ["bare library", "switchboard up"];
    let [mut sent, mut received] = [names.map(Row::new), names.map(Row::new)];
    for turn in 0..options.turns {
        let text = format!("turn {turn}");
        // Who comes first changes.
        for side in [turn % 2, (turn + 1) % 2] {
            if side == 0 {
                let measured = watched(&simulator, &mut bare, each, &text).await?;
                sent[0].add(&measured[0])?;
                received[0].add(&measured[1])?;
            } else {
                let measured = watched(&simulator, &mut own, each, &text).await?;
                sent[1].add(&measured[0])?;
                received[1].add(&measured[1])?;
            }
        }
    }
    let of_each = (options.turns * each + 2) as u64;
    arrived(&simulator, &bare, of_each).await?;
    arrived(&simulator, &own, of_each).await?;
    own.logged(of_each * 2).await?;
    println!(
        "\n{} sessions, {} conversations each with one message under way; {} turns of {} messages per side and direction",
        options.sessions,
        options.conversations,
        options.turns,
        each * pairs
    );
    println!("every message arrived, and the product's log has them all");
    table::print("sending", &sent);
    table::print("receiving", &received);
    Ok(())
}

/// A turn with what it cost the side's process and the simulator.
struct Measured {
    turn: Turn,
    side_ticks: u64,
    simulator_ticks: u64,
}

/// One turn of sending and one of receiving.
async fn watched(
    simulator: &Simulator,
    side: &mut impl Side,
    each: usize,
    text: &str,
) -> Result<[Measured; 2]> {
    let (pid, sim) = (
        side.pid()?,
        simulator.program.pid().context("the simulator")?,
    );
    let ticks = || anyhow::Ok((usage(pid)?.ticks, usage(sim)?.ticks));
    let before = ticks()?;
    let sent = side.send(each, text).await?;
    let between = ticks()?;
    let received = receive(simulator, side, each, text).await?;
    let after = ticks()?;
    let measured = |turn, from: (u64, u64), to: (u64, u64)| Measured {
        turn,
        side_ticks: to.0 - from.0,
        simulator_ticks: to.1 - from.1,
    };
    Ok([
        measured(sent, before, between),
        measured(received, between, after),
    ])
}

/// In every conversation the phone sends so many messages, the next one once the session has heard of the one before.
async fn receive(simulator: &Simulator, side: &impl Side, each: usize, turn: &str) -> Result<Turn> {
    let http = switchboard_harness::http::client();
    let begin = Instant::now();
    let mut talks = JoinSet::new();
    for talk in side.conversations().iter().cloned() {
        let url = format!("{}/admin/phones/{}/send", simulator.url, talk.peer);
        let (http, heard, turn) = (http.clone(), side.heard().clone(), turn.to_owned());
        talks.spawn(async move { say(&http, &url, &heard, &talk, each, &turn).await });
    }
    Turn::of(begin, talks).await
}

async fn say(
    http: &reqwest::Client,
    url: &str,
    heard: &Heard,
    talk: &Conversation,
    each: usize,
    turn: &str,
) -> Result<Histogram<u64>> {
    let mut latency_us = Histogram::new(3)?;
    for count in 0..each {
        let text = words("hears", turn, count, &talk.peer);
        let seen = heard.expect(&text);
        let begin = Instant::now();
        let body = serde_json::json!({"to": talk.account, "text": text});
        let answer = http.post(url).json(&body).send().await?;
        ensure!(
            answer.status().is_success(),
            "the phone answered {}",
            answer.status()
        );
        answer.bytes().await?;
        tokio::time::timeout(ANSWER_MAX, seen)
            .await
            .with_context(|| format!("{text:?} was not heard of"))??;
        latency_us.record(micros(begin.elapsed()))?;
    }
    Ok(latency_us)
}

/// What a message says: as long as people's messages are, and no two alike.
fn words(verb: &str, turn: &str, count: usize, peer: &str) -> String {
    format!("{peer} {verb} in {turn} that this is message number {count} of the day")
}

/// Every phone has decrypted every message that was sent to it.
async fn arrived(simulator: &Simulator, side: &impl Side, of_each: u64) -> Result<()> {
    for talk in side.conversations() {
        let what = format!("{of_each} messages at {}", talk.peer);
        switchboard_harness::wait::until(&what, async || {
            let inbox = simulator.inbox(&talk.peer).await;
            let inbox = inbox.map_err(|error| format!("{error:#}"))?;
            let last = inbox.last().and_then(|record| record["seq"].as_u64());
            if last == Some(of_each) {
                Ok(())
            } else {
                Err(format!("the last has number {last:?}"))
            }
        })
        .await?;
    }
    Ok(())
}

/// The conversations of one side, with a phone each.
async fn conversations(
    simulator: &Simulator,
    sessions: usize,
    of_each: usize,
    account: impl Fn(usize) -> String,
    first_peer: u64,
) -> Result<Vec<Conversation>> {
    let all: Vec<_> = (0..sessions * of_each)
        .map(|at| Conversation {
            session: at / of_each,
            account: account(at / of_each),
            peer: (first_peer + at as u64).to_string(),
        })
        .collect();
    for talk in &all {
        simulator.add_phone(&talk.peer).await?;
    }
    Ok(all)
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// The latencies that a child process lists.
fn histogram(list: &Value) -> Result<Histogram<u64>> {
    let mut latency_us = Histogram::new(3)?;
    for took in list.as_array().context("a list of microseconds")? {
        latency_us.record(took.as_u64().context("microseconds")?)?;
    }
    Ok(latency_us)
}
