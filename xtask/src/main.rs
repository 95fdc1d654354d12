//! The workspace's own commands: `cargo xtask demo|test|chaos|schemathesis|hostile|witness|tidy|coverage`.

mod chaos;
mod coverage;
mod demo;
mod hostile;
mod nats;
mod schemathesis;
mod steps;
mod tidy;
mod witness;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Commands of the Switchboard workspace")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build everything, pair two numbers with the simulator through the public API and let them talk
    Demo {
        /// End after the demo; the exit code tells whether it worked
        #[arg(long)]
        once: bool,
    },
    /// Everything that is checked before a change lands
    Test {
        /// Only these steps, by name, comma-separated
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Faults under traffic: machines that die, stand still and are cut off, and judges that know what must hold
    Chaos(chaos::Chaos),
    /// The whapi dialect under generated requests; brings schemathesis by pip
    Schemathesis(schemathesis::Schemathesis),
    /// All five dialects under requests that were good before they were spoilt
    Hostile(hostile::Hostile),
    /// Other people's clients and tests against the simulator
    #[command(subcommand)]
    Witness(witness::Witness),
    /// House rules: dependency edges, file sizes, the catalog, licences
    Tidy {
        /// Write the snapshots instead of comparing with them
        #[arg(long)]
        write: bool,
    },
    /// Write docs/coverage.md from the route tables
    Coverage,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Demo { once } => demo::run(once),
        Command::Test { only } => steps::test(&only),
        Command::Chaos(chaos) => chaos::run(&chaos),
        Command::Schemathesis(wanted) => schemathesis::run(&wanted),
        Command::Hostile(wanted) => hostile::run(&wanted),
        Command::Witness(witness) => witness::run(&witness),
        Command::Tidy { write } => tidy::run(write),
        Command::Coverage => coverage::write(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
