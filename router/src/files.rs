//! `GET /files/{tenant}/{session}/{media}?expires=&signature=`: files under signed links, for who has no key.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Method;
use axum::response::Response;
use switchboard_vocab::media::{MediaTarget, Open};
use switchboard_vocab::{ErrorCode, MediaId, OpError, SessionRef};

use crate::app::App;
use crate::problem::Problem;
use crate::trace::Trace;
use crate::{clock, download};

/// Streams the file of a link.
pub(crate) async fn file(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let link = path
        .ok()
        .and_then(|Path(named)| opened(&app, &named, query));
    let (session, media) = link.ok_or_else(|| {
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

/// What a link opens; `None` when it is not one of ours or has expired.
fn opened(
    app: &App,
    (tenant, session, media): &(String, String, String),
    query: &str,
) -> Option<(SessionRef, MediaId)> {
    let session = SessionRef::new(tenant.parse().ok()?, session.parse().ok()?);
    let media = MediaId::parse(media).ok()?;
    let proof = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let expires = proof("expires")?.parse().ok()?;
    let signature = proof("signature")?;
    let links = &app.env.links;
    let link = links.open(&session, &media, expires, &signature, clock::now())?;
    Some((link.session, link.media))
}
