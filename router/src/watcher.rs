//! Follows one bucket for ever: watches, hands on what changed, and begins anew when the watch ends.
//!
//! Owns the pause between two watches and the order of a watch: everything that exists, then changes. Must not know what
//! a record says.

use std::time::Duration;

use futures::StreamExt;
use switchboard_bus::{Bucket, KeyPrefix, Kv, KvError, WatchEvent};
use tokio_util::sync::CancellationToken;

/// Pause before a watch that ended is begun anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps what a bucket says.
pub(crate) trait Follower: Sync {
    /// What a watch has told that has not told everything yet.
    type Known: Default + Send;

    /// Takes in what exists. What was known before stays in use meanwhile.
    fn collect(&self, known: &mut Self::Known, event: WatchEvent);

    /// Everything that exists is known: it replaces what was known before.
    fn adopt(&self, known: Self::Known);

    /// Something changed.
    fn apply(&self, event: WatchEvent);

    /// The watch ended; what was known grows old until the next [`Follower::adopt`].
    fn lost(&self) {}
}

/// Follows `bucket` until `stop`.
pub(crate) async fn run(
    kv: &dyn Kv,
    bucket: &Bucket,
    follower: &impl Follower,
    stop: &CancellationToken,
) {
    loop {
        let followed = tokio::select! {
            () = stop.cancelled() => return,
            followed = follow(kv, bucket, follower) => followed,
        };
        follower.lost();
        let error = followed.err().map(|error| error.to_string());
        tracing::warn!(%bucket, error, "the watch of a bucket ended; it begins anew");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// One watch from beginning to end.
async fn follow<F: Follower>(kv: &dyn Kv, bucket: &Bucket, follower: &F) -> Result<(), KvError> {
    let mut changes = kv.watch(bucket, &KeyPrefix::all()).await?;
    let mut known = Some(F::Known::default());
    while let Some(change) = changes.next().await {
        match (change?, &mut known) {
            (WatchEvent::Current, _) => {
                if let Some(known) = known.take() {
                    follower.adopt(known);
                }
            }
            (event, Some(known)) => follower.collect(known, event),
            (event, None) => follower.apply(event),
        }
    }
    Ok(())
}
