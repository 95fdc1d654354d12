//! All five dialects under spoilt requests: makes the requests, builds the programs, hands over to the harness.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::demo::target_folder;
use crate::steps::{cargo, check, root};

/// The short run: some thousand requests in some seconds.
const SHORT: Hostile = Hostile { each: 20, seed: 1 };

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct Hostile {
    /// Ways to spoil each good request
    #[arg(long, default_value_t = 100)]
    each: u32,
    /// What decides how they are spoilt
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The short run of `cargo xtask test`.
pub(crate) fn short() -> Result<()> {
    run(&SHORT)
}

/// Builds the programs and sends the requests.
pub(crate) fn run(wanted: &Hostile) -> Result<()> {
    // The same selection as the test run's, so that nothing is compiled twice with other features.
    cargo(&["build", "--workspace", "--bins", "--locked"])?;
    cargo(&[
        "build",
        "--workspace",
        "--example",
        "hostile_requests",
        "--locked",
    ])?;
    let built = target_folder()?.join("debug");
    let made = Command::new(built.join("examples").join("hostile_requests"))
        .args([wanted.each.to_string(), wanted.seed.to_string()])
        .output()
        .context("start what makes the requests")?;
    ensure!(
        made.status.success(),
        "no requests were made: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let requests = built.join("hostile-requests.jsonl");
    std::fs::write(&requests, made.stdout).context("write the requests")?;
    let mut harness = Command::new(built.join("switchboard-hostile"));
    check(harness.arg("--requests").arg(&requests).current_dir(root()))
}
