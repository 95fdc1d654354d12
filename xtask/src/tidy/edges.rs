//! Who may depend on whom: the edges between the workspace's own crates, as a snapshot.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::steps::root;

/// One line per edge: `from -> to`, with `(dev)` for test-only edges.
pub(super) fn found() -> Result<String> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .context("read cargo metadata")?;
    let own: BTreeSet<String> = metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let mut edges = BTreeSet::new();
    for package in &metadata.packages {
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| own.contains(&d.name))
        {
            let kind = if dependency.kind == DependencyKind::Development {
                " (dev)"
            } else {
                ""
            };
            edges.insert(format!("{} -> {}{kind}", package.name, dependency.name));
        }
    }
    let mut text = String::new();
    for edge in edges {
        writeln!(text, "{edge}")?;
    }
    Ok(text)
}
