//! How many messages go through: `switchboard up` with its stores, log, index and a webhook, beside the bare library with each of
//! its own stores: in memory, SQLite as it comes, SQLite synced with every commit.
//!
//! All sides have as many sessions, each with as many conversations with phones, and one message under way in each
//! conversation. They take turns against the same simulator, so that drift of the machine hits all. The bare library's
//! answer to a send is the server's ack, the product's is that of its API; a turn ends when the server has acknowledged the
//! last message. A message is received when the library's event, or the call of the product's webhook, is there.

mod child;
mod heard;
mod own;
mod table;
mod yardstick;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use hdrhistogram::Histogram;
use serde_json::Value;
use switchboard_harness::simulator::Simulator;
use tokio::task::JoinSet;

use crate::bare::Store;
use crate::process::usage;
use heard::Heard;
use own::Own;
use table::Row;
use yardstick::Yardstick;

pub(crate) use child::serve as bare_traffic;

/// Longest wait for the answer to one send, or for one message to be heard of.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// What nobody has on this machine: more conversations than phones' numbers are set aside for.
const CONVERSATIONS_MAX: usize = 100_000;

/// Between two looks whether anybody still works at the turn before.
const SETTLE_LOOK: Duration = Duration::from_millis(200);
/// Looks at most; then the next turn begins all the same.
const SETTLE_LOOKS_MAX: u32 = 25;
/// Clock ticks of 10 ms that all processes together may use between two looks and count as idle.
const IDLE_TICKS: u64 = 4;

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
    /// Stores of the bare library to compare with
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "memory,sqlite,sqlite-full"
    )]
    stores: Vec<Store>,
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
#[async_trait]
trait Side: Sync {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// Every conversation sends so many messages, one after the other.
    async fn send(&mut self, each: usize, turn: &str) -> Result<Turn>;
    /// Its process.
    fn pid(&self) -> Result<u32>;
    /// Its conversations.
    fn conversations(&self) -> &[Conversation];
    /// What it receives.
    fn heard(&self) -> &Heard;
    /// It kept so many messages of each conversation, if it is one that keeps them.
    async fn kept(&self, _of_each: u64) -> Result<()> {
        Ok(())
    }
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
    let mut sides = sides(&simulator, options).await?;
    // Not measured: both directions meet for the first time.
    for round in ["hello", "hello again"] {
        for side in &mut sides {
            side.send(1, round).await?;
            receive(&simulator, &**side, 1, round).await?;
        }
    }
    let rows = || sides.iter().map(|side| Row::new(side.name())).collect();
    let [mut sent, mut received]: [Vec<Row>; 2] = [rows(), rows()];
    let count = sides.len();
    for turn in 0..options.turns {
        let text = format!("turn {turn}");
        // Who comes first changes.
        for at in (0..count).map(|nth| (nth + turn) % count) {
            settled(&simulator, &sides).await?;
            let measured = watched(&simulator, &mut *sides[at], each, &text).await?;
            sent[at].add(&measured[0])?;
            received[at].add(&measured[1])?;
        }
    }
    let of_each = (options.turns * each + 2) as u64;
    for side in &sides {
        arrived(&simulator, &**side, of_each).await?;
        side.kept(of_each * 2).await?;
    }
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

/// The bare library with each store, the product last; each with its sessions paired.
async fn sides(simulator: &Simulator, options: &Options) -> Result<Vec<Box<dyn Side>>> {
    let (sessions, talks) = (options.sessions, options.conversations);
    let mut sides: Vec<Box<dyn Side>> = Vec::new();
    println!("pairing {sessions} sessions on each side …");
    for store in &options.stores {
        sides.push(Box::new(
            Yardstick::start(simulator, *store, sessions, talks).await?,
        ));
    }
    sides.push(Box::new(Own::start(simulator, sessions, talks).await?));
    Ok(sides)
}

/// Waits until nobody works any more: the receipts of one turn are no work of the next side's.
async fn settled(simulator: &Simulator, sides: &[Box<dyn Side>]) -> Result<()> {
    let mut pids = vec![simulator.program.pid().context("the simulator")?];
    for side in sides {
        pids.push(side.pid()?);
    }
    let worked = || {
        let ticks = pids.iter().map(|pid| anyhow::Ok(usage(*pid)?.ticks));
        ticks.sum::<Result<u64>>()
    };
    let mut before = worked()?;
    for _ in 0..SETTLE_LOOKS_MAX {
        tokio::time::sleep(SETTLE_LOOK).await;
        let now = worked()?;
        if now - before <= IDLE_TICKS {
            return Ok(());
        }
        before = now;
    }
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
    side: &mut dyn Side,
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
async fn receive(simulator: &Simulator, side: &dyn Side, each: usize, turn: &str) -> Result<Turn> {
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
async fn arrived(simulator: &Simulator, side: &dyn Side, of_each: u64) -> Result<()> {
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
