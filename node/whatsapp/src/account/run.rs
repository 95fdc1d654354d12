//! One connection from its first byte to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wacore_binary::OwnedNodeRef;
use whatsapp_rust::{Client, NodeFilter};

use super::Session;
use super::live::Live;
use crate::api::End;
use crate::{identity, verdict};

/// Longest wait for the node to take the last signals of a connection.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long WhatsApp's last word may come after the closed socket: the library reads both on different tasks.
const LATE_WORD: Duration = Duration::from_millis(500);
/// How long a pairing code is good after the QR codes ran out. Source: protocol notes, a code lives 180 s.
const CODE_GRACE: Duration = Duration::from_secs(180);

/// Drops the client when the run is dropped in the middle: it believes to be running and never would again.
struct Abandoned<'a> {
    session: &'a Session,
    live: &'a Live,
    is_finished: bool,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.live.drop_now();
            self.session.state().live = None;
        }
    }
}

impl Session {
    pub(super) async fn run_once(&self) -> End {
        let Ok(_running) = self.running.try_lock() else {
            return End::Closed("run: the session is running already".to_owned());
        };
        if !self.gate.is_open() {
            return End::Fenced;
        }
        let stop = CancellationToken::new();
        self.state().stop = stop.clone();
        let cut = self.gate.cut();
        let prepared = tokio::select! {
            biased;
            () = cut.cancelled() => return End::Fenced,
            () = stop.cancelled() => return End::Stopped,
            prepared = Box::pin(self.prepare()) => prepared,
        };
        match prepared {
            Ok(live) => self.run_live(&live, &stop).await,
            Err(error) if self.gate.is_shut() => {
                tracing::debug!(%error, "a fenced session was not built");
                End::Fenced
            }
            Err(error) => End::Closed(format!("build the client: {error}")),
        }
    }

    async fn run_live(&self, live: &Arc<Live>, stop: &CancellationToken) -> End {
        let mut abandoned = Abandoned {
            session: self,
            live,
            is_finished: false,
        };
        live.events.begin();
        let stream_error = self.until_it_ends(live, stop).await;
        abandoned.is_finished = true;
        if tokio::time::timeout(DRAIN_TIMEOUT, self.drain(live))
            .await
            .is_err()
        {
            tracing::warn!(session = %self.namespace, "the last signals of a connection were not taken");
        }
        if self.gate.is_open()
            && let Err(error) = live.backend.write_riders().await
        {
            tracing::warn!(session = %self.namespace, %error, "the last rows of a connection were not written");
        }
        self.refresh_identity(&live.client);
        let end = if !self.gate.is_open() {
            End::Fenced
        } else if stop.is_cancelled() {
            End::Stopped
        } else {
            verdict::settle(
                live.events.ending(),
                stream_error.as_deref(),
                live.factory.take_failure(),
            )
        };
        self.let_go(live, &end).await;
        end
    }

    /// Runs the client; returns the code of WhatsApp's last stream error.
    async fn until_it_ends(&self, live: &Arc<Live>, stop: &CancellationToken) -> Option<String> {
        let client = &live.client;
        let mut running = Box::pin(client.run());
        let mut pump = Box::pin(self.pump(live));
        let mut history = Box::pin(self.pump_history(live));
        let mut blocklist = Box::pin(self.pump_blocklist(live));
        let mut collections = Box::pin(self.pump_collections(live));
        let mut riders = Box::pin(live.backend.write_late_riders());
        let mut rides = true;
        let mut error_node = watch_stream_errors(client);
        let mut stream_error = None;
        let cut = self.gate.cut();
        let mut code_expires = Box::pin(pairing_expires(live));
        loop {
            tokio::select! {
                biased;
                () = cut.cancelled() => {
                    client.signal_shutdown_sync();
                    return stream_error;
                }
                node = &mut error_node => {
                    if let Ok(node) = node {
                        stream_error = code_of(&node).or(stream_error);
                    }
                    error_node = watch_stream_errors(client);
                }
                () = &mut running => break,
                () = &mut pump => {}
                () = &mut history => {}
                () = &mut blocklist => {}
                () = &mut collections => {}
                () = &mut riders, if rides => rides = false,
                () = &mut code_expires, if !stop.is_cancelled() => {
                    Box::pin(client.disconnect()).await;
                    break;
                }
            }
        }
        let ending = live.events.ending();
        let is_clear = ending.verdict.is_some() || ending.is_paired || stop.is_cancelled();
        if is_clear || stream_error.is_some() || live.factory.has_failed() {
            return stream_error;
        }
        let late = async {
            tokio::select! {
                node = error_node => node.ok().and_then(|node| code_of(&node)),
                () = live.events.settled() => None,
            }
        };
        tokio::time::timeout(LATE_WORD, late).await.ok().flatten()
    }

    /// Tells the node what waited when the connection ended.
    async fn drain(&self, live: &Arc<Live>) {
        loop {
            self.learn(live).await;
            match live.events.take() {
                Some(event) => self.hear(live, event).await,
                None => return,
            }
        }
    }

    /// Reads the identity again: pairing and the phone change it.
    pub(super) fn refresh_identity(&self, client: &Client) {
        let device = client.persistence_manager().get_device_snapshot();
        let mut state = self.state();
        let platform = state.identity.take().and_then(|known| known.platform);
        state.identity = identity::of_device(&device, platform);
    }

    /// Drops a client that must not run again. Whoever stopped it drops it himself, after its flush.
    async fn let_go(&self, live: &Live, end: &End) {
        // On a simulator a client that failed its first handshake would ask for a certificate next time.
        let is_spoilt = self.shared.simulator_key().is_some() && !live.events.heard();
        match end {
            End::Stopped => return,
            End::Fenced => {}
            End::Restart
            | End::Closed(_)
            | End::Throttled(_)
            | End::PairingExpired
            | End::LoggedOut(_)
            | End::Banned { .. }
            | End::Replaced
            | End::Outdated(_) => {
                if live.may_run() && !is_spoilt {
                    return;
                }
                // The library may be disconnecting by itself: this waits for it.
                Box::pin(live.client.disconnect()).await;
            }
        }
        live.drop_now();
        self.state().live = None;
    }
}

/// Resolves when QR codes ran out, a pairing code was still out, and that is over too.
async fn pairing_expires(live: &Live) {
    live.events.exhausted().await;
    tokio::time::sleep(CODE_GRACE).await;
    if live.events.ending().is_paired {
        std::future::pending::<()>().await;
    }
}

type Watched = futures::channel::oneshot::Receiver<Arc<OwnedNodeRef>>;

/// The library tells some stream errors by a closed socket only.
fn watch_stream_errors(client: &Client) -> Watched {
    client.wait_for_node(NodeFilter::tag("stream:error"))
}

fn code_of(node: &OwnedNodeRef) -> Option<String> {
    node.get_attr("code").map(|code| code.as_str().into_owned())
}
