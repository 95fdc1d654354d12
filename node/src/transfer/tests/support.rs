//! Two sites with stores and media folders, and a bus that loses what the test says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use switchboard_bus::{Bus, Limits, Names, RequestStream, Rpc, RpcError, Subject, in_process};
use switchboard_keystore::{
    Config, EngineKind, Epoch as StoreEpoch, KeyStore, Kind, MasterKey, Namespace, Op, ScanRange,
    Watermarks,
};
use switchboard_ownership::TransferFailure;
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{Epoch, MediaId, NodeId, SessionRef};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::egress::Guard;
use crate::media::{MediaConfig, MediaStore};
use crate::ports::{MediaPort, SessionScope};
use crate::transfer::Transfer;

pub(super) const ENGINES: [EngineKind; 3] =
    [EngineKind::Memory, EngineKind::Sled, EngineKind::Redb];
/// Largest file of a site.
pub(super) const FILE_BYTES_MAX: u64 = 4 << 20;
pub(super) const KEY: [u8; 32] = [7; 32];
pub(super) type Rows = Vec<(u8, Vec<(Vec<u8>, Vec<u8>)>)>;

pub(super) fn names() -> Names {
    Names::new("t").unwrap()
}

pub(super) fn session(name: &str) -> SessionRef {
    format!("default/{name}").parse().unwrap()
}

pub(super) fn namespace(session: &SessionRef) -> Namespace {
    Namespace::session(&session.to_string()).unwrap()
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(super) async fn bus() -> Bus {
    in_process::open_in_memory(Limits::default()).await.unwrap()
}

/// How a site is made.
pub(super) struct Plan {
    pub(super) engine: EngineKind,
    pub(super) key: [u8; 32],
    pub(super) watermarks: Watermarks,
}

impl Default for Plan {
    fn default() -> Self {
        // The machine that runs the tests may have little room left; that is not what they are about.
        let watermarks = Watermarks {
            new_sessions_percent: 0,
            sends_percent: 0,
            sends_bytes: 0,
        };
        Self {
            engine: EngineKind::Memory,
            key: KEY,
            watermarks,
        }
    }
}

impl From<EngineKind> for Plan {
    fn from(engine: EngineKind) -> Self {
        Self {
            engine,
            ..Self::default()
        }
    }
}

/// One node's stores and its end of transfers.
pub(super) struct Site {
    pub(super) id: NodeId,
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) media: Arc<MediaStore>,
    pub(super) transfer: Arc<Transfer>,
    pub(super) has_lease: Arc<AtomicBool>,
    pub(super) staged: mpsc::Receiver<(SessionRef, Epoch)>,
    pub(super) stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Site {
    pub(super) async fn new(name: &str, bus: &Bus, plan: impl Into<Plan>) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let plan = plan.into();
        let id: NodeId = name.parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut master = [0; 32];
        master[..name.len()].copy_from_slice(name.as_bytes());
        let dir = folder.path().join("store");
        let mut config = Config::new(dir, plan.engine, MasterKey::new(master));
        config.watermarks = plan.watermarks;
        config.cache_bytes = 16 << 20;
        let store = switchboard_keystore::open(config).await.unwrap().store;
        let config = MediaConfig {
            bucket: None,
            age_max: None,
            session_bytes_max: None,
            file_bytes_max: FILE_BYTES_MAX,
            guard: Guard::new(Vec::new()),
        };
        let media = Arc::new(MediaStore::open(&folder.path().join("media"), config).unwrap());
        let has_lease = Arc::new(AtomicBool::new(true));
        let transfer = Arc::new(Transfer::new(
            bus.clone(),
            names(),
            id.clone(),
            Arc::clone(&store),
            Arc::clone(&media) as Arc<dyn MediaPort>,
            plan.key,
            {
                let has_lease = Arc::clone(&has_lease);
                Box::new(move || has_lease.load(Ordering::SeqCst))
            },
        ));
        let (told, staged) = mpsc::channel(64);
        let stop = CancellationToken::new();
        let serving = serve(&transfer, bus, &id, told, stop.clone()).await;
        Self {
            id,
            store,
            media,
            transfer,
            has_lease,
            staged,
            stop,
            serving: Some(serving),
            _folder: folder,
        }
    }

    pub(super) async fn send(
        &self,
        session: &SessionRef,
        (epoch, next): (u64, u64),
        target: &Self,
    ) -> Result<(), TransferFailure> {
        let epochs = (Epoch(epoch), Epoch(next));
        self.transfer
            .send(session, epochs.0, epochs.1, &target.id, soon())
            .await
    }

    /// Stops serving and serves again: what was under way is forgotten.
    pub(super) async fn serve_again(&mut self, bus: &Bus) {
        self.stop_serving().await;
        self.stop = CancellationToken::new();
        let (told, staged) = mpsc::channel(64);
        self.staged = staged;
        self.serving = Some(serve(&self.transfer, bus, &self.id, told, self.stop.clone()).await);
    }

    pub(super) async fn stop_serving(&mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
    }

    pub(super) async fn staged_epoch(&self, session: &SessionRef) -> Option<u64> {
        let staged = self.store.staged().await.unwrap();
        let ns = namespace(session);
        staged
            .iter()
            .find(|staged| staged.namespace == ns)
            .map(|staged| staged.epoch.0)
    }

    pub(super) async fn put_file(&self, session: &SessionRef, id: &str, bytes: &[u8]) {
        let meta = StoredMedia {
            id: MediaId::parse(id).unwrap(),
            kind: MediaKind::Document,
            mime_type: "text/plain".into(),
            size: bytes.len() as u64,
            sha256: String::new(),
            file_name: Some(format!("{id}.txt")),
        };
        let bytes = Bytes::copy_from_slice(bytes);
        self.media.put(&scope(session), &meta, bytes).await.unwrap();
    }

    /// Ids, descriptions and bytes of all files.
    pub(super) async fn files(
        &self,
        session: &SessionRef,
    ) -> HashMap<MediaId, (StoredMedia, Vec<u8>)> {
        let mut files = HashMap::new();
        for id in self.media.stored(session).await.unwrap() {
            let meta = self.media.describe(session, &id).await.unwrap().unwrap();
            let mut bytes = Vec::new();
            loop {
                let piece = self
                    .media
                    .copy_out(session, &id, bytes.len() as u64, 100_000);
                let piece = piece.await.unwrap();
                if piece.is_empty() {
                    break;
                }
                bytes.extend_from_slice(&piece);
            }
            files.insert(id, (meta, bytes));
        }
        files
    }
}

