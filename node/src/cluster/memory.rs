//! What a node remembers of its cluster across restarts: which cluster it was, and how far its records had come.
//!
//! Kept in the node's own store, because the bus is what may go back in time (design rule R-17).

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchboard_bus::{Bus, Key, KvError, Names};
use switchboard_keystore::{Epoch, KeyStore, Kind, Namespace, Op};
use switchboard_ownership::{Bucket, Rule, Rules};
use switchboard_vocab::cluster::{ClusterRecord, RECORD_VERSION};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::records;

/// The namespace of what the node remembers.
const NAMESPACE: &str = "cluster";
/// The one key space in it.
const ROWS: Kind = Kind(0x01);
/// The one row.
const ROW: &[u8] = b"remembered";
/// Nobody competes for the node's own rows.
const EPOCH: Epoch = Epoch(1);
/// Wait before the cluster's record is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Why a node cannot be part of the cluster that its bus shows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The records cannot be had.
    #[error("read the record of cluster {cluster}")]
    Unreachable {
        /// Which cluster.
        cluster: String,
        /// What the bus said last.
        #[source]
        cause: KvError,
    },
    /// No answer at all.
    #[error("read the record of cluster {0}: no answer in time")]
    Silent(String),
    /// The record is not one that this release understands.
    #[error("read the record of cluster {cluster}: {why}")]
    Unreadable {
        /// Which cluster.
        cluster: String,
        /// Why not.
        why: String,
    },
    /// Another master key.
    #[error(
        "join cluster {0}: its other nodes have another master key, so that this node could not open their sessions and they not its; give every node the same master_key"
    )]
    OtherKey(String),
    /// The node's own store.
    #[error("remember the cluster in the node's store")]
    Store(#[from] switchboard_keystore::Error),
    /// What the store has is not readable.
    #[error("read what the store remembers of the cluster: {0}")]
    Damaged(String),
}

/// The row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    /// The id of the cluster's record; none before the first start.
    #[serde(default)]
    id: Option<String>,
    /// The highest revision seen of `nodes`.
    #[serde(default)]
    nodes: u64,
    /// The highest revision seen of `owners`.
    #[serde(default)]
    owners: u64,
}

/// What a node remembers.
#[derive(Debug)]
pub(super) struct Memory {
    store: Arc<dyn KeyStore>,
    namespace: Namespace,
    row: Row,
    saved: Row,
}

impl Memory {
    /// What the store has.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn open(store: Arc<dyn KeyStore>) -> Result<Self, Error> {
        let namespace = Namespace::node(NAMESPACE).map_err(|e| Error::Damaged(e.to_string()))?;
        let bytes = store.get(&namespace, ROWS, ROW).await?;
        let row: Row = match bytes {
            Some(bytes) => {
                serde_json::from_slice(&bytes).map_err(|e| Error::Damaged(e.to_string()))?
            }
            None => Row::default(),
        };
        let saved = row.clone();
        Ok(Self {
            store,
            namespace,
            row,
            saved,
        })
    }

    /// Takes the cluster's record for what it is now; `true` when it is another one than before.
    pub(super) fn meet(&mut self, record: &ClusterRecord) -> bool {
        let replaced = self.row.id.as_ref().is_some_and(|id| *id != record.id);
        if replaced {
            // Revisions of other records say nothing about these.
            (self.row.nodes, self.row.owners) = (0, 0);
        }
        self.row.id = Some(record.id.clone());
        replaced
    }

    /// The highest revision seen of a bucket.
    pub(super) const fn highest(&self, bucket: Bucket) -> u64 {
        match bucket {
            Bucket::Nodes => self.row.nodes,
            Bucket::Owners => self.row.owners,
        }
    }

    /// A revision was seen.
    pub(super) fn saw(&mut self, bucket: Bucket, revision: u64) {
        let highest = match bucket {
            Bucket::Nodes => &mut self.row.nodes,
            Bucket::Owners => &mut self.row.owners,
        };
        *highest = revision.max(*highest);
    }

    /// The bucket went back: what was seen of it before is void.
    pub(super) fn forget(&mut self, bucket: Bucket) {
        match bucket {
            Bucket::Nodes => self.row.nodes = 0,
            Bucket::Owners => self.row.owners = 0,
        }
    }

    /// The work of making it durable; none when it is.
    pub(super) fn save(
        &mut self,
    ) -> Option<
        impl Future<Output = Result<(), switchboard_keystore::Error>> + Send + 'static + use<>,
    > {
        if self.row == self.saved {
            return None;
        }
        let value = serde_json::to_vec(&self.row).ok()?;
        self.saved = self.row.clone();
        let (store, namespace) = (Arc::clone(&self.store), self.namespace.clone());
        let ops = vec![Op::Put {
            kind: ROWS,
            key: ROW.to_vec(),
            value,
        }];
        Some(async move { store.commit(&namespace, EPOCH, ops).await.map(drop) })
    }
}

