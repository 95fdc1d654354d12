//! The demo: builds what it needs, then hands over to the harness.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

use crate::steps::{cargo, check, root};

/// Builds the programs and runs the demo.
pub(crate) fn run(once: bool) -> Result<()> {
    // The same selection as the test run's, so that nothing is compiled twice with other features.
    cargo(&["build", "--workspace", "--bins", "--locked"])?;
    let mut demo = Command::new(target_folder()?.join("debug").join("switchboard-demo"));
    if once {
        demo.arg("--once");
    }
    check(demo.current_dir(root()))
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .context("read cargo metadata")?;
    Ok(metadata.target_directory.into())
}
