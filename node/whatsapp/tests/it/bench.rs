//! A simulator, a store, and accounts that are driven by hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use switchboard_keystore::{Config as StoreConfig, EngineKind, KeyStore, MasterKey, open};
use switchboard_simulator::{Config as SimulatorConfig, Handle, Simulator};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, Epoch, MessageId, SessionRef};
use switchboard_whatsapp::{
    Account, Choices, Config, Connector, Dispatched, End, Endpoint, Error, Fact, Fence, History,
    Incoming, Intake, IntakeError, OpenRequest, Outgoing, OutgoingContent, Signal,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longest wait for anything. Generous: the machine may be busy, and no test asserts on time.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The fence of a test.
#[derive(Debug)]
pub struct Switch(AtomicBool);

impl Switch {
    pub fn open() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub fn close(&self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Fence for Switch {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

struct TestIntake {
    fails: Arc<AtomicBool>,
    taken: mpsc::Sender<Incoming>,
    refused: mpsc::Sender<usize>,
    learnt: mpsc::Sender<Fact>,
    old: mpsc::Sender<History>,
}

#[async_trait]
impl Intake for TestIntake {
    async fn take(&self, batch: Vec<Incoming>) -> Result<(), IntakeError> {
        if self.fails.load(Ordering::Acquire) {
            let _ = self.refused.try_send(batch.len());
            return Err(IntakeError("the test says so".to_owned()));
        }
        for incoming in batch {
            let _ = self.taken.send(incoming).await;
        }
        Ok(())
    }

    async fn learn(&self, facts: Vec<Fact>) -> Result<(), IntakeError> {
        for fact in facts {
            let _ = self.learnt.send(fact).await;
        }
        Ok(())
    }

    async fn take_history(&self, part: History) -> Result<(), IntakeError> {
        let _ = self.old.send(part).await;
        Ok(())
    }
}

/// A simulator with one store.
pub struct World {
    pub simulator: Handle,
    pub store: Arc<dyn KeyStore>,
    pub connector: Connector,
}

pub fn config(simulator: &Handle, ws_url: String) -> Config {
    let key = hex::decode(simulator.info().server_key).unwrap();
    Config {
        endpoint: Endpoint::Simulator {
            ws_url,
            server_key: key.try_into().unwrap(),
        },
        connect_timeout: Duration::from_secs(10),
        pre_key_count: 20,
        chat_lanes_max: 64,
        device_name: "Switchboard".to_owned(),
        media_address: Some(simulator.address()),
    }
}

impl World {
    pub async fn new() -> Self {
        // Set RUST_LOG to see what the library says.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
        let master = MasterKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let store = open(StoreConfig::new("", EngineKind::Memory, master))
            .await
            .unwrap()
            .store;
        let connector = Connector::new(config(&simulator, simulator.info().ws_url)).unwrap();
        Self {
            simulator,
            store,
            connector,
        }
    }

    /// Opens a session; its fence is open.
    pub async fn open(&self, name: &str, epoch: u64) -> Session {
        self.open_behind(&self.connector, name, epoch, Switch::open())
            .await
    }

    /// Opens a session as its customer chose.
    pub async fn open_with(&self, name: &str, choices: Choices) -> Session {
        self.open_as(&self.connector, name, 1, Switch::open(), choices)
            .await
    }

    pub async fn open_behind(
        &self,
        connector: &Connector,
        name: &str,
        epoch: u64,
        fence: Arc<Switch>,
    ) -> Session {
        self.open_as(connector, name, epoch, fence, Choices::default())
            .await
    }

    async fn open_as(
        &self,
        connector: &Connector,
        name: &str,
        epoch: u64,
        fence: Arc<Switch>,
        choices: Choices,
    ) -> Session {
        self.try_open(connector, name, epoch, fence, choices)
            .await
            .unwrap()
    }

    /// Whether a session of these choices cannot be opened.
    pub async fn refuses(&self, name: &str, choices: Choices) -> bool {
        let opened = self.try_open(&self.connector, name, 1, Switch::open(), choices);
        matches!(opened.await, Err(Error::Refused { .. }))
    }

    async fn try_open(
        &self,
        connector: &Connector,
        name: &str,
        epoch: u64,
        fence: Arc<Switch>,
        choices: Choices,
    ) -> Result<Session, Error> {
        let (taken, inbox) = mpsc::channel(1_000);
        let (refused, refusals) = mpsc::channel(1_000);
        let (learnt, facts) = mpsc::channel(1_000);
        let (old, histories) = mpsc::channel(1_000);
        let (told, signals) = mpsc::channel(1_000);
        let intake_fails = Arc::new(AtomicBool::new(false));
        let request = OpenRequest {
            session: format!("default/{name}").parse::<SessionRef>().unwrap(),
            epoch: Epoch(epoch),
            store: Arc::clone(&self.store),
            intake: Arc::new(TestIntake {
                fails: Arc::clone(&intake_fails),
                taken,
                refused,
                learnt,
                old,
            }),
            signals: told,
            fence,
            choices,
        };
        let account = connector.open(request).await?;
        Ok(Session {
            account,
            inbox,
            signals,
            facts,
            heard: BTreeSet::new(),
            histories,
            refusals,
            intake_fails,
            running: None,
        })
    }

    /// Opens a session and links it to a new phone of this number.
    pub async fn linked(&self, name: &str, number: &str) -> Session {
        let mut session = self.open(name, 1).await;
        session.link(self, number).await;
        session
    }
}

/// An account, what it told, and its run.
pub struct Session {
    pub account: Arc<dyn Account>,
    pub inbox: mpsc::Receiver<Incoming>,
    pub signals: mpsc::Receiver<Signal>,
    pub facts: mpsc::Receiver<Fact>,
    /// Ids of messages, for tests that count them.
    pub heard: BTreeSet<MessageId>,
    pub histories: mpsc::Receiver<History>,
    pub refusals: mpsc::Receiver<usize>,
    pub intake_fails: Arc<AtomicBool>,
    running: Option<JoinHandle<End>>,
}

impl Session {
    /// Starts a connection.
    #[expect(clippy::disallowed_methods, reason = "a test joins it in `end`")]
    pub fn start(&mut self) {
        let account = Arc::clone(&self.account);
        self.running = Some(tokio::spawn(async move { account.run().await }));
    }

    /// Waits for the end of the connection.
    pub async fn end(&mut self) -> End {
        let running = self.running.take().expect("a connection was started");
        timeout(DEADLINE, running)
            .await
            .expect("the connection ends")
            .unwrap()
    }

    /// Waits for a signal that `pick` wants; the others are dropped.
    pub async fn signal<T>(&mut self, pick: impl Fn(&Signal) -> Option<T>) -> T {
        let signals = &mut self.signals;
        let wait = async {
            loop {
                let signal = signals.recv().await.expect("the account lives");
                if let Some(found) = pick(&signal) {
                    return found;
                }
            }
        };
        let watched = async {
            match &mut self.running {
                Some(running) => tokio::select! {
                    biased;
                    found = wait => found,
                    end = running => panic!("the connection ended first: {end:?}"),
                },
                None => wait.await,
            }
        };
        timeout(DEADLINE, watched).await.expect("the signal comes")
    }

    pub async fn qr(&mut self) -> String {
        self.signal(|signal| match signal {
            Signal::Challenge(Challenge::Qr { text, .. }) => Some(text.clone()),
            _ => None,
        })
        .await
    }

    pub async fn connected(&mut self) -> Identity {
        self.signal(|signal| match signal {
            Signal::Connected(identity) => Some(identity.clone()),
            _ => None,
        })
        .await
    }

    /// Links the session by QR code and logs it in.
    pub async fn link(&mut self, world: &World, number: &str) -> Identity {
        self.start();
        let text = self.qr().await;
        world
            .simulator
            .scan_qr(&text, Some(number), Some("Tester"))
            .unwrap();
        self.after_pairing().await
    }

    /// Follows the restart that comes with every pairing.
    pub async fn after_pairing(&mut self) -> Identity {
        self.signal(|signal| matches!(signal, Signal::Paired(_)).then_some(()))
            .await;
        assert_eq!(self.end().await, End::Restart);
        self.start();
        self.connected().await
    }

    pub async fn incoming(&mut self) -> Incoming {
        timeout(DEADLINE, self.inbox.recv())
            .await
            .expect("the message comes")
            .expect("the account lives")
    }

    /// Waits for a fact that `pick` wants; the others are dropped.
    pub async fn fact<T>(&mut self, pick: impl Fn(&Fact) -> Option<T>) -> T {
        let wait = async {
            loop {
                let fact = self.facts.recv().await.expect("the account lives");
                if let Some(found) = pick(&fact) {
                    return found;
                }
            }
        };
        timeout(DEADLINE, wait).await.expect("the fact comes")
    }

    pub async fn history(&mut self) -> History {
        timeout(DEADLINE, self.histories.recv())
            .await
            .expect("the history comes")
            .expect("the account lives")
    }

    pub async fn send(&self, id: &str, to: &str, body: &str) -> Result<Dispatched, Error> {
        self.send_content(id, to, OutgoingContent::words(body))
            .await
    }

    pub async fn send_content(
        &self,
        id: &str,
        to: &str,
        content: OutgoingContent,
    ) -> Result<Dispatched, Error> {
        let outgoing = Outgoing {
            id: id.parse::<MessageId>().unwrap(),
            to: chat(to),
            content,
            quoted: None,
            expires: None,
        };
        timeout(DEADLINE, self.account.send(outgoing))
            .await
            .expect("the send ends")
    }

    /// Flushes and closes, and sees the run end.
    pub async fn stop(&mut self) {
        self.account.shutdown(DEADLINE).await.unwrap();
        assert_eq!(self.end().await, End::Stopped);
    }
}

pub fn chat(number: &str) -> ChatId {
    format!("{number}@s.whatsapp.net").parse().unwrap()
}

/// Waits until something is so.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while !is_so() {
            ticks.tick().await;
        }
    };
    assert!(timeout(DEADLINE, wait).await.is_ok(), "{what}: not so");
}
