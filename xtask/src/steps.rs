//! What `cargo xtask test` runs, in order. CI runs exactly this.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{chaos, coverage, demo, hostile, nats, schemathesis, tidy};

/// A named step.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        run: || cargo(&["fmt", "--all", "--check"]),
    },
    Step {
        name: "tidy",
        run: || tidy::run(false),
    },
    Step {
        name: "lint",
        run: lint,
    },
    Step {
        name: "deny",
        run: deny,
    },
    Step {
        name: "build",
        run: build,
    },
    Step {
        name: "coverage",
        run: coverage::check,
    },
    Step {
        name: "test",
        run: tests,
    },
    Step {
        name: "chaos",
        run: chaos::short,
    },
    Step {
        name: "schemathesis",
        run: schemathesis::short,
    },
    Step {
        name: "hostile",
        run: hostile::short,
    },
    Step {
        name: "doc",
        run: doc,
    },
    Step {
        name: "demo",
        run: || demo::run(true),
    },
];

/// Runs the steps, all or those named.
pub(crate) fn test(only: &[String]) -> Result<()> {
    for name in only {
        if !STEPS.iter().any(|step| step.name == name) {
            let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            bail!("there is no step {name}; there are {}", known.join(", "));
        }
    }
    let chosen = STEPS
        .iter()
        .filter(|step| only.is_empty() || only.iter().any(|name| name == step.name));
    let mut times = Vec::new();
    for step in chosen {
        println!("\n== {} ==", step.name);
        let start = now();
        (step.run)().with_context(|| format!("step {}", step.name))?;
        times.push((step.name, start.elapsed().as_secs()));
    }
    println!("\nevery step passed");
    for (name, secs) in times {
        println!("{secs:6} s  {name}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a build tool may read the clock")]
fn now() -> Instant {
    Instant::now()
}

fn lint() -> Result<()> {
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])
}

/// cargo-deny, where the machine has it; `tidy` checks the licences everywhere.
fn deny() -> Result<()> {
    if !succeeds(Command::new("cargo").args(["deny", "--version"])) {
        println!("cargo-deny is not installed: skipped (tidy has checked the licences)");
        return Ok(());
    }
    cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"])
}

fn build() -> Result<()> {
    cargo(&["build", "--workspace", "--bins", "--locked"])
}

/// Every test of the workspace in one selection: a smaller one would resolve other features and compile everything again.
fn tests() -> Result<()> {
    let nats = nats::server().context("find or install nats-server")?;
    // What the tests themselves say of it is not shown where they pass.
    if !succeeds(Command::new("node").arg("--version")) {
        println!("there is no node on this machine: the tests with Baileys are skipped");
    }
    let mut command = Command::new("cargo");
    command.env("SWITCHBOARD_NATS_SERVER", nats);
    if has_nextest() {
        command.args(["nextest", "run", "--locked", "--no-fail-fast"]);
    } else {
        command.args(["test", "--locked", "--no-fail-fast"]);
    }
    check(command.arg("--workspace").current_dir(root()))?;
    // nextest runs no documentation tests, and `cargo test` has run them already.
    if has_nextest() {
        cargo(&["test", "--workspace", "--doc", "--locked"])
    } else {
        Ok(())
    }
}

fn doc() -> Result<()> {
    let mut command = Command::new("cargo");
    command.env("RUSTDOCFLAGS", "-D warnings");
    check(
        command
            .args(["doc", "--workspace", "--no-deps", "--locked"])
            .current_dir(root()),
    )
}

fn has_nextest() -> bool {
    succeeds(Command::new("cargo").args(["nextest", "--version"]))
}

/// Whether a command runs and ends with success, its output unseen.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Runs cargo at the workspace root.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    check(Command::new("cargo").args(arguments).current_dir(root()))
}

/// Runs a command that must succeed.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// The workspace root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
