//! Doubles for tests of supervision and lifecycle: a client that does what the test says, and quiet ports.
//!
//! What WhatsApp does is played by the simulator elsewhere; here are only the edges no server can be asked for: panics,
//! connections that never end, crashes in a loop.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support"
)]

mod account;
mod stall;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use switchboard_ownership::{MoveLimits, Rules};
use switchboard_vocab::media::{List, MediaList, MediaSource, StoredMedia};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::webhooks::Test;
use switchboard_vocab::{ErrorCode, MediaId, OpError, SessionRef, Timestamp};
use switchboard_vocab::{UploadId, UserId};
use switchboard_whatsapp::{
    AppStateChange, Choices, Dispatched, End, Error, Intake, Outgoing, OutgoingStory, Signal,
    Target,
};
use tokio::sync::{mpsc, watch};

use crate::config::ClusterConfig;
use crate::ports::{
    DeliveryPort, Downloader, Hints, KnownMedia, MediaPort, Ports, Resolved, SessionDelivery,
    SessionScope, Wanted,
};

pub(crate) use account::ScriptedConnect;
pub(crate) use stall::Stall;

/// A node of a cluster whose records are its own.
pub(crate) fn cluster() -> ClusterConfig {
    ClusterConfig {
        lease: Duration::from_secs(10),
        weight: 1,
        replicated: false,
        log_bytes_max: 64 << 20,
        snapshots_bytes_max: 64 << 20,
        alone: true,
        supervisor: None,
        release: "test".to_owned(),
        moves: MoveLimits {
            concurrent_max: 4,
            per_second_max: 100,
            drain_per_second_max: 100,
            settle: Duration::from_millis(200),
            hold: Duration::from_millis(200),
            busy_patience: Duration::from_secs(1),
        },
        rules: Rules::all(),
        key_check: "a key check".to_owned(),
        transfer_key: [7; 32],
        scratch: std::env::temp_dir(),
        master_key: *b"a key for tests of 32 bytes long",
        leave_within: Duration::from_secs(10),
        witness: None,
    }
}

/// What one run of a client can use.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) session: SessionRef,
    /// How many runs of this session came before.
    pub(crate) run: usize,
    pub(crate) signals: mpsc::Sender<Signal>,
    pub(crate) intake: Arc<dyn Intake>,
    login: Arc<Mutex<Option<Identity>>>,
    closing: watch::Receiver<bool>,
}

impl Stage {
    pub(crate) async fn say(&self, signal: Signal) {
        self.signals.send(signal).await.unwrap();
    }

    /// Logs the session in and stays connected until it is closed.
    pub(crate) async fn stay(&self) -> End {
        let identity = identity();
        *self.login.lock().unwrap() = Some(identity.clone());
        self.say(Signal::Syncing(identity.clone())).await;
        self.say(Signal::Connected(identity)).await;
        self.closed().await
    }

    /// Stays until the connection is closed from this side.
    pub(crate) async fn closed(&self) -> End {
        let mut closing = self.closing.clone();
        closing.wait_for(|closing| *closing).await.unwrap();
        End::Stopped
    }

    /// Links the session to an account; WhatsApp then asks for a new connection.
    pub(crate) async fn pair(&self) -> End {
        *self.login.lock().unwrap() = Some(identity());
        self.say(Signal::Paired(identity())).await;
        End::Restart
    }
}

pub(crate) fn identity() -> Identity {
    Identity {
        phone: UserId::phone("4915112345678").unwrap(),
        lid: None,
        device: 2,
        push_name: None,
        platform: None,
    }
}

pub(crate) fn qr(text: &str) -> Signal {
    let expires_at = crate::clock::now().plus(Duration::from_secs(60));
    Signal::Challenge(Challenge::Qr {
        text: text.to_owned(),
        expires_at,
    })
}

type Run = dyn Fn(Stage) -> BoxFuture<'static, End> + Send + Sync;
type Send_ = dyn Fn(Outgoing) -> BoxFuture<'static, Result<Dispatched, Error>> + Send + Sync;

/// Opens clients that follow a script. What a client must remember is kept here, as a store would.
pub(crate) struct Script {
    run: Box<Run>,
    send: Box<Send_>,
    /// Whether [`switchboard_whatsapp::Account::shutdown`] closes the connection.
    pub(crate) closes: bool,
    pub(crate) sent: Mutex<Vec<Outgoing>>,
    pub(crate) stories: Mutex<Vec<OutgoingStory>>,
    /// Changes of the account's state, in their order.
    pub(crate) changes: Mutex<Vec<AppStateChange>>,
    /// Whether WhatsApp refuses such changes.
    pub(crate) refuses: AtomicBool,
    /// Whether the media host has lost every file that the phone did not upload again.
    pub(crate) loses_files: AtomicBool,
    /// Whether the account's phone answers.
    pub(crate) phone_answers: AtomicBool,
    /// Files that the phone was asked to upload again.
    pub(crate) reuploads: Mutex<Vec<Target>>,
    /// What the customer had chosen each time a client was opened.
    pub(crate) choices: Mutex<Vec<Choices>>,
    pub(crate) runs: watch::Sender<usize>,
    running: Arc<AtomicUsize>,
    logins: Mutex<HashMap<SessionRef, Remembered>>,
}

