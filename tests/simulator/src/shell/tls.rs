//! TLS beside plain TCP on the one port: what begins like a TLS handshake is one. Some clients insist on
//! `https` for media, and the port has only one number.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::hub::Hub;

/// First byte of a TLS record that begins a handshake. Source: RFC 8446, section 5.1.
const TLS_HANDSHAKE: u8 = 22;
/// How long a client may take to begin, and then to complete, its TLS handshake.
const GREETING_TIMEOUT: Duration = Duration::from_secs(20);
/// Most connections that are through the door and not yet served.
const WAITING_MAX: usize = 1024;
/// How long to wait after the operating system refused a connection, mostly for want of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate could not be signed.
    #[error("sign certificate")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused it.
    #[error("configure tls")]
    Config(#[from] rustls::Error),
}

/// The server's TLS side.
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    /// The certificate that clients have to trust.
    pub(crate) pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// Makes a certificate for `host`, which may carry a port, and for the local names.
    pub(crate) fn make(host: &str) -> Result<Self, Error> {
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let host = host.trim_matches(['[', ']']);
        if !names.iter().any(|n| n == host) {
            names.push(host.to_owned());
        }
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pem: made.cert.pem(),
        })
    }
}

/// A connection of either kind.
type Io = Either<TcpStream, TlsStream<TcpStream>>;

/// A listener whose connections have their TLS handshake, if any, behind them.
pub(crate) struct Door {
    address: std::io::Result<SocketAddr>,
    through: mpsc::Receiver<(Io, SocketAddr)>,
}

impl Door {
    pub(crate) fn open(hub: &Arc<Hub>, listener: TcpListener, acceptor: TlsAcceptor) -> Self {
        let (sender, through) = mpsc::channel(WAITING_MAX);
        let address = listener.local_addr();
        hub.tasks
            .spawn(admit(Arc::clone(hub), listener, acceptor, sender));
        Self { address, through }
    }
}

impl Listener for Door {
    type Io = Io;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Io, SocketAddr) {
        match self.through.recv().await {
            Some(connection) => connection,
            // The hub stops, and with it whoever waits here.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        match &self.address {
            Ok(address) => Ok(*address),
            Err(e) => Err(e.kind().into()),
        }
    }
}

async fn admit(
    hub: Arc<Hub>,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    through: mpsc::Sender<(Io, SocketAddr)>,
) {
    loop {
        let accepted = tokio::select! {
            () = hub.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (mut stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                tracing::debug!(error = %e, "could not accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        without_delay(&mut stream);
        let (acceptor, through) = (acceptor.clone(), through.clone());
        let stop = hub.stop.clone();
        hub.tasks.spawn(async move {
            let greeted = tokio::select! {
                () = stop.cancelled() => return,
                greeted = greet(stream, acceptor) => greeted,
            };
            match greeted {
                // An error means that the simulator stops.
                Ok(io) => drop(through.send((io, address)).await),
                Err(e) => tracing::debug!(error = %e, "connection did not begin"),
            }
        });
    }
}

async fn greet(stream: TcpStream, acceptor: TlsAcceptor) -> std::io::Result<Io> {
    let slow = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let mut first = [0];
    let seen = timeout(GREETING_TIMEOUT, stream.peek(&mut first))
        .await
        .map_err(slow)??;
    if seen == 1 && first == [TLS_HANDSHAKE] {
        let tls = timeout(GREETING_TIMEOUT, acceptor.accept(stream));
        Ok(Either::Right(tls.await.map_err(slow)??))
    } else {
        Ok(Either::Left(stream))
    }
}

/// Small answers must not wait for the client's delayed acknowledgements.
pub(crate) fn without_delay(stream: &mut TcpStream) {
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!(error = %e, "could not set TCP_NODELAY");
    }
}
