//! The session's client, opened when it is first needed.
//!
//! Owns which [`Account`] is the current one. Must not know when to connect.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use switchboard_keystore::{Epoch, KeyStore, Namespace};
use switchboard_vocab::settings::Settings;
use switchboard_vocab::{ErrorCode, OpError};
use switchboard_whatsapp::{
    Account, Choices, Connector, Error, Fence, Intake, OpenRequest, Signal, strip_for_lossy_restore,
};
use tokio::sync::{Mutex, mpsc, watch};

use crate::ports::SessionScope;

/// Signals that wait for the session. Source: our choice; hints are dropped beyond it, state changes wait.
const SIGNALS_MAX: usize = 256;

/// When a change that met those of other devices may be tried again.
const CONFLICT_PAUSE: Duration = Duration::from_secs(10);

/// Opens clients. Sessions know this trait and not the connector, so that their supervision can be tested without a network.
#[async_trait]
pub trait Connect: Send + Sync + fmt::Debug {
    /// As [`Connector::open`].
    ///
    /// # Errors
    /// [`Error::Store`] when the session's keys cannot be read.
    async fn open(&self, request: OpenRequest) -> Result<Arc<dyn Account>, Error>;

    /// Takes out of a session restored from old data what must not be used again: Signal sessions and sender keys, whose
    /// counters may have moved on, and one-time prekeys (design-notes 3.6, lossy restore).
    ///
    /// # Errors
    /// [`Error::Store`] when the rows cannot be changed; [`Error::Other`] where the client does not know how.
    async fn strip(&self, store: &dyn KeyStore, ns: &Namespace, epoch: Epoch) -> Result<(), Error> {
        let _ = (store, epoch);
        Err(Error::Other(format!(
            "{ns} cannot be restored from old data by this client"
        )))
    }
}

#[async_trait]
impl Connect for Connector {
    async fn open(&self, request: OpenRequest) -> Result<Arc<dyn Account>, Error> {
        Self::open(self, request).await
    }

    async fn strip(&self, store: &dyn KeyStore, ns: &Namespace, epoch: Epoch) -> Result<(), Error> {
        let stripped = strip_for_lossy_restore(store, ns, epoch).await?;
        tracing::warn!(namespace = %ns, ?stripped, "a session was restored from old data");
        Ok(())
    }
}

/// An open client and what it says.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) account: Arc<dyn Account>,
    /// Read by the connection, one at a time.
    pub(crate) signals: Arc<Mutex<mpsc::Receiver<Signal>>>,
    /// What the customer had chosen when it was opened.
    choices: Choices,
}

/// The place of the current client.
pub(crate) struct AccountSlot {
    connect: Arc<dyn Connect>,
    scope: SessionScope,
    store: Arc<dyn KeyStore>,
    intake: Arc<dyn Intake>,
    settings: watch::Receiver<Settings>,
    fence: Arc<dyn Fence>,
    current: Mutex<Option<Opened>>,
}

impl AccountSlot {
    pub(crate) fn new(
        connect: Arc<dyn Connect>,
        scope: SessionScope,
        store: Arc<dyn KeyStore>,
        (intake, settings): (Arc<dyn Intake>, watch::Receiver<Settings>),
        fence: Arc<dyn Fence>,
    ) -> Self {
        Self {
            connect,
            scope,
            store,
            intake,
            settings,
            fence,
            current: Mutex::new(None),
        }
    }

    /// The release of WhatsApp Web that the client says it is; nothing where there is no client, or one is being opened.
    pub(crate) fn client_version(&self) -> Option<String> {
        let current = self.current.try_lock().ok()?;
        current.as_ref()?.account.client_version()
    }

    /// The client; opened from the store when there is none yet.
    pub(crate) async fn open(&self) -> Result<Opened, Error> {
        let mut current = self.current.lock().await;
        if let Some(opened) = &*current {
            return Ok(opened.clone());
        }
        let (sender, receiver) = mpsc::channel(SIGNALS_MAX);
        let choices = self.choices();
        let request = OpenRequest {
            session: self.scope.session.clone(),
            epoch: self.scope.epoch,
            store: Arc::clone(&self.store),
            intake: Arc::clone(&self.intake),
            signals: sender,
            fence: Arc::clone(&self.fence),
            choices: choices.clone(),
        };
        let account = self.connect.open(request).await?;
        let opened = Opened {
            account,
            signals: Arc::new(Mutex::new(receiver)),
            choices,
        };
        *current = Some(opened.clone());
        Ok(opened)
    }

    fn choices(&self) -> Choices {
        let settings = self.settings.borrow();
        Choices {
            full_history: settings.full_history,
            offline: settings.offline,
            proxy: settings.proxy.clone(),
        }
    }

    /// The client for a new connection: opened anew where the customer has chosen something else since.
    pub(crate) async fn renew(&self) -> Result<Opened, Error> {
        let opened = self.open().await?;
        if opened.choices == self.choices() {
            return Ok(opened);
        }
        drop(opened);
        self.clear().await;
        self.open().await
    }

    /// Forgets the client: the next use opens a new one. Whoever still holds the old one finishes with it.
    pub(crate) async fn clear(&self) {
        *self.current.lock().await = None;
    }
}

/// WhatsApp's code for what it does not know. Source: protocol notes, `item-not-found`.
const NOT_THERE: u16 = 404;

/// A client's error in the words of the vocabulary.
pub(crate) fn remote(error: &Error) -> OpError {
    let text = error.to_string();
    match error {
        Error::NotConnected => OpError::new(
            ErrorCode::NotConnected,
            "the session is not connected to whatsapp",
        ),
        Error::NotPaired => OpError::new(
            ErrorCode::NotPaired,
            "the session is not linked to an account: pair it",
        ),
        Error::AlreadyPaired => OpError::new(
            ErrorCode::AlreadyPaired,
            "the session is linked to an account already",
        ),
        Error::Refused {
            code: Some(NOT_THERE),
            ..
        } => OpError::new(ErrorCode::NotFound, text),
        Error::Refused { .. } => OpError::new(ErrorCode::Rejected, text),
        Error::NoRecipient(_) => OpError::new(ErrorCode::NotFound, text),
        Error::RateLimited(_) => OpError::new(ErrorCode::RateLimited, text),
        Error::Conflict(_) => OpError::new(ErrorCode::Busy, text).retry_after(CONFLICT_PAUSE),
        Error::Interrupted(_) => OpError::new(ErrorCode::NotConnected, text).maybe_executed(),
        Error::Media(_) | Error::Gone(_) => OpError::new(ErrorCode::NotFound, text),
        Error::PhoneSilent(_) => OpError::new(ErrorCode::Timeout, text),
        Error::Store(_) | Error::Other(_) => OpError::internal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_whatsapp_does_not_know_is_not_found() {
        let refused = |code| {
            let text = "no".to_owned();
            remote(&Error::Refused { code, text }).code
        };
        assert_eq!(refused(Some(404)), ErrorCode::NotFound);
        for code in [None, Some(403), Some(500)] {
            assert_eq!(refused(code), ErrorCode::Rejected);
        }
    }
}
