//! The only place of the crate that reads clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchboard_vocab::Timestamp;
use tokio::time::Instant;

/// Wall clock, for records and payloads only.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Monotonic time; stands still where a test has paused it.
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// A moment until which a call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The moment `after` from now.
    pub(crate) fn after(after: Duration) -> Self {
        Self(monotonic() + after)
    }

    /// What is left; zero once it has passed.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(monotonic())
    }

    /// Whether it has passed.
    pub(crate) fn has_passed(self) -> bool {
        self.left().is_zero()
    }

    /// The earlier of this and the moment `after` from now.
    pub(crate) fn at_most(self, after: Duration) -> Self {
        Self(self.0.min(monotonic() + after))
    }
}
