//! Rows of all sides, and what the last one is of each other.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

use super::Measured;

/// Microseconds of a clock tick. Source: proc(5), `USER_HZ` is 100 on Linux.
const TICK_US: f64 = 10_000.0;

/// All turns of one side in one direction.
#[derive(Debug)]
pub(super) struct Row {
    name: &'static str,
    latency_us: Histogram<u64>,
    answered: Duration,
    took: Duration,
    side_ticks: u64,
    simulator_ticks: u64,
}

impl Row {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            latency_us: Histogram::new(3)
                .unwrap_or_else(|_| unreachable!("three digits are possible")),
            answered: Duration::ZERO,
            took: Duration::ZERO,
            side_ticks: 0,
            simulator_ticks: 0,
        }
    }

    pub(super) fn add(&mut self, measured: &Measured) -> Result<()> {
        self.latency_us.add(&measured.turn.latency_us)?;
        self.answered += measured.turn.answered;
        self.took += measured.turn.took;
        self.side_ticks += measured.side_ticks;
        self.simulator_ticks += measured.simulator_ticks;
        Ok(())
    }

    fn rate(&self) -> f64 {
        self.latency_us.len() as f64 / self.took.as_secs_f64()
    }
}

/// The rows of one direction; the last is the product's, and each other has what that is of it.
pub(super) fn print(what: &str, rows: &[Row]) {
    println!(
        "\n{what:<20}{:>10}{:>10}{:>12}{:>12}{:>10}{:>14}{:>10}",
        "p50 µs", "p99 µs", "answers/s", "messages/s", "CPU µs", "simulator's", "ratio"
    );
    let own = rows.last().map_or(0.0, Row::rate);
    for row in rows {
        let per_message = |ticks: u64| ticks as f64 * TICK_US / row.latency_us.len() as f64;
        println!(
            "{:<20}{:>10}{:>10}{:>12.0}{:>12.0}{:>10.0}{:>14.0}{:>10.2}",
            row.name,
            row.latency_us.value_at_quantile(0.5),
            row.latency_us.value_at_quantile(0.99),
            row.latency_us.len() as f64 / row.answered.as_secs_f64(),
            row.rate(),
            per_message(row.side_ticks),
            per_message(row.simulator_ticks),
            own / row.rate()
        );
    }
    println!("wanted: a ratio of at least 0.5");
}
