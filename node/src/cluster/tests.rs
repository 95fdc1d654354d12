//! Several nodes in one process, over one bus: who runs what when nodes come, leave, die and lose their bus.

mod beginning;
mod leaving;
mod losing;
mod strangers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_bus::in_process;
use switchboard_bus::{Bus, Key, Limits as BusLimits, Names, RpcError};
use switchboard_keystore::{EngineKind, KeyStore, MasterKey, Namespace};
use switchboard_vocab::cluster::{NodeOrder, NodeRecord, OrderAnswer, OwnerRecord};
use switchboard_vocab::directory::{RECORD_VERSION, SessionRecord};
use switchboard_vocab::envelope::{AnswerHead, CallHead, Frame, Verb};
use switchboard_vocab::sessions::{GetStatus, SessionState, SessionStatus, Start};
use switchboard_vocab::{NodeId, Operation, SessionRef, Timestamp, codec};
use tokio::time::Instant;

use crate::config::{ClusterConfig, Limits, NodeConfig};
use crate::doubles::{QuietPorts, Script, ScriptedConnect, Stall};
use crate::node::{Error as NodeError, Node, NodeHandle};

const WAIT: Duration = Duration::from_secs(60);
/// A lease that nobody loses in a test, however busy the machine is.
const LONG_LEASE: Duration = Duration::from_secs(60);
/// A lease that a test waits for.
const SHORT_LEASE: Duration = Duration::from_secs(2);

fn names() -> Names {
    Names::new("test").unwrap()
}

fn id(text: &str) -> NodeId {
    text.parse().unwrap()
}

fn session(name: &str) -> SessionRef {
    format!("default/{name}").parse().unwrap()
}

/// What every node of a test shares.
struct Net {
    bus: Bus,
    script: Arc<Script>,
    witness: tempfile::TempDir,
}

/// What outlives a node.
struct Host {
    id: NodeId,
    store: Arc<dyn KeyStore>,
    ports: QuietPorts,
    stall: Arc<Stall>,
    bus: Bus,
    cluster: ClusterConfig,
    script: Arc<Script>,
}

async fn memory_store() -> Arc<dyn KeyStore> {
    let master = MasterKey::new(*b"a key for tests of 32 bytes long");
    let config = switchboard_keystore::Config::new("", EngineKind::Memory, master);
    switchboard_keystore::open(config).await.unwrap().store
}

impl Net {
    async fn new() -> Self {
        Self::playing(Script::pairs_and_stays()).await
    }

    async fn playing(script: Script) -> Self {
        Self {
            bus: in_process::open_in_memory(BusLimits::default())
                .await
                .unwrap(),
            script: Arc::new(script),
            witness: tempfile::tempdir().unwrap(),
        }
    }

    async fn host(&self, name: &str, lease: Duration) -> Host {
        let stall = Stall::new(Arc::clone(&self.bus.kv));
        let mut bus = self.bus.clone();
        bus.kv = Arc::clone(&stall) as Arc<dyn switchboard_bus::Kv>;
        let mut cluster = crate::doubles::cluster();
        cluster.alone = false;
        cluster.lease = lease;
        cluster.witness = Some(self.witness_of(name));
        // Nothing moves for balance unless a test wants it.
        cluster.moves.settle = Duration::from_secs(3_600);
        Host {
            id: id(name),
            store: memory_store().await,
            ports: QuietPorts::default(),
            stall,
            bus,
            cluster,
            script: Arc::clone(&self.script),
        }
    }

    fn witness_of(&self, name: &str) -> PathBuf {
        self.witness.path().join(name)
    }

    async fn create(&self, name: &str) {
        self.create_life(name, 1).await;
    }

    /// Another session of a name that had one before.
    async fn create_again(&self, name: &str) {
        self.create_life(name, 2).await;
    }

