//! The owner records, as they change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use futures::StreamExt;
use switchboard_bus::nats::{NatsConfig, connect};
use switchboard_bus::subjects::{KeyPrefix, Names};
use switchboard_bus::{Bus, WatchEvent};
use switchboard_vocab::cluster::{OwnerPhase, OwnerRecord};
use tokio::task::JoinHandle;

use super::now_ms;

/// The cluster's id. Source: the product's default configuration.
const CLUSTER: &str = "switchboard";

/// A record at the moment that it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// Milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// What it says.
    pub(crate) record: OwnerRecord,
}

impl Change {
    pub(crate) fn is_owned(&self) -> bool {
        self.record.phase == OwnerPhase::Owned
    }

    /// The session's id without its tenant.
    pub(crate) fn session(&self) -> String {
        let session = self.record.session.to_string();
        session
            .rsplit_once('/')
            .map_or_else(|| session.clone(), |(_, id)| id.to_owned())
    }
}

#[derive(Debug, Default)]
struct Seen {
    now: BTreeMap<String, Change>,
    history: Vec<Change>,
    failed: Option<String>,
}

/// Follows the records until dropped.
#[derive(Debug)]
pub(crate) struct Owners {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
    _bus: Bus,
}

impl Drop for Owners {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Owners {
    pub(crate) async fn watch(nats_url: &str) -> Result<Self> {
        let bus = connect(NatsConfig::new(vec![nats_url.to_owned()], "loadtest")).await?;
        let bucket = Names::new(CLUSTER)?.owners();
        let mut changes = bus.kv.watch(&bucket, &KeyPrefix::all()).await?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Some(event) = changes.next().await {
                let mut seen = noted.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = seen.note(event.map_err(anyhow::Error::from)) {
                    seen.failed = Some(format!("{error:#}"));
                    return;
                }
            }
        });
        Ok(Self {
            seen,
            task,
            _bus: bus,
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is seen any more.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.seen().failed {
            Some(failed) => anyhow::bail!("the watch of the owner records ended: {failed}"),
            None => Ok(()),
        }
    }

    /// How many sessions each node has, those that it hands over included.
    pub(crate) fn holdings(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for change in self.seen().now.values() {
            *counts.entry(change.record.node.to_string()).or_default() += 1;
        }
        counts
    }

    /// The records of a node's sessions by their ids.
    pub(crate) fn of(&self, node: &str) -> BTreeMap<String, Change> {
        let seen = self.seen();
        let its = seen
            .now
            .values()
            .filter(|change| change.record.node.to_string() == node);
        its.map(|change| (change.session(), change.clone()))
            .collect()
    }

    /// A session's record.
    pub(crate) fn session(&self, id: &str) -> Option<Change> {
        self.seen().now.get(id).cloned()
    }

    /// Where the history is now, for [`Owners::since`].
    pub(crate) fn mark(&self) -> usize {
        self.seen().history.len()
    }

    /// What changed since.
    pub(crate) fn since(&self, mark: usize) -> Vec<Change> {
        self.seen().history.get(mark..).unwrap_or_default().to_vec()
    }
}

impl Seen {
    fn note(&mut self, event: Result<WatchEvent>) -> Result<()> {
        if let WatchEvent::Put { entry, .. } = event? {
            let record: OwnerRecord =
                serde_json::from_slice(&entry.value).context("read an owner record")?;
            let change = Change {
                at_ms: now_ms(),
                record,
            };
            self.now.insert(change.session(), change.clone());
            self.history.push(change);
        }
        Ok(())
    }
}