/// The cluster's record: read, or made by the first node. Asks again until `until` where the bus is away.
///
/// # Errors
/// See [`Error`].
pub(super) async fn join(
    bus: &Bus,
    names: &Names,
    key_check: &str,
    rules: &Rules,
    until: Instant,
) -> Result<ClusterRecord, Error> {
    let cluster = names.cluster().to_owned();
    let record = loop {
        let asked = timeout_at(until, read_or_make(bus, names, key_check, rules)).await;
        let cause = match asked {
            Ok(Ok(record)) => break record?,
            Ok(Err(cause)) => cause,
            Err(_) => return Err(Error::Silent(cluster)),
        };
        if Instant::now() + ASK_AGAIN >= until {
            return Err(Error::Unreachable { cluster, cause });
        }
        tracing::warn!(error = %cause, "the cluster's record cannot be read yet");
        sleep(ASK_AGAIN).await;
    };
    if record.key_check == key_check || !rules.has(Rule::ClusterKey) {
        Ok(record)
    } else {
        Err(Error::OtherKey(cluster))
    }
}

async fn read_or_make(
    bus: &Bus,
    names: &Names,
    key_check: &str,
    rules: &Rules,
) -> Result<Result<ClusterRecord, Error>, KvError> {
    let (bucket, key) = (names.cluster_records(), Key::cluster());
    let unreadable = |why| Error::Unreadable {
        cluster: names.cluster().to_owned(),
        why,
    };
    if let Some(entry) = bus.kv.get(&bucket, &key).await? {
        return Ok(records::decode(&entry.value, rules).map_err(unreadable));
    }
    let record = ClusterRecord {
        version: RECORD_VERSION,
        id: Uuid::new_v4().to_string(),
        key_check: key_check.to_owned(),
    };
    let value = match records::encode(&record) {
        Ok(value) => value,
        Err(error) => return Ok(Err(unreadable(error.to_string()))),
    };
    // Where another node was first, or nobody knows, the next round reads what is there.
    bus.kv.create(&bucket, &key, value).await?;
    Ok(Ok(record))
}

#[cfg(test)]
mod tests {
    use switchboard_bus::{Limits, in_process};
    use switchboard_keystore::{EngineKind, MasterKey};

    use super::*;

    async fn store() -> Arc<dyn KeyStore> {
        let master = MasterKey::new(*b"a key for tests of 32 bytes long");
        let config = switchboard_keystore::Config::new("", EngineKind::Memory, master);
        switchboard_keystore::open(config).await.unwrap().store
    }

    #[tokio::test]
    async fn the_first_node_makes_the_record_and_all_others_find_it() {
        let bus = in_process::open_in_memory(Limits::default()).await.unwrap();
        let names = Names::new("test").unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let rules = Rules::all();
        let joins = (0..8).map(|_| join(&bus, &names, "check", &rules, until));
        let met: Vec<_> = futures::future::join_all(joins).await;
        let ids: std::collections::BTreeSet<_> =
            met.into_iter().map(|record| record.unwrap().id).collect();
        assert_eq!(ids.len(), 1);
        let other = join(&bus, &names, "another", &rules, until).await;
        assert!(matches!(other, Err(Error::OtherKey(_))), "{other:?}");
    }

    #[tokio::test]
    async fn what_was_seen_is_remembered_until_the_records_are_others() {
        let store = store().await;
        let record = |id: &str| ClusterRecord {
            version: RECORD_VERSION,
            id: id.to_owned(),
            key_check: String::new(),
        };
        let mut memory = Memory::open(Arc::clone(&store)).await.unwrap();
        assert!(
            !memory.meet(&record("one")),
            "the first cluster is no other"
        );
        memory.saw(Bucket::Nodes, 7);
        memory.saw(Bucket::Nodes, 3);
        memory.saw(Bucket::Owners, 9);
        memory.save().unwrap().await.unwrap();
        assert!(memory.save().is_none(), "nothing new");
        let mut again = Memory::open(Arc::clone(&store)).await.unwrap();
        assert!(!again.meet(&record("one")));
        assert_eq!(
            (again.highest(Bucket::Nodes), again.highest(Bucket::Owners)),
            (7, 9)
        );
        assert!(again.meet(&record("two")));
        assert_eq!(
            (again.highest(Bucket::Nodes), again.highest(Bucket::Owners)),
            (0, 0)
        );
    }
}
