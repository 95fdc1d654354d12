//! The one listener: WebSocket, media and admin API on one port.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

use super::hub::Hub;
use super::media::FILE_BYTES_MAX;
use super::tls::{Door, without_delay};
use super::{admin, files, socket};
use crate::faults::Refusal;

/// Read buffer of a socket: small, because most connections are idle.
const READ_BUFFER: usize = 4 * 1024;
/// Largest WebSocket message; a frame of the protocol is at most 16 MiB.
const MESSAGE_BYTES_MAX: usize = 17 * 1024 * 1024;
/// Largest body of an admin request.
const ADMIN_BODY_MAX: usize = 16 * 1024 * 1024;

/// The part of the web client's service worker that others read the current version from.
const SERVICE_WORKER: &str =
    r#"self.__swData={"dynamic_data":{"SiteData":{"client_revision":1026131876}}};"#;

/// Serves until the hub stops.
pub(crate) async fn serve(hub: Arc<Hub>, listener: TcpListener) {
    let stop = hub.stop.clone().cancelled_owned();
    let router = router(Arc::clone(&hub));
    let served = match hub.identity.as_ref().map(|i| i.acceptor.clone()) {
        None => {
            let listener = listener.tap_io(without_delay);
            axum::serve(listener, router)
                .with_graceful_shutdown(stop)
                .await
        }
        Some(acceptor) => {
            let door = Door::open(&hub, listener, acceptor);
            axum::serve(door, router).with_graceful_shutdown(stop).await
        }
    };
    if let Err(e) = served {
        tracing::error!(error = %e, "listener failed");
    }
}

fn router(hub: Arc<Hub>) -> Router {
    let media = Router::new()
        .route("/mms/{*path}", post(files::upload))
        .route("/v/{*path}", get(files::download))
        .route("/pps/{number}/{id}/{kind}", get(files::picture))
        .layer(DefaultBodyLimit::max(FILE_BYTES_MAX));
    Router::new()
        .route("/ws/chat", get(upgrade))
        .route("/sw.js", get(async || SERVICE_WORKER))
        .merge(media)
        .nest(
            "/admin",
            admin::router().layer(DefaultBodyLimit::max(ADMIN_BODY_MAX)),
        )
        .with_state(hub)
}

async fn upgrade(State(hub): State<Arc<Hub>>, upgrade: WebSocketUpgrade) -> Response {
    match hub.with(|server| server.faults.upgrade()) {
        None => {}
        Some(Refusal::TooManyRequests) => return StatusCode::TOO_MANY_REQUESTS.into_response(),
        Some(Refusal::Refuse | Refusal::Failure(_)) => {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    let tasks = hub.tasks.clone();
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |ws| tasks.track_future(socket::serve(hub, ws)))
}