async fn serve(
    transfer: &Arc<Transfer>,
    bus: &Bus,
    id: &NodeId,
    told: mpsc::Sender<(SessionRef, Epoch)>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let subject = names().node_peer(id.as_str()).unwrap();
    let requests = bus.rpc.serve(&subject).await.unwrap();
    crate::task::start(Arc::clone(transfer).serve(requests, told, stop))
}

fn scope(session: &SessionRef) -> SessionScope {
    SessionScope {
        session: session.clone(),
        uuid: "u".into(),
        epoch: Epoch(1),
    }
}

/// Fills a session with rows of several kinds, large values among them.
pub(super) async fn fill(store: &Arc<dyn KeyStore>, session: &SessionRef, keys: u32, value: usize) {
    let ns = namespace(session);
    for first in (0..keys).step_by(5_000) {
        let ops = (first..keys.min(first + 5_000)).map(|key| Op::Put {
            kind: Kind(u8::try_from(key % 3).unwrap()),
            key: key.to_be_bytes().to_vec(),
            value: vec![u8::try_from(key % 251).unwrap(); value],
        });
        store
            .commit(&ns, StoreEpoch(3), ops.collect())
            .await
            .unwrap();
    }
    let large = Op::Put {
        kind: Kind(9),
        key: b"large".to_vec(),
        value: vec![3; 20_000],
    };
    store.commit(&ns, StoreEpoch(3), vec![large]).await.unwrap();
}

/// Every row of a session, by kind.
pub(super) async fn rows(store: &Arc<dyn KeyStore>, session: &SessionRef) -> Rows {
    let ns = namespace(session);
    let mut all = Vec::new();
    for kind in 0..=9 {
        let (mut of_kind, mut range) = (Vec::new(), ScanRange::all(10_000));
        loop {
            let page = store.scan(&ns, Kind(kind), range.clone()).await.unwrap();
            of_kind.extend(page.entries);
            if !page.more {
                break;
            }
            let (last, _) = of_kind.last().unwrap();
            range.from = std::ops::Bound::Excluded(last.clone());
        }
        all.push((kind, of_kind));
    }
    all
}

/// What happens to the call of a number.
#[derive(Clone)]
pub(super) enum Fault {
    /// It never arrives.
    LoseCall,
    /// It arrives; its answer does not.
    LoseAnswer,
    /// It arrives twice.
    Twice,
    /// From here on nothing arrives.
    Cut,
    /// This happens first, then it arrives.
    Before(Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>),
}

/// A bus with one fault.
pub(super) struct Faulty {
    inner: Arc<dyn Rpc>,
    at: usize,
    fault: Fault,
    seen: AtomicUsize,
    /// What was sent, for tests that send it again.
    pub(super) sent: Mutex<Vec<Bytes>>,
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faulty")
    }
}

impl Faulty {
    /// The same bus, for one side, with a fault at the call of number `at`, from 0.
    pub(super) fn over(bus: &Bus, at: usize, fault: Fault) -> (Bus, Arc<Self>) {
        let faulty = Arc::new(Self {
            inner: Arc::clone(&bus.rpc),
            at,
            fault,
            seen: AtomicUsize::new(0),
            sent: Mutex::default(),
        });
        let mut bus = bus.clone();
        bus.rpc = Arc::clone(&faulty) as Arc<dyn Rpc>;
        (bus, faulty)
    }

    pub(super) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Rpc for Faulty {
    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, RpcError> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        self.sent.lock().unwrap().push(payload.clone());
        let timeout = || RpcError::Timeout {
            subject: subject.clone(),
            deadline,
        };
        let send = || self.inner.request(subject, payload.clone(), deadline);
        if number > self.at && matches!(self.fault, Fault::Cut) {
            return Err(timeout());
        }
        if number != self.at {
            return send().await;
        }
        match &self.fault {
            Fault::LoseCall | Fault::Cut => Err(timeout()),
            Fault::LoseAnswer => {
                send().await?;
                Err(timeout())
            }
            Fault::Twice => {
                let (one, two) = tokio::join!(send(), send());
                one?;
                two
            }
            Fault::Before(work) => {
                work().await;
                send().await
            }
        }
    }

    async fn serve(&self, subject: &Subject) -> Result<RequestStream, RpcError> {
        self.inner.serve(subject).await
    }
}
