//! Benchmarks of the product beside the bare client library, in one run on one machine: `switchboard-loadtest <what>`.
//!
//! Figures are for reading and comparing within one run; nothing here passes or fails on time.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads clocks")]
#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value gives null, it never panics"
)]

mod bare;
mod cluster;
mod hop;
mod idle;
mod pairing;
mod process;
mod sessions;
mod throughput;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Benchmarks of Switchboard beside the bare client library")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Memory and processor time of idle connected sessions: a node process beside a process of bare clients
    Idle {
        /// Sessions on each side
        #[arg(long, default_value_t = 2_000)]
        sessions: usize,
        /// How long both sides are watched, in seconds
        #[arg(long, default_value_t = 20)]
        watch: u64,
    },
    /// What the hop from router to node adds to a call, over a real nats-server
    Hop {
        /// Calls under way at once
        #[arg(long, default_value_t = 16)]
        connections: usize,
        /// Calls of each kind
        #[arg(long, default_value_t = 20_000)]
        calls: usize,
    },
    /// How long pairing takes, from the scan to a connected session, beside the bare library
    Pairing {
        /// Pairings, one after the other
        #[arg(long, default_value_t = 50)]
        rounds: usize,
    },
    /// How long sessions are away when nodes die, hand over, drain or join, in a whole cluster over a real nats-server
    Cluster(cluster::Options),
    /// Messages per second, sent and received: a node process with its stores beside a process of bare clients
    Throughput(throughput::Options),
    /// A process of bare clients that send when told to, and say what they receive
    #[command(hide = true)]
    BareTraffic {
        /// The simulator's address
        #[arg(long)]
        simulator: String,
        /// Clients
        #[arg(long)]
        sessions: usize,
        /// Conversations of each client
        #[arg(long)]
        conversations: usize,
        /// What the clients keep
        #[arg(long)]
        store: bare::Store,
        /// The folder of the store's files
        #[arg(long)]
        folder: std::path::PathBuf,
    },
    /// A process of bare clients: pairs them, says "ready", and stays until its input ends
    #[command(hide = true)]
    Bare {
        /// The simulator's address
        #[arg(long)]
        simulator: String,
        /// Clients
        #[arg(long)]
        sessions: usize,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().what {
        What::Idle { sessions, watch } => {
            idle::run(sessions, std::time::Duration::from_secs(watch)).await
        }
        What::Hop { connections, calls } => hop::run(connections, calls).await,
        What::Pairing { rounds } => pairing::run(rounds).await,
        What::Throughput(options) => throughput::run(&options).await,
        What::BareTraffic {
            simulator,
            sessions,
            conversations,
            store,
            folder,
        } => {
            let target = bare::Target::of(&simulator, store, folder).await?;
            throughput::bare_traffic(&target, sessions, conversations).await
        }
        What::Cluster(options) => cluster::run(&options).await,
        What::Bare {
            simulator,
            sessions,
        } => bare::run(&simulator, sessions).await,
    }
}
