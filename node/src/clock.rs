//! The only place of the crate that reads the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchboard_vocab::Timestamp;

/// Now, for payloads and people. Deadlines and backoffs use tokio's clock, which tests can pause.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
