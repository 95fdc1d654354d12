//! Waiting for a state by polling with a deadline; tests never sleep for a guess.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, bail};

/// How long a test waits for anything before it fails. Generous: machines are slow and noisy, and a pass never waits.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Looks until `look` gives something, at most [`PATIENCE`]. The last refusal is part of the error.
///
/// # Errors
/// When the deadline passes.
pub async fn until<T, R: Debug>(
    what: &str,
    look: impl AsyncFnMut() -> std::result::Result<T, R>,
) -> Result<T> {
    within(PATIENCE, what, look).await
}

/// The same with another limit, where the limit itself is what is judged.
///
/// # Errors
/// When the limit passes.
pub async fn within<T, R: Debug>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> std::result::Result<T, R>,
) -> Result<T> {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(refusal) if tokio::time::Instant::now() >= deadline => {
                bail!("waited {limit:?} for {what}; last seen: {refusal:?}")
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
