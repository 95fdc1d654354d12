//! A whole node over the in-process bus: calls, supervision, restarts. Clients follow a script.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use switchboard_bus::in_process;
use switchboard_bus::{Key, Limits as BusLimits, Names};
use switchboard_keystore::{EngineKind, MasterKey, Namespace};
use switchboard_vocab::content::{Body, Content, Text};
use switchboard_vocab::directory::{RECORD_VERSION, SessionRecord};
use switchboard_vocab::envelope::{AnswerHead, CallHead, Frame, Verb};
use switchboard_vocab::messages::{
    DeliveryStatus, ListMessages, ListOrder, Message, MessageList, SendMessage, Sent,
};
use switchboard_vocab::pairing::{GetQr, RequestCode};
use switchboard_vocab::placement::Member;
use switchboard_vocab::sessions::{
    Erase, GetStatus, Logout, Restart, SessionState, SessionStatus, Start, Stop,
};
use switchboard_vocab::{
    ErrorCode, MessageId, NodeId, OpError, Operation, Outcome, SessionRef, Timestamp, UserId, codec,
};
use switchboard_whatsapp::{Dispatched, End, Error as ClientError, Incoming};
use tokio::sync::Notify;

use super::*;
use crate::config::{Limits, RestartPolicy};
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
        let master = MasterKey::new(std::array::from_fn(|at| at as u8));
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
            bus: in_process::open_in_memory(BusLimits::default()).await.unwrap(),
            ports: QuietPorts::default(),
            script: Arc::new(script),
            limits,
        }
    }

    async fn node(&self) -> NodeHandle {
        self.node_among(vec![Member::new(node_id(), 1)]).await
    }

    async fn node_among(&self, members: Vec<Member>) -> NodeHandle {
        let config =
            NodeConfig { id: node_id(), members, names: names(), limits: self.limits.clone() };
        let connect = Arc::new(ScriptedConnect(Arc::clone(&self.script)));
        let (bus, store, ports) = (self.bus.clone(), Arc::clone(&self.store), self.ports.ports());
        Node::start(config, bus, store, connect, ports).await.unwrap()
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
        self.bus.kv.create(&names().sessions(), &key, value).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        let key = Key::session("default", name).unwrap();
        let bucket = names().sessions();
        let entry = self.bus.kv.get(&bucket, &key).await.unwrap().unwrap();
        self.bus.kv.delete(&bucket, &key, entry.revision).await.unwrap();
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
            verb: Verb::Run { name: O::NAME.to_owned() },
            deadline_ms: u64::try_from(deadline.as_millis()).unwrap(),
            trace: "t".to_owned(),
        };
        let answer = self.frame(Frame::new(head, codec::encode(&operation).unwrap())).await;
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
        self.until(name, |status| status.state == SessionState::Connected).await;
    }

    async fn events(&self, name: &str) -> Vec<&'static str> {
        let outbox = {
            let sessions = self.ports.delivery.sessions.lock().unwrap();
            Arc::clone(&sessions.get(&session(name)).unwrap().outbox)
        };
        let events = outbox.read(0, OUTBOX_READ_MAX).await.unwrap();
        events.iter().map(|envelope| envelope.event.type_token()).collect()
    }

    async fn namespaces(&self) -> Vec<String> {
        let all = self.store.namespaces().await.unwrap();
        all.iter().filter_map(Namespace::session_name).map(str::to_owned).collect()
    }
}

fn start() -> Start {
    Start { wait: Duration::ZERO, keep_final: false }
}

fn text(id: &str, to: &str) -> SendMessage {
    SendMessage {
        id: MessageId::parse(id).unwrap(),
        to: format!("{to}@s.whatsapp.net").parse().unwrap(),
        content: Content::text("hello"),
        quoted: None,
    }
}

fn everything() -> ListMessages {
    ListMessages {
        chat: None,
        after_number: None,
        from_me: None,
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
        body: Body::Text(Text { body: "hi".to_owned(), mentions: Vec::new() }),
        quoted: None,
        status: DeliveryStatus::Delivered,
        forwarded: false,
        proto_json: None,
    };
    Incoming { message, media_keys: None }
}

