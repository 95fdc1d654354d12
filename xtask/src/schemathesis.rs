//! The whapi dialect under generated requests: brings the tool, builds the programs, hands over to the harness.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::demo::target_folder;
use crate::steps::{cargo, check, root};

/// The release of schemathesis that the run is written for.
const VERSION: &str = "4.32.5";

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Schemathesis {
    /// Most generated requests per operation and phase
    #[arg(long, default_value_t = 20)]
    examples: u32,
    /// What decides the requests
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A schemathesis program that is there already; without one it is installed below the target folder
    #[arg(long)]
    program: Option<PathBuf>,
    /// Words for schemathesis itself, e.g. `--include-path /chats`
    #[arg(last = true)]
    words: Vec<String>,
}

/// Builds the programs and runs schemathesis against them.
pub(crate) fn run(wanted: &Schemathesis) -> Result<()> {
    // The same selection as the test run's, so that nothing is compiled twice with other features.
    cargo(&["build", "--workspace", "--bins", "--locked"])?;
    let target = target_folder()?;
    let program = match &wanted.program {
        Some(program) => program.clone(),
        None => installed(&target.join("schemathesis"))?,
    };
    let mut harness = Command::new(target.join("debug").join("switchboard-schemathesis"));
    harness
        .arg("--program")
        .arg(program)
        .args(["--examples", &wanted.examples.to_string()])
        .args(["--seed", &wanted.seed.to_string()])
        .arg("--")
        .args(&wanted.words);
    check(harness.current_dir(root()))
}

/// The program in a Python environment of its own, which is made when it is not there in this version.
fn installed(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("bin").join("st");
    let stamp = folder.join("switchboard-version");
    if std::fs::read_to_string(&stamp).is_ok_and(|version| version == VERSION) {
        return Ok(program);
    }
    check(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    check(Command::new(folder.join("bin").join("python")).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        &format!("schemathesis=={VERSION}"),
    ]))?;
    std::fs::write(stamp, VERSION)?;
    Ok(program)
}
