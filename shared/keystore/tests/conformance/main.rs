//! One suite, every engine: what the trait promises is pinned here or it is not promised.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    clippy::missing_errors_doc,
    reason = "a test fails by panicking, and tells its story in one piece"
)]

use std::path::Path;
use std::sync::Arc;

use switchboard_keystore::{
    Config, EngineKind, Epoch, KeyStore, Kind, MasterKey, Namespace, OnBroken, Op, OpenError,
    Opened, TransferKey, open,
};

mod data;
mod fences;
mod files;
mod ids;
mod transfers;

pub(crate) const KIND: Kind = Kind(7);

/// A directory and the engine that lives in it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) kind: EngineKind,
}

impl Place {
    pub(crate) fn new(kind: EngineKind) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            kind,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.path(), self.kind, master(1));
        config.cache_bytes = 8 << 20;
        config.on_broken = OnBroken::Refuse;
        config
    }

    pub(crate) async fn try_open(&self) -> Result<Opened, OpenError> {
        open(self.config()).await
    }

    pub(crate) async fn open(&self) -> Arc<dyn KeyStore> {
        self.try_open().await.unwrap().store
    }

    /// Closes the store and opens it again.
    pub(crate) async fn reopen(&self, store: Arc<dyn KeyStore>) -> Arc<dyn KeyStore> {
        store.close().await.unwrap();
        drop(store);
        self.open().await
    }
}

pub(crate) fn master(first: u8) -> MasterKey {
    let mut bytes = [9; 32];
    bytes[0] = first;
    MasterKey::new(bytes)
}

pub(crate) fn transfer() -> TransferKey {
    TransferKey::new([3; 32])
}

pub(crate) fn session(name: &str) -> Namespace {
    Namespace::session(&format!("tenant/{name}")).unwrap()
}

pub(crate) fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Op {
    Op::Put {
        kind: KIND,
        key: key.as_ref().to_vec(),
        value: value.as_ref().to_vec(),
    }
}

pub(crate) fn delete(key: &str) -> Op {
    Op::Delete {
        kind: KIND,
        key: key.into(),
    }
}

pub(crate) fn delete_range(from: &str, to: &str) -> Op {
    Op::DeleteRange {
        kind: KIND,
        from: from.into(),
        to: to.into(),
    }
}

pub(crate) async fn commit(store: &Arc<dyn KeyStore>, ns: &Namespace, epoch: u64, ops: Vec<Op>) {
    let durable = store.commit(ns, Epoch(epoch), ops).await.unwrap();
    assert_eq!(durable.epoch(), Epoch(epoch));
}

pub(crate) async fn get(store: &Arc<dyn KeyStore>, ns: &Namespace, key: &str) -> Option<Vec<u8>> {
    store.get(ns, KIND, key.as_bytes()).await.unwrap()
}

/// Runs test functions on every engine: those under `all` also in memory, those under `files` only
/// where there are files to reopen.
#[macro_export]
macro_rules! every_engine {
    (all: [$($all:ident),* $(,)?] files: [$($files:ident),* $(,)?]) => {
        $crate::every_engine!(one: on_sled Sled $($all)* $($files)*);
        $crate::every_engine!(one: on_redb Redb $($all)* $($files)*);
        $crate::every_engine!(one: in_memory Memory $($all)*);
    };
    (one: $name:ident $kind:ident $($test:ident)*) => {
        mod $name { $(
            #[tokio::test]
            async fn $test() {
                super::$test($crate::Place::new(switchboard_keystore::EngineKind::$kind)).await;
            }
        )* }
    };
}
