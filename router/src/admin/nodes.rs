//! Orders to nodes: drain, end a drain, another weight.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{Extensions, StatusCode};
use serde::Serialize;
use switchboard_vocab::cluster::NodeOrder;
use switchboard_vocab::placement::WEIGHT_MAX;
use switchboard_vocab::{ErrorCode, NodeId, OpError};

use super::fields::{Fields, Id, Query};
use super::sessions::{ticket, within};
use crate::app::App;
use crate::clock::Deadline;
use crate::owners::{self, NodeView};
use crate::problem::Problem;

/// Longest wait for the end of what an order began.
pub(super) const DONE_WAIT_MAX: Duration = Duration::from_secs(120);
/// Pause between two looks at the owner records of a node.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Serialize)]
pub(super) struct Drain {
    node: NodeId,
    draining: bool,
    /// Sessions it still has.
    sessions: usize,
    /// Whether what was ordered has come to its end.
    done: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Weight {
    node: NodeId,
    weight: u32,
}

/// `POST /admin/v1/nodes/{id}/drain?wait=`: it gives its sessions to others and takes none.
pub(super) async fn drain(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
    fields: Fields,
) -> Result<(StatusCode, Json<Drain>), Problem> {
    fields.done()?;
    switch(&app, &extensions, &id, &query, true).await
}

/// `DELETE /admin/v1/nodes/{id}/drain?wait=`: it takes sessions again.
pub(super) async fn end_drain(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
) -> Result<(StatusCode, Json<Drain>), Problem> {
    switch(&app, &extensions, &id, &query, false).await
}

async fn switch(
    app: &App,
    extensions: &Extensions,
    id: &str,
    query: &Query,
    on: bool,
) -> Result<(StatusCode, Json<Drain>), Problem> {
    let wait = within("wait", query.parse("wait")?, DONE_WAIT_MAX)?;
    let node = running(app, id)?.id;
    let deadline = ticket(app, extensions).deadline;
    app.forward
        .order(&node, &NodeOrder::Drain { on }, deadline)
        .await?;
    let until = Deadline::after(wait);
    loop {
        let drain = progress(app, &node, on);
        if drain.done && !wait.is_zero() {
            return Ok((StatusCode::OK, Json(drain)));
        }
        if until.has_passed() {
            return Ok((StatusCode::ACCEPTED, Json(drain)));
        }
        tokio::time::sleep(LOOK_PAUSE.min(until.left())).await;
    }
}

fn progress(app: &App, node: &NodeId, on: bool) -> Drain {
    let sessions = app.owners.sessions_of(node);
    let state = app.owners.node(node).map(|node| node.state);
    let done = match state {
        Some(owners::State::Up) => !on,
        Some(owners::State::Draining) => on && sessions == 0,
        // It has ended, or is dead: whatever was wanted of it, it has no sessions any more when no record says so.
        Some(owners::State::Left | owners::State::Fenced) => on && sessions == 0,
        Some(owners::State::Silent | owners::State::Unreadable) | None => false,
    };
    Drain {
        node: node.clone(),
        draining: on,
        sessions,
        done,
    }
}

/// `PUT /admin/v1/nodes/{id}/weight {"weight"}`: its share of the sessions; zero takes none.
pub(super) async fn weigh(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Weight>), Problem> {
    let weight: u32 = fields.need("weight")?;
    fields.done()?;
    if weight > WEIGHT_MAX {
        let words = format!("weight: 0 to {WEIGHT_MAX} is accepted");
        return Err(Problem::field("weight", words));
    }
    let node = running(&app, &id)?.id;
    let deadline = ticket(&app, &extensions).deadline;
    app.forward
        .order(&node, &NodeOrder::Weigh { weight }, deadline)
        .await?;
    Ok((StatusCode::ACCEPTED, Json(Weight { node, weight })))
}

/// The node of this name in a path, which must run.
fn running(app: &App, id: &str) -> Result<NodeView, Problem> {
    let id = NodeId::parse(id).map_err(|e| Problem::field("id", e.to_string()))?;
    let node = known(app, &id)?;
    if node.state.runs() {
        return Ok(node);
    }
    Err(Problem::conflict(not_running(&node)))
}

/// A node that has a record.
pub(super) fn known(app: &App, id: &NodeId) -> Result<NodeView, Problem> {
    app.owners.node(id).ok_or_else(|| {
        let words = format!("there is no node {id} in this cluster");
        OpError::new(ErrorCode::NotFound, words).into()
    })
}

/// What to say of a node that cannot take an order.
pub(super) fn not_running(node: &NodeView) -> String {
    let (id, state) = (&node.id, node.state.as_str());
    match node.state {
        owners::State::Silent => {
            let ms = node.age.as_millis();
            format!("node {id} is silent: its record has not changed for {ms} ms")
        }
        owners::State::Unreadable => {
            format!("the record of node {id} cannot be read by this release")
        }
        owners::State::Up
        | owners::State::Draining
        | owners::State::Fenced
        | owners::State::Left => format!("node {id} is not running: its record says {state}"),
    }
}
