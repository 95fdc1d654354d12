//! House rules as checks: what a reviewer should not have to look for.

mod edges;
mod licences;
mod sources;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::steps::root;

/// Checks every rule, or writes the snapshots anew.
pub(crate) fn run(write: bool) -> Result<()> {
    let mut broken = Vec::new();
    compare("xtask/edges.txt", &edges::found()?, write, &mut broken)?;
    compare(
        "xtask/long-files.txt",
        &sources::long_files()?,
        write,
        &mut broken,
    )?;
    broken.extend(sources::broken_rules()?);
    broken.extend(licences::not_allowed()?);
    if broken.is_empty() {
        println!("tidy: every rule holds");
        return Ok(());
    }
    for line in &broken {
        eprintln!("tidy: {line}");
    }
    bail!("{} house rules are broken", broken.len())
}

/// Compares a snapshot with what is there now. Snapshots are reviewed like code.
fn compare(path: &str, found: &str, write: bool, broken: &mut Vec<String>) -> Result<()> {
    let file = root().join(path);
    if write {
        return fs::write(&file, found).with_context(|| format!("write {path}"));
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    for line in found
        .lines()
        .filter(|line| !kept.lines().any(|k| k == *line))
    {
        broken.push(format!(
            "{path}: new: {line} (justify it, then `cargo xtask tidy --write`)"
        ));
    }
    for line in kept
        .lines()
        .filter(|line| !found.lines().any(|f| f == *line))
    {
        broken.push(format!(
            "{path}: gone: {line} (run `cargo xtask tidy --write`)"
        ));
    }
    Ok(())
}
