//! The bare client library: the yardstick. Default settings, a store of its own, no code of ours between it and the socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures::StreamExt;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use wacore::net::{HttpClient, HttpRequest, HttpResponse};
use wacore::store::DeviceCommand;
use wacore::store::device::{CachedNoiseCert, CachedServerCertChain};
use wacore::store::in_memory::InMemoryBackend;
use wacore::store::traits::Backend;
use wacore::types::events::{ChannelEventHandler, Event, Subscription};
use whatsapp_rust::store::persistence_manager::PersistenceManager;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::{Client, TokioRuntime};
use whatsapp_rust_sqlite_storage::{SqliteStore, SqliteStoreConfig, Synchronous};

/// Pairings under way at once.
pub(crate) const PAIRINGS_AT_ONCE: usize = 16;
/// The first phone number of bare clients.
const FIRST_NUMBER: u64 = 15_552_000_000;

/// Which of the library's stores a bare client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Store {
    /// Nothing is left when the process ends.
    Memory,
    /// The library's SQLite store as it opens it by default, a file per client: write-ahead log, synced at checkpoints only, so a
    /// power cut takes the last messages' keys.
    Sqlite,
    /// The same, synced with every commit: the promise that the product's store gives.
    SqliteFull,
}

impl Store {
    /// A new store; files go to this folder.
    async fn open(self, folder: &std::path::Path, number: u64) -> Result<Arc<dyn Backend>> {
        let path = folder.join(format!("{number}.db"));
        let path = path.to_str().context("a path in UTF-8")?;
        let synchronous = match self {
            Self::Memory => return Ok(Arc::new(InMemoryBackend::new())),
            Self::Sqlite => SqliteStoreConfig::default().synchronous,
            Self::SqliteFull => Synchronous::Full,
        };
        let config = SqliteStoreConfig {
            synchronous,
            ..Default::default()
        };
        Ok(Arc::new(SqliteStore::with_config(path, config).await?))
    }
}

/// A connected client; keep it alive.
pub(crate) struct BareClient {
    pub(crate) client: Arc<Client>,
    _subscription: Subscription,
}

/// Refuses every request: idle clients make none.
#[derive(Debug, Clone, Copy)]
struct NoHttp;

#[async_trait]
impl HttpClient for NoHttp {
    async fn execute(&self, request: HttpRequest) -> Result<HttpResponse> {
        anyhow::bail!(
            "the benchmark makes no request, {} was asked for",
            request.url
        )
    }
}

/// Where a simulator is, and what the clients keep.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) store: Store,
    folder: PathBuf,
    url: String,
    ws_url: String,
    server_key: [u8; 32],
    http: reqwest::Client,
}

impl Target {
    /// Asks a simulator for its addresses and key. Files of the clients go to this folder.
    pub(crate) async fn of(url: &str, store: Store, folder: PathBuf) -> Result<Self> {
        let http = switchboard_harness::http::client();
        let info: Value = http
            .get(format!("{url}/admin/info"))
            .send()
            .await?
            .json()
            .await?;
        let text = |field: &str| {
            info[field]
                .as_str()
                .map(str::to_owned)
                .context("the simulator's info")
        };
        let key = hex::decode(text("server_key")?)?;
        let server_key = key.try_into().ok().context("the server key has 32 bytes")?;
        Ok(Self {
            store,
            folder,
            url: url.to_owned(),
            ws_url: text("ws_url")?,
            server_key,
            http,
        })
    }

    async fn scan(&self, qr: String, number: &str) -> Result<()> {
        let url = format!("{}/admin/mock-phone/scan-qr", self.url);
        let request = self
            .http
            .post(url)
            .query(&[("number", number), ("name", number)])
            .body(qr);
        request.send().await?.error_for_status()?;
        Ok(())
    }
}

/// Pairs one client; returns it with the time from the scan to `Connected`.
pub(crate) async fn pair(target: &Target, number: u64) -> Result<(BareClient, Duration)> {
    let backend = target.store.open(&target.folder, number).await?;
    let store = Arc::new(PersistenceManager::new(backend).await?);
    let certificate = CachedNoiseCert {
        key: target.server_key,
        not_before: 0,
        not_after: i64::MAX,
    };
    let chain = CachedServerCertChain {
        intermediate: certificate.clone(),
        leaf: certificate,
    };
    store
        .process_command(DeviceCommand::SetServerCertChain(chain))
        .await;
    store
        .process_command(DeviceCommand::SetId(Some("1@s.whatsapp.net".parse()?)))
        .await;
    let client = Client::builder()
        .with_runtime(TokioRuntime)
        .with_persistence_manager(store)
        .with_transport_factory(
            TokioWebSocketTransportFactory::new().with_url(target.ws_url.clone()),
        )
        .with_http_client(NoHttp)
        .with_version_override((2, 3000, 1_000_000))
        .build()
        .await?
        .into_client();
    let (handler, events) = ChannelEventHandler::new();
    let subscription = client.subscribe_handler(handler);
    let running = Arc::clone(&client);
    drop(tokio::task::spawn(async move { running.run().await }));
    let mut scanned = None;
    loop {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the library has many events; two matter here"
        )]
        match &*events.recv().await.context("the client ended")? {
            Event::PairingQrCode(qr) if scanned.is_none() => {
                scanned = Some(Instant::now());
                target.scan(qr.code.clone(), &number.to_string()).await?;
            }
            Event::Connected(_) => break,
            _ => {}
        }
    }
    let took = scanned.context("connected without a scan")?.elapsed();
    Ok((
        BareClient {
            client,
            _subscription: subscription,
        },
        took,
    ))
}

/// The child process: pairs, says "ready", stays until its input ends.
pub(crate) async fn run(simulator: &str, sessions: usize) -> Result<()> {
    let target = Target::of(simulator, Store::Memory, PathBuf::new()).await?;
    let numbers = (0..sessions).map(|at| FIRST_NUMBER + at as u64);
    let paired = futures::stream::iter(numbers).map(|number| pair(&target, number));
    let clients: Vec<_> = paired.buffer_unordered(PAIRINGS_AT_ONCE).collect().await;
    let clients = clients.into_iter().collect::<Result<Vec<_>>>()?;
    println!("ready {}", clients.len());
    let mut end = Vec::new();
    tokio::io::stdin().read_to_end(&mut end).await?;
    Ok(())
}
