//! The admin API under `/admin/v1`: JSON, errors as problem details, opened by the admin key.
//!
//! Owns its paths and documents. What it does goes through the same directory, cluster and owners that the dialects
//! use. Must not know a dialect.

mod cluster;
mod fields;
mod moves;
mod nodes;
mod pairing;
mod sessions;
mod tenants;
mod webhooks;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use switchboard_vocab::{ErrorCode, OpError};

use crate::app::App;
use crate::problem::Problem;

/// Largest body of an admin call, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// All paths of the admin API.
pub(crate) fn surface(app: &Arc<App>) -> axum::Router {
    axum::Router::new()
        .route("/tenants", get(tenants::list).post(tenants::create))
        .route("/tenants/{id}/key", post(tenants::rotate))
        .route("/sessions", get(sessions::list).post(sessions::create))
        .route(
            "/sessions/{id}",
            get(sessions::show).delete(sessions::remove),
        )
        .route("/sessions/{id}/token", post(sessions::rotate))
        .route("/sessions/{id}/start", post(sessions::start))
        .route("/sessions/{id}/stop", post(sessions::stop))
        .route("/sessions/{id}/restart", post(sessions::restart))
        .route("/sessions/{id}/logout", post(sessions::logout))
        .route("/sessions/{id}/move", post(moves::move_session))
        .route("/sessions/{id}/restore", post(moves::restore))
        .route("/sessions/{id}/pairing", get(pairing::challenge))
        .route("/sessions/{id}/pairing-code", post(pairing::code))
        .route(
            "/sessions/{id}/webhooks",
            get(webhooks::list).put(webhooks::replace),
        )
        .route("/cluster", get(cluster::show))
        .route(
            "/nodes/{id}/drain",
            post(nodes::drain).delete(nodes::end_drain),
        )
        .route("/nodes/{id}/weight", put(nodes::weigh))
        .method_not_allowed_fallback(|| async { Problem::method() })
        .fallback(|| async {
            Problem::from(OpError::new(
                ErrorCode::UnknownRoute,
                "there is no such path",
            ))
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(app), guard))
        .with_state(Arc::clone(app))
}

/// Lets in who shows the admin key, and only so many at once.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match admit(&app, &request) {
        Ok(_permit) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn admit(app: &App, request: &Request) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
    let Some(key) = &app.admin_key else {
        let words = "this gateway runs without an admin key, so its admin api is closed";
        return Err(OpError::new(ErrorCode::Forbidden, words).into());
    };
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.split_once(' '));
    let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if !shown.is_some_and(|(_, shown)| key.opens(shown.trim())) {
        let words = "the admin key is expected as Authorization: Bearer <admin key>";
        return Err(OpError::new(ErrorCode::Unauthenticated, words).into());
    }
    let permit = app.gate.enter()?;
    app.check_current()?;
    Ok(permit)
}
