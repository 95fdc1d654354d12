//! Other people's words on the simulator: the end-to-end suite of the client library, and Baileys.

mod passage;
mod suite;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Subcommand;

use crate::nats;
use crate::steps::{cargo, check, root};

/// Who is to speak.
#[derive(Debug, Subcommand)]
pub(crate) enum Witness {
    /// The public end-to-end suite of the client library, which is no part of this repository
    E2eSuite {
        /// A checkout of the library at the tag that tests/witness/e2e-suite.toml names
        #[arg(long)]
        suite: PathBuf,
        /// Where cargo builds the suite, if not in its own folder
        #[arg(long)]
        target: Option<PathBuf>,
        /// The toolchain that builds it; the library asks for a nightly one
        #[arg(long, default_value = "nightly")]
        toolchain: String,
        /// Only these test programs, comma-separated
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Baileys against a phone of the simulator and against a session; needs Node
    Baileys,
}

/// Runs one.
pub(crate) fn run(witness: &Witness) -> Result<()> {
    match witness {
        Witness::E2eSuite {
            suite,
            target,
            toolchain,
            only,
        } => suite::run(suite, target.as_deref(), toolchain, only),
        Witness::Baileys => baileys(),
    }
}

fn baileys() -> Result<()> {
    let nats = nats::server()?;
    cargo(&["build", "--workspace", "--bins", "--locked"])?;
    let mut command = Command::new("cargo");
    command
        .env("SWITCHBOARD_NATS_SERVER", nats)
        .args(["test", "--locked", "-p", "switchboard-e2e"])
        .args(["--test", "baileys", "--", "--nocapture"]);
    check(command.current_dir(root()))
}
