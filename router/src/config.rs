//! What a router is told: plain values, read from files and flags by whoever starts it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use switchboard_bus::Names;
use switchboard_dialect_kit::Env;
use switchboard_ownership::Rules;
use switchboard_vocab::DialectName;

use crate::secret::{self, SecretHash};

/// Everything a router needs besides the bus and the dialects.
#[derive(Debug, Clone)]
pub struct RouterConfig {
    /// Where it listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Further listeners that serve one dialect each, and nothing else but `/livez`, `/readyz` and media links.
    pub listeners: Vec<DialectListener>,
    /// The names of this cluster on the bus.
    pub names: Names,
    /// The rules in force; only a test has others than all.
    pub rules: Rules,
    /// What opens the admin API; without one it answers 403 to everything.
    pub admin_key: Option<AdminKey>,
    /// Settings that dialects may show or use.
    pub env: Env,
    /// Renders `/metrics`; without one that path answers 404.
    pub metrics: Option<PrometheusHandle>,
    /// Served under `/console`; without one that path is unknown.
    pub console: Option<axum::Router>,
    /// Whether browsers of any origin may call the dialects' paths.
    pub cors: bool,
    /// Limits at the door.
    pub limits: Limits,
}

/// A listener for one dialect alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialectListener {
    /// The dialect.
    pub dialect: DialectName,
    /// Where it listens; port 0 picks a free one.
    pub addr: SocketAddr,
}

/// The key of the admin API; only its hash is kept.
#[derive(Clone)]
pub struct AdminKey(SecretHash);

impl AdminKey {
    /// Takes the key in plain text.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(secret::hash(key))
    }

    /// Whether this is the key.
    pub(crate) fn opens(&self, shown: &str) -> bool {
        secret::same(&self.0, &secret::hash(shown))
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(..)")
    }
}

/// Every bound of the router an operator may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest multipart form or raw file in a request, in bytes.
    pub body_bytes: usize,
    /// Largest JSON, form or text body, in bytes. A file in base64 is a third larger than itself.
    pub json_bytes: usize,
    /// Bytes of request bodies held in memory by all requests together; one more is refused with 503. What a dialect
    /// decodes from them (base64) comes on top, at most as much again.
    pub bodies_bytes: usize,
    /// Largest request head (request line and headers), in bytes.
    pub header_bytes: usize,
    /// How long a client may take for the head of a request, and how long a connection may wait for its next one.
    pub header_read_timeout: Duration,
    /// How long a client may pause within a body, or while taking a response.
    pub idle_timeout: Duration,
    /// How long a client may take for a whole body.
    pub body_read_timeout: Duration,
    /// How long a call may take once its body is here.
    pub request_timeout: Duration,
    /// How long a call may wait for its session's next owner, within its own time: longer than a take-over with the usual
    /// lease of 10 s takes.
    pub owner_wait: Duration,
    /// Calls that wait for an owner at once; one more is refused with 503.
    pub owner_waits: usize,
    /// Calls under way at once; one more is refused with 503.
    pub requests: usize,
    /// Calls under way at once for one session; one more is refused as too many.
    pub session_requests: usize,
    /// Connections open at once over all listeners; one more waits to be accepted.
    pub connections: usize,
    /// Sessions in the cluster; no more are created.
    pub sessions: usize,
    /// Tenants in the cluster; no more are created.
    pub tenants: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 100 * 1024 * 1024,
            json_bytes: 32 * 1024 * 1024,
            bodies_bytes: 1024 * 1024 * 1024,
            header_bytes: 64 * 1024,
            header_read_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(30),
            body_read_timeout: Duration::from_secs(300),
            request_timeout: Duration::from_secs(60),
            owner_wait: Duration::from_secs(20),
            owner_waits: 1024,
            requests: 4096,
            session_requests: 64,
            connections: 10_000,
            sessions: 100_000,
            tenants: 10_000,
        }
    }
}
