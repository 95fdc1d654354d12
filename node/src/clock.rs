//! The only place of the crate that reads clocks: the wall's for people, the machine's for leases.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use switchboard_ownership::{Position, Rule, Rules};
use switchboard_vocab::Timestamp;

/// Now, for payloads and people. Deadlines and backoffs use tokio's clock, which tests can pause.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// The clock that leases are measured by: time since the machine's boot, sleep included. Nobody can set it
/// (design rule R-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseClock(ClockId);

impl LeaseClock {
    /// The clock under these rules: without [`Rule::BootClock`] it is the wall's, which people can set.
    pub(crate) fn new(rules: &Rules) -> Self {
        Self(if rules.has(Rule::BootClock) {
            ClockId::Boottime
        } else {
            ClockId::Realtime
        })
    }

    /// The moment now.
    pub(crate) fn now(self) -> Position {
        let time = clock_gettime(self.0);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

/// Names the present boot of the machine: another one after every start.
pub(crate) fn boot_id() -> String {
    // Source: proc(5), /proc/sys/kernel/random/boot_id.
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) if !id.trim().is_empty() => id.trim().to_owned(),
        // Equal to nobody's: nothing is concluded from it then.
        Ok(_) | Err(_) => uuid::Uuid::new_v4().to_string(),
    }
}
