//! Releasing the lease of a child that has died: its node's record to `left`, by a compare-and-set, and only while the record carries the
//! token that this child was given.
//!
//! Whoever waited for the child's end knows that nothing of it runs; nobody else may conclude that before the lease has run out.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use switchboard_bus::nats::{self, NatsConfig};
use switchboard_bus::{Bucket, Bus, Key, Kv};
use switchboard_ownership::Rules;
use switchboard_vocab::cluster::{NodeRecord, NodeState, RECORD_VERSION};
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::run::names;

/// The parent's own inbox on NATS, see `deploy/nats.conf`.
const INBOX: &str = "parent";
/// The first pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The connection that is kept for the moment of need, and what is to be written then.
pub(super) struct Releaser {
    settings: NatsConfig,
    bus: Option<Bus>,
    bucket: Bucket,
    key: Key,
    lease: Duration,
}

/// What became of a release.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The record says that the node left.
    Left,
    /// There was nothing to release: the record is another's, or its life is over.
    Nothing,
}

impl Releaser {
    pub(super) fn new(config: &Config, rules: &Rules) -> Result<Self> {
        let node = config.node_id()?;
        let names = names(config, rules)?;
        let name = format!("switchboard parent of node {node}");
        let mut settings = NatsConfig::new(config.nats_url()?, name);
        settings.inbox = Some(INBOX.to_owned());
        Ok(Self {
            settings,
            bus: None,
            bucket: names.nodes(),
            key: Key::node(node.as_str()).context("name the node's record")?,
            lease: config.cluster.lease,
        })
    }

    /// Connects where there is no connection, however long it takes, and then waits for ever.
    pub(super) async fn stay_connected(&mut self) {
        self.connected().await;
        std::future::pending().await
    }

    async fn connected(&mut self) -> Bus {
        loop {
            if let Some(bus) = &self.bus {
                return bus.clone();
            }
            match nats::connect(self.settings.clone()).await {
                Ok(bus) => self.bus = Some(bus),
                Err(error) => {
                    tracing::warn!(%error, "the parent cannot reach nats yet");
                    sleep(PAUSE_MAX).await;
                }
            }
        }
    }

    /// Releases the lease of the child that had this token. It must have ended. Gives up when the lease has run out anyway.
    pub(super) async fn release(&mut self, token: &str) {
        let (lease, bucket, key) = (self.lease, self.bucket.clone(), self.key.clone());
        let work = async {
            let bus = self.connected().await;
            until_done(&*bus.kv, &bucket, &key, token).await
        };
        match timeout(lease, work).await {
            Ok(Outcome::Left) => tracing::warn!("released the lease of the process that ended"),
            Ok(Outcome::Nothing) => tracing::info!("the process that ended held no lease"),
            Err(_) => tracing::error!("the lease could not be released; it has run out by now"),
        }
    }
}

async fn until_done(kv: &dyn Kv, bucket: &Bucket, key: &Key, token: &str) -> Outcome {
    let mut pause = PAUSE;
    loop {
        match attempt(kv, bucket, key, token).await {
            Ok(outcome) => return outcome,
            // Lost against a heartbeat that was still on its way, or nobody answered: look again.
            Err(error) => tracing::debug!(error = format!("{error:#}"), "release the lease"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn attempt(kv: &dyn Kv, bucket: &Bucket, key: &Key, token: &str) -> Result<Outcome> {
    let Some(entry) = kv.get(bucket, key).await? else {
        return Ok(Outcome::Nothing);
    };
    let Ok(record) = serde_json::from_slice::<NodeRecord>(&entry.value) else {
        return Ok(Outcome::Nothing);
    };
    let is_ours = record.version <= RECORD_VERSION
        && record.supervisor.as_deref() == Some(token)
        && record.state.may_run();
    if !is_ours {
        return Ok(Outcome::Nothing);
    }
    let left = NodeRecord {
        state: NodeState::Left,
        ..record
    };
    let value = Bytes::from(serde_json::to_vec(&left)?);
    kv.update(bucket, key, value, entry.revision).await?;
    Ok(Outcome::Left)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use switchboard_bus::in_process::{self, MemoryStorage};
    use switchboard_bus::{Limits, Names};
    use switchboard_vocab::cluster::{Incarnation, StoreId};

    use super::*;

    async fn bus() -> (Bus, Bucket, Key) {
        let storage = Arc::new(MemoryStorage::default());
        let bus = in_process::open(storage, Limits::default()).await.unwrap();
        let names = Names::new("c").unwrap();
        (bus, names.nodes(), Key::node("a").unwrap())
    }

    fn record(state: NodeState, token: &str) -> NodeRecord {
        NodeRecord {
            version: RECORD_VERSION,
            node: "a".parse().unwrap(),
            incarnation: Incarnation("i".to_owned()),
            state,
            weight: 1,
            lease_ms: 2_000,
            beat: 7,
            store: StoreId("s".to_owned()),
            boot: "b".to_owned(),
            supervisor: Some(token.to_owned()),
            release: "test".to_owned(),
        }
    }

    async fn put(bus: &Bus, bucket: &Bucket, key: &Key, record: &NodeRecord) {
        let value = Bytes::from(serde_json::to_vec(record).unwrap());
        bus.kv.create(bucket, key, value).await.unwrap();
    }

    async fn released(before: &NodeRecord) -> (Outcome, NodeRecord) {
        let (bus, bucket, key) = bus().await;
        put(&bus, &bucket, &key, before).await;
        let outcome = until_done(&*bus.kv, &bucket, &key, "1.aa").await;
        let entry = bus.kv.get(&bucket, &key).await.unwrap().unwrap();
        (outcome, serde_json::from_slice(&entry.value).unwrap())
    }

    #[tokio::test]
    async fn a_lease_of_the_child_is_released() {
        for state in [NodeState::Up, NodeState::Draining] {
            let (outcome, after) = released(&record(state, "1.aa")).await;
            assert_eq!(outcome, Outcome::Left);
            assert_eq!(after, record(NodeState::Left, "1.aa"));
        }
    }

    #[tokio::test]
    async fn what_is_not_the_childs_is_left_alone() {
        let mut newer = record(NodeState::Up, "1.aa");
        newer.version = RECORD_VERSION + 1;
        let mut alone = record(NodeState::Up, "1.aa");
        alone.supervisor = None;
        let others = [
            record(NodeState::Up, "1.ab"),
            record(NodeState::Fenced, "1.aa"),
            record(NodeState::Left, "1.aa"),
            newer,
            alone,
        ];
        for before in others {
            let (outcome, after) = released(&before).await;
            assert_eq!((outcome, after), (Outcome::Nothing, before));
        }
        let (bus, bucket, key) = bus().await;
        let outcome = until_done(&*bus.kv, &bucket, &key, "1.aa").await;
        assert_eq!(outcome, Outcome::Nothing);
    }
}
