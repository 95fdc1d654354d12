//! Orders about one session: hand it to another node, run it again although something of it is lost.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{Extensions, StatusCode};
use serde::Serialize;
use switchboard_vocab::cluster::{NodeOrder, OwnerPhase, OwnerRecord, RestoreFrom};
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use super::fields::{Fields, Id, Query};
use super::nodes::{DONE_WAIT_MAX, known, not_running};
use super::sessions::{locate, ticket, within};
use crate::app::App;
use crate::clock::Deadline;
use crate::forward::unavailable;
use crate::owners;
use crate::problem::Problem;

/// How often the owner record is looked at without news of it.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Longest path of a folder to restore from, in bytes. Source: `PATH_MAX` of Linux.
const PATH_LEN_MAX: usize = 4096;

#[derive(Debug, Serialize)]
pub(super) struct Move {
    session: SessionRef,
    from: NodeId,
    to: NodeId,
    /// The epoch before the move.
    epoch: Epoch,
    /// Whether the target owns it.
    done: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Restore {
    session: SessionRef,
    node: NodeId,
    #[serde(flatten)]
    from: RestoreFrom,
}

/// `POST /admin/v1/sessions/{id}/move?wait= {"node"}`
pub(super) async fn move_session(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Move>), Problem> {
    let session = locate(&app, &id, &query)?;
    let wait = within("wait", query.parse("wait")?, DONE_WAIT_MAX)?;
    let target: NodeId = fields.need("node")?;
    fields.done()?;
    let owner = movable(&app, &session, &target)?;
    let order = NodeOrder::Move {
        session: session.session.clone(),
        target: target.clone(),
    };
    let deadline = ticket(&app, &extensions).deadline;
    app.forward.order(&owner.node, &order, deadline).await?;
    let mut under_way = Move {
        session: session.session.clone(),
        from: owner.node.clone(),
        to: target,
        epoch: owner.epoch,
        done: false,
    };
    if !wait.is_zero() {
        under_way.done = arrived(&app, &session, &under_way, Deadline::after(wait)).await?;
    }
    let status = if under_way.done {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Json(under_way)))
}

/// The owner record of a session that can be handed to this node now.
fn movable(
    app: &App,
    session: &SessionRecord,
    target: &NodeId,
) -> Result<Arc<OwnerRecord>, Problem> {
    let to = known(app, target)?;
    let id = &session.session;
    let Some(owner) = app.owners.record(id, &session.uuid) else {
        let words = format!("no node owns session {id} yet: try again");
        return Err(Problem::conflict(words));
    };
    match &owner.phase {
        OwnerPhase::Parked { reason } => {
            let words = format!("session {id} is parked: {reason}");
            return Err(Problem::conflict(words));
        }
        OwnerPhase::Moving { target } => {
            let words = format!("session {id} is moving to node {target} already");
            return Err(Problem::conflict(words));
        }
        OwnerPhase::Owned => {}
    }
    if owner.node == *target {
        let words = format!("session {id} is on node {target} already");
        return Err(Problem::conflict(words));
    }
    match to.state {
        owners::State::Up => {}
        owners::State::Draining => {
            let words = format!("node {target} is draining: it takes no sessions");
            return Err(Problem::conflict(words));
        }
        owners::State::Silent
        | owners::State::Fenced
        | owners::State::Left
        | owners::State::Unreadable => return Err(Problem::conflict(not_running(&to))),
    }
    if !app.owners.lives(&owner) {
        let node = &owner.node;
        let words = format!("node {node}, which owns session {id}, is not running now");
        return Err(unavailable(&words).into());
    }
    Ok(owner)
}

