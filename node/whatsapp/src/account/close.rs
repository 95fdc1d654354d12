//! The three ways out: flushed, unlinked, cut.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wacore::iq::devices::RemoveCompanionDeviceSpec;

use super::Session;
use super::live::Live;
use crate::api::{End, Error};
use crate::outgoing::chain;

/// Longest wait for WhatsApp's answer to the unlinking.
const UNLINK_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a connection to end when a session is unlinked.
const END_TIMEOUT: Duration = Duration::from_secs(20);

impl Session {
    /// Drops the connection, writes nothing more, anywhere.
    pub(super) fn cut(&self) {
        self.gate.shut();
        let mut state = self.state();
        state.stop.cancel();
        let live = state.live.take();
        drop(state);
        if let Some(live) = live {
            live.drop_now();
        }
    }

    pub(super) async fn shut_down(&self, limit: Duration) -> Result<(), Error> {
        self.state().stop.cancel();
        if self.gate.is_shut() {
            self.cut();
            return Err(Error::Store("flush: the session is fenced".to_owned()));
        }
        let Some(live) = self.live() else {
            return Ok(());
        };
        let deadline = Instant::now() + limit;
        let failures = live.backend.failures();
        let flushed = tokio::time::timeout_at(deadline, Box::pin(flush(&live))).await;
        let ended = tokio::time::timeout_at(deadline, self.running.lock()).await;
        let result = match (flushed, ended) {
            (Ok(Ok(())), Ok(_)) if live.backend.failures() == failures => Ok(()),
            (Ok(Ok(())), Ok(_)) => Err(Error::Store("flush: a write failed at the end".to_owned())),
            (Ok(Err(error)), _) => Err(error),
            (Err(_), _) | (_, Err(_)) => {
                Err(Error::Store(format!("flush: not done within {limit:?}")))
            }
        };
        if result.is_err() {
            tracing::warn!(session = %self.namespace, ?result, "the session was closed without its last state");
        }
        live.drop_now();
        self.state().live = None;
        self.settle().await;
        result
    }

    pub(super) async fn log_out(&self) -> Result<bool, Error> {
        self.state().stop.cancel();
        let mut is_told = false;
        if let Some(live) = self.live() {
            is_told = unlink(&live).await;
            // What follows may fail: the keys go away whatever the connection does.
            let _ = tokio::time::timeout(END_TIMEOUT, Box::pin(live.client.disconnect())).await;
            live.drop_now();
            self.state().live = None;
        }
        let _ = tokio::time::timeout(END_TIMEOUT, self.running.lock()).await;
        // A save of the old login that is under way must not come after its removal.
        self.settle().await;
        self.backend()
            .erase()
            .await
            .map_err(|error| Error::Store(chain(&error)))?;
        self.state().identity = None;
        Ok(is_told)
    }
}

async fn flush(live: &Live) -> Result<(), Error> {
    let client = &live.client;
    let signal = Box::pin(client.flush_pending_signal_state()).await;
    let device = client.persistence_manager().flush().await;
    Box::pin(client.disconnect()).await;
    let riders = live.backend.write_riders().await;
    signal.map_err(|error| Error::Store(chain(&error)))?;
    device.map_err(|error| Error::Store(chain(&error)))?;
    riders.map_err(|error| Error::Store(chain(&error)))
}

/// Tells WhatsApp; true when it agreed.
async fn unlink(live: &Arc<Live>) -> bool {
    let client = &live.client;
    let Some(own) = client
        .pn()
        .filter(|_| client.is_connected() && client.is_logged_in())
    else {
        return false;
    };
    let told = tokio::time::timeout(
        UNLINK_TIMEOUT,
        Box::pin(client.execute(RemoveCompanionDeviceSpec::new(&own))),
    );
    // WhatsApp ends the connection right behind its answer, and the library may see the end first.
    matches!(told.await, Ok(Ok(_)))
        || matches!(live.events.ending().verdict, Some(End::LoggedOut(_)))
}
