//! A whatsapp-rust client with everything a test wants to know about it.

use std::sync::Arc;
use std::time::Duration;

use switchboard_simulator::core::pairing::Linked;
use switchboard_simulator::{Config, Handle, Simulator};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wacore::proto_helpers::MessageExt as _;
use wacore::store::DeviceCommand;
use wacore::store::device::{CachedNoiseCert, CachedServerCertChain};
use wacore::store::in_memory::InMemoryBackend;
use wacore::types::events::{ChannelEventHandler, Event, InboundMessage, Subscription};
use waproto::whatsapp as wa;
use whatsapp_rust::store::persistence_manager::PersistenceManager;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::{Client, Jid, TokioRuntime, UserInfo};

use crate::http::PlainHttp;

/// How long a test waits for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// One-time keys a test client makes: few, because each costs time.
const PREKEYS: usize = 20;

/// A simulator for one test.
pub(crate) async fn simulator() -> Handle {
    simulator_with(Config {
        seed: 7,
        ..Config::default()
    })
    .await
}

pub(crate) async fn simulator_with(config: Config) -> Handle {
    Simulator::start(config).await.expect("simulator starts")
}

/// A client under test.
pub(crate) struct TestClient {
    pub(crate) client: Arc<Client>,
    pub(crate) backend: Arc<InMemoryBackend>,
    events: whatsapp_rust::async_channel::Receiver<Arc<Event>>,
    /// Events that nobody asked for yet.
    seen: Mutex<Vec<Arc<Event>>>,
    _subscription: Subscription,
    run: Mutex<JoinSet<()>>,
}

impl TestClient {
    /// A client that was never paired, prepared to trust the simulator.
    pub(crate) async fn unpaired(simulator: &Handle) -> Self {
        Self::with_backend(simulator, Arc::new(InMemoryBackend::new())).await
    }

    /// A client over what an earlier one left.
    pub(crate) async fn with_backend(simulator: &Handle, backend: Arc<InMemoryBackend>) -> Self {
        let store = Arc::new(PersistenceManager::new(backend.clone()).await.unwrap());
        let info = simulator.info();
        let key: [u8; 32] = hex::decode(&info.server_key).unwrap().try_into().unwrap();
        let certificate = CachedNoiseCert {
            key,
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
        if store.get_device_snapshot().pn.is_none() {
            let placeholder = "1@s.whatsapp.net".parse().unwrap();
            store
                .process_command(DeviceCommand::SetId(Some(placeholder)))
                .await;
        }
        let client = Client::builder()
            .with_runtime(TokioRuntime)
            .with_persistence_manager(store)
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(info.ws_url))
            .with_http_client(PlainHttp)
            .with_version_override((2, 3000, 1_000_000))
            .with_wanted_pre_key_count(PREKEYS)
            .build()
            .await
            .unwrap()
            .into_client();
        let (handler, events) = ChannelEventHandler::new();
        let subscription = client.subscribe_handler(handler);
        Self {
            client,
            backend,
            events,
            seen: Mutex::new(Vec::new()),
            _subscription: subscription,
            run: Mutex::new(JoinSet::new()),
        }
    }

    /// A client that is paired as `number` and connected.
    pub(crate) async fn paired(simulator: &Handle, number: &str) -> Self {
        let client = Self::unpaired(simulator).await;
        client.pair(simulator, number).await;
        client
    }

    /// Starts the client's loop.
    pub(crate) async fn start(&self) {
        let client = self.client.clone();
        self.run
            .lock()
            .await
            .spawn(async move { client.run().await });
    }

    pub(crate) async fn pair(&self, simulator: &Handle, number: &str) -> Linked {
        self.start().await;
        let code = self.qr().await;
        let name = format!("name of {number}");
        let linked = simulator.scan_qr(&code, Some(number), Some(&name)).unwrap();
        self.connected().await;
        linked
    }

