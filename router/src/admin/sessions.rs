//! Sessions: creating, listing, showing, starting and stopping, removing.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{Extensions, StatusCode};
use serde::Serialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;
use switchboard_vocab::cluster::OwnerPhase;
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::sessions::{
    Create, Logout, Restart, START_WAIT_MAX, SessionState, SessionStatus, Start, Stop,
};
use switchboard_vocab::{
    Epoch, ErrorCode, NodeId, OpError, Operation, SessionId, SessionRef, TenantId, Timestamp,
};

use super::fields::{Fields, Id, Query};
use crate::app::App;
use crate::auth::no_session;
use crate::cluster::LIST_LIMIT_MAX;
use crate::forward::Ticket;
use crate::owners::is_replicated;
use crate::problem::Problem;
use crate::trace::Trace;

/// Sessions per page when nobody asks for a number.
const LIMIT_DEFAULT: u32 = 100;
/// Sessions looked at for one page when a state is asked for.
const SCANNED_MAX: usize = 5_000;
/// Tenants named when an id is ambiguous.
const TENANTS_SHOWN_MAX: usize = 16;

#[derive(Debug, Serialize)]
pub(super) struct Created {
    id: SessionId,
    tenant: TenantId,
    token: String,
}

/// A session as the admin API shows it.
#[derive(Debug, Serialize)]
pub(super) struct Session {
    id: SessionId,
    tenant: TenantId,
    uuid: String,
    created_at: Timestamp,
    /// The node that its owner record names; null while it has none.
    owner: Option<NodeId>,
    /// The fencing number of that record.
    epoch: Option<Epoch>,
    /// What the owner does with it.
    #[serde(flatten)]
    phase: Option<OwnerPhase>,
    /// Whether its keys are in the replicated log, so that any node can take it over.
    replicated: bool,
    /// Its state; null when its owner did not answer.
    state: Option<SessionState>,
    /// Everything its owner told.
    status: Option<SessionStatus>,
}

#[derive(Debug, Serialize)]
pub(super) struct Sessions {
    sessions: Vec<Session>,
    /// To be given as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<SessionRef>,
}

/// `POST /admin/v1/sessions {"tenant"?,"id"?}`
pub(super) async fn create(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Created>), Problem> {
    let id: Option<SessionId> = fields.take("id")?;
    let tenant: Option<TenantId> = fields.take("tenant")?;
    fields.done()?;
    let tenant = tenant.unwrap_or_else(TenantId::default_tenant);
    if !app.directory.has_tenant(&tenant) {
        let words = format!("there is no tenant {tenant}: create it first");
        return Err(OpError::new(ErrorCode::NotFound, words).into());
    }
    let create = Create {
        id,
        start: None,
        webhooks: Vec::new(),
    };
    let ticket = ticket(&app, &extensions);
    let created = app.cluster.create(&tenant, create, &ticket).await?;
    let SessionRef { tenant, session } = created.session;
    Ok((
        StatusCode::CREATED,
        Json(Created {
            id: session,
            tenant,
            token: created.token,
        }),
    ))
}

/// `GET /admin/v1/sessions?tenant=&state=&after=&limit=`
pub(super) async fn list(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    query: Query,
) -> Result<Json<Sessions>, Problem> {
    let tenant = query.tenant()?;
    let state = query.text("state").map(state).transpose()?;
    let mut after = after(&query, tenant.as_ref())?;
    let limit = query
        .parse("limit")?
        .unwrap_or(LIMIT_DEFAULT)
        .clamp(1, LIST_LIMIT_MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let ticket = ticket(&app, &extensions);
    let (mut found, mut scanned) = (Vec::new(), 0);
    loop {
        let page = app
            .directory
            .sessions(tenant.as_ref(), after.as_ref(), limit);
        let is_last = page.len() < limit;
        for session in describe(&app, page, &ticket).await {
            if found.len() == limit {
                return Ok(Json(Sessions {
                    sessions: found,
                    next: after,
                }));
            }
            scanned += 1;
            after = Some(SessionRef::new(session.tenant.clone(), session.id.clone()));
            if state.is_none() || session.state == state {
                found.push(session);
            }
        }
        if is_last {
            return Ok(Json(Sessions {
                sessions: found,
                next: None,
            }));
        }
        if found.len() == limit || scanned >= SCANNED_MAX || ticket.deadline.has_passed() {
            return Ok(Json(Sessions {
                sessions: found,
                next: after,
            }));
        }
    }
}

/// `GET /admin/v1/sessions/{id}`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
) -> Result<Json<Session>, Problem> {
    let record = locate(&app, &id, &query)?;
    let ticket = ticket(&app, &extensions);
    let status = app.cluster.status(&record.session, &ticket).await.ok();
    Ok(Json(session(&app, &record, status)))
}

