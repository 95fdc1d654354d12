//! What a node of a cluster says of itself over HTTP: `/metrics`, `/livez`, `/readyz`. For its operator's monitoring, not for callers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use http::{Method, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use switchboard_bus::{Bus, Health};
use switchboard_node::NodeHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::task;

use super::Parts;

/// Connections at once; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 16;
/// The longest that one request may take, from its connection to its answer.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// How often the node is asked whether it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The pause after a connection could not be taken: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener, if one is configured.
pub(super) struct Probe {
    is_up: Arc<AtomicBool>,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

/// What an answer is made of.
struct Facts {
    metrics: PrometheusHandle,
    bus: Bus,
    is_up: Arc<AtomicBool>,
}

impl Probe {
    /// Listens where the configuration says so. Until [`Probe::watch`] has seen the node ready, `/readyz` says that it is not.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub(super) async fn start(config: &Config, parts: &Parts) -> Result<Self> {
        let is_up = Arc::new(AtomicBool::new(false));
        let running = match config.node.metrics_listen {
            None => None,
            Some(addr) => {
                let listener = listen(addr).await?;
                let facts = Facts {
                    metrics: parts.metrics.clone(),
                    bus: parts.bus.clone(),
                    is_up: Arc::clone(&is_up),
                };
                let stop = CancellationToken::new();
                let serving = serve(listener, Arc::new(facts), stop.clone());
                Some((stop, task::start(serving)))
            }
        };
        Ok(Self { is_up, running })
    }

    /// Follows whether the node is ready, for ever. Dropped, what was seen last is void: a node that stops is not ready.
    pub(super) async fn watch(&self, node: &NodeHandle) -> String {
        let _not_ready_afterwards = Lower(&self.is_up);
        loop {
            self.is_up.store(node.is_ready(), Ordering::Relaxed);
            sleep(LOOK_EVERY).await;
        }
    }

    /// Stops listening.
    pub(super) async fn stop(self) {
        if let Some((stop, serving)) = self.running {
            stop.cancel();
            if serving.await.is_err() {
                tracing::error!("the listener for metrics has panicked");
            }
        }
    }
}

struct Lower<'a>(&'a AtomicBool);

impl Drop for Lower<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

async fn listen(addr: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(addr).await;
    let listener = listener.with_context(|| format!("listen on {addr} (node.metrics_listen)"))?;
    tracing::info!(addr = %listener.local_addr()?, "metrics, livez and readyz over http");
    Ok(listener)
}

async fn serve(listener: TcpListener, facts: Arc<Facts>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(timeout(REQUEST_MAX, one(stream, Arc::clone(&facts))));
                }
                Err(error) => {
                    tracing::warn!(%error, "take a connection for metrics");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// One connection, one request.
async fn one(stream: TcpStream, facts: Arc<Facts>) {
    let answering = service_fn(move |request: http::Request<Incoming>| {
        let answer = facts.answer(request.method(), request.uri().path());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answering);
    // Whoever hangs up early has his reasons.
    drop(serving.await);
}

impl Facts {
    fn answer(&self, method: &Method, path: &str) -> Response<String> {
        if method != Method::GET && method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        }
        match path {
            "/metrics" => text(StatusCode::OK, self.metrics.render()),
            "/livez" => text(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" => match self.not_ready() {
                None => text(StatusCode::OK, "ready\n".to_owned()),
                Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            _ => text(StatusCode::NOT_FOUND, "no such page\n".to_owned()),
        }
    }

    fn not_ready(&self) -> Option<&'static str> {
        if self.bus.health() != Health::Connected {
            return Some("nats cannot be reached");
        }
        let is_up = self.is_up.load(Ordering::Relaxed);
        (!is_up).then_some("the node starts, stops or has no lease")
    }
}

fn text(status: StatusCode, body: String) -> Response<String> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    answer
}
