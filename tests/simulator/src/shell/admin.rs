//! The admin API: what a person or a test does that is not a client. Handlers translate; the work is
//! done by the methods of [`crate::Handle`].

mod phones;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::hub::Hub;
use crate::draft::Outgoing;
use crate::faults::Request;
use crate::operations::{self, Error, Past};
use crate::phone::Act;

pub(crate) fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route("/info", get(info))
        .route("/mock-phone/scan-qr", post(scan_qr))
        .route("/mock-phone/enter-code", post(enter_code))
        .route("/phones", post(add_phone))
        .route("/phones/{number}/send", post(send))
        .route("/phones/{number}/inbox", get(inbox))
        .route("/phones/{number}/act", post(act))
        .route("/phones/{number}/state", get(state))
        .route("/phones/{number}/history", post(history))
        .route("/phones/{number}/expire-media", post(expire_media))
        .route("/phones/{number}/unlink", post(unlink))
        .merge(phones::router())
        .route("/journal", get(journal))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
}

impl IntoResponse for Error {
    /// Problem details. Source: RFC 9457.
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Refused(_) | Self::Busy(_) => StatusCode::CONFLICT,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        };
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        (
            status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            body.to_string(),
        )
            .into_response()
    }
}

async fn info(State(hub): State<Arc<Hub>>) -> impl IntoResponse {
    Json(operations::info(&hub))
}

#[derive(Debug, Deserialize)]
struct Scan {
    number: Option<String>,
    name: Option<String>,
}

/// `POST /admin/mock-phone/scan-qr`, the body is the text of the QR code.
async fn scan_qr(
    State(hub): State<Arc<Hub>>,
    Query(scan): Query<Scan>,
    text: String,
) -> Result<impl IntoResponse, Error> {
    operations::scan_qr(&hub, &text, scan.number.as_deref(), scan.name.as_deref()).map(Json)
}

#[derive(Debug, Deserialize)]
struct Code {
    number: String,
    code: String,
}

/// `POST /admin/mock-phone/enter-code`
async fn enter_code(
    State(hub): State<Arc<Hub>>,
    Json(typed): Json<Code>,
) -> Result<impl IntoResponse, Error> {
    operations::enter_code(&hub, &typed.number, &typed.code)
        .await
        .map(Json)
}

#[derive(Debug, Deserialize)]
struct NewPhone {
    number: String,
    #[serde(default)]
    name: String,
}

/// `POST /admin/phones`: sets up a phone without companions.
async fn add_phone(
    State(hub): State<Arc<Hub>>,
    Json(phone): Json<NewPhone>,
) -> Result<impl IntoResponse, Error> {
    operations::add_phone(&hub, &phone.number, &phone.name).map(Json)
}

/// `POST /admin/phones/{number}/send`: the phone itself sends, end-to-end encrypted.
async fn send(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(out): Json<Outgoing>,
) -> Result<impl IntoResponse, Error> {
    operations::phone_send(&hub, &number, &out).map(Json)
}

#[derive(Debug, Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

/// `GET /admin/phones/{number}/inbox?since=<seq>`: what the phone has decrypted, oldest first.
async fn inbox(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Query(query): Query<Since>,
) -> Result<impl IntoResponse, Error> {
    operations::phone_inbox(&hub, &number, query.since).map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Acts {
    One(Act),
    Many(Vec<Act>),
}

/// `POST /admin/phones/{number}/act`: the user does one thing, or a list of things, that companions learn by app
/// state; see [`Act`].
async fn act(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(acts): Json<Acts>,
) -> Result<impl IntoResponse, Error> {
    let acts = match acts {
        Acts::One(act) => vec![act],
        Acts::Many(acts) => acts,
    };
    operations::act(&hub, &number, &acts).map(|()| StatusCode::NO_CONTENT)
}

/// `POST /admin/phones/{number}/history`: gives the phone a past, see [`Past`].
async fn history(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(past): Json<Past>,
) -> Result<impl IntoResponse, Error> {
    operations::give_past(&hub, &number, past).map(Json)
}

#[derive(Debug, Deserialize)]
struct Expire {
    id: String,
}

/// `POST /admin/phones/{number}/expire-media`: the file of a message is gone from the media host.
async fn expire_media(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(message): Json<Expire>,
) -> Result<impl IntoResponse, Error> {
    operations::expire_media(&hub, &number, &message.id).map(|()| StatusCode::NO_CONTENT)
}

/// `GET /admin/phones/{number}/state`: what the phone shows besides messages.
async fn state(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
) -> Result<impl IntoResponse, Error> {
    operations::phone_state(&hub, &number).map(Json)
}

#[derive(Debug, Deserialize)]
struct Unlink {
    device: u16,
}

/// `POST /admin/phones/{number}/unlink`: the user takes a companion off the account.
async fn unlink(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(unlink): Json<Unlink>,
) -> Result<impl IntoResponse, Error> {
    operations::unlink(&hub, &number, unlink.device).map(|()| StatusCode::NO_CONTENT)
}

async fn journal(State(hub): State<Arc<Hub>>) -> impl IntoResponse {
    Json(hub.with(|server| server.journal_report()))
}

async fn faults(State(hub): State<Arc<Hub>>) -> impl IntoResponse {
    Json(hub.with(|server| server.active_faults()))
}

async fn add_fault(
    State(hub): State<Arc<Hub>>,
    Json(request): Json<Request>,
) -> Result<impl IntoResponse, Error> {
    let affected = operations::inject(&hub, request)?;
    Ok(Json(json!({ "affected": affected })))
}

async fn clear_faults(State(hub): State<Arc<Hub>>) -> impl IntoResponse {
    hub.with(crate::core::server::Server::clear_faults);
    StatusCode::NO_CONTENT
}
