//! The bus over NATS: core request/reply, JetStream key-value buckets and streams.
//!
//! Owns the connection and its settings. Must not know what the bytes mean. Works against nats-server 2.9.10
//! and every later release: nothing here needs an API that came after 2.9. Buckets and streams with more than one
//! copy need 2.11, because older servers let several concurrent compare-and-sets on a copied stream win.

mod connection;
mod consumer;
mod direct;
mod kv;
mod log;
mod rpc;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::{BoxError, Bus, Limits};

use connection::Connection;

/// How to reach NATS.
#[derive(Clone)]
pub struct NatsConfig {
    /// Server URLs (`nats://host:port`, `tls://host:port`). One is enough, more help when it is away. They may carry
    /// `user:password@` or `token@`, the same in each that does; [`NatsConfig::auth`] wins.
    pub servers: Vec<String>,
    /// The name of this process in the server's connection list.
    pub name: String,
    /// Who we are.
    pub auth: Auth,
    /// Answers to this process come to `_INBOX.<inbox>.>` instead of `_INBOX.>`, so that the server can be told to let
    /// no user read the answers to another. 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub inbox: Option<String>,
    /// How the connection is protected.
    pub tls: Tls,
    /// Copies of each bucket and stream this process creates; what exists keeps its number. `None`: 3 if at
    /// least three servers, of release 2.11 or later, are configured or known to the one we reach, else 1.
    pub replicas: Option<usize>,
    /// The bounds of the bus.
    pub limits: Limits,
    /// How long [`connect`] tries to reach a first server.
    pub connect_deadline: Duration,
    /// How long the first use of a bucket or stream waits for a cluster that is still electing leaders.
    pub setup_deadline: Duration,
}

/// Default of [`NatsConfig::connect_deadline`].
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Default of [`NatsConfig::setup_deadline`].
pub const SETUP_DEADLINE: Duration = Duration::from_secs(30);

/// Who the process is to NATS.
#[derive(Clone, Default)]
pub enum Auth {
    /// Nobody; or what the server URLs say.
    #[default]
    None,
    /// User and password.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// A token.
    Token(SecretString),
    /// A credentials file (JWT and seed) as `nsc` writes it.
    CredentialsFile(PathBuf),
}

/// How the connection is protected. A `tls://` URL demands TLS too.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Refuse a server without TLS.
    pub required: bool,
    /// A file of root certificates beside the system's own.
    pub roots: Option<PathBuf>,
    /// Our certificate and its key, for servers that ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl NatsConfig {
    /// The defaults for `servers`.
    #[must_use]
    pub fn new(servers: Vec<String>, name: impl Into<String>) -> Self {
        Self {
            servers,
            name: name.into(),
            auth: Auth::None,
            inbox: None,
            tls: Tls::default(),
            replicas: None,
            limits: Limits::default(),
            connect_deadline: CONNECT_DEADLINE,
            setup_deadline: SETUP_DEADLINE,
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::UserPassword { .. } => "UserPassword(..)",
            Self::Token(_) => "Token(..)",
            Self::CredentialsFile(_) => "CredentialsFile(..)",
        })
    }
}

impl fmt::Debug for NatsConfig {
    /// Without the servers: a URL may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig")
            .field("name", &self.name)
            .field("servers", &self.servers.len())
            .field("auth", &self.auth)
            .field("inbox", &self.inbox)
            .field("tls", &self.tls)
            .field("replicas", &self.replicas)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server URL cannot be read. The URL is not repeated: it may carry a password.
    #[error("connect to nats: server {index} of the list is not a url")]
    Url {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The server URLs do not say who we are in one voice.
    #[error("connect to nats: server {index} of the list: {reason}")]
    Login {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The name of the inbox cannot be one.
    #[error("connect to nats")]
    Inbox(#[source] crate::subjects::Error),
    /// The credentials file cannot be read.
    #[error("connect to nats: credentials file {}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Copies were demanded of servers on which a compare-and-set on copies can have two winners.
    #[error(
        "connect to nats: {copies} copies are demanded, but on nats-server {version} concurrent compare-and-sets \
         on copies can all win: use 2.11 or later, or one copy"
    )]
    Copies {
        /// The number demanded.
        copies: usize,
        /// The server's release.
        version: String,
    },
    /// No server could be reached in time, or the servers refused us.
    #[error("connect to nats: none of {servers} servers within {deadline:?}")]
    Connect {
        /// How many were tried.
        servers: usize,
        /// How long.
        deadline: Duration,
        /// What the last attempt met.
        #[source]
        source: BoxError,
    },
}

/// Connects and returns the bus. After that the connection heals by itself, without limit of attempts; see
/// [`Bus::health`]. Buckets are created at their first use.
///
/// # Errors
/// See [`Error`].
pub async fn connect(config: NatsConfig) -> Result<Bus, Error> {
    let (connection, health) = Connection::open(&config).await?;
    let connection = Arc::new(connection);
    let copies = connection.replicas;
    let bus = Bus::new(
        Arc::new(rpc::NatsRpc::new(Arc::clone(&connection))),
        Arc::new(kv::NatsKv::new(Arc::clone(&connection))),
        Arc::new(log::NatsLog::new(connection)),
        health,
    );
    Ok(bus.with_copies(copies))
}
