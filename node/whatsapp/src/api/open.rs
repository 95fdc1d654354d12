//! What a session is opened with.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use switchboard_keystore::KeyStore;
use switchboard_vocab::{Epoch, SessionRef};

use super::{Intake, Signal};

/// Where WhatsApp is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// The real one, over TLS, with every certificate check on.
    #[default]
    Real,
    /// A simulator.
    Simulator {
        /// Its WebSocket address, `ws://host:port/ws/chat`. Media goes to the same host and port.
        ws_url: String,
        /// Its Noise static public key.
        server_key: [u8; 32],
    },
}

/// Settings of every session's client.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where WhatsApp is.
    pub endpoint: Endpoint,
    /// Longest wait for a socket and its handshake.
    pub connect_timeout: Duration,
    /// One-time prekeys kept on the server. Source: WhatsApp Web keeps 812.
    pub pre_key_count: usize,
    /// Chats that keep a receiving worker at once; each costs about 10 KB until the connection ends.
    pub chat_lanes_max: u64,
    /// The name shown in the phone's list of linked devices.
    pub device_name: String,
    /// Where media is served, when the simulator's media host has an address of its own.
    pub media_address: Option<SocketAddr>,
}

/// What a session needs to be opened.
#[derive(Clone)]
pub struct OpenRequest {
    /// Which session.
    pub session: SessionRef,
    /// The ownership under which its keys are committed.
    pub epoch: Epoch,
    /// The node's key store.
    pub store: Arc<dyn KeyStore>,
    /// Takes incoming messages before WhatsApp is told that we have them.
    pub intake: Arc<dyn Intake>,
    /// Takes everything else. Bounded: hints are dropped when it is full, state changes wait.
    pub signals: tokio::sync::mpsc::Sender<Signal>,
    /// Says whether this process may still speak for the session.
    pub fence: Arc<dyn Fence>,
    /// What its customer chose.
    pub choices: Choices,
}

/// What a customer chooses for a session's client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// Asks for the whole history at pairing.
    pub full_history: bool,
    /// Shows the account as offline as soon as it is connected.
    pub offline: bool,
    /// A SOCKS5 proxy, `socks5://user:password@host:port`, for the socket and for media.
    pub proxy: Option<String>,
}

impl Debug for OpenRequest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "OpenRequest({} at epoch {})", self.session, self.epoch)
    }
}

/// The lease check at the socket: asked before every connect and every write (design rules ).
pub trait Fence: Send + Sync + Debug {
    /// Whether bytes may leave now.
    fn is_open(&self) -> bool;
}
