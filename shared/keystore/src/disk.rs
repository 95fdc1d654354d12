//! Free space and the watermarks that keep the engine away from a full disk.
//!
//! Owns the thresholds and the judgement. Must not know engines; refusing work is the caller's
//! business, because deletes and releases must go through on a full disk.

use std::path::Path;

/// Space of the file system that holds the store, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Size of the file system.
    pub total: u64,
    /// What an unprivileged process may still use.
    pub available: u64,
}

/// What the store advises to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admission {
    /// Everything.
    Ok,
    /// No new session; those that exist go on.
    NoNewSessions,
    /// No sends either (507): only what frees space or keeps a session consistent.
    NoSends,
}

/// Thresholds. Defaults are those of R-8; sled needs free space to open again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// New sessions are refused when less than this share of the disk is free, in percent.
    pub new_sessions_percent: u8,
    /// Sends are refused when less than this share is free, in percent.
    pub sends_percent: u8,
    /// Sends are refused when fewer bytes than this are free.
    pub sends_bytes: u64,
}

impl Default for Watermarks {
    fn default() -> Self {
        Self {
            new_sessions_percent: 10,
            sends_percent: 5,
            sends_bytes: 1 << 30,
        }
    }
}

impl Watermarks {
    /// Judges a disk.
    #[must_use]
    pub fn judge(&self, disk: Disk) -> Admission {
        let below = |percent: u8| {
            u128::from(disk.available) * 100 < u128::from(disk.total) * u128::from(percent)
        };
        if below(self.sends_percent) || disk.available < self.sends_bytes {
            Admission::NoSends
        } else if below(self.new_sessions_percent) {
            Admission::NoNewSessions
        } else {
            Admission::Ok
        }
    }
}

/// Asks the file system of `path`.
pub(crate) fn measure(path: &Path) -> Result<Disk, rustix::io::Errno> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(Disk {
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
        available: stat.f_bavail.saturating_mul(stat.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn check(total: u64, available: u64, expected: Admission) {
        let judged = Watermarks::default().judge(Disk { total, available });
        assert_eq!(judged, expected, "{available} of {total}");
    }

    #[test]
    fn watermarks_of_r8() {
        check(100 * GIB, 50 * GIB, Admission::Ok);
        check(100 * GIB, 10 * GIB, Admission::Ok);
        check(100 * GIB, 10 * GIB - 1, Admission::NoNewSessions);
        check(100 * GIB, 5 * GIB, Admission::NoNewSessions);
        check(100 * GIB, 5 * GIB - 1, Admission::NoSends);
        check(4 * GIB, GIB, Admission::Ok);
        check(4 * GIB, GIB - 1, Admission::NoSends);
        check(u64::MAX, u64::MAX, Admission::Ok);
        check(0, 0, Admission::NoSends);
    }

    #[test]
    fn a_real_disk_can_be_measured() {
        let disk = measure(Path::new("/")).unwrap();
        assert!(disk.total >= disk.available && disk.total > 0);
        assert!(measure(Path::new("/no/such/place")).is_err());
    }
}
