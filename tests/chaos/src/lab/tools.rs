//! The system's own tools.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a tool that must succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    output(program, arguments).map(drop)
}

/// Runs a tool that must succeed; its standard output.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    feed_and_read(program, arguments, "")
}

/// Runs a tool that must succeed and reads this.
pub(crate) fn feed(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    feed_and_read(program, arguments, input).map(drop)
}

fn feed_and_read(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("run {program}"))?;
    let mut stdin = child.stdin.take().context("the tool's input")?;
    // Who does not read its input says why with its exit code.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}", arguments.join(" "), error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
