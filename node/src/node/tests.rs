//! A whole node over the in-process bus: calls, supervision, restarts. Clients follow a script.

mod calls;
mod earlier;
mod files;
mod lives;
mod sends;
mod store;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use switchboard_bus::in_process;
use switchboard_bus::{Key, Limits as BusLimits, Names};
use switchboard_keystore::{EngineKind, MasterKey, Namespace};
use switchboard_ownership::{Rule, Rules};
use switchboard_vocab::content::{Body, Content, Context, Marks, Text};
use switchboard_vocab::directory::{RECORD_VERSION, SessionRecord};
use switchboard_vocab::envelope::{AnswerHead, CallHead, Frame, Verb};
use switchboard_vocab::messages::{
    DeliveryStatus, ListMessages, ListOrder, Message, MessageList, SendMessage, Sent,
};
use switchboard_vocab::pairing::{GetQr, RequestCode};
use switchboard_vocab::sessions::{
    Erase, GetStatus, Logout, Restart, SessionState, SessionStatus, Start, Stop,
};
use switchboard_vocab::{
    ErrorCode, MessageId, NodeId, OpError, Operation, Outcome, SessionRef, Timestamp, UserId, codec,
};
use switchboard_whatsapp::{Dispatched, End, Error as ClientError, Incoming};
use tokio::sync::Notify;

use super::*;
use crate::config::{ClusterConfig, Limits, RestartPolicy};
use crate::doubles::{QuietPorts, Script, ScriptedConnect, Stage, dispatched, qr};
use crate::ports::OUTBOX_READ_MAX;

const WAIT: Duration = Duration::from_secs(20);

/// What outlives a node: store and bus.
struct World {
    store: Arc<dyn KeyStore>,
    bus: Bus,
    ports: QuietPorts,
    script: Arc<Script>,
    limits: Limits,
    rules: Rules,
}

fn names() -> Names {
    Names::new("test").unwrap()
}

fn node_id() -> NodeId {
    "n1".parse().unwrap()
}

fn session(name: &str) -> SessionRef {
    format!("default/{name}").parse().unwrap()
}

impl World {
    async fn new(script: Script) -> Self {
        let master = MasterKey::new(*b"a key for tests of 32 bytes long");
        let config = switchboard_keystore::Config::new("", EngineKind::Memory, master);
        let limits = Limits {
            connects_per_second_max: 10_000,
            restarts: RestartPolicy {
                first: Duration::from_millis(5),
                longest: Duration::from_millis(20),
                healthy_after: Duration::from_secs(600),
                crashes_max: 3,
            },
            ..Limits::default()
        };
        Self {
            store: switchboard_keystore::open(config).await.unwrap().store,
            bus: in_process::open_in_memory(BusLimits::default())
                .await
                .unwrap(),
            ports: QuietPorts::default(),
            script: Arc::new(script),
            limits,
            rules: Rules::all(),
        }
    }

    async fn node(&self) -> NodeHandle {
        let config = NodeConfig {
            search: None,
            id: node_id(),
            names: names(),
            limits: self.limits.clone(),
            cluster: ClusterConfig {
                rules: self.rules.clone(),
                ..crate::doubles::cluster()
            },
        };
        let connect = Arc::new(ScriptedConnect(Arc::clone(&self.script)));
        let (bus, store, ports) = (
            self.bus.clone(),
            Arc::clone(&self.store),
            self.ports.ports(),
        );
        Node::start(config, bus, store, connect, ports)
            .await
            .unwrap()
    }

    async fn create(&self, name: &str, uuid: &str) {
        let record = SessionRecord {
            version: RECORD_VERSION,
            session: session(name),
            uuid: uuid.to_owned(),
            token_sha256: String::new(),
            created_at: Timestamp::from_secs(1),
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

    async fn frame(&self, frame: Frame<CallHead>) -> Frame<AnswerHead> {
        let subject = names().node_rpc("n1").unwrap();
        let bytes = frame.encode().unwrap();
        let reply = self.bus.rpc.request(&subject, bytes, WAIT).await.unwrap();
        Frame::decode(reply).unwrap()
    }

    async fn call_within<O: Operation>(
        &self,
        name: &str,
        operation: O,
        deadline: Duration,
    ) -> Result<O::Output, OpError> {
        let head = CallHead {
            session: session(name),
            verb: Verb::Run {
                name: O::NAME.to_owned(),
            },
            deadline_ms: u64::try_from(deadline.as_millis()).unwrap(),
            trace: "t".to_owned(),
        };
        let answer = self
            .frame(Frame::new(head, codec::encode(&operation).unwrap()))
            .await;
        match answer.head {
            AnswerHead::Done => Ok(codec::decode(&answer.body).unwrap()),
            AnswerHead::Failed { error } => Err(error),
            AnswerHead::NotOwner { .. } => panic!("not the owner"),
        }
    }

    async fn call<O: Operation>(&self, name: &str, operation: O) -> Result<O::Output, OpError> {
        self.call_within(name, operation, WAIT).await
    }

    async fn status(&self, name: &str) -> SessionStatus {
        self.call(name, GetStatus {}).await.unwrap()
    }

    /// Polls, because the state is reached by the node's own doing.
    async fn until(&self, name: &str, wanted: impl Fn(&SessionStatus) -> bool) -> SessionStatus {
        let until = Instant::now() + WAIT;
        loop {
            let status = self.status(name).await;
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < until, "{name} stays {status:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn connected(&self, name: &str) {
        self.call(name, start()).await.unwrap();
        self.until(name, |status| status.state == SessionState::Connected)
            .await;
    }

    async fn events(&self, name: &str) -> Vec<&'static str> {
        let outbox = {
            let sessions = self.ports.delivery.sessions.lock().unwrap();
            Arc::clone(&sessions.get(&session(name)).unwrap().outbox)
        };
        let events = outbox.read(0, OUTBOX_READ_MAX).await.unwrap();
        events
            .iter()
            .map(|envelope| envelope.event.type_token())
            .collect()
    }

    async fn namespaces(&self) -> Vec<String> {
        let all = self.store.namespaces().await.unwrap();
        all.iter()
            .filter_map(Namespace::session_name)
            .map(str::to_owned)
            .collect()
    }
}

fn start() -> Start {
    Start {
        wait: Duration::ZERO,
        keep_final: false,
    }
}

fn text(id: &str, to: &str) -> SendMessage {
    SendMessage {
        id: MessageId::parse(id).unwrap(),
        to: format!("{to}@s.whatsapp.net").parse().unwrap(),
        content: Content::text("hello"),
        quoted: None,
        typing: None,
    }
}

fn everything() -> ListMessages {
    ListMessages {
        chat: None,
        after_number: None,
        from_me: None,
        author: None,
        kinds: None,
        from: None,
        until: None,
        order: ListOrder::OldestFirst,
        offset: 0,
        limit: 100,
    }
}

fn received(id: &str) -> Incoming {
    let sender = UserId::phone("4915100000001").unwrap();
    let message = Message {
        id: MessageId::parse(id).unwrap(),
        number: 0,
        chat: sender.clone().into(),
        chat_alt: None,
        sender,
        sender_alt: None,
        from_me: false,
        push_name: None,
        at: Timestamp::from_secs(5),
        body: Body::Text(Text {
            body: "hi".to_owned(),
            ..Text::default()
        }),
        quoted: None,
        status: DeliveryStatus::Delivered,
        forwarded: false,
        context: Context::default(),
        marks: Marks::default(),
        proto_json: None,
    };
    Incoming {
        message,
        media_keys: None,
        proto: None,
    }
}