/// Waits until the target owns the session; false when the time is over first.
async fn arrived(
    app: &App,
    session: &SessionRecord,
    under_way: &Move,
    until: Deadline,
) -> Result<bool, Problem> {
    let mut news = app.owners.subscribe(&session.session);
    loop {
        news.forget();
        let record = app.owners.record(&session.session, &session.uuid);
        if let Some(record) = record.filter(|record| record.epoch > under_way.epoch) {
            match &record.phase {
                OwnerPhase::Owned if record.node == under_way.to => return Ok(true),
                OwnerPhase::Owned => {
                    let (node, id) = (&record.node, &session.session);
                    let words = format!(
                        "the move failed: session {id} is on node {node}; its log says why"
                    );
                    return Err(Problem::conflict(words));
                }
                OwnerPhase::Moving { .. } | OwnerPhase::Parked { .. } => {}
            }
        }
        if until.has_passed() {
            return Ok(false);
        }
        // That the time passes is no failure: then the record is looked at again.
        let _ = tokio::time::timeout(until.left().min(LOOK_PAUSE), news.next()).await;
    }
}

/// `POST /admin/v1/sessions/{id}/restore {"from","path"?,"node"?}`: only where it is parked; something of it is lost.
pub(super) async fn restore(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Restore>), Problem> {
    let session = locate(&app, &id, &query)?;
    let from = source(&mut fields)?;
    let wanted: Option<NodeId> = fields.take("node")?;
    fields.done()?;
    let id = &session.session;
    let record = app.owners.record(id, &session.uuid);
    let Some(record) = record.filter(|record| matches!(record.phase, OwnerPhase::Parked { .. }))
    else {
        let words = format!("session {id} is not parked: there is nothing to restore");
        return Err(Problem::conflict(words));
    };
    let node = executor(&app, &record, &from, wanted.as_ref())?;
    let order = NodeOrder::Restore {
        session: id.clone(),
        from: from.clone(),
    };
    let deadline = ticket(&app, &extensions).deadline;
    app.forward.order(&node, &order, deadline).await?;
    let session = id.clone();
    Ok((
        StatusCode::ACCEPTED,
        Json(Restore {
            session,
            node,
            from,
        }),
    ))
}

fn source(fields: &mut Fields) -> Result<RestoreFrom, Problem> {
    let from: String = fields.need("from")?;
    let path: Option<String> = fields.take("path")?;
    let source = match from.as_str() {
        "log" => RestoreFrom::Log,
        "nothing" => RestoreFrom::Nothing,
        "folder" => {
            let words = "path: the folder on the node is expected";
            let path = path.filter(|path| !path.is_empty());
            let path = path.ok_or_else(|| Problem::field("path", words))?;
            if path.len() > PATH_LEN_MAX || !path.starts_with('/') {
                let words = format!("path: an absolute path of at most {PATH_LEN_MAX} bytes");
                return Err(Problem::field("path", words));
            }
            return Ok(RestoreFrom::Folder { path });
        }
        _ => {
            let words = "from: log, folder or nothing is accepted";
            return Err(Problem::field("from", words));
        }
    };
    match path {
        None => Ok(source),
        Some(_) => Err(Problem::field("path", "path: only with from=folder")),
    }
}

/// The node that restores: the one that was asked for, else the last owner, else, where no folder matters, any.
fn executor(
    app: &App,
    record: &OwnerRecord,
    from: &RestoreFrom,
    wanted: Option<&NodeId>,
) -> Result<NodeId, Problem> {
    let last = wanted.unwrap_or(&record.node);
    let last = match (known(app, last), wanted) {
        (Err(unknown), Some(_)) => return Err(unknown),
        (Err(_), None) => None,
        (Ok(node), _) => Some(node),
    };
    if let Some(node) = last.as_ref().filter(|node| node.state.runs()) {
        return Ok(node.id.clone());
    }
    let anywhere = !matches!(from, RestoreFrom::Folder { .. }) && wanted.is_none();
    let found = app.owners.first(&record.session).filter(|_| anywhere);
    found.ok_or_else(|| match last {
        Some(node) => Problem::conflict(not_running(&node)),
        None => Problem::conflict("no node that runs can restore it: name one with node"),
    })
}
