//! The laboratory: hosts with addresses of their own, a bridge between them, and faults of their network, disk and clocks.
//!
//! Everything is inside the namespaces of [`enter`]; it must not know what runs on the hosts.

pub mod enter;
mod host;
pub(crate) mod tools;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

pub use host::{Host, children_of};

/// The bridge, and the switch that all hosts hang on.
const BRIDGE: &str = "lab";
/// The address of this process, where webhooks go.
pub const HUB: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// All addresses of the laboratory.
pub const NETWORK: &str = "10.77.0.0/24";

/// A laboratory; its hosts may live longer than it.
#[derive(Debug)]
pub struct Lab {
    folder: PathBuf,
}

/// Laboratories opened so far, for the names of their folders.
static OPENED: AtomicU32 = AtomicU32::new(0);

impl Lab {
    /// Opens a laboratory with a folder of its own; one at a time has hosts.
    ///
    /// # Errors
    /// When this process is not inside its namespaces, or a tool refuses.
    pub fn open() -> Result<Self> {
        ensure!(
            enter::is_inside(),
            "open the laboratory: not inside its namespaces"
        );
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        if number == 0 {
            std::fs::create_dir_all("/run/netns")?;
            tools::run("ip", &["link", "set", "lo", "up"])?;
            tools::run("ip", &["link", "add", "name", BRIDGE, "type", "bridge"])?;
            tools::run("ip", &["addr", "add", &format!("{HUB}/24"), "dev", BRIDGE])?;
            tools::run("ip", &["link", "set", BRIDGE, "up"])?;
        }
        let folder = Path::new(enter::FOLDER).join(number.to_string());
        std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Adds a host with the address `10.77.0.<last>`.
    ///
    /// # Errors
    /// When a tool refuses, or the name or address is in use.
    pub fn host(&self, name: &str, last: u8) -> Result<Host> {
        let [a, b, c, _] = HUB.octets();
        Host::add(name, Ipv4Addr::new(a, b, c, last), BRIDGE, &self.folder)
            .with_context(|| format!("add host {name}"))
    }

    /// The folder of its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Memory of a round that is over; whatever is mounted below stays until the program ends.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
