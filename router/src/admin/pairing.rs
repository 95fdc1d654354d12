//! Linking a session to a phone from the outside of any dialect: for terminals and consoles.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Extensions;
use serde::Serialize;
use switchboard_dialect_kit::phone;
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::pairing::{Challenge, PairingCode, QR_WAIT_MAX, RequestCode};
use switchboard_vocab::sessions::{GetStatus, SessionState, SessionStatus, Start};

use super::fields::{Fields, Id, Query};
use super::sessions::{ask, locate, run, ticket, within};
use crate::app::App;
use crate::clock::Deadline;
use crate::forward::Ticket;
use crate::problem::Problem;

/// Pause between two questions to the owner while waiting.
const POLL_PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize)]
pub(super) struct Pairing {
    status: SessionStatus,
}

/// `GET /admin/v1/sessions/{id}/pairing?wait=&shown=`: what a person can do to link the session now.
///
/// Starts a session that is stopped or logged out, unless something was `shown` already. Then waits up to `wait` seconds
/// for a challenge other than the one `shown` (the text of a QR code, or a pairing code), or for the end of the pairing.
pub(super) async fn challenge(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
) -> Result<Json<Pairing>, Problem> {
    let session = locate(&app, &id, &query)?;
    let wait = within("wait", query.parse("wait")?, QR_WAIT_MAX)?;
    let until = Deadline::after(wait);
    let ticket = ticket(&app, &extensions);
    let shown = query.text("shown");
    let mut status = ask(&app, &session, &GetStatus {}, &ticket).await?;
    if shown.is_none() && is_off(status.state) {
        let start = Start {
            wait,
            keep_final: false,
        };
        status = ask(&app, &session, &start, &ticket).await?;
    }
    status = news(&app, &session, status, shown, until, &ticket).await?;
    Ok(Json(Pairing { status }))
}

/// `POST /admin/v1/sessions/{id}/pairing-code {"phone"}`: a code to type on that phone.
pub(super) async fn code(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
    mut fields: Fields,
) -> Result<Json<PairingCode>, Problem> {
    let text: String = fields.need("phone")?;
    fields.done()?;
    let phone = phone::user(&text).map_err(|error| Problem::field("phone", error.public))?;
    run(&app, &extensions, &id, &query, &RequestCode { phone }).await
}

async fn news(
    app: &App,
    session: &SessionRecord,
    mut status: SessionStatus,
    shown: Option<&str>,
    until: Deadline,
    ticket: &Ticket,
) -> Result<SessionStatus, Problem> {
    while !is_news(&status, shown) && !until.has_passed() {
        tokio::time::sleep(POLL_PAUSE.min(until.left())).await;
        status = ask(app, session, &GetStatus {}, ticket).await?;
    }
    Ok(status)
}

/// Whether there is something to show that was not shown.
fn is_news(status: &SessionStatus, shown: Option<&str>) -> bool {
    match &status.challenge {
        Some(Challenge::Qr { text, .. }) => Some(text.as_str()) != shown,
        Some(Challenge::Code { code, .. }) => Some(code.as_str()) != shown,
        Some(Challenge::Passkey { .. }) => true,
        None => is_settled(status.state),
    }
}

/// Whether the session is off without anything being wrong with it.
const fn is_off(state: SessionState) -> bool {
    matches!(state, SessionState::Stopped | SessionState::LoggedOut)
}

/// Whether the state will not change by itself.
const fn is_settled(state: SessionState) -> bool {
    match state {
        SessionState::Connected
        | SessionState::Stopped
        | SessionState::LoggedOut
        | SessionState::Banned
        | SessionState::Replaced
        | SessionState::Parked => true,
        SessionState::Starting
        | SessionState::Pairing
        | SessionState::Connecting
        | SessionState::Syncing
        | SessionState::Waiting => false,
    }
}
