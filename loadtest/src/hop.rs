//! What the hop over NATS adds: a call that the router answers itself beside one that a node answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use switchboard_bus::test_server::TestServer;
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::Stack;
use tokio::task::JoinSet;

/// Turns of both kinds, one after the other, so that drift of the machine hits both.
const TURNS: usize = 5;

pub(crate) async fn run(connections: usize, calls: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let nats = TestServer::start().await?;
    let simulator = Simulator::start(folder.path(), 5).await?;
    let stack = Stack::cluster(&simulator, &nats.url(), &["node-1"], None).await?;
    stack.create_session("hop").await?;
    let local = format!("{}/ping", stack.url);
    let forwarded = format!("{}/session/status/hop", stack.url);
    let mut rows = [
        Row::new("answered by the router"),
        Row::new("forwarded to a node"),
    ];
    for _ in 0..TURNS {
        for (row, url) in rows.iter_mut().zip([&local, &forwarded]) {
            let turn = measure(url, &stack.tenant_key, connections, calls / TURNS).await?;
            row.add(&turn)?;
        }
    }
    println!("{connections} connections, {calls} calls of each kind");
    println!(
        "{:<28}{:>10}{:>10}{:>12}",
        "call", "p50 µs", "p99 µs", "calls/s"
    );
    for row in &rows {
        row.print();
    }
    let [local, forwarded] = &rows;
    let added = |quantile: f64| forwarded.at(quantile).saturating_sub(local.at(quantile));
    println!(
        "added by the hop            {:>10}{:>10}",
        added(0.5),
        added(0.99)
    );
    Ok(())
}

struct Row {
    name: &'static str,
    latency_us: Histogram<u64>,
    took: Duration,
}

struct Turn {
    latency_us: Histogram<u64>,
    took: Duration,
}

impl Row {
    fn new(name: &'static str) -> Self {
        let latency_us =
            Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are possible"));
        Self {
            name,
            latency_us,
            took: Duration::ZERO,
        }
    }

    fn add(&mut self, turn: &Turn) -> Result<()> {
        self.latency_us.add(&turn.latency_us)?;
        self.took += turn.took;
        Ok(())
    }

    fn at(&self, quantile: f64) -> u64 {
        self.latency_us.value_at_quantile(quantile)
    }

    fn print(&self) {
        let rate = self.latency_us.len() as f64 / self.took.as_secs_f64();
        println!(
            "{:<28}{:>10}{:>10}{:>12.0}",
            self.name,
            self.at(0.5),
            self.at(0.99),
            rate
        );
    }
}

async fn measure(url: &str, key: &str, connections: usize, calls: usize) -> Result<Turn> {
    let left = Arc::new(AtomicUsize::new(calls));
    let mut callers = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..connections {
        let (left, url, key) = (Arc::clone(&left), url.to_owned(), key.to_owned());
        callers.spawn(async move {
            let http = switchboard_harness::http::client();
            let mut latency_us = Histogram::<u64>::new(3)?;
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_ok()
            {
                let start = Instant::now();
                let answer = http.get(&url).header("x-api-key", &key).send().await?;
                ensure!(
                    answer.status().is_success(),
                    "{url} answered {}",
                    answer.status()
                );
                answer.bytes().await?;
                latency_us.record(u64::try_from(start.elapsed().as_micros())?)?;
            }
            Ok(latency_us)
        });
    }
    let mut latency_us = Histogram::new(3)?;
    while let Some(caller) = callers.join_next().await {
        latency_us.add(caller??)?;
    }
    Ok(Turn {
        latency_us,
        took: begin.elapsed(),
    })
}
