//! The bare library's side, as the measuring process sees it: a child process.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use clap::ValueEnum;
use serde_json::{Value, json};
use switchboard_harness::simulator::Simulator;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use super::{Conversation, Heard, Side, Turn, histogram};
use crate::bare::Store;

/// The first number of the clients' accounts, by their store.
const FIRST_NUMBER: u64 = 15_554_000_000;
/// The first number of the phones they talk with, by the clients' store.
const FIRST_PEER: u64 = 15_555_000_000;
/// Numbers set aside for the clients of one kind of store.
const NUMBERS_OF_A_STORE: u64 = super::CONVERSATIONS_MAX as u64;

/// The number of a client's account.
pub(super) const fn account(store: Store, at: usize) -> u64 {
    FIRST_NUMBER + store as u64 * NUMBERS_OF_A_STORE + at as u64
}

/// The number at the other end of a conversation.
pub(super) const fn peer(store: Store, at: usize) -> u64 {
    FIRST_PEER + store as u64 * NUMBERS_OF_A_STORE + at as u64
}

/// The process of bare clients.
pub(super) struct Yardstick {
    store: Store,
    child: Child,
    orders: ChildStdin,
    sent: mpsc::Receiver<Value>,
    heard: Heard,
    conversations: Vec<Conversation>,
    _files: tempfile::TempDir,
}

impl Yardstick {
    pub(super) async fn start(
        simulator: &Simulator,
        store: Store,
        sessions: usize,
        of_each: usize,
    ) -> Result<Self> {
        let account = |at| account(store, at).to_string();
        let conversations =
            super::conversations(simulator, sessions, of_each, account, peer(store, 0)).await?;
        let files = tempfile::tempdir()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare-traffic", "--simulator", &simulator.url]);
        command.args(["--sessions", &sessions.to_string()]);
        command.args(["--conversations", &of_each.to_string()]);
        command.args([
            "--store",
            store.to_possible_value().context("its store")?.get_name(),
        ]);
        command.arg("--folder").arg(files.path());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().context("its input")?;
        let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        let line = lines
            .next_line()
            .await?
            .context("the bare process ended early")?;
        ensure!(
            line == format!("ready {sessions}"),
            "the bare process said {line:?}"
        );
        let heard = Heard::default();
        let told = heard.clone();
        let (report, sent) = mpsc::channel(1);
        drop(tokio::task::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(text) = line.strip_prefix("got ") {
                    told.saw(text);
                } else if let Some(text) = line.strip_prefix("sent ") {
                    let value = serde_json::from_str(text).unwrap_or(Value::Null);
                    // The measurement has ended before the process.
                    let _ = report.send(value).await;
                }
            }
        }));
        Ok(Self {
            store,
            child,
            orders,
            sent,
            heard,
            conversations,
            _files: files,
        })
    }
}

#[async_trait]
impl Side for Yardstick {
    fn name(&self) -> &'static str {
        match self.store {
            Store::Memory => "bare, in memory",
            Store::Sqlite => "bare, SQLite",
            Store::SqliteFull => "bare, SQLite synced",
        }
    }

    async fn send(&mut self, each: usize, turn: &str) -> Result<Turn> {
        let order = format!("{}\n", json!({"each": each, "turn": turn}));
        self.orders.write_all(order.as_bytes()).await?;
        let sent = self.sent.recv().await.context("the bare process ended")?;
        let took = sent["took_us"].as_u64().context("how long it took")?;
        Ok(Turn {
            latency_us: histogram(&sent["latency_us"])?,
            answered: Duration::from_micros(took),
            took: Duration::from_micros(took),
        })
    }

    fn pid(&self) -> Result<u32> {
        self.child.id().context("the bare process has ended")
    }

    fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }

    fn heard(&self) -> &Heard {
        &self.heard
    }
}
