//! What the kernel says of a process.

use anyhow::{Context, Result};

/// Memory and processor time of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Resident memory, in KiB.
    pub(crate) resident_kib: u64,
    /// User and system time so far, in clock ticks of 10 ms.
    pub(crate) ticks: u64,
}

/// Reads a process's usage. Source: proc(5).
pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .context("read the process's status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let resident_kib = line
        .split_whitespace()
        .next()
        .context("VmRSS has a number")?
        .parse()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("the process's name")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let tick =
        |at: usize| -> Result<u64> { Ok(fields.get(at).context("too few fields")?.parse()?) };
    Ok(Usage {
        resident_kib,
        ticks: tick(11)? + tick(12)?,
    })
}
