//! The whapi dialect under generated requests: brings the tool, builds the programs, hands over to the harness.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::demo::target_folder;
use crate::steps::{cargo, check, root, succeeds};

/// The release of schemathesis that the run is written for, with all that it needs: what it calls follows from the seed
/// only where these are the same.
const PACKAGES: &str = "tests/conformance/schemathesis.txt";
/// The short run: enough to call every operation in all the ways that its schemas allow, in some seconds.
const SHORT: Schemathesis = Schemathesis {
    examples: 4,
    seed: 1,
    program: None,
    words: Vec::new(),
};

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

/// The short run of `cargo xtask test`: where there is no Python to run the tool, it says so and passes.
pub(crate) fn short() -> Result<()> {
    if !succeeds(Command::new("python3").arg("--version")) {
        println!(
            "skipped: there is no python3 on this machine, and schemathesis runs in nothing else"
        );
        return Ok(());
    }
    run(&SHORT)
}

/// The program in a Python environment of its own, which is made anew when other packages are wanted.
fn installed(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("bin").join("st");
    let stamp = folder.join("switchboard-packages");
    let list = root().join(PACKAGES);
    let wanted = std::fs::read(&list).with_context(|| format!("read {PACKAGES}"))?;
    if std::fs::read(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(program);
    }
    println!("installing schemathesis into {}", folder.display());
    let environment = ["-m", "venv", "--clear"];
    check(Command::new("python3").args(environment).arg(folder))
        .context("make a Python environment (Debian: python3-venv)")?;
    let python = folder.join("bin").join("python");
    let install = ["-m", "pip", "install", "--quiet", "-r"];
    check(Command::new(python).args(install).arg(&list))
        .context("install schemathesis from PyPI")?;
    std::fs::write(stamp, wanted).context("note what was installed")?;
    Ok(program)
}
