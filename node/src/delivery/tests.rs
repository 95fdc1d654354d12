//! Delivery with an outbox in memory and a real receiver on loopback.

use std::collections::BTreeMap;
use std::sync::Mutex as StdMutex;

use bytes::Bytes;
use switchboard_dialect_kit::{Credentials, EventCx, Input, Payload, Reject, Reply, Routes};
use switchboard_vocab::events::sessions::{Event as SessionEvent, StateChange};
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::media::{List, MediaList, MediaSource, StoredMedia};
use switchboard_vocab::sessions::{SessionState, SessionStatus};
use switchboard_vocab::webhooks::{EventClass, Subscription, Webhooks};
use switchboard_vocab::{Epoch, EventId, MediaId, Timestamp, UploadId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use super::*;
use crate::ports::{Downloader, Files, KnownMedia, Outbox, Resolved, Wanted, WebhookBook};

/// An outbox in memory.
#[derive(Debug)]
struct Memory {
    events: StdMutex<Vec<Envelope>>,
    sinks: StdMutex<BTreeMap<String, u64>>,
    last: watch::Sender<u64>,
}

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            events: StdMutex::default(),
            sinks: StdMutex::default(),
            last: watch::channel(0).0,
        })
    }

    fn add(&self, count: u64) {
        for _ in 0..count {
            let sequence = *self.last.borrow() + 1;
            self.events.lock().unwrap().push(envelope(sequence));
            self.last.send_replace(sequence);
        }
    }
}

fn envelope(sequence: u64) -> Envelope {
    let (from, to) = (SessionState::Stopped, SessionState::Starting);
    let change = StateChange {
        from,
        to,
        reason: None,
        next_try_at: None,
    };
    Envelope {
        id: EventId::new("u", Epoch(1), sequence),
        session: "default/a".parse().unwrap(),
        epoch: Epoch(1),
        sequence,
        at: Timestamp::from_secs(1),
        event: Event::Sessions(SessionEvent::StateChanged(change)),
    }
}

#[async_trait]
impl Outbox for Memory {
    fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Envelope>, OpError> {
        let events = self.events.lock().unwrap();
        Ok(events
            .iter()
            .filter(|e| e.sequence > after)
            .take(limit)
            .cloned()
            .collect())
    }
    async fn sinks(&self) -> Result<BTreeMap<String, u64>, OpError> {
        Ok(self.sinks.lock().unwrap().clone())
    }
    async fn pass(&self, sink: &str, sequence: u64) -> Result<(), OpError> {
        let mut sinks = self.sinks.lock().unwrap();
        let position = sinks.entry(sink.to_owned()).or_insert(0);
        *position = sequence.max(*position);
        Ok(())
    }
    async fn forget(&self, sink: &str) -> Result<(), OpError> {
        self.sinks.lock().unwrap().remove(sink);
        Ok(())
    }
}

/// No media in these tests.
#[derive(Debug)]
struct NoMedia;

#[async_trait]
impl MediaPort for NoMedia {
    async fn stage(
        &self,
        _: &SessionScope,
        _: &UploadId,
        _: u64,
        _: u64,
        _: Bytes,
    ) -> Result<(), OpError> {
        Err(OpError::internal("no media"))
    }
    async fn resolve(&self, _: &SessionScope, wanted: Wanted<'_>) -> Result<Resolved, OpError> {
        let _: &MediaSource = wanted.source;
        Err(OpError::internal("no media"))
    }
    async fn page(&self, _: &str, _: usize) -> Result<Bytes, OpError> {
        Err(OpError::internal("no pages"))
    }

    async fn put(&self, _: &SessionScope, _: &StoredMedia, _: Bytes) -> Result<(), OpError> {
        Err(OpError::internal("no media"))
    }
    async fn open(
        &self,
        _: &SessionScope,
        _: &MediaId,
        _: Option<KnownMedia>,
        _: &dyn Downloader,
    ) -> Result<StoredMedia, OpError> {
        Err(OpError::internal("no media"))
    }
    async fn read(&self, _: &SessionScope, _: &MediaId, _: u64, _: u32) -> Result<Bytes, OpError> {
        Err(OpError::internal("no media"))
    }
    async fn list(&self, _: &SessionScope, _: &List) -> Result<MediaList, OpError> {
        Ok(MediaList {
            files: Vec::new(),
            total: 0,
        })
    }

