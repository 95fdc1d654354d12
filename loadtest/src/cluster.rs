//! What moves of sessions cost: a lost machine, a process that died, planned hand-overs, drains, and a node that joins.
//!
//! Plays a whole cluster: a real nats-server, the simulator, a router, three nodes under their parents. When a session has a
//! new owner is read from the owner records, when it is connected from the simulator's journal; both have the moments of one
//! machine's clock.

mod journal;
mod owners;
mod scenarios;
mod table;
mod traffic;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use switchboard_bus::test_server::TestServer;
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::{Extra, Stack};
use tempfile::TempDir;

use crate::sessions;
use owners::Owners;
use table::Table;

/// The nodes.
pub(crate) const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// Connects per second that are as good as no limit.
const UNPACED: u32 = 1_000;
/// The product's default, for the comparison.
const CONNECTS_DEFAULT: u32 = 20;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Hand-overs of single sessions under traffic
    Moves,
    /// A node's process dies, its parent lives
    Process,
    /// A node's process and its parent die
    Machine,
    /// A third node joins two that have everything
    Join,
    /// Drains of a node with its share, and of one with everything
    Drain,
    /// A lost machine once more, with the default pace of connects
    Paced,
}

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Paired sessions
    #[arg(long, default_value_t = 1_000)]
    sessions: usize,
    /// The nodes' lease, in seconds
    #[arg(long, default_value_t = 3)]
    lease: u64,
    /// Hand-overs of single sessions
    #[arg(long, default_value_t = 150)]
    moves: usize,
    /// Sends per second through the public API while they go on
    #[arg(long, default_value_t = 100)]
    sends_per_second: u32,
    /// Hand-overs that a drain begins per second; balance begins half of it
    #[arg(long, default_value_t = 20)]
    moves_per_second: u32,
    /// Show the last lines of every process at the end
    #[arg(long)]
    show_output: bool,
    /// Only these, in the order of the help; everything when absent
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(self.lease)
    }
}

/// A running cluster with its sessions.
struct World {
    stack: Stack,
    simulator: Simulator,
    owners: Owners,
    sessions: usize,
    /// Dropped last: the others stand on them.
    _nats: TestServer,
    _folder: TempDir,
}

impl World {
    async fn start(options: &Options, connects_per_second: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let nats = TestServer::start().await?;
        let simulator = Simulator::start(folder.path(), 7).await?;
        let set = |key: &str, value: String| (format!("SWITCHBOARD_{key}"), value);
        let extra = Extra {
            everywhere: vec![
                set("CLUSTER__LEASE", format!("{}s", options.lease)),
                set(
                    "CLUSTER__MOVES_PER_SECOND",
                    options.moves_per_second.to_string(),
                ),
                set("STORE__DURABILITY", "replicated".to_owned()),
                set(
                    "WHATSAPP__CONNECTS_PER_SECOND",
                    connects_per_second.to_string(),
                ),
            ],
            node_words: vec!["--supervised".to_owned()],
            ..Extra::default()
        };
        let stack = Stack::cluster_with(&simulator, &nats.url(), &NODES, None, extra).await?;
        let owners = Owners::watch(&nats.url()).await?;
        let world = Self {
            stack,
            simulator,
            owners,
            sessions: options.sessions,
            _nats: nats,
            _folder: folder,
        };
        let begun = std::time::Instant::now();
        let paired = sessions::pair_many(&world.stack, &world.simulator, options.sessions).await;
        world.explain(paired)?;
        println!(
            "paired {} sessions in {:.1} s: {:?}",
            options.sessions,
            begun.elapsed().as_secs_f64(),
            world.owners.holdings()
        );
        Ok(world)
    }

    /// Adds what the processes said last.
    fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.with_context(|| {
            format!(
                "holdings: {:?}\n{}{}",
                self.owners.holdings(),
                self.stack.output(),
                self.simulator.program.output()
            )
        })
    }
}

/// Now, as the simulator's journal counts: milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let mut table = Table::default();
    let result = measure(options, &mut table).await;
    // What was measured is shown, also when a later part failed.
    describe(options);
    table.print();
    result
}

async fn measure(options: &Options, table: &mut Table) -> Result<()> {
    let first = [
        Part::Moves,
        Part::Process,
        Part::Machine,
        Part::Join,
        Part::Drain,
    ];
    if first.into_iter().any(|part| options.wants(part)) {
        let mut world = World::start(options, UNPACED).await?;
        let measured = unpaced(options, &mut world, table).await;
        world.explain(measured)?;
        if options.show_output {
            println!("{}", world.stack.output());
        }
    }
    if options.wants(Part::Paced) {
        let mut world = World::start(options, CONNECTS_DEFAULT).await?;
        let name = format!("machine lost, {CONNECTS_DEFAULT} connects/s per node");
        let measured = scenarios::machine(&mut world, options.lease(), &name, table).await;
        world.explain(measured)?;
    }
    Ok(())
}

/// One after the other on one cluster: what one part leaves is what the next begins with.
async fn unpaced(options: &Options, world: &mut World, table: &mut Table) -> Result<()> {
    if options.wants(Part::Moves) {
        let rate = options.sends_per_second;
        scenarios::moves(world, options.moves, rate, table).await?;
    }
    if options.wants(Part::Process) {
        scenarios::process(world, table).await?;
    }
    if options.wants(Part::Machine) || options.wants(Part::Join) {
        scenarios::machine(world, options.lease(), "machine lost", table).await?;
        scenarios::join(world, options.lease(), table).await?;
    }
    if options.wants(Part::Drain) {
        scenarios::drains(world, table).await?;
    }
    Ok(())
}

fn describe(options: &Options) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let build = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    println!(
        "\n`cargo run -p switchboard-loadtest -- {}` ({build})\n\n{} sessions on {} supervised nodes, lease {} s, keys on disk and in the \
         replicated log of one nats-server, 812 prekeys each, {} hand-overs/s per node for drains (half for balance); {UNPACED} \
         connects/s per node where nothing else is said (the default is {CONNECTS_DEFAULT}). Everything on one machine.\n",
        words.join(" "),
        options.sessions,
        NODES.len(),
        options.lease,
        options.moves_per_second,
    );
}
