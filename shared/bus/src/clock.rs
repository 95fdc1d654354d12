//! The only place of the crate that reads clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Monotonic time; stands still where a test has paused it.
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// Wall clock, for the age of stored events only: milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn unix_ms() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