#[derive(Clone, Default)]
struct Remembered {
    login: Arc<Mutex<Option<Identity>>>,
    runs: Arc<AtomicUsize>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

pub(crate) fn dispatched(outgoing: &Outgoing) -> Dispatched {
    Dispatched {
        id: outgoing.id.clone(),
        at: Timestamp::from_secs(1_700_000_000),
        proto: None,
        media_keys: None,
    }
}

impl Script {
    pub(crate) fn new<F, R>(run: R) -> Self
    where
        R: Fn(Stage) -> F + Send + Sync + 'static,
        F: Future<Output = End> + Send + 'static,
    {
        Self {
            run: Box::new(move |stage| Box::pin(run(stage))),
            send: Box::new(|outgoing| Box::pin(async move { Ok(dispatched(&outgoing)) })),
            closes: true,
            sent: Mutex::default(),
            stories: Mutex::default(),
            changes: Mutex::default(),
            refuses: AtomicBool::new(false),
            loses_files: AtomicBool::new(false),
            phone_answers: AtomicBool::new(true),
            reuploads: Mutex::default(),
            choices: Mutex::default(),
            runs: watch::Sender::new(0),
            running: Arc::default(),
            logins: Mutex::default(),
        }
    }

    /// A session that pairs at its first connection and stays connected from then on.
    pub(crate) fn pairs_and_stays() -> Self {
        Self::new(|stage: Stage| async move {
            if stage.login.lock().unwrap().is_some() {
                return stage.stay().await;
            }
            stage.say(qr("scan me")).await;
            stage.pair().await
        })
    }

    pub(crate) fn sending<F, S>(mut self, send: S) -> Self
    where
        S: Fn(Outgoing) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Dispatched, Error>> + Send + 'static,
    {
        self.send = Box::new(move |outgoing| Box::pin(send(outgoing)));
        self
    }

    /// Connections that are open now.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

/// A media store that keeps no file.
#[derive(Debug, Default)]
pub(crate) struct NoMedia {
    /// With the uuids.
    pub(crate) erased: Mutex<Vec<(SessionRef, String)>>,
    pub(crate) released: Mutex<Vec<SessionRef>>,
}

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
        Ok(())
    }

    async fn resolve(&self, _: &SessionScope, _: Wanted<'_>) -> Result<Resolved, OpError> {
        Err(OpError::new(ErrorCode::NotFound, "there is no such file"))
    }

    async fn page(&self, _: &str, _: usize) -> Result<Bytes, OpError> {
        Err(OpError::internal("no pages"))
    }

    async fn put(&self, _: &SessionScope, _: &StoredMedia, _: Bytes) -> Result<(), OpError> {
        Ok(())
    }

    async fn open(
        &self,
        _: &SessionScope,
        _: &MediaId,
        known: Option<KnownMedia>,
        downloader: &dyn Downloader,
    ) -> Result<StoredMedia, OpError> {
        let unknown = || OpError::new(ErrorCode::NotFound, "there is no such file");
        let known = known.ok_or_else(unknown)?;
        let keys = known.keys.ok_or_else(unknown)?;
        downloader.download(&keys, 1_000).await?;
        Ok(known.meta)
    }

    async fn read(&self, _: &SessionScope, _: &MediaId, _: u64, _: u32) -> Result<Bytes, OpError> {
        Ok(Bytes::from_static(b"piece"))
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
        Err(OpError::new(ErrorCode::NotFound, "there is no such file"))
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
        Err(OpError::new(ErrorCode::NotFound, "there is no such file"))
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

    async fn release(&self, session: &SessionRef) -> Result<(), OpError> {
        self.released.lock().unwrap().push(session.clone());
        Ok(())
    }

    async fn erase(&self, session: &SessionRef, uuid: &str) -> Result<(), OpError> {
        let erased = (session.clone(), uuid.to_owned());
        self.erased.lock().unwrap().push(erased);
        Ok(())
    }
}

/// A delivery that only makes a sink, so that events are kept for the test to read.
#[derive(Debug, Default)]
pub(crate) struct KeepEvents {
    pub(crate) sessions: Mutex<HashMap<SessionRef, SessionDelivery>>,
}

#[async_trait]
impl DeliveryPort for KeepEvents {
    async fn session_started(&self, session: SessionDelivery, _: Hints) -> Result<(), OpError> {
        session.outbox.pass("test", 0).await?;
        self.sessions
            .lock()
            .unwrap()
            .insert(session.scope.session.clone(), session);
        Ok(())
    }

    async fn session_stopped(&self, scope: &SessionScope, _: Duration) {
        self.sessions.lock().unwrap().remove(&scope.session);
    }

    async fn call_once(&self, _: &Test) -> Result<u16, OpError> {
        Ok(200)
    }
}

/// Ports of the two doubles.
#[derive(Debug, Default, Clone)]
pub(crate) struct QuietPorts {
    pub(crate) media: Arc<NoMedia>,
    pub(crate) delivery: Arc<KeepEvents>,
}

impl QuietPorts {
    pub(crate) fn ports(&self) -> Ports {
        Ports {
            media: Arc::clone(&self.media) as Arc<dyn MediaPort>,
            delivery: Arc::clone(&self.delivery) as Arc<dyn DeliveryPort>,
        }
    }
}
