//! The one place that reads clocks.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine was started, as witness lines have them.
#[must_use]
pub(crate) fn boottime_ns() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(now.tv_nsec)
}
