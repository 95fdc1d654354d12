//! The only place of this crate that reads the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchboard_vocab::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the crate's clock module"
    )]
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Now, in whole seconds since the Unix epoch, as the client library counts.
pub(crate) fn now_secs() -> i64 {
    i64::try_from(now().as_secs()).unwrap_or(i64::MAX)
}
