//! Rules about source text.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::steps::root;

/// A file longer than this asks for a split. The list of those that are may only shrink.
const LINES_MAX: usize = 500;
/// Module names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 4] = ["utils", "common", "helpers", "manager"];

/// The Rust files git knows, with their text.
fn files() -> Result<Vec<(String, String)>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.rs",
        ])
        .current_dir(root())
        .output()
        .context("ask git for the files")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    }
    let names = String::from_utf8(output.stdout)?;
    let present = names.lines().filter(|name| root().join(name).is_file());
    present
        .map(|name| Ok((name.to_owned(), fs::read_to_string(root().join(name))?)))
        .collect()
}

/// The files over [`LINES_MAX`], one per line. Lengths are left out, so that only entering and leaving the list shows.
pub(super) fn long_files() -> Result<String> {
    let mut text = String::new();
    for (name, source) in files()? {
        if source.lines().count() > LINES_MAX {
            writeln!(text, "{name}")?;
        }
    }
    Ok(text)
}

/// Everything else.
pub(super) fn broken_rules() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for (name, source) in files()? {
        let stem = Path::new(&name)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if EMPTY_NAMES.contains(&stem) {
            broken.push(format!(
                "{name}: the name says nothing about what is inside"
            ));
        }
        if name.starts_with("shared/vocab/src")
            && (source.contains("serde_json::Value") || source.contains("json!("))
        {
            broken.push(format!("{name}: untyped json in the vocabulary"));
        }
        let marker = ["TO", "DO"].concat();
        for (at, line) in source.lines().enumerate() {
            if line.contains(&marker) && !line.contains(&format!("{marker}(#")) {
                broken.push(format!("{name}:{}: {marker} without an id", at + 1));
            }
        }
        if name == "shared/vocab/src/catalog.rs" {
            broken.extend(unsorted(&name, &source));
        }
    }
    Ok(broken)
}

/// Each list of the catalog must be sorted, one operation a line.
fn unsorted(name: &str, source: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut before: Option<&str> = None;
    for line in source.lines().map(str::trim) {
        if !line.starts_with("$crate::") {
            before = None;
            continue;
        }
        if before.is_some_and(|before| before >= line) {
            broken.push(format!("{name}: {line} is out of order"));
        }
        before = Some(line);
    }
    broken
}