    pub(crate) async fn qr(&self) -> String {
        self.wait_for("a QR code", |e| match e {
            Event::PairingQrCode(qr) => Some(qr.code.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn connected(&self) {
        self.wait_for("the connection", |e| {
            matches!(e, Event::Connected(_)).then_some(())
        })
        .await;
    }

    /// Waits until the client has what its phone sends after linking: key and past.
    pub(crate) async fn settled(&self, simulator: &Handle, number: &str) {
        until("the phone's first messages", || {
            let report = simulator.journal();
            let device = report.device(&format!("{number}:1")).unwrap();
            let messages = device.outbound.get("message").map_or(0, |m| m.count);
            messages >= 2 && device.queued == 0
        })
        .await;
    }

    /// Waits until the client's loop has ended by itself.
    pub(crate) async fn ended(&self) {
        let mut run = self.run.lock().await;
        let ended = timeout(DEADLINE, run.join_next())
            .await
            .expect("client loop ends");
        ended.expect("the client was started").unwrap();
    }

    /// Disconnects in order and gives the store back.
    pub(crate) async fn stop(self) -> Arc<InMemoryBackend> {
        self.client.disconnect().await;
        self.ended().await;
        self.backend.clone()
    }

    /// Waits for the first event, of those not yet asked for, that `wanted` takes.
    pub(crate) async fn wait_for<T>(&self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let mut seen = self.seen.lock().await;
        if let Some((at, found)) = seen
            .iter()
            .enumerate()
            .find_map(|(n, e)| Some((n, wanted(e)?)))
        {
            seen.remove(at);
            return found;
        }
        let search = async {
            loop {
                let event = self.events.recv().await.expect("client lives");
                if let Some(found) = wanted(&event) {
                    return found;
                }
                seen.push(event);
            }
        };
        timeout(DEADLINE, search)
            .await
            .unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    /// Waits until the client knows that a user it deals with has a new device with this number.
    pub(crate) async fn hears_of_device(&self, number: u32) {
        self.wait_for("news of a device", |e| match e {
            Event::DeviceListUpdate(update) => {
                let mut devices = update.devices.iter();
                devices.any(|d| d.device_id == number).then_some(())
            }
            _ => None,
        })
        .await;
    }

    /// The next message with text.
    pub(crate) async fn next_text(&self) -> (String, InboundMessage) {
        let all = self
            .wait_for("a text", |e| match e {
                Event::Messages(batch) => {
                    let texts: Vec<_> = batch.messages.iter().filter_map(text_of).collect();
                    (!texts.is_empty()).then_some(texts)
                }
                _ => None,
            })
            .await;
        assert_eq!(all.len(), 1, "live messages come one by one");
        all.into_iter().next().unwrap()
    }

    /// Texts until there are `count`, in order.
    pub(crate) async fn texts(&self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            let more = self
                .wait_for("more texts", |e| match e {
                    Event::Messages(batch) => {
                        let texts: Vec<_> = batch.messages.iter().filter_map(text_of).collect();
                        (!texts.is_empty()).then_some(texts)
                    }
                    _ => None,
                })
                .await;
            texts.extend(more.into_iter().map(|(text, _)| text));
        }
        texts
    }

    /// The message with this id.
    pub(crate) async fn arrives(&self, id: &str) -> InboundMessage {
        self.wait_for("the message", |e| match e {
            Event::Messages(batch) => batch.messages.iter().find(|m| *m.info.id == *id).cloned(),
            _ => None,
        })
        .await
    }

    /// What the client sees of a user.
    pub(crate) async fn info(&self, number: &str) -> UserInfo {
        let jid = jid(number);
        let contacts = self.client.contacts();
        let found = contacts.get_user_info(std::slice::from_ref(&jid)).await;
        found.unwrap().remove(&jid).unwrap()
    }

    /// The next image.
    pub(crate) async fn image(&self) -> wa::message::ImageMessage {
        self.wait_for("an image", |e| match e {
            Event::Messages(batch) => batch
                .messages
                .iter()
                .find_map(|m| m.message.image_message.as_option().cloned()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn send_text(&self, to: &str, text: &str) -> String {
        let to: Jid = to.parse().unwrap();
        let message = wa::Message {
            conversation: Some(text.to_owned()),
            ..Default::default()
        };
        self.client
            .send_message(&to, message)
            .await
            .unwrap()
            .message_id
    }
}

fn text_of(message: &InboundMessage) -> Option<(String, InboundMessage)> {
    message
        .message
        .text_content()
        .map(|text| (text.to_owned(), message.clone()))
}

/// The PN address of a number.
pub(crate) fn pn(number: &str) -> String {
    format!("{number}@s.whatsapp.net")
}

/// The same, as the library has it.
pub(crate) fn jid(number: &str) -> Jid {
    pn(number).parse().unwrap()
}

/// Polls until `done` says so.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let poll = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, poll)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"));
}
