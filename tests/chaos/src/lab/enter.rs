//! Going into namespaces of our own: the program starts itself again under `unshare`, so that it needs no root, disturbs nobody,
//! and leaves nothing behind even when it is killed.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Set inside, to this value.
const MARK: &str = "SWITCHBOARD_CHAOS_INSIDE";
/// Where the laboratory keeps its files: a tmpfs that only this mount namespace sees.
pub const FOLDER: &str = "/run/switchboard-chaos";
/// Room of that tmpfs: a limit, not a reservation.
const FOLDER_SIZE: &str = "4g";

/// What is tried before anything is promised: every tool and right that the laboratory uses.
const PROBE: &str = "set -e
mkdir /run/netns
ip netns add probe
ip link add probe0 type veth peer name eth0 netns probe
ip link add name probe1 type bridge
nsenter --net=/run/netns/probe nft add table inet probe
nsenter --net=/run/netns/probe nft 'add chain inet probe in { type filter hook input priority 0; }'
nsenter --net=/run/netns/probe nft add rule inet probe in numgen random mod 100 '<' 1 drop
nsenter --net=/run/netns/probe unshare --mount true";

/// The first lines of everything that runs inside. Its shell is process 1 there and reaps whoever lost its parent.
const PROLOGUE: &str = "mount -t tmpfs -o size=\"$1\",mode=0755 tmpfs /run || exit 1; shift";

/// Whether this process is in its own namespaces already.
#[must_use]
pub fn is_inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Why there can be no laboratory on this machine, if there cannot.
#[must_use]
pub fn refusal() -> Option<String> {
    let mut reasons = Vec::new();
    for flags in ways() {
        match probe(flags) {
            Ok(()) => return None,
            Err(why) => reasons.push(format!("unshare {}: {why:#}", flags.join(" "))),
        }
    }
    Some(format!(
        "this machine gives no network namespaces to this user (needed: unshare and nsenter of util-linux, ip of iproute2, nft of \
         nftables, and user namespaces or root): {}",
        reasons.join("; ")
    ))
}

/// Replaces this process by the same program, with the same arguments, inside its own namespaces.
///
/// # Errors
/// When no way in works.
pub fn enter() -> Result<Infallible> {
    let flags = ways().iter().find(|flags| probe(flags).is_ok());
    let flags = flags.with_context(|| refusal().unwrap_or_default())?;
    let own = std::env::current_exe().context("find the running program")?;
    let mut command = inside(flags, &format!("{PROLOGUE}; \"$@\"; exit $?"));
    command
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(MARK, "1");
    Err(command.exec()).context("start this program again inside namespaces")
}

/// As an ordinary user where the kernel lets us, else as root.
fn ways() -> &'static [&'static [&'static str]] {
    &[
        &["--user", "--map-root-user", "--net", "--mount", "--pid"],
        &["--net", "--mount", "--pid"],
    ]
}

fn probe(flags: &[&str]) -> Result<()> {
    let mut command = inside(flags, &format!("{PROLOGUE}; {PROBE}"));
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("run unshare")?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    anyhow::bail!("{}", text.trim().replace('\n', ", "))
}

fn inside(flags: &[&str], script: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(flags)
        .args(["--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", script, "sh", FOLDER_SIZE])
        .env("PATH", path());
    command
}

/// The PATH with the folders in which Debian keeps `ip` and `nft`, which ordinary users do not have on theirs.
fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(OsStr::new(":/usr/sbin:/sbin"));
    path
}
