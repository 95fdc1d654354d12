//! docs/coverage.md: which operation of which foreign API is offered, and why the others are not.

use anyhow::Result;

use crate::steps::cargo;

const PROGRAM: [&str; 6] = [
    "run",
    "--quiet",
    "--locked",
    "--package",
    "switchboard-conformance",
    "--bin",
];

/// Writes the table.
pub(crate) fn write() -> Result<()> {
    run(&["coverage"])
}

/// Fails when the checked-in table is not what the route tables say.
pub(crate) fn check() -> Result<()> {
    run(&["coverage", "--", "--check"])
}

fn run(rest: &[&str]) -> Result<()> {
    cargo(&[&PROGRAM[..], rest].concat())
}
