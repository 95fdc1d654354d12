//! Whether the process lives, whether it can be used, and its numbers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use switchboard_vocab::{ErrorCode, OpError};

use crate::app::App;
use crate::problem::Problem;

#[derive(Debug, Serialize)]
struct Ready {
    ready: bool,
    directory: bool,
    owners: bool,
    bus: bool,
    stopping: bool,
}

/// `GET /livez`: always, while the process answers at all.
pub(crate) async fn live() -> &'static str {
    "ok"
}

/// `GET /readyz`: 200 once directory and owners are known, the bus carries calls and nobody stops this router; else 503.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let directory = app.directory.is_current();
    let owners = app.owners.is_current();
    let bus = app.bus_is_healthy();
    let stopping = app.stopping.is_cancelled();
    let ready = directory && owners && bus && !stopping;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(Ready {
            ready,
            directory,
            owners,
            bus,
            stopping,
        }),
    )
        .into_response()
}

/// `GET /metrics`, in the text format of Prometheus.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    match &app.metrics {
        Some(handle) => {
            app.gauges.set(&app.directory, &app.owners);
            let text = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, text)], handle.render()).into_response()
        }
        None => {
            let words = "this process does not record metrics";
            Problem::from(OpError::new(ErrorCode::NotFound, words)).into_response()
        }
    }
}
