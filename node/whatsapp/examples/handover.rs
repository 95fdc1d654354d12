//! What a planned hand-over of a session costs below the node, step by step:
//! `cargo run -p switchboard-whatsapp --example handover -- [rounds]`.
//!
//! Plays the simulator in the same process. Each round stops the session, copies its keys to another store, and connects
//! from there; the next round goes back. Pairing and the size of a fresh session are shown first.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a measurement ends where something fails"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use switchboard_keystore::{
    Config as StoreConfig, EngineKind, Epoch as StoreEpoch, KeyStore, MasterKey, Namespace,
    Remains, TransferKey, open,
};
use switchboard_simulator::{Config as SimulatorConfig, Handle, Simulator};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::{Epoch, SessionRef};
use switchboard_whatsapp::{
    Account, Choices, Config, Connector, End, Endpoint, Fact, Fence, History, Incoming, Intake,
    IntakeError, OpenRequest, Signal,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const ROUNDS_DEFAULT: u32 = 200;
const PRE_KEYS: usize = 812;
const NUMBER: &str = "15550001";
const PEER: &str = "15550002";
/// Messages that wait when the next owner connects, in the second half of the rounds.
const BACKLOG: u32 = 20;
const SESSION: &str = "default/one";

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

/// A session that runs.
struct Running {
    account: Arc<dyn Account>,
    signals: mpsc::Receiver<Signal>,
    task: JoinHandle<End>,
}

async fn start(connector: &Connector, store: &Arc<dyn KeyStore>, epoch: u64) -> Running {
    let (told, signals) = mpsc::channel(64);
    let request = OpenRequest {
        session: SESSION.parse::<SessionRef>().unwrap(),
        epoch: Epoch(epoch),
        store: Arc::clone(store),
        intake: Arc::new(Nowhere),
        signals: told,
        fence: Arc::new(Open),
        choices: Choices::default(),
    };
    let account = connector.open(request).await.unwrap();
    let running = Arc::clone(&account);
    let task = tokio::spawn(async move {
        loop {
            let end = running.run().await;
            if end != End::Restart {
                return end;
            }
        }
    });
    Running {
        account,
        signals,
        task,
    }
}

impl Running {
    async fn stop(self) {
        self.account
            .shutdown(Duration::from_secs(20))
            .await
            .unwrap();
        assert_eq!(self.task.await.unwrap(), End::Stopped);
    }

    /// Follows the session until messages can leave, and until what waited is in; gives how long each took.
    async fn until_connected(&mut self, simulator: &Handle, since: Instant) -> [Duration; 2] {
        let mut ready = None;
        while let Some(signal) = self.signals.recv().await {
            match signal {
                Signal::Challenge(Challenge::Qr { text, .. }) => {
                    simulator
                        .scan_qr(&text, Some(NUMBER), Some("Tester"))
                        .unwrap();
                }
                Signal::Syncing(_) => ready = Some(since.elapsed()),
                Signal::Connected(_) => {
                    let connected = since.elapsed();
                    return [ready.unwrap_or(connected), connected];
                }
                _ => {}
            }
        }
        panic!("the session ended: {:?}", (&mut self.task).await);
    }
}

async fn copy(from: &dyn KeyStore, to: &dyn KeyStore, epoch: u64) -> (Duration, Duration) {
    let (namespace, key) = (namespace(), TransferKey::new([7; 32]));
    let begun = Instant::now();
    let mut export = from.export(&namespace, &key).await.unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = export.next().await.unwrap() {
        frames.push(frame);
    }
    let exported = begun.elapsed();
    let begun = Instant::now();
    let mut import = to
        .import(&namespace, StoreEpoch(epoch), &key)
        .await
        .unwrap();
    for frame in frames {
        import.write(&frame).await.unwrap();
    }
    import.finish().await.unwrap();
    to.promote(&namespace).await.unwrap();
    let imported = begun.elapsed();
    from.drop_namespace(&namespace, Remains::Tombstone(StoreEpoch(epoch - 1)))
        .await
        .unwrap();
    (exported, imported)
}

fn namespace() -> Namespace {
    Namespace::session(SESSION).unwrap()
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).saturating_sub(1)].as_secs_f64() * 1e3;
    println!(
        "{what:<34} {:>8.1} {:>8.1} {:>8.1}",
        at(50),
        at(99),
        at(100)
    );
}

#[tokio::main]
async fn main() {
    let rounds = std::env::args()
        .nth(1)
        .map_or(ROUNDS_DEFAULT, |text| text.parse().unwrap());
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut stores = Vec::new();
    for dir in &dirs {
        let master = MasterKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let mut config = StoreConfig::new(dir.path(), EngineKind::Sled, master);
        config.cache_bytes = 16 << 20;
        stores.push(open(config).await.unwrap().store);
    }
    let server_key = hex::decode(simulator.info().server_key).unwrap();
    let connector = Connector::new(Config {
        endpoint: Endpoint::Simulator {
            ws_url: simulator.info().ws_url,
            server_key: server_key.try_into().unwrap(),
        },
        connect_timeout: Duration::from_secs(10),
        pre_key_count: PRE_KEYS,
        chat_lanes_max: 64,
        device_name: "Switchboard".to_owned(),
        media_address: None,
    })
    .unwrap();

    let begun = Instant::now();
    let mut session = start(&connector, &stores[0], 1).await;
    let [_, paired] = session.until_connected(&simulator, begun).await;
    println!("paired and connected in {paired:?}");
    session.stop().await;
    println!("fresh: {:?}", stores[0].verify(&namespace()).await.unwrap());
    simulator.add_phone(PEER, "Peer").unwrap();

    let mut session = start(&connector, &stores[0], 2).await;
    session.until_connected(&simulator, Instant::now()).await;
    let mut epoch = 2;
    for backlog in [0, BACKLOG] {
        let mut times = [const { Vec::new() }; 6];
        for _ in 0..rounds / 2 {
            let (from, to) = if epoch % 2 == 0 { (0, 1) } else { (1, 0) };
            epoch += 1;
            let begun = Instant::now();
            session.stop().await;
            let closed = begun.elapsed();
            for _ in 0..backlog {
                simulator.phone_text(PEER, NUMBER, "waiting").unwrap();
            }
            let (exported, imported) = copy(&*stores[from], &*stores[to], epoch).await;
            let opened = Instant::now();
            session = start(&connector, &stores[to], epoch).await;
            let [ready, connected] = session.until_connected(&simulator, opened).await;
            let all = closed + exported + imported + ready;
            for (times, time) in times
                .iter_mut()
                .zip([closed, exported, imported, ready, connected, all])
            {
                times.push(time);
            }
        }
        println!(
            "\n{:<34} {:>8} {:>8} {:>8}",
            format!("{backlog} messages wait; ms"),
            "p50",
            "p99",
            "max"
        );
        let names = [
            "shutdown",
            "export",
            "import and promote",
            "open until ready to send",
            "open until all is in (Connected)",
            "shutdown to ready, all steps",
        ];
        for (name, times) in names.into_iter().zip(times) {
            show(name, times);
        }
    }
    let journal = simulator.journal();
    let device = journal.device(&format!("{NUMBER}:1")).unwrap();
    println!(
        "connects {}, conflicts {}, most sockets at once {}",
        device.connects, device.conflicts_sent, device.sockets_open_max
    );
}
