//! One session's client from opening to closing.
//!
//! The library's client lives as long as the session where it can: it may run again after a lost socket. After a
//! clean disconnect it may not, so a new one is built from the store, where everything that counts stands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_keystore::{Epoch, KeyStore, Namespace};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, MessageId, UserId};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use wacore::store::traits::DeviceStore;
use whatsapp_rust::Client;

use crate::addresses;
use crate::api::{
    Account, Choices, Dispatched, End, Error, Fence, Intake, OpenRequest, Outgoing, OutgoingStory,
    Signal,
};
use crate::backend::Backend;
use crate::connector::Shared;
use crate::gate::Gate;
use crate::outgoing::{self, Reach};
use crate::{identity, media};

mod close;
mod live;
mod pair;
mod pump;
mod run;

use live::Live;

/// One session.
pub(crate) struct Session {
    shared: Arc<Shared>,
    namespace: Namespace,
    epoch: Epoch,
    store: Arc<dyn KeyStore>,
    intake: Arc<dyn Intake>,
    signals: Sender<Signal>,
    gate: Arc<Gate>,
    choices: Choices,
    reach: Reach,
    /// See [`Backend::new`].
    writes: Arc<tokio::sync::RwLock<()>>,
    state: Mutex<State>,
    /// Held by the one [`Account::run`] that is under way.
    running: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    live: Option<Arc<Live>>,
    identity: Option<Identity>,
    /// Cancelled when the run under way is to end because the node wants it.
    stop: CancellationToken,
}

impl Session {
    pub(crate) async fn open(
        shared: Arc<Shared>,
        namespace: Namespace,
        request: OpenRequest,
    ) -> Result<Self, Error> {
        let OpenRequest {
            session: _,
            epoch,
            store,
            intake,
            signals,
            fence,
            choices,
        } = request;
        let fence: Arc<dyn Fence> = fence;
        let session = Self {
            shared,
            namespace,
            epoch: Epoch(epoch.0),
            store,
            intake,
            signals,
            gate: Arc::new(Gate::new(fence)),
            choices,
            reach: Reach::default(),
            writes: Arc::default(),
            state: Mutex::default(),
            running: tokio::sync::Mutex::default(),
        };
        let backend = session.backend();
        let failed = |error| Error::Store(outgoing::chain(&error));
        let device = backend.load().await.map_err(failed)?;
        let platform = backend.platform().await.map_err(failed)?;
        session.state().identity = device.and_then(|device| identity::of_device(&device, platform));
        Ok(session)
    }

    fn backend(&self) -> Arc<Backend> {
        let store = Arc::clone(&self.store);
        let superseded = self.gate.superseded();
        Arc::new(Backend::new(
            store,
            self.namespace.clone(),
            self.epoch,
            superseded,
            Arc::clone(&self.writes),
        ))
    }

    /// Waits until nothing that an earlier client began to write is under way: what follows would be overwritten.
    async fn settle(&self) {
        drop(self.writes.write().await);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> Option<Arc<Live>> {
        self.state().live.clone()
    }

    /// The client, when a message could leave now.
    fn online(&self) -> Result<Arc<Client>, Error> {
        Ok(Arc::clone(&self.online_live()?.client))
    }

    fn online_live(&self) -> Result<Arc<Live>, Error> {
        if !self.gate.is_open() {
            return Err(Error::NotConnected);
        }
        let live = self.live().ok_or(Error::NotConnected)?;
        if self.identity().is_none() {
            return Err(Error::NotPaired);
        }
        if live.client.is_connected() && live.client.is_logged_in() {
            Ok(live)
        } else {
            Err(Error::NotConnected)
        }
    }
}

#[async_trait]
impl Account for Session {
    fn identity(&self) -> Option<Identity> {
        self.state().identity.clone()
    }

    async fn run(&self) -> End {
        Box::pin(self.run_once()).await
    }

    async fn request_code(&self, phone: &UserId) -> Result<Challenge, Error> {
        Box::pin(self.pair_by_code(phone)).await
    }

    async fn send(&self, message: Outgoing) -> Result<Dispatched, Error> {
        let live = self.online_live()?;
        Box::pin(outgoing::send(
            &live.client,
            &live.backend,
            &self.reach,
            message,
        ))
        .await
    }

    async fn post_story(&self, story: OutgoingStory) -> Result<Dispatched, Error> {
        let live = self.online_live()?;
        Box::pin(outgoing::post(&live.client, story)).await
    }

    async fn mark_read(
        &self,
        chat: &ChatId,
        sender: Option<&UserId>,
        ids: &[MessageId],
    ) -> Result<(), Error> {
        let client = self.online()?;
        let ids: Vec<&str> = ids.iter().map(MessageId::as_str).collect();
        let chat = addresses::jid_of_chat(chat);
        let sender = sender
            .filter(|_| !chat.is_pn() && !chat.is_lid())
            .map(addresses::jid_of_user);
        Box::pin(client.mark_as_read(&chat, sender.as_ref(), &ids))
            .await
            .map_err(|error| Error::Interrupted(format!("a read receipt ({error:#})")))
    }

    async fn download(&self, media_keys: &[u8], size_max: u64) -> Result<Bytes, Error> {
        let client = self.online()?;
        Box::pin(media::download(&client, media_keys, size_max)).await
    }

    async fn logout(&self) -> Result<bool, Error> {
        Box::pin(self.log_out()).await
    }

    async fn shutdown(&self, limit: Duration) -> Result<(), Error> {
        Box::pin(self.shut_down(limit)).await
    }

    fn abort(&self) {
        self.cut();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The library's tasks hold its client: without this they would go on alone.
        self.cut();
    }
}
