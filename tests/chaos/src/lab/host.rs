//! One machine of the laboratory: a network namespace with one address, a boot id of its own, and, if asked for, clocks of its own.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use tokio::process::Command;

use super::tools;

/// The last thing before the program: gives the host's processes a boot id of their own.
const WITH_BOOT_ID: &str = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";

/// A machine. Clones are the same machine; the last one gone removes it.
#[derive(Debug, Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    address: Ipv4Addr,
    folder: PathBuf,
    /// How much later this host's boot-time clock shows, in nanoseconds.
    clock_ahead_ns: i64,
    /// Holds the time namespace.
    clock_holder: Mutex<Option<std::process::Child>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for pid in pids_in(&self.name) {
            // Ended by itself a moment ago, at worst.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        let holder = self.clock_holder.get_mut();
        if let Some(holder) = holder.unwrap_or_else(PoisonError::into_inner) {
            let _ = holder.kill();
            let _ = holder.wait();
        }
        // The veth pair goes with the namespace; all of it goes with the program in any case.
        let _ = tools::run("ip", &["netns", "del", &self.name]);
        let _ = tools::run("ip", &["link", "del", &link_of(self.address)]);
    }
}

/// The hub's end of a host's cable.
fn link_of(address: Ipv4Addr) -> String {
    format!("lab{}", address.octets()[3])
}

