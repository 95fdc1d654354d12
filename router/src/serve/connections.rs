//! Connections of one listener: accepted within limits, served, and ended when the router stops.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::stall::StallGuard;
use crate::config::Limits;

/// Pause after the system refused a connection (no file handles, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Smallest buffer that hyper takes, in bytes. Source: hyper 1.12, `http1::Builder::max_buf_size`.
const BUFFER_MIN: usize = 8 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 128;

/// What a client may cost before its request is understood.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    header_bytes: usize,
    header_read_timeout: Duration,
    idle_timeout: Duration,
}

impl Bounds {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            header_bytes: limits.header_bytes.max(BUFFER_MIN),
            header_read_timeout: limits.header_read_timeout,
            idle_timeout: limits.idle_timeout,
        }
    }
}

/// One listener and what it serves.
pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) service: axum::Router,
    pub(super) bounds: Bounds,
    /// Room for connections, shared by all listeners.
    pub(super) places: Arc<Semaphore>,
    /// Cancelled: no new connections, those that are open end after their call.
    pub(super) stop: CancellationToken,
    /// Cancelled: the rest is cut off.
    pub(super) cut: CancellationToken,
}

impl Acceptor {
    /// Accepts until it is stopped, then waits for the connections. Returns how many were cut off.
    pub(super) async fn run(self) -> usize {
        let mut open = JoinSet::new();
        loop {
            let (stream, place) = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ended) = open.join_next() => {
                    report(ended);
                    continue;
                }
                accepted = self.accept() => accepted,
            };
            let connection = serve(
                stream,
                self.service.clone(),
                self.bounds,
                self.stop.clone(),
                place,
            );
            open.spawn(connection);
        }
        drop(self.listener);
        loop {
            tokio::select! {
                biased;
                ended = open.join_next() => match ended {
                    None => return 0,
                    Some(ended) => report(ended),
                },
                () = self.cut.cancelled() => break,
            }
        }
        let rest = open.len();
        open.shutdown().await;
        rest
    }

    async fn accept(&self) -> (TcpStream, Option<OwnedSemaphorePermit>) {
        // The semaphore is never closed, so a place is always given in the end.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

async fn serve(
    stream: TcpStream,
    service: axum::Router,
    bounds: Bounds,
    stop: CancellationToken,
    _place: Option<OwnedSemaphorePermit>,
) {
    // Where it fails, answers only come a little later.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(StallGuard::new(stream, bounds.idle_timeout));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read_timeout)
        .max_headers(HEADERS_MAX)
        .max_header_size(bounds.header_bytes);
    let connection = builder.serve_connection(io, TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    report_end(served);
}

fn report_end(served: Result<(), hyper::Error>) {
    if let Err(error) = served {
        // Clients go away all the time.
        tracing::debug!(%error, "a connection ended early");
    }
}
