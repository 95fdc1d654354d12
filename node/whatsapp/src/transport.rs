//! The socket: TCP without delay, TLS for the real endpoint, and the gate below both.
//!
//! The gate stands under TLS and WebSocket framing, so a closed fence lets nothing out: no frame, no pong, no close.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderValue, Uri};
use tokio::net::TcpStream;
use tokio_websockets::upgrade::Error as UpgradeError;
use tokio_websockets::{ClientBuilder, Error as WebSocketError, Limits};
use wacore::net::{WHATSAPP_WEB_ORIGIN, WHATSAPP_WEB_WS_URL};
use whatsapp_rust::anyhow::{self, Context as _};
use whatsapp_rust::transport::{
    Connector, Transport, TransportEvent, TransportFactory, default_tls_connector,
};

use crate::api::Endpoint;
use crate::gate::Gate;

mod gated;
mod socket;
mod tunnel;

use gated::Gated;
pub(crate) use tunnel::{Proxy, ProxyError};

/// Largest WebSocket message taken, in bytes. Source: a frame's length has 24 bits; some room for several in one.
const MESSAGE_BYTES_MAX: usize = 20 << 20;
/// Source: RFC 6585.
const TOO_MANY_REQUESTS: u16 = 429;
const TLS_PORT: u16 = 443;
const PLAIN_PORT: u16 = 80;

type Events = whatsapp_rust::async_channel::Receiver<TransportEvent>;

/// Where to connect; shared by every session of a process, with the one TLS configuration.
pub(crate) struct Target {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<Connector>,
    connect_timeout: Duration,
}

/// The endpoint's address is of no use.
#[derive(Debug, thiserror::Error)]
#[error("whatsapp address {url:?}: {reason}")]
pub(crate) struct TargetError {
    url: String,
    reason: String,
}

impl Target {
    /// Reads the endpoint. TLS is left out for a simulator's `ws://` only.
    pub(crate) fn new(endpoint: &Endpoint, connect_timeout: Duration) -> Result<Self, TargetError> {
        let url = match endpoint {
            Endpoint::Real => WHATSAPP_WEB_WS_URL,
            Endpoint::Simulator { ws_url, .. } => ws_url,
        };
        let refuse = |reason: String| TargetError {
            url: url.to_owned(),
            reason,
        };
        let uri: Uri = url.parse().map_err(|error| refuse(format!("{error}")))?;
        let secure = match (uri.scheme_str(), endpoint) {
            (Some("wss"), _) => true,
            (Some("ws"), Endpoint::Simulator { .. }) => false,
            (scheme, _) => return Err(refuse(format!("scheme {scheme:?} is not possible here"))),
        };
        let host = uri
            .host()
            .ok_or_else(|| refuse("it has no host".to_owned()))?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = uri
            .port_u16()
            .unwrap_or(if secure { TLS_PORT } else { PLAIN_PORT });
        Ok(Self {
            host,
            port,
            tls: secure.then(default_tls_connector),
            connect_timeout,
            uri,
        })
    }
}

/// Makes one session's sockets.
pub(crate) struct Factory {
    pub(crate) target: Arc<Target>,
    pub(crate) gate: Arc<Gate>,
    /// The session's own way out.
    pub(crate) proxy: Option<Proxy>,
    /// Why the last try failed: the library only logs it.
    pub(crate) last_failure: Mutex<Option<Unreached>>,
}

/// Why there was no connection at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreached {
    /// What was tried and how it failed.
    pub(crate) text: String,
    /// WhatsApp's side answered that it is asked too often: HTTP 429 instead of a WebSocket.
    pub(crate) is_throttled: bool,
}

impl Unreached {
    fn of(error: &anyhow::Error) -> Self {
        let is_throttled = error.chain().any(|cause| {
            matches!(
                cause.downcast_ref(),
                Some(WebSocketError::Upgrade(
                    UpgradeError::DidNotSwitchProtocols(TOO_MANY_REQUESTS)
                ))
            )
        });
        Self {
            text: format!("{error:#}"),
            is_throttled,
        }
    }
}

impl Factory {
    /// Takes the reason of the last failed try.
    pub(crate) fn take_failure(&self) -> Option<Unreached> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Whether the last try failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    async fn connect(&self) -> anyhow::Result<(Arc<dyn Transport>, Events)> {
        anyhow::ensure!(self.gate.is_open(), "connect: the fence is closed");
        let target = &*self.target;
        let tcp = match &self.proxy {
            Some(proxy) => proxy.connect(&target.host, target.port).await?,
            None => TcpStream::connect((target.host.as_str(), target.port))
                .await
                .context("connect")?,
        };
        tcp.set_nodelay(true).context("set TCP_NODELAY")?;
        let (stream, is_broken) = Gated::new(tcp, &self.gate);
        let builder = ClientBuilder::from_uri(target.uri.clone())
            .limits(Limits::default().max_payload_len(Some(MESSAGE_BYTES_MAX)))
            .add_header(
                http::header::ORIGIN,
                HeaderValue::from_static(WHATSAPP_WEB_ORIGIN),
            )
            .context("set the origin")?;
        match &target.tls {
            Some(connector) => {
                let stream = connector
                    .wrap(&target.host, stream)
                    .await
                    .context("TLS handshake")?;
                let (socket, _) = builder
                    .connect_on(stream)
                    .await
                    .context("WebSocket upgrade")?;
                Ok(socket::start(socket, is_broken))
            }
            None => {
                let (socket, _) = builder
                    .connect_on(stream)
                    .await
                    .context("WebSocket upgrade")?;
                Ok(socket::start(socket, is_broken))
            }
        }
    }
}

#[async_trait]
impl TransportFactory for Factory {
    async fn create_transport(&self) -> anyhow::Result<(Arc<dyn Transport>, Events)> {
        let result =
            match tokio::time::timeout(self.target.connect_timeout, Box::pin(self.connect())).await
            {
                Ok(result) => result,
                Err(_) => Err(anyhow::anyhow!(
                    "connect: no answer within {:?}",
                    self.target.connect_timeout
                )),
            };
        let failure = result.as_ref().err().map(Unreached::of);
        *self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = failure;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulator(ws_url: &str) -> Endpoint {
        Endpoint::Simulator {
            ws_url: ws_url.to_owned(),
            server_key: [0; 32],
        }
    }

    fn target(endpoint: &Endpoint) -> Result<Target, TargetError> {
        Target::new(endpoint, Duration::from_secs(1))
    }

    #[test]
    fn the_real_endpoint_has_tls() {
        let real = target(&Endpoint::Real).unwrap();
        assert_eq!(
            (real.host.as_str(), real.port, real.tls.is_some()),
            ("web.whatsapp.com", 443, true)
        );
    }

    #[test]
    fn a_simulator_may_go_without() {
        let plain = target(&simulator("ws://[::1]:8080/ws/chat")).unwrap();
        assert_eq!(
            (plain.host.as_str(), plain.port, plain.tls.is_some()),
            ("::1", 8080, false)
        );
        assert!(
            target(&simulator("wss://sim.test/ws/chat"))
                .unwrap()
                .tls
                .is_some()
        );
        assert!(target(&simulator("http://sim.test/")).is_err());
        assert!(target(&simulator("sim")).is_err());
    }
}