    async fn create_life(&self, name: &str, life: u64) {
        let record = SessionRecord {
            version: RECORD_VERSION,
            session: session(name),
            uuid: format!("uuid {life} of {name}"),
            token_sha256: String::new(),
            created_at: Timestamp::from_secs(life),
        };
        let key = Key::session("default", name).unwrap();
        let value = Bytes::from(serde_json::to_vec(&record).unwrap());
        self.bus
            .kv
            .create(&names().sessions(), &key, value)
            .await
            .unwrap();
    }

    async fn delete(&self, name: &str) {
        let key = Key::session("default", name).unwrap();
        let bucket = names().sessions();
        let entry = self.bus.kv.get(&bucket, &key).await.unwrap().unwrap();
        self.bus
            .kv
            .delete(&bucket, &key, entry.revision)
            .await
            .unwrap();
    }

    async fn owner(&self, name: &str) -> Option<OwnerRecord> {
        let key = Key::owner("default", name).unwrap();
        let entry = self.bus.kv.get(&names().owners(), &key).await.unwrap()?;
        Some(serde_json::from_slice(&entry.value).unwrap())
    }

    async fn node_record(&self, name: &str) -> Option<NodeRecord> {
        let key = Key::node(name).unwrap();
        let entry = self.bus.kv.get(&names().nodes(), &key).await.unwrap()?;
        Some(serde_json::from_slice(&entry.value).unwrap())
    }

    async fn ask<O: Operation>(&self, node: &str, name: &str, operation: O) -> Frame<AnswerHead> {
        self.try_ask(node, name, operation).await.unwrap()
    }

    async fn try_ask<O: Operation>(
        &self,
        node: &str,
        name: &str,
        operation: O,
    ) -> Result<Frame<AnswerHead>, RpcError> {
        let head = CallHead {
            session: session(name),
            verb: Verb::Run {
                name: O::NAME.to_owned(),
            },
            deadline_ms: u64::try_from(WAIT.as_millis()).unwrap(),
            trace: "t".to_owned(),
        };
        let frame = Frame::new(head, codec::encode(&operation).unwrap());
        let subject = names().node_rpc(node).unwrap();
        let reply = self
            .bus
            .rpc
            .request(&subject, frame.encode().unwrap(), WAIT)
            .await?;
        Ok(Frame::decode(reply).unwrap())
    }

    /// The session's status, as its owner tells it.
    async fn status(&self, name: &str) -> Option<(NodeId, SessionStatus)> {
        let owner = self.owner(name).await?.node;
        // The owner may be dead.
        let answer = self
            .try_ask(owner.as_str(), name, GetStatus {})
            .await
            .ok()?;
        match answer.head {
            AnswerHead::Done => Some((owner, codec::decode(&answer.body).unwrap())),
            AnswerHead::Failed { .. } | AnswerHead::NotOwner { .. } => None,
        }
    }

    /// Creates a session, starts it at its owner and waits until it is connected there.
    async fn connect(&self, name: &str) -> NodeId {
        self.create(name).await;
        self.started(name).await
    }

    async fn started(&self, name: &str) -> NodeId {
        let until = Instant::now() + WAIT;
        let mut last = None;
        loop {
            if let Some(owner) = self.owner(name).await {
                let start = Start {
                    wait: Duration::ZERO,
                    keep_final: false,
                };
                let answer = self.ask(owner.node.as_str(), name, start).await;
                if answer.head == AnswerHead::Done {
                    break;
                }
                last = Some((owner, answer.head));
            }
            assert!(Instant::now() < until, "{name} is not started: {last:?}");
            tick().await;
        }
        self.connected(name).await
    }

    /// Waits until a session is connected; who runs it then.
    async fn connected(&self, name: &str) -> NodeId {
        let until = Instant::now() + WAIT;
        loop {
            let status = self.status(name).await;
            match &status {
                Some((owner, status)) if status.state == SessionState::Connected => {
                    return owner.clone();
                }
                _ => assert!(Instant::now() < until, "{name} stays {status:?}"),
            }
            tick().await;
        }
    }

