//! What the in-process implementation does with a storage that is slow, fails, or holds something else.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use switchboard_bus::in_process::{self, MemoryStorage, Op, Storage, StorageError};
use switchboard_bus::{
    Bus, EventLogError, Health, Key, KeyPrefix, KvError, Limits, Names, Overflow, StreamSpec,
    WatchEvent,
};
use tokio::sync::Semaphore;

/// A storage whose commits wait for permits and fail when told to.
#[derive(Debug)]
struct Gate {
    inner: MemoryStorage,
    permits: Semaphore,
    fails: AtomicBool,
}

impl Gate {
    fn closed() -> Arc<Self> {
        let fails = AtomicBool::new(false);
        Arc::new(Self {
            inner: MemoryStorage::default(),
            permits: Semaphore::new(0),
            fails,
        })
    }
}

#[async_trait]
impl Storage for Gate {
    async fn load(&self) -> Result<Vec<(Vec<u8>, Bytes)>, StorageError> {
        self.inner.load().await
    }

    async fn commit(&self, batch: Vec<Op>) -> Result<(), StorageError> {
        self.permits.acquire().await.unwrap().forget();
        if self.fails.load(Ordering::Relaxed) {
            return Err(StorageError {
                op: "commit",
                source: "the disk is gone".into(),
            });
        }
        self.inner.commit(batch).await
    }
}

fn names() -> Names {
    Names::new("c").unwrap()
}

fn key(node: &str) -> Key {
    Key::node(node).unwrap()
}

async fn open(storage: &Arc<Gate>) -> Bus {
    in_process::open(storage.clone(), Limits::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn nobody_sees_a_change_before_it_is_durable() {
    let storage = Gate::closed();
    let bus = open(&storage).await;
    let nodes = names().nodes();
    let mut changes = bus.kv.watch(&nodes, &KeyPrefix::all()).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap(), WatchEvent::Current);
    let a = key("a");
    let mut writing = Box::pin(bus.kv.create(&nodes, &a, "1".into()));
    let mut reading = Box::pin(bus.kv.get(&nodes, &a));
    for _ in 0..100 {
        assert!(writing.as_mut().now_or_never().is_none());
        assert!(reading.as_mut().now_or_never().is_none());
        assert!(changes.next().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert!(storage.load().await.unwrap().is_empty());
    storage.permits.add_permits(1);
    let revision = writing.await.unwrap();
    assert_eq!(reading.await.unwrap().unwrap().revision, revision);
    assert!(matches!(
        changes.next().await.unwrap().unwrap(),
        WatchEvent::Put { .. }
    ));
}

#[tokio::test]
async fn writes_that_wait_together_are_committed_together() {
    let storage = Gate::closed();
    let bus = open(&storage).await;
    let nodes = names().nodes();
    let writes: Vec<_> = (0..50)
        .map(|n| {
            let (kv, nodes) = (Arc::clone(&bus.kv), nodes.clone());
            async move { kv.create(&nodes, &key(&n.to_string()), "x".into()).await }
        })
        .collect();
    // The first may go alone; all that came meanwhile share the second commit.
    storage.permits.add_permits(2);
    for outcome in futures::future::join_all(writes).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_failed_commit_stops_the_bus_for_good() {
    let storage = Gate::closed();
    storage.permits.add_permits(2);
    let bus = open(&storage).await;
    let nodes = names().nodes();
    let revision = bus.kv.create(&nodes, &key("a"), "1".into()).await.unwrap();
    let mut changes = bus.kv.watch(&nodes, &KeyPrefix::all()).await.unwrap();
    changes.next().await.unwrap().unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap(), WatchEvent::Current);

    storage.fails.store(true, Ordering::Relaxed);
    let error = bus
        .kv
        .update(&nodes, &key("a"), "2".into(), revision)
        .await
        .unwrap_err();
    assert!(matches!(error, KvError::Failed { .. }), "{error:?}");
    assert!(!error.certainly_not_executed());
    let mut health = bus.health_changes();
    health.wait_for(|now| *now == Health::Closed).await.unwrap();
    assert!(changes.next().await.unwrap().is_err());
    assert!(changes.next().await.is_none());
    let error = bus.kv.get(&nodes, &key("a")).await.unwrap_err();
    assert!(matches!(error, KvError::Failed { .. }), "{error:?}");
    // What was acknowledged before is there for the next start.
    let bus = in_process::open(storage, Limits::default()).await.unwrap();
    assert_eq!(
        bus.kv.get(&nodes, &key("a")).await.unwrap().unwrap().value,
        "1"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_disk_is_a_timeout_and_not_a_hang() {
    let storage = Gate::closed();
    let bus = open(&storage).await;
    let error = bus
        .kv
        .create(&names().nodes(), &key("a"), "1".into())
        .await
        .unwrap_err();
    assert!(matches!(error, KvError::Timeout { .. }), "{error:?}");
    assert!(!error.certainly_not_executed());
    let spec = StreamSpec {
        name: names().wal_stream(),
        subjects: names().all_wal(),
        bytes_max: 1,
        overflow: Overflow::DropOldest,
        age_max: None,
        duplicate_window: Duration::from_secs(1),
    };
    // Opening writes nothing; the append does.
    bus.log.open(&spec).await.unwrap();
    let wal = names().wal("t", "s").unwrap();
    let error = bus
        .log
        .append(&spec.name, &wal, "id", "x".into(), None)
        .await
        .unwrap_err();
    assert!(matches!(error, EventLogError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn a_foreign_row_is_refused() {
    let rows: [(&[u8], &[u8]); 8] = [
        (b"x", b""),
        (b"k\0c_nodes\0a", b"short"),
        (b"k\0c_nodes\0a b", &[0, 0, 0, 0, 0, 0, 0, 1, 0]),
        (b"k\0c_nodes\0a", &[0, 0, 0, 0, 0, 0, 0, 1, 2]),
        (b"m\0c_wal\0\0\0\0\0\0\0\0\x01", b"short"),
        (b"m\0c_wal", b""),
        (b"c\0c_wal\0r", b"short"),
        (b"a\0c_wal\0r\0\0\0\0\0\0\0\0\x01", b"12345"),
    ];
    for (key, value) in rows {
        let storage = MemoryStorage::default();
        let put = Op::Put {
            key: key.to_vec(),
            value: Bytes::copy_from_slice(value),
        };
        storage.commit(vec![put]).await.unwrap();
        let error = in_process::open(Arc::new(storage), Limits::default())
            .await
            .unwrap_err();
        assert!(
            matches!(error, in_process::Error::Malformed { .. }),
            "{error:?}"
        );
    }
}
