//! A webhook receiver that keeps what it got, and serves one file for media links.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::wait;

/// Most calls kept; a test that makes more is a load test and belongs elsewhere.
const CALLS_KEPT_MAX: usize = 100_000;

/// One call a receiver got.
#[derive(Debug, Clone)]
pub struct Call {
    /// The path behind `/hook/`.
    pub path: String,
    /// The method.
    pub method: Method,
    /// The `Content-Type`.
    pub content_type: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Call {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

#[derive(Debug, Default)]
struct Kept {
    calls: Mutex<Vec<Call>>,
    file: Mutex<Bytes>,
    refuse: Mutex<usize>,
    told: Option<mpsc::Sender<Call>>,
}

/// A receiver on loopback.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    kept: Arc<Kept>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Receiver {
    /// Starts a receiver on a free port.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        Self::start_with(Kept::default()).await
    }

    /// The same; every call is also handed to that channel, and answered once the channel has it.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_telling(told: mpsc::Sender<Call>) -> Result<Self> {
        let kept = Kept {
            told: Some(told),
            ..Kept::default()
        };
        Self::start_with(kept).await
    }

    async fn start_with(kept: Kept) -> Result<Self> {
        let kept = Arc::new(kept);
        let app = Router::new()
            .route("/hook/{*path}", axum::routing::any(take))
            .route("/file/{name}", axum::routing::get(file))
            .layer(axum::extract::DefaultBodyLimit::max(64 * 1024 * 1024))
            .with_state(Arc::clone(&kept));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .context("bind a receiver")?;
        let address = listener.local_addr()?;
        let server = tokio::task::spawn(async move {
            // Ends with the abort in drop; an error would show as calls that never come.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self {
            address,
            kept,
            server,
        })
    }

    /// The address of the hook of that name.
    #[must_use]
    pub fn hook(&self, name: &str) -> String {
        format!("http://{}/hook/{name}", self.address)
    }

    /// Serves these bytes at the returned address.
    #[must_use]
    pub fn serve_file(&self, name: &str, bytes: Bytes) -> String {
        *self
            .kept
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = bytes;
        format!("http://{}/file/{name}", self.address)
    }

    /// Answers the next `count` calls with 500, to see them retried.
    pub fn refuse_next(&self, count: usize) {
        *self
            .kept
            .refuse
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = count;
    }

    /// The calls so far whose path begins with `name`.
    #[must_use]
    pub fn calls(&self, name: &str) -> Vec<Call> {
        let calls = self
            .kept
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        calls
            .iter()
            .filter(|call| call.path.starts_with(name))
            .cloned()
            .collect()
    }

    /// Waits for a call to the hook of that name that fits.
    ///
    /// # Errors
    /// When none comes in time; the text has what came instead.
    pub async fn got(&self, name: &str, what: &str, fits: impl Fn(&Call) -> bool) -> Result<Call> {
        wait::until(&format!("{what} at the {name} webhook"), async || {
            let calls = self.calls(name);
            let found = calls.iter().find(|call| fits(call)).cloned();
            found.ok_or_else(|| {
                let bodies = calls
                    .iter()
                    .map(|call| String::from_utf8_lossy(&call.body).into_owned());
                bodies.collect::<Vec<_>>()
            })
        })
        .await
    }
}

async fn take(
    State(kept): State<Arc<Kept>>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    {
        let mut refuse = kept.refuse.lock().unwrap_or_else(PoisonError::into_inner);
        if *refuse > 0 {
            *refuse -= 1;
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    let content_type = headers
        .get("content-type")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let call = Call {
        path,
        method,
        content_type,
        headers,
        body,
    };
    if let Some(told) = &kept.told {
        // Nobody listens any more: the call is kept all the same.
        drop(told.send(call.clone()).await);
    }
    let mut calls = kept.calls.lock().unwrap_or_else(PoisonError::into_inner);
    if calls.len() < CALLS_KEPT_MAX {
        calls.push(call);
    }
    StatusCode::OK
}

async fn file(State(kept): State<Arc<Kept>>) -> Bytes {
    kept.file
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}