    /// Waits until a session is connected at this node.
    async fn connected_at(&self, name: &str, node: &str) {
        let until = Instant::now() + WAIT;
        while self.connected(name).await != id(node) {
            assert!(Instant::now() < until, "{name} does not come to {node}");
            tick().await;
        }
    }

    async fn order(&self, node: &str, order: NodeOrder) -> OrderAnswer {
        let subject = names().node_admin(node).unwrap();
        let payload = Bytes::from(serde_json::to_vec(&order).unwrap());
        let reply = self.bus.rpc.request(&subject, payload, WAIT).await;
        serde_json::from_slice(&reply.unwrap()).unwrap()
    }

    /// No session could act on two nodes at once, and its epoch never fell: what the witnesses of all nodes say together.
    fn check_witnesses(&self, nodes: &[&str]) {
        let mut lines = Vec::new();
        let mut starts = 0;
        for node in nodes {
            let text = std::fs::read_to_string(self.witness_of(node)).unwrap_or_default();
            for line in text.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                starts += usize::from(words.get(3) == Some(&"run"));
                if let [at, node, _, session, epoch] = words.as_slice() {
                    let at: u64 = at.parse().unwrap();
                    let epoch: u64 = epoch.parse().unwrap();
                    lines.push((at, (*node).to_owned(), (*session).to_owned(), epoch));
                }
            }
        }
        lines.sort();
        assert!(starts > 0, "the witnesses saw nothing");
        let mut last: BTreeMap<String, (String, u64)> = BTreeMap::new();
        for (at, node, session, epoch) in lines {
            if let Some((before, highest)) = last.get(&session) {
                assert!(
                    epoch > *highest || (epoch == *highest && node == *before),
                    "{session} at {at}: {node} epoch {epoch} after {before} epoch {highest}"
                );
            }
            last.insert(session, (node, epoch));
        }
    }
}

impl Host {
    async fn try_start(&self) -> Result<NodeHandle, NodeError> {
        let config = NodeConfig {
            search: None,
            id: self.id.clone(),
            names: names(),
            limits: Limits {
                connects_per_second_max: 10_000,
                ..Limits::default()
            },
            cluster: self.cluster.clone(),
        };
        let connect = Arc::new(ScriptedConnect(Arc::clone(&self.script)));
        let (bus, store) = (self.bus.clone(), Arc::clone(&self.store));
        Node::start(config, bus, store, connect, self.ports.ports()).await
    }

    async fn start(&self) -> NodeHandle {
        self.try_start().await.unwrap()
    }

    async fn holds(&self, name: &str) -> bool {
        let ns = Namespace::session(&session(name).to_string()).unwrap();
        self.store.namespaces().await.unwrap().contains(&ns)
    }
}

/// A moment; what is waited for is another node's doing.
async fn tick() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let until = Instant::now() + WAIT;
    while !is_so().await {
        assert!(Instant::now() < until, "never: {what}");
        tick().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_has_one_owner_and_the_others_say_who_it_is() {
    let net = Net::new().await;
    let (a, b) = (
        net.host("a", LONG_LEASE).await,
        net.host("b", LONG_LEASE).await,
    );
    let (a, b) = (a.start().await, b.start().await);
    let mut owned: BTreeMap<NodeId, usize> = BTreeMap::new();
    for at in 0..24 {
        let name = format!("s{at}");
        let owner = net.connect(&name).await;
        let other = if owner == id("a") { "b" } else { "a" };
        let answer = net.ask(other, &name, GetStatus {}).await;
        assert!(
            matches!(&answer.head, AnswerHead::NotOwner { hint: Some(hint), .. } if *hint == owner),
            "{:?}",
            answer.head
        );
        *owned.entry(owner).or_default() += 1;
    }
    assert_eq!(owned.len(), 2, "both take their share: {owned:?}");
    assert_eq!(a.sessions() + b.sessions(), 24);
    assert_eq!(net.script.running(), 24);
    net.check_witnesses(&["a", "b"]);
    assert!(a.shutdown(WAIT).await && b.shutdown(WAIT).await);
}