#[tokio::test]
async fn a_session_pairs_sends_receives_and_lists() {
    let script = Script::new(|stage: Stage| async move {
        match stage.run {
            0 => {
                stage.say(qr("scan me")).await;
                stage.intake.take(Vec::new()).await.unwrap();
                stage.closed().await
            }
            1 => {
                stage.say(qr("again")).await;
                stage.pair().await
            }
            _ => {
                stage.intake.take(vec![received("IN")]).await.unwrap();
                stage.stay().await
            }
        }
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    let status = world.call("a", Start { wait: WAIT, keep_final: false }).await.unwrap();
    assert_eq!(status.state, SessionState::Pairing);
    let shown = world.call("a", GetQr { wait: WAIT, start: false }).await.unwrap();
    assert_eq!(shown.text, "scan me");
    let phone = UserId::phone("4915112345678").unwrap();
    let code = world.call("a", RequestCode { phone }).await.unwrap();
    assert_eq!(code.code, "ABCD1234");
    world.call("a", Restart {}).await.unwrap();
    world.until("a", |status| status.state == SessionState::Connected).await;
    let refused = world.call("a", GetQr { wait: WAIT, start: true }).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::AlreadyPaired);
    let Sent { message } = world.call("a", text("OUT", "4915100000001")).await.unwrap();
    assert_eq!((message.number, message.from_me), (2, true));
    let MessageList { messages, total, .. } = world.call("a", everything()).await.unwrap();
    let ids: Vec<_> = messages.iter().map(|message| message.id.as_str()).collect();
    assert_eq!((ids, total), (vec!["IN", "OUT"], 2));
    let events = world.events("a").await;
    for kind in ["session-paired", "message-received", "message-sent", "session-challenge-issued"] {
        assert!(events.contains(&kind), "{kind} is missing in {events:?}");
    }
    assert!(node.shutdown(WAIT).await);
    assert_eq!(world.script.running(), 0);
}

#[tokio::test]
async fn calls_that_lead_nowhere_are_answered_in_words() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    let missing = world.call("nobody", GetStatus {}).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::SessionNotFound);
    let unpaired = world.call("a", text("X", "4915100000001")).await.unwrap_err();
    assert_eq!((unpaired.code, unpaired.outcome), (ErrorCode::NotPaired, Outcome::NotExecuted));
    let off = world.call("a", GetQr { wait: WAIT, start: false }).await.unwrap_err();
    assert_eq!(off.code, ErrorCode::NotConnected);
    let head = CallHead {
        session: session("a"),
        verb: Verb::Run { name: "messages.teleport".to_owned() },
        deadline_ms: 1_000,
        trace: String::new(),
    };
    let answer = world.frame(Frame::new(head, Bytes::new())).await;
    assert!(
        matches!(answer.head, AnswerHead::Failed { error } if error.code == ErrorCode::UnknownOperation)
    );
    let subject = names().node_rpc("n1").unwrap();
    let noise = Bytes::from_static(b"\xff\xff\xff\xff noise");
    let reply = world.bus.rpc.request(&subject, noise, WAIT).await.unwrap();
    let answer = Frame::<AnswerHead>::decode(reply).unwrap();
    assert!(matches!(answer.head, AnswerHead::Failed { .. }));
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn another_node_s_session_is_answered_with_its_owner() {
    let world = World::new(Script::pairs_and_stays()).await;
    let other: NodeId = "n2".parse().unwrap();
    let node = world.node_among(vec![Member::new(other.clone(), 1)]).await;
    world.create("a", "u1").await;
    let head = CallHead {
        session: session("a"),
        verb: Verb::Run { name: GetStatus::NAME.to_owned() },
        deadline_ms: 1_000,
        trace: String::new(),
    };
    let answer = world.frame(Frame::new(head, codec::encode(&GetStatus {}).unwrap())).await;
    assert!(matches!(answer.head, AnswerHead::NotOwner { hint: Some(hint), .. } if hint == other));
    assert_eq!(node.sessions(), 0);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn pieces_of_files_pass_the_node_as_blobs() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    let head = |verb| CallHead {
        session: session("a"),
        verb,
        deadline_ms: 5_000,
        trace: String::new(),
    };
    let stage = Verb::Stage { upload: "u".parse().unwrap(), offset: 0, total: 3 };
    let mut frame = Frame::new(head(stage), Bytes::new());
    frame.blob = Bytes::from_static(b"abc");
    assert_eq!(world.frame(frame).await.head, AnswerHead::Done);
    let read = Verb::ReadMedia { media: "m".parse().unwrap(), offset: 0, len: 99 };
    let answer = world.frame(Frame::new(head(read), Bytes::new())).await;
    assert_eq!(answer.blob, Bytes::from_static(b"piece"));
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn what_ran_runs_again_after_a_restart_and_what_was_stopped_does_not() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    for name in ["a", "b"] {
        world.create(name, name).await;
        world.connected(name).await;
    }
    let stopped = world.call("b", Stop {}).await.unwrap();
    assert_eq!(stopped.state, SessionState::Stopped);
    assert!(node.shutdown(WAIT).await);
    assert_eq!(world.script.running(), 0);
    let node = world.node().await;
    world.until("a", |status| status.state == SessionState::Connected).await;
    let off = world.status("b").await;
    assert_eq!(off.state, SessionState::Stopped);
    assert!(off.is_paired(), "a stopped session still shows who it is");
    assert_eq!(world.script.running(), 1);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_crash_loop_parks_its_session_and_touches_no_other() {
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&broken);
    let script = Script::new(move |stage: Stage| {
        let broken = stage.session == session("bad") && breaks.load(Ordering::SeqCst);
        async move {
            assert!(!broken, "the run loop fails");
            stage.stay().await
        }
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("good", "g").await;
    world.connected("good").await;
    let since = world.status("good").await.since;
    world.create("bad", "b").await;
    // Whether the call is answered before the crash is a matter of luck.
    let _ = world.call("bad", start()).await;
    let parked = world.until("bad", |status| status.state == SessionState::Parked).await;
    assert!(parked.reason.unwrap().contains("crashed 4 times"));
    world.until("bad", |_| world.script.running() == 1).await;
    // Parked, it still answers for what it has.
    assert_eq!(world.call("bad", everything()).await.unwrap().total, 0);
    let good = world.status("good").await;
    assert_eq!((good.state, good.since), (SessionState::Connected, since));
    // Started while still broken it parks without an actor, and a start after the repair brings it back.
    let _ = world.call("bad", start()).await;
    let parked = world.until("bad", |status| {
        let hard = status.reason.as_ref().is_some_and(|r| r.contains("again while parked"));
        status.state == SessionState::Parked && hard
    });
    parked.await;
    let refused = world.call("bad", everything()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotConnected);
    broken.store(false, Ordering::SeqCst);
    world.connected("bad").await;
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_panicking_call_loses_its_reply_and_not_its_session() {
    let script = Script::pairs_and_stays().sending(|outgoing| async move {
        assert_ne!(outgoing.id.as_str(), "BOOM", "a panic in a send");
        Ok(dispatched(&outgoing))
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let error = world.call("a", text("BOOM", "4915100000001")).await.unwrap_err();
    assert_eq!((error.code, error.outcome), (ErrorCode::Internal, Outcome::MaybeExecuted));
    assert!(error.internal.is_none());
    // The same lane goes on, and the same id is not sent again: nobody knows what became of it.
    world.call("a", text("FINE", "4915100000001")).await.unwrap();
    let again = world.call("a", text("BOOM", "4915100000001")).await.unwrap_err();
    assert_eq!(again.outcome, Outcome::MaybeExecuted);
    assert_eq!(world.script.sent.lock().unwrap().len(), 2);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn one_id_is_sent_once() {
    let script = Script::pairs_and_stays().sending(|outgoing| async move {
        match outgoing.id.as_str() {
            "BROKEN" => Err(ClientError::Interrupted("the send".to_owned())),
            "LATER" => Err(ClientError::RateLimited("429".to_owned())),
            _ => Ok(dispatched(&outgoing)),
        }
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let first = world.call("a", text("ONE", "4915100000001")).await.unwrap();
    assert_eq!(world.call("a", text("ONE", "4915100000001")).await.unwrap(), first);
    let elsewhere = world.call("a", text("ONE", "4915100000002")).await.unwrap_err();
    assert_eq!(elsewhere.code, ErrorCode::InvalidInput);
    for _ in 0..2 {
        let maybe = world.call("a", text("BROKEN", "4915100000001")).await.unwrap_err();
        assert_eq!(maybe.outcome, Outcome::MaybeExecuted);
    }
    for _ in 0..2 {
        let not = world.call("a", text("LATER", "4915100000001")).await.unwrap_err();
        assert_eq!((not.code, not.outcome), (ErrorCode::RateLimited, Outcome::NotExecuted));
    }
    let sent = world.script.sent.lock().unwrap().clone();
    let ids: Vec<_> = sent.iter().map(|outgoing| outgoing.id.as_str()).collect();
    assert_eq!(ids, ["ONE", "BROKEN", "LATER", "LATER"]);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_slow_send_holds_up_its_conversation_and_nothing_else() {
    let release = Arc::new(Notify::new());
    let order = Arc::new(Mutex::new(Vec::new()));
    let (released, seen) = (Arc::clone(&release), Arc::clone(&order));
    let script = Script::pairs_and_stays().sending(move |outgoing| {
        let (released, seen) = (Arc::clone(&released), Arc::clone(&seen));
        async move {
            if outgoing.id.as_str() == "SLOW" {
                released.notified().await;
            }
            seen.lock().unwrap().push(outgoing.id.as_str().to_owned());
            Ok::<Dispatched, ClientError>(dispatched(&outgoing))
        }
    });
    let mut world = World::new(script).await;
    world.limits.calls_per_session_max = 3;
    let world = world;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let short = Duration::from_millis(50);
    let late = world.call_within("a", text("SLOW", "4915100000001"), short).await.unwrap_err();
    assert_eq!((late.code, late.outcome), (ErrorCode::Timeout, Outcome::MaybeExecuted));
    let behind = world.call("a", text("BEHIND", "4915100000001"));
    let others = async {
        world.call("a", text("OTHER", "4915100000002")).await.unwrap();
        assert_eq!(world.call("a", everything()).await.unwrap().total, 2);
        // Two calls are inside and a third fills the session; the status needs no place.
        let expired = world.call_within("a", text("EXPIRED", "4915100000001"), short).await;
        assert_eq!(expired.unwrap_err().code, ErrorCode::Timeout);
        let busy = world.call("a", everything()).await.unwrap_err();
        assert_eq!(busy.code, ErrorCode::Busy);
        assert_eq!(world.status("a").await.state, SessionState::Connected);
        release.notify_one();
    };
    let (behind, ()) = tokio::join!(behind, others);
    behind.unwrap();
    assert_eq!(*order.lock().unwrap(), ["OTHER", "SLOW", "BEHIND"], "what expired never left");
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_replaced_session_comes_back_by_a_call_only() {
    let script = Script::new(|stage: Stage| async move {
        if stage.run == 0 {
            return End::Replaced;
        }
        stage.stay().await
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.call("a", start()).await.unwrap();
    world.until("a", |status| status.state == SessionState::Replaced).await;
    let polled = Start { wait: Duration::ZERO, keep_final: true };
    let polled = world.call("a", polled).await.unwrap();
    assert_eq!(polled.state, SessionState::Replaced);
    assert!(node.shutdown(WAIT).await);
    let node = world.node().await;
    assert_eq!(world.status("a").await.state, SessionState::Replaced, "the first answer is true");
    assert_eq!(*world.script.runs.borrow(), 1);
    world.connected("a").await;
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn whatsapp_away_leaves_a_named_state_with_a_time() {
    let script = Script::new(|_: Stage| async { End::Closed("connection refused".to_owned()) });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.call("a", start()).await.unwrap();
    let waiting = world.until("a", |status| status.state == SessionState::Waiting).await;
    assert!(waiting.next_try_at.is_some() && waiting.failures >= 1);
    let error = world.call("a", GetQr { wait: Duration::ZERO, start: false }).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotConnected);
    assert!(error.public.contains("connection refused") && error.retry_after.is_some());
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn logging_out_forgets_the_login_and_lets_the_session_pair_again() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let status = world.call("a", Logout {}).await.unwrap();
    assert_eq!((status.state, status.identity), (SessionState::LoggedOut, None));
    assert_eq!(world.script.running(), 0);
    world.connected("a").await;
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn deleting_a_record_removes_the_session_and_its_data() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.create("b", "u2").await;
    world.connected("a").await;
    world.connected("b").await;
    world.call("a", Erase {}).await.unwrap();
    assert_eq!(world.ports.media.erased.lock().unwrap().len(), 1);
    assert_eq!(world.status("a").await.identity, None, "it starts empty while the record stays");
    world.delete("a").await;
    world.delete("b").await;
    let until = Instant::now() + WAIT;
    while node.sessions() > 0 {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(world.namespaces().await.is_empty());
    assert_eq!(world.script.running(), 0);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn data_without_a_record_is_kept() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    assert!(node.shutdown(WAIT).await);
    world.delete("a").await;
    let node = world.node().await;
    assert!(node.is_ready());
    assert_eq!(world.namespaces().await, ["default/a"]);
    assert!(node.shutdown(WAIT).await);
    // A session of the same name that is created later is another one: it must not inherit.
    world.create("a", "u2").await;
    let node = world.node().await;
    let status = world.call("a", GetStatus {}).await.unwrap();
    assert_eq!((status.state, status.identity), (SessionState::Stopped, None));
    assert_eq!(world.call("a", everything()).await.unwrap().total, 0);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_connection_that_does_not_close_cannot_hold_the_node() {
    let mut script = Script::new(|stage: Stage| async move { stage.stay().await });
    script.closes = false;
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    assert!(!node.shutdown(Duration::from_millis(300)).await, "it was cut");
    // Not waited for: the node has no more business with it.
    assert_eq!(world.script.running(), 0);
}

#[tokio::test]
async fn webhooks_are_kept_and_checked() {
    use switchboard_vocab::DialectName::{Wapi, Whapi};
    use switchboard_vocab::webhooks::{
        Add, Choose, EventClass, GetWebhooks, Remove, Replace, SUBSCRIPTIONS_MAX, Subscription,
    };
    let hook = |dialect, url: &str| Subscription {
        dialect,
        url: url.to_owned(),
        events: None,
        headers: std::collections::BTreeMap::new(),
        options: std::collections::BTreeMap::new(),
    };
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    let add = |url: &str| Add { subscription: hook(Whapi, url) };
    world.call("a", add("http://h/1")).await.unwrap();
    let twice = world.call("a", add("http://h/1")).await.unwrap_err();
    assert_eq!(twice.code, ErrorCode::AlreadyExists);
    let replace = |count: usize| Replace {
        dialect: Wapi,
        subscriptions: (0..count).map(|at| hook(Wapi, &format!("http://w/{at}"))).collect(),
    };
    let replaced = world.call("a", replace(2)).await.unwrap();
    assert_eq!((replaced.before.subscriptions.len(), replaced.after.subscriptions.len()), (0, 2));
    let many = world.call("a", replace(SUBSCRIPTIONS_MAX)).await.unwrap_err();
    assert_eq!(many.code, ErrorCode::TooLarge);
    let off = [EventClass::Presence].into();
    let chosen = world.call("a", Choose { dialect: Whapi, on: [].into(), off }).await.unwrap();
    assert_eq!(chosen.events.unwrap().len(), EventClass::ALL.len() - 1);
    assert!(node.shutdown(WAIT).await);
    let node = world.node().await;
    let kept = world.call("a", GetWebhooks { dialect: Wapi }).await.unwrap();
    assert_eq!(kept, replaced.after);
    let shown = {
        let sessions = world.ports.delivery.sessions.lock().unwrap();
        Arc::clone(&sessions.get(&session("a")).unwrap().webhooks.borrow())
    };
    assert_eq!(shown.get(&Whapi).unwrap().subscriptions.len(), 1);
    let gone = Remove { dialect: Whapi, url: Some("http://h/2".to_owned()) };
    assert_eq!(world.call("a", gone).await.unwrap_err().code, ErrorCode::NotFound);
    let all = world.call("a", Remove { dialect: Whapi, url: None }).await.unwrap();
    assert!(all.subscriptions.is_empty());
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn records_of_the_bus_survive_on_the_node_s_own_store() {
    let world = World::new(Script::pairs_and_stays()).await;
    let storage = || Arc::new(crate::embedded::BusStorage::new(Arc::clone(&world.store)).unwrap());
    let bus = in_process::open(storage(), BusLimits::default()).await.unwrap();
    let key = Key::session("default", "a").unwrap();
    let value = Bytes::from_static(b"{}");
    let revision = bus.kv.create(&names().sessions(), &key, value.clone()).await.unwrap();
    drop(bus);
    let bus = in_process::open(storage(), BusLimits::default()).await.unwrap();
    let entry = bus.kv.get(&names().sessions(), &key).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision), (value, revision));
}
