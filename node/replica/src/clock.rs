//! The only place of the crate that reads a clock.

use tokio::time::Instant;

/// Monotonic time; stands still where a test has paused it.
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