    async fn remove(&self, _: &SessionScope, _: &MediaId) -> Result<bool, OpError> {
        Ok(false)
    }

    async fn portrait(&self, _: &SessionScope, _: &MediaSource) -> Result<Bytes, OpError> {
        Err(OpError::internal("no media"))
    }

    async fn stored(&self, _: &SessionRef) -> Result<Vec<MediaId>, OpError> {
        Ok(Vec::new())
    }
    async fn describe(&self, _: &SessionRef, _: &MediaId) -> Result<Option<StoredMedia>, OpError> {
        Ok(None)
    }
    async fn copy_out(
        &self,
        _: &SessionRef,
        _: &MediaId,
        _: u64,
        _: u32,
    ) -> Result<Bytes, OpError> {
        Err(OpError::internal("no media"))
    }
    async fn copy_in(
        &self,
        _: &SessionRef,
        _: &StoredMedia,
        _: u64,
        _: Bytes,
    ) -> Result<bool, OpError> {
        Err(OpError::internal("no media"))
    }

    async fn release(&self, _: &SessionRef) -> Result<(), OpError> {
        Ok(())
    }

    async fn erase(&self, _: &SessionRef, _: &str) -> Result<(), OpError> {
        Ok(())
    }
}

#[async_trait]
impl Files for NoMedia {
    async fn open(&self, _: &MediaId) -> Result<StoredMedia, OpError> {
        Err(OpError::internal("no media"))
    }
}

fn plain_dialect() -> Dialect {
    fn credentials(_: &Input) -> Result<Credentials, Reject> {
        Ok(Credentials::None)
    }
    fn events(event: &Envelope, _: &Subscription, _: &EventCx<'_>) -> Vec<Payload> {
        vec![Payload::json(&event.sequence)]
    }
    Dialect {
        name: DialectName::Whapi,
        routes: Routes::default,
        credentials,
        error: |_, _| Reply::ok(&()),
        events,
        wants_media: |_, _| false,
    }
}

/// A receiver that tells each body, and answers with the scripted statuses, then with 200.
async fn receiver(statuses: Vec<u16>) -> (String, mpsc::Receiver<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel(256);
    drop(crate::task::start(async move {
        let mut statuses = statuses.into_iter();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0u8; 4096];
            let mut len = 0;
            let body = loop {
                let Ok(read) = socket.read(&mut request[len..]).await else {
                    break None;
                };
                len += read;
                let text = String::from_utf8_lossy(&request[..len]).into_owned();
                if let Some((_, body)) = text.split_once("\r\n\r\n")
                    && !body.is_empty()
                {
                    break Some(body.to_owned());
                }
                if read == 0 {
                    break None;
                }
            };
            let Some(body) = body else { continue };
            let status = statuses.next().unwrap_or(200);
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = socket.write_all(answer.as_bytes()).await;
            let _ = tell.send(format!("{status}:{body}")).await;
        }
    }));
    (url, told)
}

struct Scene {
    delivery: Delivery,
    outbox: Arc<Memory>,
    book: watch::Sender<Arc<WebhookBook>>,
    _status: watch::Sender<SessionStatus>,
    session: SessionDelivery,
}

fn book(url: &str, events: Option<Vec<EventClass>>) -> Arc<WebhookBook> {
    let subscription = Subscription {
        dialect: DialectName::Whapi,
        url: url.to_owned(),
        events: events.map(|classes| classes.into_iter().collect()),
        headers: BTreeMap::new(),
        options: BTreeMap::new(),
    };
    Arc::new(
        [(
            DialectName::Whapi,
            Webhooks {
                subscriptions: vec![subscription],
                events: None,
            },
        )]
        .into(),
    )
}

