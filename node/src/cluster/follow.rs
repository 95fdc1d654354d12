//! The watches of the records: each change becomes an input of the machine, in order.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use switchboard_bus::{Bus, KeyPrefix, KvError, Names, WatchEvent};
use switchboard_ownership::{Bucket, Input, Rules};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::{Event, memory, records};

/// Wait before a bucket is watched anew after a failure.
const WATCH_AGAIN: Duration = Duration::from_millis(250);
/// Longest wait for the cluster's record when a watch is renewed.
const MEET_MAX: Duration = Duration::from_secs(5);

/// What a watch works with.
#[derive(Clone)]
pub(super) struct Follower {
    pub(super) bus: Bus,
    pub(super) names: Names,
    pub(super) key_check: Arc<str>,
    pub(super) rules: Rules,
    /// Counts what the driver learned of records that went back: a watch from before shows the old ones' numbers.
    pub(super) roll_backs: watch::Receiver<u64>,
    pub(super) events: mpsc::Sender<Event>,
}

/// Why a watch ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Kv(#[from] KvError),
    #[error("the watch ended by itself")]
    Silently,
    #[error("the records went back")]
    RolledBack,
    #[error("the node is stopping")]
    Stopping,
}

impl<T> From<mpsc::error::SendError<T>> for Ended {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self::Stopping
    }
}

impl Follower {
    /// Follows a bucket for as long as anybody listens.
    pub(super) async fn run(mut self, bucket: Bucket) {
        loop {
            let ended = match self.follow(bucket).await {
                Ok(never) => match never {},
                Err(ended) => ended,
            };
            tracing::warn!(?bucket, error = %ended, "a watch of the cluster's records ended and is renewed");
            if let Ended::Kv(KvError::RolledBack { .. }) = &ended
                && self.tell(Input::RolledBack(bucket)).await.is_err()
            {
                return;
            }
            if self.tell(Input::WatchLost(bucket)).await.is_err() {
                return;
            }
            sleep(WATCH_AGAIN).await;
            if self.meet().await.is_err() {
                return;
            }
        }
    }

    async fn tell(&self, input: Input) -> Result<(), Ended> {
        Ok(self.events.send(Event::Input(input)).await?)
    }

    /// What stands behind the names now may be another cluster than before (design rule R-17).
    async fn meet(&self) -> Result<(), Ended> {
        let until = Instant::now() + MEET_MAX;
        let joined = memory::join(&self.bus, &self.names, &self.key_check, &self.rules, until);
        let event = match joined.await {
            Ok(record) => Event::Met(record),
            Err(error @ (memory::Error::OtherKey(_) | memory::Error::Unreadable { .. })) => {
                Event::Refused(error.to_string())
            }
            // The watch finds the same soon enough.
            Err(
                memory::Error::Unreachable { .. }
                | memory::Error::Silent(_)
                | memory::Error::Store(_)
                | memory::Error::Damaged(_),
            ) => return Ok(()),
        };
        Ok(self.events.send(event).await?)
    }

    async fn follow(&mut self, bucket: Bucket) -> Result<Infallible, Ended> {
        // What was learned until now, this watch knows.
        self.roll_backs.mark_unchanged();
        let name = match bucket {
            Bucket::Nodes => self.names.nodes(),
            Bucket::Owners => self.names.owners(),
        };
        let mut changes = self.bus.kv.watch(&name, &KeyPrefix::all()).await?;
        loop {
            let change = tokio::select! {
                change = changes.next() => change.ok_or(Ended::Silently)??,
                renewed = self.roll_backs.changed() => {
                    return Err(renewed.map_or(Ended::Stopping, |()| Ended::RolledBack));
                }
            };
            if let Some((input, revision)) = input(bucket, change, &self.rules) {
                self.events
                    .send(Event::Followed(bucket, revision, input))
                    .await?;
            }
        }
    }
}

/// The change as an input, with its revision; none for a key that names nothing.
fn input(bucket: Bucket, change: WatchEvent, rules: &Rules) -> Option<(Input, u64)> {
    Some(match (bucket, change) {
        (_, WatchEvent::Current) => (Input::Current(bucket), 0),
        (Bucket::Nodes, WatchEvent::Put { key, entry }) => {
            let node = records::node_of(&key)?;
            (
                Input::Node(node, records::seen(&entry, rules)),
                entry.revision,
            )
        }
        (Bucket::Nodes, WatchEvent::Delete { key, revision }) => {
            (Input::NodeGone(records::node_of(&key)?, revision), revision)
        }
        (Bucket::Owners, WatchEvent::Put { key, entry }) => {
            let session = records::session_of(&key)?;
            (
                Input::Owner(session, records::seen(&entry, rules)),
                entry.revision,
            )
        }
        (Bucket::Owners, WatchEvent::Delete { key, revision }) => (
            Input::OwnerGone(records::session_of(&key)?, revision),
            revision,
        ),
    })
}

#[cfg(test)]
mod tests {
    use switchboard_bus::{Limits, in_process};
    use tokio::time::timeout;

    use super::*;

    async fn wanted(events: &mut mpsc::Receiver<Event>, is_it: impl Fn(&Input) -> bool) {
        let waiting = async {
            loop {
                if let Event::Input(input) | Event::Followed(_, _, input) =
                    events.recv().await.unwrap()
                    && is_it(&input)
                {
                    break;
                }
            }
        };
        timeout(Duration::from_secs(20), waiting).await.unwrap();
    }

    #[tokio::test]
    async fn a_watch_is_renewed_when_somebody_else_learns_of_a_roll_back() {
        let bus = in_process::open_in_memory(Limits::default()).await.unwrap();
        let (tell, roll_backs) = watch::channel(0);
        let (events, mut heard) = mpsc::channel(64);
        let follower = Follower {
            bus,
            names: Names::new("t").unwrap(),
            key_check: "check".into(),
            rules: Rules::all(),
            roll_backs,
            events,
        };
        let following = crate::task::start(follower.run(Bucket::Owners));
        let current = |input: &Input| *input == Input::Current(Bucket::Owners);
        wanted(&mut heard, current).await;
        tell.send_modify(|count| *count += 1);
        let lost = |input: &Input| *input == Input::WatchLost(Bucket::Owners);
        wanted(&mut heard, lost).await;
        wanted(&mut heard, current).await;
        following.abort();
    }
}
