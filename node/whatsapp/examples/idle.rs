//! What an idle session costs in memory: `cargo run --release -p switchboard-whatsapp --example idle -- [sessions]`.
//!
//! Plays the simulator in the same process; its share is measured first, with the library's bare client on the
//! library's own in-memory store, and then once more with our accounts on the key store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a measurement ends where something fails"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use switchboard_keystore::{Config as StoreConfig, EngineKind, MasterKey, open};
use switchboard_simulator::{Config as SimulatorConfig, Handle, Simulator};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::{Epoch, SessionRef};
use switchboard_whatsapp::{
    Account, Choices, Config, Connector, End, Endpoint, Fact, Fence, History, Incoming, Intake,
    IntakeError, OpenRequest, Signal,
};
use tokio::sync::mpsc;
use wacore::store::commands::DeviceCommand;
use wacore::store::{CachedNoiseCert, CachedServerCertChain, InMemoryBackend};
use wacore::types::events::{ChannelEventHandler, Event};
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::store::persistence_manager::PersistenceManager;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::{CacheConfig, Client, TokioRuntime, anyhow};

const SESSIONS_DEFAULT: usize = 200;
const PRE_KEYS: usize = 30;

#[derive(Debug)]
struct Open;

impl Fence for Open {
    fn is_open(&self) -> bool {
        true
    }
}

struct Nowhere;

#[async_trait]
impl Intake for Nowhere {
    async fn take(&self, _: Vec<Incoming>) -> Result<(), IntakeError> {
        Ok(())
    }

    async fn learn(&self, _: Vec<Fact>) -> Result<(), IntakeError> {
        Ok(())
    }

    async fn take_history(&self, _: History) -> Result<(), IntakeError> {
        Ok(())
    }
}

#[async_trait]
impl HttpClient for Nowhere {
    async fn execute(&self, _: HttpRequest) -> anyhow::Result<HttpResponse> {
        anyhow::bail!("nothing is fetched here")
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn server_key(simulator: &Handle) -> [u8; 32] {
    hex::decode(simulator.info().server_key)
        .unwrap()
        .try_into()
        .unwrap()
}

async fn bare(simulator: &Handle, number: &str) -> Arc<Client> {
    let manager = Arc::new(
        PersistenceManager::new(Arc::new(InMemoryBackend::new()))
            .await
            .unwrap(),
    );
    let certificate = || CachedNoiseCert {
        key: server_key(simulator),
        not_before: 0,
        not_after: i64::MAX,
    };
    let chain = CachedServerCertChain {
        intermediate: certificate(),
        leaf: certificate(),
    };
    manager
        .process_command(DeviceCommand::SetServerCertChain(chain))
        .await;
    manager
        .process_command(DeviceCommand::SetId(Some(
            "1@s.whatsapp.net".parse().unwrap(),
        )))
        .await;
    let client = Client::builder()
        .with_runtime(TokioRuntime)
        .with_persistence_manager(manager)
        .with_transport_factory(
            TokioWebSocketTransportFactory::new().with_url(simulator.info().ws_url),
        )
        .with_http_client(Nowhere)
        .with_version_override((2, 3000, 1))
        .with_wanted_pre_key_count(PRE_KEYS)
        .with_skip_history_sync(true)
        .with_cache_config(CacheConfig {
            chat_lanes_capacity: 64,
            ..CacheConfig::default()
        })
        .build()
        .await
        .unwrap()
        .into_client();
    let (handler, events) = ChannelEventHandler::new();
    let subscription = client.subscribe_handler(handler);
    let running = Arc::clone(&client);
    tokio::spawn(async move { running.run().await });
    while let Ok(event) = events.recv().await {
        match &*event {
            Event::PairingQrCode(qr) => {
                simulator
                    .scan_qr(&qr.code, Some(number), Some(number))
                    .unwrap();
            }
            Event::Connected(_) => break,
            _ => {}
        }
    }
    drop(subscription);
    client.enable_auto_reconnect.store(false, Ordering::Release);
    client
}

async fn ours(
    simulator: &Handle,
    connector: &Connector,
    request: OpenRequest,
    number: &str,
) -> Arc<dyn Account> {
    let (signals, mut told) = mpsc::channel(64);
    let account = connector
        .open(OpenRequest { signals, ..request })
        .await
        .unwrap();
    let running = Arc::clone(&account);
    tokio::spawn(async move { while running.run().await == End::Restart {} });
    while let Some(signal) = told.recv().await {
        match signal {
            Signal::Challenge(Challenge::Qr { text, .. }) => {
                simulator
                    .scan_qr(&text, Some(number), Some(number))
                    .unwrap();
            }
            Signal::Connected(_) => break,
            _ => {}
        }
    }
    account
}

#[tokio::main]
async fn main() {
    let count = std::env::args()
        .nth(1)
        .map_or(SESSIONS_DEFAULT, |text| text.parse().unwrap());
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    // The first sessions pay for what all share.
    let warm = bare(&simulator, "19990001").await;
    let before = resident_kib();
    let mut clients = Vec::new();
    for n in 0..count {
        clients.push(bare(&simulator, &format!("1777{n:06}")).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let bare_kib = (resident_kib() - before) / count as u64;
    println!("bare library client with its part of the simulator: {bare_kib} KiB per session");

    let dir = tempfile::tempdir().unwrap();
    let master = MasterKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
    let mut config = StoreConfig::new(dir.path(), EngineKind::Sled, master);
    config.cache_bytes = 16 << 20;
    let store = open(config).await.unwrap().store;
    let connector = Connector::new(Config {
        endpoint: Endpoint::Simulator {
            ws_url: simulator.info().ws_url,
            server_key: server_key(&simulator),
        },
        connect_timeout: Duration::from_secs(10),
        pre_key_count: PRE_KEYS,
        chat_lanes_max: 64,
        device_name: "Switchboard".to_owned(),
        media_address: None,
    })
    .unwrap();
    let request = |n: usize| OpenRequest {
        session: format!("default/s{n}").parse::<SessionRef>().unwrap(),
        epoch: Epoch(1),
        store: Arc::clone(&store),
        intake: Arc::new(Nowhere),
        signals: mpsc::channel(1).0,
        fence: Arc::new(Open),
        choices: Choices::default(),
    };
    let first = ours(&simulator, &connector, request(count), "19990002").await;
    let before = resident_kib();
    let mut accounts = Vec::new();
    for n in 0..count {
        accounts.push(ours(&simulator, &connector, request(n), &format!("1888{n:06}")).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let our_kib = (resident_kib() - before) / count as u64;
    println!("account on the key store with its part of the simulator: {our_kib} KiB per session");
    drop((warm, clients, first, accounts));
}
