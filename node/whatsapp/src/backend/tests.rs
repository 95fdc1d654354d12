//! The library's contract, checked on both engines, before and after reopening.

use std::collections::BTreeSet;
use std::path::Path;

use switchboard_keystore::{Config, EngineKind, MasterKey, open};
use wacore::appstate::hash::HashState;
use wacore::appstate::processor::AppStateMutationMAC;
use wacore::store::Device;
use wacore::store::traits::{
    AppStateSyncKey, AppSyncStore, DeviceInfo, DeviceListRecord, DeviceStore, LidPnMappingEntry,
    MsgSecretEntry, MsgSecretStore, PendingInboundKey, PendingInboundRow, ProtocolStore,
    SignalStore, TcTokenEntry,
};

use super::*;

mod protocol;
mod signal;
mod sweeps;

const ENGINES: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Redb];

struct Bench {
    store: Arc<dyn KeyStore>,
}

impl Bench {
    async fn open(dir: &Path, engine: EngineKind) -> Self {
        let mut config = Config::new(
            dir,
            engine,
            MasterKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap())),
        );
        config.cache_bytes = 8 << 20;
        Self {
            store: open(config).await.unwrap().store,
        }
    }

    fn backend(&self, epoch: u64) -> Backend {
        let namespace = Namespace::session("default/one").unwrap();
        Backend::new(
            Arc::clone(&self.store),
            namespace,
            Epoch(epoch),
            Arc::default(),
            Arc::default(),
        )
    }
}

/// Runs `write` on a fresh store of each engine, then `check` on it, and once more after reopening it.
async fn on_each_engine(write: impl AsyncFn(&Backend), check: impl AsyncFn(&Backend)) {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::open(dir.path(), engine).await;
        let backend = bench.backend(1);
        write(&backend).await;
        check(&backend).await;
        backend.write_riders().await.unwrap();
        drop(backend);
        bench.store.close().await.unwrap();
        drop(bench);
        let bench = Bench::open(dir.path(), engine).await;
        check(&bench.backend(1)).await;
        bench.store.close().await.unwrap();
    }
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}