impl Host {
    /// Plugs a new machine into the hub's bridge.
    ///
    /// # Errors
    /// When a tool refuses.
    pub(super) fn add(name: &str, address: Ipv4Addr, bridge: &str, folder: &Path) -> Result<Self> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let boot = format!(
            "{:08x}-0000-4000-8000-{:012x}\n",
            u32::from(address),
            rand::random::<u32>()
        );
        fs::write(folder.join("boot_id"), boot).context("write a boot id")?;
        let link = link_of(address);
        tools::run("ip", &["netns", "add", name])?;
        let host = Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                address,
                folder,
                clock_ahead_ns: 0,
                clock_holder: Mutex::new(None),
            }),
        };
        tools::run(
            "ip",
            &[
                "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", name,
            ],
        )?;
        tools::run("ip", &["link", "set", &link, "master", bridge, "up"])?;
        let cidr = format!("{address}/24");
        tools::run("ip", &["-n", name, "addr", "add", &cidr, "dev", "eth0"])?;
        tools::run("ip", &["-n", name, "link", "set", "eth0", "up"])?;
        tools::run("ip", &["-n", name, "link", "set", "lo", "up"])?;
        Ok(host)
    }

    /// Gives the host's later processes monotonic and boot-time clocks that show this many seconds more than everybody else's: a
    /// machine that was started at another moment.
    ///
    /// # Errors
    /// When the kernel has no time namespaces, or the host is in use already.
    pub fn set_clock_ahead(&mut self, seconds: u32) -> Result<()> {
        let inner = Arc::get_mut(&mut self.inner).context("the host is in use already")?;
        let text = seconds.to_string();
        let holder = std::process::Command::new("unshare")
            .args([
                "--time",
                "--boottime",
                &text,
                "--monotonic",
                &text,
                "--fork",
            ])
            .args(["sh", "-c", "echo ready; exec sleep infinity"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut holder = holder.context("start the holder of a time namespace")?;
        let mut line = String::new();
        let out = holder.stdout.take().context("the holder's output")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line)?;
        let pid = holder.id();
        *inner
            .clock_holder
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner) = Some(holder);
        if line.trim() != "ready" {
            bail!(
                "set the clocks of {}: the kernel gives no time namespace",
                inner.name
            );
        }
        inner.clock_ahead_ns = i64::from(seconds) * 1_000_000_000;
        fs::write(
            inner.folder.join("clock"),
            format!("/proc/{pid}/ns/time_for_children"),
        )?;
        Ok(())
    }

    /// How much later this host's boot-time clock shows than the laboratory's, in nanoseconds.
    #[must_use]
    pub fn clock_ahead_ns(&self) -> i64 {
        self.inner.clock_ahead_ns
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.inner.address
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// A command that does on this host what the given one would do here. The process keeps its id through all the wrapping.
    #[must_use]
    pub fn command(&self, command: &Command) -> Command {
        let plain = command.as_std();
        let mut wrapped = Command::new("nsenter");
        wrapped.arg(format!("--net=/run/netns/{}", self.inner.name));
        if let Ok(clock) = fs::read_to_string(self.inner.folder.join("clock")) {
            wrapped.arg(format!("--time={clock}"));
        }
        wrapped.args(["--", "unshare", "--mount", "sh", "-c", WITH_BOOT_ID]);
        wrapped.arg(self.inner.folder.join("boot_id"));
        wrapped.arg(plain.get_program()).args(plain.get_args());
        for (key, value) in plain.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        if let Some(folder) = plain.get_current_dir() {
            wrapped.current_dir(folder);
        }
        wrapped
    }

    /// Every process on this host.
    #[must_use]
    pub fn pids(&self) -> Vec<Pid> {
        pids_in(&self.inner.name)
    }

    /// Sends a signal to every process on this host.
    pub fn signal(&self, signal: Signal) {
        for pid in self.pids() {
            // Whoever ended meanwhile needs no signal.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Drops every packet in and out without a word; connections stay open and learn nothing.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn cut(&self) -> Result<()> {
        self.filter("iifname eth0 drop", "oifname eth0 drop")
    }

    /// The same, only for packets from and to these hosts.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn cut_from<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Result<()> {
        let set = addresses(others);
        self.filter(
            &format!("ip saddr {{ {set} }} drop"),
            &format!("ip daddr {{ {set} }} drop"),
        )
    }

    /// Drops every packet from these hosts: they hear this one, and it does not hear them.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn deaf_to<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Result<()> {
        let set = addresses(others);
        self.filter(&format!("ip saddr {{ {set} }} drop"), "")
    }

    /// Loses this share of packets, each way.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn lossy(&self, percent: u8) -> Result<()> {
        let rule = |side: &str| format!("{side} eth0 numgen random mod 100 < {percent} drop");
        self.filter(&rule("iifname"), &rule("oifname"))
    }

    /// Lets only a few packets a second through to these hosts: what is said to them arrives late, piece by piece.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn trickle<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Result<()> {
        let set = addresses(others);
        let rate = "limit rate over 3/second burst 5 packets drop";
        self.filter("", &format!("ip daddr {{ {set} }} {rate}"))
    }

    /// Ends every fault of its network.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn heal(&self) -> Result<()> {
        self.filter("", "")
    }

    /// One transaction, so that there is no moment with half of the rules.
    fn filter(&self, input: &str, output: &str) -> Result<()> {
        let script = format!(
            "table inet lab\ndelete table inet lab\ntable inet lab {{\n\
             chain in {{ type filter hook input priority 0; policy accept;\n{input}\n}}\n\
             chain out {{ type filter hook output priority 0; policy accept;\n{output}\n}}\n}}\n"
        );
        let net = format!("--net=/run/netns/{}", self.inner.name);
        tools::feed("nsenter", &[&net, "nft", "-f", "-"], &script)
    }

    /// Mounts an empty disk of that size at `folder`: what is written to it beyond that fails as on a full disk.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn small_disk(&self, folder: &Path, megabytes: u32) -> Result<()> {
        fs::create_dir_all(folder)?;
        let size = format!("size={megabytes}m");
        let folder = folder.to_str().context("a folder with a name in UTF-8")?;
        tools::run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", folder])
    }
}

/// The addresses of hosts as a set of `nft`.
fn addresses<'a>(hosts: impl IntoIterator<Item = &'a Host>) -> String {
    let addresses = hosts.into_iter().map(|host| host.address().to_string());
    addresses.collect::<Vec<_>>().join(", ")
}

/// The processes whose network is that host's.
fn pids_in(host: &str) -> Vec<Pid> {
    let Ok(output) = tools::output("ip", &["netns", "pids", host]) else {
        return Vec::new();
    };
    let numbers = output.lines().filter_map(|line| line.trim().parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

/// The processes whose parent that is.
#[must_use]
pub fn children_of(parent: u32) -> Vec<Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    let numbers = text.split_whitespace().filter_map(|n| n.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}
