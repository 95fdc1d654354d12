//! `switchboard-chaos`: the laboratory as a program. `cargo xtask chaos` builds everything and starts it.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use switchboard_chaos::lab::enter;
use switchboard_chaos::{rounds, rows, selftest};

/// The exit code where this machine has no laboratory: neither passed nor failed. Source: automake and others use 77 for it.
const SKIPPED: u8 = 77;

/// Rounds of the short run.
const SHORT_ROUNDS: usize = 2;

/// Real processes on hosts of their own, and what becomes of them when things break.
#[derive(Debug, Parser)]
#[command(name = "switchboard-chaos")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that the faults of the laboratory happen
    Selftest,
    /// Random faults under traffic, a kill -9 in every round
    Rounds {
        /// How many
        #[arg(long, default_value_t = 10)]
        rounds: usize,
        /// Decides what breaks when; printed, and drawn when absent
        #[arg(long)]
        seed: Option<u64>,
    },
    /// The failure table: every row, or those named
    Rows {
        /// Names of rows
        names: Vec<String>,
    },
    /// The counter-proofs: each row again, without the rule that it guards
    Switches {
        /// Names of rows or rules, or `row:rule`
        names: Vec<String>,
    },
    /// The short run: the laboratory's own checks, two rounds, and the rows marked as short
    Short,
    /// Print the failure table: rows, rules, and what shows them
    Table,
    /// Answer bytes on a host of the selftest
    #[command(hide = true)]
    Echo {
        /// Where
        address: SocketAddr,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Echo { address } = cli.command {
        return ended(selftest::echo(address));
    }
    if !enter::is_inside() {
        if let Some(why) = enter::refusal() {
            println!("skipped: {why}");
            return ExitCode::from(SKIPPED);
        }
        return ended(enter::enter().map(|never| match never {}));
    }
    ended(run(cli.command))
}

#[tokio::main]
async fn run(command: Command) -> Result<()> {
    match command {
        Command::Selftest => selftest::run().await,
        Command::Rounds { rounds, seed } => play(rounds, seed.unwrap_or_else(rand::random)).await,
        Command::Rows { names } => rows::play(&names).await,
        Command::Switches { names } => rows::play_without(&names).await,
        Command::Short => {
            selftest::run().await?;
            play(SHORT_ROUNDS, rand::random()).await?;
            rows::play_short().await
        }
        Command::Table => {
            rows::print_table();
            Ok(())
        }
        Command::Echo { address } => selftest::echo(address),
    }
}

async fn play(count: usize, seed: u64) -> Result<()> {
    println!("{count} rounds with seed {seed}");
    let report = rounds::run(count, seed).await?;
    let mut times = report.recoveries;
    times.sort_unstable();
    if let (Some(half), Some(most)) = (times.get(times.len() / 2), times.last()) {
        println!(
            "all sessions worked again after p50 {:.2} s, at most {:.2} s",
            half.as_secs_f64(),
            most.as_secs_f64()
        );
    }
    for complaint in &report.complaints {
        println!("COMPLAINT: {complaint}");
    }
    ensure!(
        report.complaints.is_empty(),
        "the judges complain; seed {seed}"
    );
    println!("{} rounds passed; seed {seed}", report.lines.len());
    Ok(())
}

fn ended(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
