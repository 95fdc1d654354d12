//! `GET /files/{tenant}/{session}/{media}?expires=&signature=`: files under signed links, for who has no key.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::Method;
use axum::response::Response;
use serde::Deserialize;
use switchboard_vocab::media::{MediaTarget, Open};
use switchboard_vocab::{ErrorCode, MediaId, OpError, SessionRef};

use crate::app::App;
use crate::problem::Problem;
use crate::trace::Trace;
use crate::{clock, download};

/// What makes a link valid.
#[derive(Debug, Deserialize)]
pub(crate) struct Proof {
    #[serde(default)]
    expires: String,
    #[serde(default)]
    signature: String,
}

/// Streams the file of a link.
pub(crate) async fn file(
    State(app): State<Arc<App>>,
    Path((tenant, session, media)): Path<(String, String, String)>,
    Query(proof): Query<Proof>,
    request: Request,
) -> Result<Response, Problem> {
    let (session, media) = opened(&app, &tenant, &session, &media, &proof).ok_or_else(|| {
        OpError::new(
            ErrorCode::Forbidden,
            "the link is not valid, or it has expired",
        )
    })?;
    let permit = app.gate.enter()?;
    app.check_current()?;
    if app.directory.session(&session).is_none() {
        return Err(OpError::new(ErrorCode::NotFound, "the file is gone").into());
    }
    let in_session = app.gate.enter_session(&session)?;
    let trace = Trace::in_request(request.extensions());
    let head = request.method() == Method::HEAD;
    let open = Open {
        target: MediaTarget::Media(media),
    };
    let stored = app
        .forward
        .run(&session, &open, &app.ticket(Arc::clone(&trace)))
        .await?;
    let guard = (permit, in_session);
    Ok(download::response(&app.forward, &session, &stored, &trace, head, guard).await?)
}

fn opened(
    app: &App,
    tenant: &str,
    session: &str,
    media: &str,
    proof: &Proof,
) -> Option<(SessionRef, MediaId)> {
    let session = SessionRef::new(tenant.parse().ok()?, session.parse().ok()?);
    let media = MediaId::parse(media).ok()?;
    let expires = proof.expires.parse().ok()?;
    let links = &app.env.links;
    let link = links.open(&session, &media, expires, &proof.signature, clock::now())?;
    Some((link.session, link.media))
}
