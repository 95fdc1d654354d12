//! The cluster as the router sees it: members, which of them answer, and how many sessions each should run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Extensions;
use futures::{StreamExt, stream};
use serde::Serialize;
use switchboard_vocab::{NodeId, SessionRef};

use super::fields::{Fields, Id, Query};
use super::sessions::{locate, ticket};
use crate::app::App;
use crate::clock::Deadline;
use crate::forward::Ticket;
use crate::problem::Problem;

/// How long a node may take to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);
/// Nodes asked at once.
const NODES_PARALLEL_MAX: usize = 16;
/// The session a node is asked about that should run none: any answer will do.
const PROBE: &str = "default/probe";

#[derive(Debug, Serialize)]
pub(super) struct Node {
    id: NodeId,
    weight: u32,
    /// Whether it serves calls now.
    answers: bool,
    /// Sessions it should run.
    sessions: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct ClusterView {
    cluster: String,
    nodes: Vec<Node>,
    /// Sessions in all.
    sessions: usize,
    /// Sessions that no node can run now.
    unplaced: usize,
}

/// `GET /admin/v1/cluster`
pub(super) async fn cluster(
    State(app): State<Arc<App>>,
    extensions: Extensions,
) -> Json<ClusterView> {
    let records = app.directory.sessions(None, None, usize::MAX);
    let mut placed: BTreeMap<NodeId, (usize, SessionRef)> = BTreeMap::new();
    let mut unplaced = 0;
    for record in &records {
        match app.forward.owner(&record.session) {
            Ok(owner) => {
                placed
                    .entry(owner)
                    .or_insert_with(|| (0, record.session.clone()))
                    .0 += 1
            }
            Err(_) => unplaced += 1,
        }
    }
    let ticket = Ticket {
        deadline: Deadline::after(ANSWER_WAIT_MAX),
        ..ticket(&app, &extensions)
    };
    let (app, placed, ticket) = (&app, &placed, &ticket);
    let nodes = stream::iter(app.forward.owners().members())
        .map(|(id, weight)| async move {
            let (sessions, probe) = match placed.get(&id) {
                Some((count, session)) => (*count, Some(session.clone())),
                None => (0, PROBE.parse().ok()),
            };
            let answers = match probe {
                Some(probe) => app.forward.answers(&id, &probe, ticket).await,
                None => false,
            };
            Node {
                id,
                weight,
                answers,
                sessions,
            }
        })
        .buffered(NODES_PARALLEL_MAX)
        .collect()
        .await;
    let cluster = app.cluster_id.clone();
    Json(ClusterView {
        cluster,
        nodes,
        sessions: records.len(),
        unplaced,
    })
}

/// `POST /admin/v1/sessions/{id}/move {"node"}`
pub(super) async fn move_session(
    State(app): State<Arc<App>>,
    Id(id): Id,
    query: Query,
    mut fields: Fields,
) -> Result<(), Problem> {
    locate(&app, &id, &query)?;
    let _: NodeId = fields.need("node")?;
    fields.done()?;
    let words = "sessions are placed by the list of nodes in this release; moving one needs leases, which come later";
    Err(Problem::not_offered(words))
}

/// `POST /admin/v1/nodes/{id}/drain`
pub(super) async fn drain(State(app): State<Arc<App>>, Id(id): Id) -> Result<(), Problem> {
    let id = NodeId::parse(&id).map_err(|e| Problem::field("id", e.to_string()))?;
    if app
        .forward
        .owners()
        .members()
        .iter()
        .all(|(member, _)| *member != id)
    {
        let words = format!("there is no node {id} in this cluster");
        let code = switchboard_vocab::ErrorCode::NotFound;
        return Err(switchboard_vocab::OpError::new(code, words).into());
    }
    let words = "sessions are placed by the list of nodes in this release; draining one needs leases, which come later";
    Err(Problem::not_offered(words))
}
