//! The public end-to-end suite of the client library: built where its checkout is, run against a simulator, and compared
//! with the list of tests that are known to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::passage;
use crate::steps::{cargo, root};

/// The name of the suite's package.
const PACKAGE: &str = "e2e-tests";
/// How the simulator plays the server that the suite was written for: it links clients by itself, its phones are switched
/// off, and it knows nothing of LIDs, over which clients of that version lose their sessions.
const AS_THE_SUITE_EXPECTS: [&str; 4] =
    ["--tls", "--pair-unseen", "--deaf-phones", "--before-lids"];
/// Tests of one program that run at a time: they wait more than they work.
const THREADS: &str = "8";

#[derive(Debug, Deserialize)]
struct Expected {
    tag: String,
    #[serde(default)]
    failure: Vec<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    test: String,
    reason: String,
}

/// A simulator that ends with the command.
struct Simulator {
    child: Child,
    address: SocketAddr,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It has nothing to lose; an error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn run(
    suite: &Path,
    target: Option<&Path>,
    toolchain: &str,
    only: &[String],
) -> Result<()> {
    let expected = expected()?;
    ensure!(
        suite.join("tests/e2e/Cargo.toml").is_file(),
        "{} is no checkout of the client library with its tests/e2e; fetch tag {} of github.com/oxidezap/whatsapp-rust",
        suite.display(),
        expected.tag
    );
    cargo(&["build", "-p", "switchboard-simulator", "--locked"])?;
    let mut programs = build(suite, target, toolchain)?;
    if !only.is_empty() {
        programs.retain(|name, _| only.contains(name));
    }
    ensure!(!programs.is_empty(), "the suite has none of these programs");
    let simulator = start()?;
    let proxy = passage::open(simulator.address)?;
    let mut outcomes = BTreeMap::new();
    for (name, program) in &programs {
        println!("\n-- {name}");
        let ran = tests_of(program, simulator.address, proxy)?;
        ensure!(!ran.is_empty(), "{name} told of no test");
        for (test, passed) in ran {
            println!("{} {test}", if passed { "ok    " } else { "FAILED" });
            outcomes.insert(format!("{name}::{test}"), passed);
        }
    }
    judge(&outcomes, &expected)
}

fn expected() -> Result<Expected> {
    let path = root().join("tests/witness/e2e-suite.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path:?}"))?;
    toml::from_str(&text).with_context(|| format!("read {path:?}"))
}

/// Builds the suite's programs and returns them by name.
fn build(
    suite: &Path,
    target: Option<&Path>,
    toolchain: &str,
) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = Command::new("cargo");
    command
        .arg(format!("+{toolchain}"))
        .args(["test", "-p", PACKAGE, "--tests", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(suite)
        .stderr(Stdio::inherit());
    // What this command was started with is for our own workspace.
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO");
    if let Some(target) = target {
        command.env("CARGO_TARGET_DIR", target);
    }
    let output = command.output().context("build the suite")?;
    ensure!(output.status.success(), "the suite does not build");
    let mut programs = BTreeMap::new();
    for message in cargo_metadata::Message::parse_stream(output.stdout.as_slice()) {
        if let cargo_metadata::Message::CompilerArtifact(artifact) = message?
            && let Some(program) = artifact.executable
            && artifact.target.is_test()
        {
            programs.insert(artifact.target.name, program.into_std_path_buf());
        }
    }
    Ok(programs)
}

fn start() -> Result<Simulator> {
    let program = target_folder()?.join("debug/switchboard-simulator");
    let mut child = Command::new(program)
        .args(["--listen", "127.0.0.1:0"])
        .args(AS_THE_SUITE_EXPECTS)
        .stdout(Stdio::piped())
        .spawn()
        .context("start the simulator")?;
    let stdout = child.stdout.take().context("the simulator's output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening on http://");
    let address = address.with_context(|| format!("the simulator said {line:?}"))?;
    Ok(Simulator {
        address: address.parse()?,
        child,
    })
}

fn target_folder() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .no_deps()
        .current_dir(root())
        .exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Runs one program and returns its tests, each with whether it passed.
fn tests_of(
    program: &Path,
    simulator: SocketAddr,
    proxy: SocketAddr,
) -> Result<Vec<(String, bool)>> {
    let output = Command::new(program)
        .args(["--test-threads", THREADS])
        .env("MOCK_SERVER_URL", format!("wss://{simulator}/ws/chat"))
        .env("HTTPS_PROXY", format!("http://{proxy}"))
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("RUST_LOG", "error")
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("run {}", program.display()))?;
    let tests = BufReader::new(output.stdout.as_slice())
        .lines()
        .map_while(std::result::Result::ok)
        .filter_map(|line| {
            let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
            Some((name.to_owned(), outcome.trim() == "ok"))
        });
    Ok(tests.collect())
}

/// Fails when a test failed that is not on the list, or passed although it is.
fn judge(outcomes: &BTreeMap<String, bool>, expected: &Expected) -> Result<()> {
    let passed = outcomes.values().filter(|passed| **passed).count();
    println!("\n{passed} of {} tests passed", outcomes.len());
    let known: BTreeSet<&str> = expected.failure.iter().map(|f| f.test.as_str()).collect();
    for failure in &expected.failure {
        if outcomes.get(&failure.test) == Some(&false) {
            println!("failed as expected: {}: {}", failure.test, failure.reason);
        }
    }
    let surprising = |passed: bool| {
        let tests = outcomes.iter();
        let tests =
            tests.filter(|(test, p)| **p == passed && known.contains(test.as_str()) == passed);
        tests.map(|(test, _)| test.as_str()).collect::<Vec<_>>()
    };
    let (failed, better) = (surprising(false), surprising(true));
    if !failed.is_empty() {
        bail!("failed and should not: {}", failed.join(", "));
    }
    if !better.is_empty() {
        bail!(
            "passed; take off the list of expected failures: {}",
            better.join(", ")
        );
    }
    Ok(())
}
