//! The admin API of phones and their users, apart from sending: profile, presence, typing, reading.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::Since;
use crate::core::phone_user::{ProfileChange, Reading, Typing};
use crate::operations::{self, Error, phone_user};
use crate::shell::hub::Hub;

pub(super) fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route(
            "/phones/{number}/profile",
            get(profile).patch(change_profile),
        )
        .route("/phones/{number}/presence", post(presence))
        .route("/phones/{number}/typing", post(typing))
        .route("/phones/{number}/read", post(read))
        .route("/phones/{number}/trust", post(trust))
        .route("/phones/{number}/signals", get(signals))
        .route("/phones/{number}/stories", get(stories))
}

/// `GET /admin/phones/{number}/profile`: everything the account shows and hides.
async fn profile(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
) -> Result<impl IntoResponse, Error> {
    phone_user::profile(&hub, &number).map(Json)
}

/// `PATCH /admin/phones/{number}/profile`: the user changes it on the phone.
async fn change_profile(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(change): Json<ProfileChange>,
) -> Result<impl IntoResponse, Error> {
    phone_user::change_profile(&hub, &number, change).map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Presence {
    #[serde(default)]
    available: Option<bool>,
    #[serde(default)]
    watch: Option<String>,
}

/// `POST /admin/phones/{number}/presence`: the user comes or goes, or looks whether another is there.
async fn presence(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(presence): Json<Presence>,
) -> Result<impl IntoResponse, Error> {
    if let Some(other) = presence.watch {
        phone_user::watch(&hub, &number, &other)?;
    }
    if let Some(available) = presence.available {
        phone_user::presence(&hub, &number, available)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chatstate {
    to: String,
    state: Typing,
}

/// `POST /admin/phones/{number}/typing`: the user types, records or stops.
async fn typing(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(chatstate): Json<Chatstate>,
) -> Result<impl IntoResponse, Error> {
    phone_user::typing(&hub, &number, &chatstate.to, chatstate.state)
        .map(|()| StatusCode::NO_CONTENT)
}

/// `POST /admin/phones/{number}/read`: the user has read or played messages, or seen stories.
async fn read(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(reading): Json<Reading>,
) -> Result<impl IntoResponse, Error> {
    phone_user::read(&hub, &number, &reading).map(|()| StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trust {
    contact: String,
}

/// `POST /admin/phones/{number}/trust`: a contact gets a token of the account.
async fn trust(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Json(trust): Json<Trust>,
) -> Result<impl IntoResponse, Error> {
    phone_user::trust(&hub, &number, &trust.contact).map(|()| StatusCode::NO_CONTENT)
}

/// `GET /admin/phones/{number}/signals?since=<seq>`: receipts, presence and typing that the user
/// noticed, oldest first.
async fn signals(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Query(query): Query<Since>,
) -> Result<impl IntoResponse, Error> {
    phone_user::signals(&hub, &number, query.since).map(Json)
}

/// `GET /admin/phones/{number}/stories?since=<seq>`: the part of the inbox that is stories.
async fn stories(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Query(query): Query<Since>,
) -> Result<impl IntoResponse, Error> {
    operations::phone_stories(&hub, &number, query.since).map(Json)
}
