//! One session's client from opening to closing.
//!
//! The library's client lives as long as the session where it can: it may run again after a lost socket. After a
//! clean disconnect it may not, so a new one is built from the store, where everything that counts stands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_keystore::{Epoch, KeyStore, Namespace};
use switchboard_vocab::contacts::{Business, CheckedUser, Picture};
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::media::MediaKeys;
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::profile::Privacy;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, MessageId, UserId};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use wacore::store::traits::DeviceStore;
use whatsapp_rust::Client;

use crate::api::{
    Account, AppStateChange, Choices, Dispatched, End, Error, Fence, Group, Intake, OpenRequest,
    Outgoing, OutgoingStory, ProfileChange, Signal, Target, UserInfo,
};
use crate::backend::Backend;
use crate::connector::Shared;
use crate::gate::Gate;
use crate::http::Http;
use crate::outgoing::{self, Reach};
use crate::owed::Owed;
use crate::transport::{Proxy, ProxyError};
use crate::{app_state, identity, media, own, people};

mod close;
pub(crate) mod collections;
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
    proxy: Option<Proxy>,
    /// Media: through the proxy where there is one, else shared with every session.
    http: Arc<Http>,
    reach: Reach,
    /// What another device changed, over all connections.
    owed: Arc<Owed>,
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
        let proxy = choices.proxy.as_deref().map(Proxy::parse).transpose();
        let proxy = proxy.map_err(|error: ProxyError| Error::Refused {
            code: None,
            text: error.to_string(),
        })?;
        let http = match &proxy {
            Some(proxy) => Arc::new(shared.http_through(proxy)?),
            None => Arc::clone(&shared.http),
        };
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
            proxy,
            http,
            reach: Reach::default(),
            owed: Arc::default(),
            writes: Arc::default(),
            state: Mutex::default(),
            running: tokio::sync::Mutex::default(),
        };
        let backend = session.backend();
        let failed = |error| Error::Store(outgoing::chain(&error));
        let device = backend.load().await.map_err(failed)?;
        let platform = backend.platform().await.map_err(failed)?;
        session.state().identity = device.and_then(|device| identity::of_device(&device, platform));
        for (name, version) in backend.behind().await.map_err(failed)? {
            session.owed.told(name, version);
        }
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

    async fn change_app_state(&self, change: AppStateChange) -> Result<(), Error> {
        let live = self.online_live()?;
        Box::pin(app_state::change(&live.client, &live.backend, change)).await
    }

    async fn mark_read(
        &self,
        chat: &ChatId,
        sender: Option<&UserId>,
        ids: &[MessageId],
    ) -> Result<(), Error> {
        own::mark(&*self.online()?, chat, sender, ids, false).await
    }

    async fn mark_played(
        &self,
        chat: &ChatId,
        sender: Option<&UserId>,
        ids: &[MessageId],
    ) -> Result<(), Error> {
        own::mark(&*self.online()?, chat, sender, ids, true).await
    }

    async fn set_timer(&self, chat: &ChatId, period: Duration) -> Result<(), Error> {
        own::set_timer(&*self.online()?, chat, period).await
    }

    async fn check(&self, users: &[UserId]) -> Result<Vec<CheckedUser>, Error> {
        people::check(&*self.online()?, users).await
    }

    async fn user_info(&self, users: &[UserId]) -> Result<Vec<UserInfo>, Error> {
        people::user_info(&*self.online()?, users).await
    }

    async fn addresses(&self, user: &UserId) -> (Option<UserId>, Option<UserId>) {
        match self.live() {
            Some(live) => people::both(&live.client, user).await,
            None => (None, None),
        }
    }

    async fn picture(&self, chat: &ChatId, preview: bool) -> Result<Option<Picture>, Error> {
        people::picture(&*self.online()?, chat, preview).await
    }

    async fn business(&self, user: &UserId) -> Result<Option<Business>, Error> {
        people::business(&*self.online()?, user).await
    }

    async fn change_profile(&self, change: ProfileChange) -> Result<(), Error> {
        let client = self.online()?;
        Box::pin(own::change_profile(&client, change)).await?;
        self.refresh_identity(&client);
        Ok(())
    }

    async fn privacy(&self) -> Result<Privacy, Error> {
        own::privacy(&*self.online()?).await
    }

    async fn block(&self, user: &UserId, blocked: bool) -> Result<(), Error> {
        people::block(&*self.online()?, user, blocked).await
    }

    async fn blocked(&self) -> Result<Vec<UserId>, Error> {
        people::blocked(&*self.online()?).await
    }

    async fn set_online(&self, online: bool) -> Result<(), Error> {
        own::set_online(&*self.online()?, online).await
    }

    async fn subscribe_presence(&self, user: &UserId) -> Result<(), Error> {
        own::subscribe(&*self.online()?, user).await
    }

    async fn send_chat_state(&self, chat: &ChatId, state: ChatState) -> Result<(), Error> {
        own::send_chat_state(&*self.online()?, chat, state).await
    }

    async fn groups(&self) -> Result<Vec<Group>, Error> {
        people::groups(&*self.online()?).await
    }

    async fn reupload(
        &self,
        chat: &ChatId,
        target: &Target,
        media_keys: &[u8],
    ) -> Result<Vec<u8>, Error> {
        media::reupload(&*self.online()?, chat, target, media_keys).await
    }

    fn media_keys(&self, keys: &MediaKeys) -> Result<Vec<u8>, Error> {
        media::MediaKeys::of_caller(keys)?
            .to_bytes()
            .ok_or_else(|| Error::Media("the keys cannot be written".to_owned()))
    }

    fn client_version(&self) -> Option<String> {
        let (first, second, third) = self.live()?.version;
        Some(format!("{first}.{second}.{third}"))
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