fn scene(webhooks: Arc<WebhookBook>) -> Scene {
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = DeliveryConfig {
        dialects: vec![plain_dialect()],
        links: MediaLinks::new("http://127.0.0.1", [0; 32]),
        guard: Guard::new(vec!["127.0.0.0/8".parse().unwrap()]),
        retry: RetryPolicy {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(4),
            tries_max: 4,
        },
    };
    let scope = SessionScope {
        session: "default/a".parse().unwrap(),
        uuid: "u".into(),
        epoch: Epoch(1),
    };
    let outbox = Memory::new();
    let (book, webhooks) = watch::channel(webhooks);
    let status = SessionStatus {
        session: scope.session.clone(),
        node: "n".parse().unwrap(),
        state: SessionState::Stopped,
        since: Timestamp::from_secs(1),
        identity: None,
        challenge: None,
        reason: None,
        next_try_at: None,
        failures: 0,
        client_version: None,
    };
    let (_status, status) = watch::channel(status);
    let files = Arc::new(NoMedia);
    let session = SessionDelivery {
        scope,
        outbox: outbox.clone(),
        webhooks,
        status,
        files,
    };
    Scene {
        delivery: Delivery::new(config, Arc::new(NoMedia)).unwrap(),
        outbox,
        book,
        _status,
        session,
    }
}

impl Scene {
    async fn start(&self) {
        let (_, hints) = mpsc::channel(1);
        self.delivery
            .session_started(self.session.clone(), hints)
            .await
            .unwrap();
    }

    async fn stop(&self) {
        self.delivery
            .session_stopped(&self.session.scope, Duration::from_secs(5))
            .await;
    }

    fn position(&self) -> u64 {
        *self.outbox.sinks.lock().unwrap().values().next().unwrap()
    }
}

async fn next(told: &mut mpsc::Receiver<String>) -> String {
    tokio::time::timeout(Duration::from_secs(20), told.recv())
        .await
        .expect("a call")
        .unwrap()
}

#[tokio::test]
async fn events_arrive_in_order_and_failures_are_retried_in_place() {
    let (url, mut told) = receiver(vec![200, 500, 503]).await;
    let scene = scene(book(&url, None));
    scene.start().await;
    scene.outbox.add(3);
    for expected in ["200:1", "500:2", "503:2", "200:2", "200:3"] {
        assert_eq!(next(&mut told).await, expected);
    }
    scene.stop().await;
    assert_eq!(scene.position(), 3);
}

#[tokio::test]
async fn a_receiver_that_is_gone_or_never_takes_it_does_not_block_forever() {
    let (url, mut told) = receiver(vec![410, 500, 500, 500, 500]).await;
    let scene = scene(book(&url, None));
    scene.start().await;
    scene.outbox.add(3);
    for expected in ["410:1", "500:2", "500:2", "500:2", "500:2", "200:3"] {
        assert_eq!(next(&mut told).await, expected);
    }
}

#[tokio::test]
async fn a_restart_goes_on_where_it_stopped() {
    let (url, mut told) = receiver(vec![]).await;
    let scene = scene(book(&url, None));
    scene.start().await;
    scene.outbox.add(2);
    next(&mut told).await;
    next(&mut told).await;
    scene.stop().await;
    scene.outbox.add(1);
    scene.start().await;
    assert_eq!(next(&mut told).await, "200:3");
}

#[tokio::test]
async fn only_chosen_classes_and_only_events_after_the_webhook_was_set() {
    let (url, mut told) = receiver(vec![]).await;
    let scene = scene(book(&url, Some(vec![EventClass::Presence])));
    scene.outbox.add(2);
    scene.start().await;
    scene.outbox.add(1);
    scene.book.send_replace(book(&url, None));
    // The worker for the changed webhook begins behind what the old one has passed; both orders are right, so wait
    // for an event that only the new one can deliver.
    scene.outbox.add(1);
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("200:4") {
        seen.push(next(&mut told).await);
    }
    assert!(
        !seen.iter().any(|call| call == "200:1" || call == "200:2"),
        "{seen:?}"
    );
}
