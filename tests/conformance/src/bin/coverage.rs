//! Writes docs/coverage.md, or with `--check` compares it.

use std::path::Path;

use anyhow::{Context, Result, ensure};

fn main() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coverage.md");
    let text = switchboard_conformance::document();
    if std::env::args().any(|argument| argument == "--check") {
        let kept = std::fs::read_to_string(&path).context("read docs/coverage.md")?;
        ensure!(
            kept == text,
            "docs/coverage.md is not what the tables say: run `cargo xtask coverage`"
        );
        return Ok(());
    }
    std::fs::write(&path, text).context("write docs/coverage.md")
}
