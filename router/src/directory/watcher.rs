//! Follows one bucket for ever: watches, applies, and begins anew when the watch ends.

use std::sync::RwLock;
use std::time::Duration;

use futures::StreamExt;
use switchboard_bus::{Bucket, Entry, KeyPrefix, Kv, KvError, WatchEvent};
use tokio_util::sync::CancellationToken;

use super::mirror::Mirror;
use super::{Record, parse, write};

/// Pause before a watch that ended is begun anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows `bucket` into `mirror` until `stop`; calls `current` whenever everything that exists is known.
pub(super) async fn run<R: Record>(
    kv: &dyn Kv,
    bucket: &Bucket,
    mirror: &RwLock<Mirror<R>>,
    stop: &CancellationToken,
    current: impl Fn(),
) {
    loop {
        let followed = tokio::select! {
            () = stop.cancelled() => return,
            followed = follow(kv, bucket, mirror, &current) => followed,
        };
        report(bucket, followed);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

fn report(bucket: &Bucket, followed: Result<(), KvError>) {
    let error = followed.err().map(|error| error.to_string());
    tracing::warn!(%bucket, error, "the watch of the directory ended; it begins anew");
}

/// One watch from beginning to end. What was known stays in use until all of what exists now is known.
async fn follow<R: Record>(
    kv: &dyn Kv,
    bucket: &Bucket,
    mirror: &RwLock<Mirror<R>>,
    current: &impl Fn(),
) -> Result<(), KvError> {
    let mut changes = kv.watch(bucket, &KeyPrefix::all()).await?;
    let mut fresh = Some(Mirror::default());
    while let Some(change) = changes.next().await {
        match change? {
            WatchEvent::Current => {
                if let Some(known) = fresh.take() {
                    *write(mirror) = known;
                    current();
                }
            }
            event @ (WatchEvent::Put { .. } | WatchEvent::Delete { .. }) => match &mut fresh {
                Some(fresh) => apply(fresh, event),
                None => apply(&mut write(mirror), event),
            },
        }
    }
    Ok(())
}

fn apply<R: Record>(mirror: &mut Mirror<R>, event: WatchEvent) {
    match event {
        WatchEvent::Put { key, entry } => match R::id_of(&key) {
            Some(id) => put(mirror, &id, &entry),
            None => tracing::warn!(%key, kind = R::WHAT, "a record has a key that is not ours"),
        },
        WatchEvent::Delete { key, revision } => {
            if let Some(id) = R::id_of(&key) {
                mirror.delete_seen(&id, revision);
            }
        }
        WatchEvent::Current => {}
    }
}

fn put<R: Record>(mirror: &mut Mirror<R>, id: &R::Id, entry: &Entry) {
    let problem = match parse::<R>(id, &entry.value) {
        Ok(record) if record.id() == id => return mirror.put_seen(record, entry.revision),
        Ok(other) => format!("it names {} instead", other.id()),
        Err(error) => error.to_string(),
    };
    // What cannot be read must not keep working in its old form.
    mirror.delete_seen(id, entry.revision);
    tracing::warn!(%id, kind = R::WHAT, problem, "a record is left alone");
}
