//! `cargo xtask chaos`: builds everything and hands over to the laboratory of faults.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::demo::target_folder;
use crate::nats;
use crate::steps::{cargo, root, succeeds};

/// The laboratory's exit code where this machine has none. Source: tests/chaos, which has it from automake.
const SKIPPED: i32 = 77;
/// What the laboratory runs, and the Debian package that has it.
const TOOLS: [(&str, &str); 4] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
];

/// What to play; random rounds when nothing is said.
#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// Random rounds, each with a kill -9
    #[arg(long)]
    rounds: Option<u32>,
    /// Decides what breaks when
    #[arg(long, requires = "rounds")]
    seed: Option<u64>,
    /// The failure table, or the rows named
    #[arg(long, num_args = 0.., value_name = "NAME")]
    rows: Option<Vec<String>>,
    /// The counter-proofs: rows without the rule that they guard, or those named
    #[arg(long, num_args = 0.., value_name = "NAME")]
    switches: Option<Vec<String>>,
    /// Print the table of rows and rules
    #[arg(long)]
    table: bool,
    /// Keep the files of failed worlds in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// Rounds when nothing is said.
const ROUNDS_DEFAULT: u32 = 10;

/// Runs what was asked for; a machine without a laboratory is an error here.
pub(crate) fn run(chaos: &Chaos) -> Result<()> {
    build()?;
    let mut runs: Vec<Vec<String>> = Vec::new();
    if chaos.table {
        runs.push(vec!["table".to_owned()]);
    }
    if let Some(names) = &chaos.rows {
        runs.push(with("rows", names));
    }
    if let Some(names) = &chaos.switches {
        runs.push(with("switches", names));
    }
    let rounds = chaos
        .rounds
        .or_else(|| runs.is_empty().then_some(ROUNDS_DEFAULT));
    if let Some(rounds) = rounds {
        let mut words = vec![
            "rounds".to_owned(),
            "--rounds".to_owned(),
            rounds.to_string(),
        ];
        words.extend(
            chaos
                .seed
                .iter()
                .flat_map(|seed| ["--seed".to_owned(), seed.to_string()]),
        );
        runs.push(words);
    }
    let mut failed = Vec::new();
    for words in runs {
        match start(&words, chaos.keep.as_deref())? {
            Some(0) => {}
            Some(SKIPPED) => bail!("there is no laboratory on this machine, see above"),
            _ => failed.push(words.join(" ")),
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("failed: {}", failed.join("; "))
    }
}

fn with(first: &str, names: &[String]) -> Vec<String> {
    let mut words = vec![first.to_owned()];
    words.extend_from_slice(names);
    words
}

/// The short run of `cargo xtask test`: where there is no laboratory, it says so and passes.
pub(crate) fn short() -> Result<()> {
    build()?;
    match start(&["short".to_owned()], None)? {
        Some(0 | SKIPPED) => Ok(()),
        _ => bail!("the short run of the laboratory failed"),
    }
}

fn build() -> Result<()> {
    // The same selection as the test run's, so that nothing is compiled twice with other features.
    cargo(&["build", "--workspace", "--bins", "--locked"])
}

fn start(words: &[String], keep: Option<&Path>) -> Result<Option<i32>> {
    install_tools();
    let nats = nats::server().context("find or install nats-server")?;
    let mut command = Command::new(target_folder()?.join("debug").join("switchboard-chaos"));
    command
        .args(words)
        .env("SWITCHBOARD_NATS_SERVER", nats)
        .current_dir(root());
    if let Some(keep) = keep {
        command.env("SWITCHBOARD_CHAOS_KEEP", std::path::absolute(keep)?);
    }
    let status = command.status().context("start the laboratory")?;
    Ok(status.code())
}

/// Installs what is missing where this user may; the laboratory itself says what it still misses.
fn install_tools() {
    let mut packages: Vec<_> = TOOLS
        .iter()
        .filter(|(tool, _)| !is_there(tool))
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    if packages.is_empty() {
        return;
    }
    println!("installing {}", packages.join(", "));
    let installed = succeeds(
        Command::new("apt-get")
            .args(["install", "-y", "-q"])
            .args(&packages),
    );
    if !installed {
        println!(
            "`apt-get install {}` did not work: install them as root",
            packages.join(" ")
        );
    }
}

/// Whether a program is on the PATH or where Debian keeps those of administrators.
fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(debian)
        .any(|folder| folder.join(tool).is_file())
}
