//! The only reader of clocks in this crate.
//!
//! Owns two facts: how long something took, and a name for a directory moved aside. Nothing
//! durable and no decision depends on either.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Measures one span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the crate's clock module"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Milliseconds since 1970, for names that sort by time. A clock before 1970 counts as 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the crate's clock module"
)]
pub(crate) fn unix_ms() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis()
}
