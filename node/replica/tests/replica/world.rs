//! Nodes, each with a disk, and the log that they share.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use switchboard_bus::{Bus, Limits, Names, in_process};
use switchboard_keystore::{
    Config as StoreConfig, EngineKind, Epoch, Error, KeyStore, Kind, MasterKey, Namespace, Op,
    ScanRange, open,
};
use switchboard_replica::{Config, ReplicaKey, ReplicatedStore};

use crate::faults::{FaultyLog, FaultyStore, Fuse};

pub(crate) const KIND: Kind = Kind(0x10);

pub(crate) fn ns(name: &str) -> Namespace {
    Namespace::session(&format!("t/{name}")).unwrap()
}

pub(crate) fn key() -> ReplicaKey {
    ReplicaKey::new([7; 32])
}

pub(crate) fn master() -> MasterKey {
    let mut bytes = [9; 32];
    bytes[0] = 1;
    MasterKey::new(bytes)
}

/// Little patience and small snapshots, so that both happen.
pub(crate) fn config() -> Config {
    Config {
        log_bytes_max: 200 << 20,
        snapshots_bytes_max: 200 << 20,
        patience: Duration::from_millis(25),
        message_bytes_max: 20_000,
        tail_records_min: 8,
        ..Config::default()
    }
}

pub(crate) async fn memory() -> Arc<dyn KeyStore> {
    let mut config = StoreConfig::new("", EngineKind::Memory, master());
    config.cache_bytes = 4 << 20;
    open(config).await.unwrap().store
}

pub(crate) async fn embedded() -> Bus {
    in_process::open_in_memory(Limits::default()).await.unwrap()
}

/// A node: a process over a disk.
#[derive(Debug)]
pub(crate) struct Node {
    bus: Bus,
    config: Config,
    pub(crate) disk: Arc<dyn KeyStore>,
    pub(crate) log_fuse: Arc<Fuse>,
    pub(crate) disk_fuse: Arc<Fuse>,
    pub(crate) slow: Arc<AtomicBool>,
    pub(crate) store: Arc<ReplicatedStore>,
}

async fn start(
    bus: &Bus,
    config: &Config,
    disk: &Arc<dyn KeyStore>,
    slow: &Arc<AtomicBool>,
) -> (Arc<Fuse>, Arc<Fuse>, Arc<ReplicatedStore>) {
    let (log_fuse, disk_fuse) = (Arc::new(Fuse::default()), Arc::new(Fuse::default()));
    let log = FaultyLog {
        inner: bus.log.clone(),
        fuse: log_fuse.clone(),
    };
    let local = FaultyStore {
        inner: disk.clone(),
        fuse: disk_fuse.clone(),
        slow: slow.clone(),
        commits: Arc::default(),
    };
    let names = Names::new("c").unwrap();
    let store = ReplicatedStore::open(Arc::new(local), Arc::new(log), names, key(), config.clone());
    (log_fuse, disk_fuse, store.await.unwrap())
}

impl Node {
    pub(crate) async fn new(bus: &Bus, config: Config) -> Self {
        let disk = memory().await;
        let slow = Arc::default();
        let (log_fuse, disk_fuse, store) = start(bus, &config, &disk, &slow).await;
        Self {
            bus: bus.clone(),
            config,
            disk,
            log_fuse,
            disk_fuse,
            slow,
            store,
        }
    }

    /// The process dies and comes back over the same disk. What the dead one still does reaches nothing.
    pub(crate) async fn crash(&mut self) {
        self.log_fuse.set(-1, false);
        self.disk_fuse.set(-1, false);
        self.store.let_go_all();
        let (log_fuse, disk_fuse, store) =
            start(&self.bus, &self.config, &self.disk, &self.slow).await;
        (self.log_fuse, self.disk_fuse, self.store) = (log_fuse, disk_fuse, store);
    }

    /// The process comes back over an empty disk.
    pub(crate) async fn lose_disk(&mut self) {
        self.disk = memory().await;
        self.crash().await;
    }

    pub(crate) async fn write(&self, ns: &Namespace, epoch: u64, n: u32) -> Result<(), Error> {
        self.write_big(ns, epoch, n, 16).await
    }

    pub(crate) async fn write_big(
        &self,
        ns: &Namespace,
        epoch: u64,
        n: u32,
        bytes: usize,
    ) -> Result<(), Error> {
        let put = |key: Vec<u8>| Op::Put {
            kind: KIND,
            key,
            value: vec![n as u8; bytes],
        };
        let ops = vec![
            put(n.to_be_bytes().to_vec()),
            Op::Put {
                kind: KIND,
                key: b"last".to_vec(),
                value: vec![n as u8],
            },
        ];
        self.store.commit(ns, Epoch(epoch), ops).await.map(drop)
    }

    /// The numbers that were written, as this node's store has them.
    pub(crate) async fn read(&self, ns: &Namespace) -> Vec<u32> {
        let (mut range, mut numbers) = (ScanRange::all(10_000), Vec::new());
        loop {
            let page = self.store.scan(ns, KIND, range.clone()).await.unwrap();
            let keys = page.entries.iter().map(|(key, _)| key.as_slice());
            // "last" is four bytes too.
            let keys = keys.filter(|key| key != b"last");
            numbers.extend(keys.map(|key| u32::from_be_bytes(key.try_into().unwrap())));
            match page.entries.last() {
                Some((last, _)) if page.more => range.from = Bound::Excluded(last.clone()),
                _ => return numbers,
            }
        }
    }
}

pub(crate) async fn nodes(bus: &Bus, count: usize, config: &Config) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(Node::new(bus, config.clone()).await);
    }
    nodes
}
