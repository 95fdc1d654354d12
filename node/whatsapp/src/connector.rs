//! What all sessions of a process share, and the opening of one.

use std::sync::Arc;
use std::time::Duration;

use switchboard_keystore::Namespace;

use crate::account::Session;
use crate::api::{Account, Config, Endpoint, Error, OpenRequest};
use crate::http::Http;
use crate::transport::{Proxy, Target};
use crate::version::Versions;

/// Longest timeout that makes sense for one connection: the library gives up by itself after this.
/// Source: whatsapp-rust 0.7.0, `TRANSPORT_CONNECT_TIMEOUT`.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(20);

/// Opens sessions. One per process: they share the HTTP pool, the TLS configuration and the claimed version.
pub struct Connector {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connector")
            .field("config", &self.shared.config)
            .finish()
    }
}

/// What sessions share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) target: Arc<Target>,
    pub(crate) http: Arc<Http>,
    pub(crate) versions: Versions,
}

impl Shared {
    /// An HTTP client whose connections go through a session's own proxy.
    pub(crate) fn http_through(&self, proxy: &Proxy) -> Result<Http, Error> {
        let Config {
            endpoint,
            media_address,
            ..
        } = &self.config;
        Http::new(endpoint, *media_address, Some(proxy))
            .map_err(|error| Error::Other(format!("{error:#}")))
    }

    /// The simulator's Noise key, when there is a simulator.
    pub(crate) fn simulator_key(&self) -> Option<[u8; 32]> {
        match &self.config.endpoint {
            Endpoint::Real => None,
            Endpoint::Simulator { server_key, .. } => Some(*server_key),
        }
    }
}

impl Connector {
    /// Prepares everything but connections.
    ///
    /// # Errors
    /// [`Error::Other`] when the endpoint's address is of no use, or the HTTP client cannot be built.
    pub fn new(config: Config) -> Result<Self, Error> {
        let timeout = config.connect_timeout.min(CONNECT_TIMEOUT_MAX);
        let target = Target::new(&config.endpoint, timeout)
            .map_err(|error| Error::Other(error.to_string()))?;
        let http = Http::new(&config.endpoint, config.media_address, None)
            .map_err(|error| Error::Other(format!("{error:#}")))?;
        let http = Arc::new(http);
        let versions = Versions::new(&config.endpoint, Arc::clone(&http) as Arc<_>);
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                target: Arc::new(target),
                http,
                versions,
            }),
        })
    }

    /// Opens a session: reads its login, connects nothing.
    ///
    /// # Errors
    /// [`Error::Store`] when its keys cannot be read.
    pub async fn open(&self, request: OpenRequest) -> Result<Arc<dyn Account>, Error> {
        let namespace = Namespace::session(&request.session.to_string())
            .map_err(|error| Error::Store(error.to_string()))?;
        let session = Session::open(Arc::clone(&self.shared), namespace, request).await?;
        Ok(Arc::new(session))
    }
}