/// `DELETE /admin/v1/sessions/{id}`
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
) -> Result<StatusCode, Problem> {
    let record = locate(&app, &id, &query)?;
    app.cluster
        .remove(&record.session, &ticket(&app, &extensions))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /admin/v1/sessions/{id}/token`
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    Id(id): Id,
    query: Query,
) -> Result<Json<Created>, Problem> {
    let record = locate(&app, &id, &query)?;
    let issued = app.directory.rotate_token(&record.session).await?;
    let SessionRef { tenant, session } = issued.record.session;
    Ok(Json(Created {
        id: session,
        tenant,
        token: issued.secret,
    }))
}

/// `POST /admin/v1/sessions/{id}/start {"wait"?}`: waits up to `wait` seconds for something to show.
pub(super) async fn start(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
    mut fields: Fields,
) -> Result<Json<SessionStatus>, Problem> {
    let wait = fields.take::<u64>("wait")?;
    fields.done()?;
    let wait = within("wait", wait, START_WAIT_MAX)?;
    run(
        &app,
        &extensions,
        &id,
        &query,
        &Start {
            wait,
            keep_final: false,
        },
    )
    .await
}

/// `POST /admin/v1/sessions/{id}/stop`
pub(super) async fn stop(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
) -> Result<Json<SessionStatus>, Problem> {
    run(&app, &extensions, &id, &query, &Stop {}).await
}

/// `POST /admin/v1/sessions/{id}/restart`
pub(super) async fn restart(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
) -> Result<Json<SessionStatus>, Problem> {
    run(&app, &extensions, &id, &query, &Restart {}).await
}

/// `POST /admin/v1/sessions/{id}/logout`
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
) -> Result<Json<SessionStatus>, Problem> {
    run(&app, &extensions, &id, &query, &Logout {}).await
}

/// Runs an operation on the session that `id` names.
pub(super) async fn run<O: Operation>(
    app: &App,
    extensions: &Extensions,
    id: &str,
    query: &Query,
    operation: &O,
) -> Result<Json<O::Output>, Problem> {
    let record = locate(app, id, query)?;
    let ticket = ticket(app, extensions);
    Ok(Json(ask(app, &record, operation, &ticket).await?))
}

/// Runs an operation at a session's owner; of a parked session the operator learns why it is parked.
pub(super) async fn ask<O: Operation>(
    app: &App,
    session: &SessionRecord,
    operation: &O,
    ticket: &Ticket,
) -> Result<O::Output, Problem> {
    let answer = app.forward.run(&session.session, operation, ticket).await;
    answer.map_err(|error| {
        let owner = app.owners.record(&session.session, &session.uuid);
        match owner.as_deref().map(|owner| &owner.phase) {
            Some(OwnerPhase::Parked { reason }) => {
                let words = format!("the session is parked: {reason}");
                Problem::from(error).saying(words)
            }
            Some(OwnerPhase::Owned | OwnerPhase::Moving { .. }) | None => error.into(),
        }
    })
}

/// The session that `id` and `?tenant=` name.
pub(super) fn locate(app: &App, id: &str, query: &Query) -> Result<Arc<SessionRecord>, Problem> {
    let id = SessionId::parse(id).map_err(|e| Problem::field("id", e.to_string()))?;
    if let Some(tenant) = query.tenant()? {
        let session = SessionRef::new(tenant, id);
        let found = app.directory.session(&session);
        return found.ok_or_else(|| absent(&session.session));
    }
    let mut found = app.directory.named(id.as_str(), TENANTS_SHOWN_MAX);
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(absent(&id)),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let all = found.iter().chain([&last]);
            let tenants = all
                .map(|record| record.session.tenant.to_string())
                .collect();
            Err(Problem::ambiguous(id.as_str(), tenants))
        }
    }
}

/// A ticket for a call of this request.
pub(super) fn ticket(app: &App, extensions: &Extensions) -> Ticket {
    app.ticket(Trace::in_request(extensions))
}

/// Whole seconds of a field as a duration, zero when absent.
pub(super) fn within(name: &str, given: Option<u64>, max: Duration) -> Result<Duration, Problem> {
    let given = Duration::from_secs(given.unwrap_or(0));
    if given > max {
        let words = format!("{name} is at most {} seconds", max.as_secs());
        return Err(Problem::field(name, words));
    }
    Ok(given)
}

fn absent(id: &SessionId) -> Problem {
    let mut error = no_session(id.as_str());
    error.public = format!("there is no session {id}");
    error.into()
}

async fn describe(app: &App, page: Vec<Arc<SessionRecord>>, ticket: &Ticket) -> Vec<Session> {
    let listed = app.cluster.with_status(page.clone(), ticket).await.sessions;
    let pairs = page.iter().zip(listed);
    pairs
        .map(|(record, listed)| session(app, record, listed.status))
        .collect()
}

fn session(app: &App, record: &SessionRecord, status: Option<SessionStatus>) -> Session {
    let SessionRef { tenant, session } = record.session.clone();
    let owner = app.owners.record(&record.session, &record.uuid);
    let owner = owner.as_deref();
    let phase = owner.map(|owner| owner.phase.clone());
    let state = match phase {
        // Nobody runs it who could tell.
        Some(OwnerPhase::Parked { .. }) => Some(SessionState::Parked),
        Some(OwnerPhase::Owned | OwnerPhase::Moving { .. }) | None => {
            status.as_ref().map(|status| status.state)
        }
    };
    Session {
        id: session,
        tenant,
        uuid: record.uuid.clone(),
        created_at: record.created_at,
        owner: owner.map(|owner| owner.node.clone()),
        epoch: owner.map(|owner| owner.epoch),
        replicated: owner.is_some_and(is_replicated),
        phase,
        state,
        status,
    }
}

fn state(text: &str) -> Result<SessionState, Problem> {
    let read: Result<SessionState, ValueError> =
        serde::Deserialize::deserialize(text.into_deserializer());
    read.map_err(|e| Problem::field("state", format!("state: {e}")))
}

/// Where a page begins: `tenant/session` as `next` said, or a session id where the tenant is given too.
fn after(query: &Query, tenant: Option<&TenantId>) -> Result<Option<SessionRef>, Problem> {
    let Some(text) = query.text("after") else {
        return Ok(None);
    };
    let wrong = |e: &dyn std::fmt::Display| Problem::field("after", format!("after: {e}"));
    match tenant {
        Some(tenant) if !text.contains('/') => {
            let session = SessionId::parse(text).map_err(|e| wrong(&e))?;
            Ok(Some(SessionRef::new(tenant.clone(), session)))
        }
        Some(_) | None => text.parse().map(Some).map_err(|e| wrong(&e)),
    }
}
