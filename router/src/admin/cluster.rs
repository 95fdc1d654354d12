//! The cluster as this router sees it: nodes, moves under way, and sessions by what their owner records say.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use switchboard_vocab::NodeId;
use switchboard_vocab::cluster::Incarnation;

use crate::app::App;
use crate::owners::{self, Moving, NodeView, Parked, Tally};

/// Most moves, and most parked sessions, that are named; the totals count all.
const SHOWN_MAX: usize = 100;

/// A node. What its record would say is absent where this release cannot read it.
#[derive(Debug, Serialize)]
pub(super) struct Node {
    id: NodeId,
    state: owners::State,
    incarnation: Option<Incarnation>,
    weight: Option<u32>,
    release: Option<String>,
    lease_ms: Option<u64>,
    /// How long ago this router saw its record change.
    lease_age_ms: u64,
    /// Sessions that name it as owner.
    sessions: usize,
    /// Sessions that it hands over.
    moving: usize,
}

#[derive(Debug, Serialize)]
struct Totals {
    sessions: usize,
    owned: usize,
    moving: usize,
    orphaned: usize,
    parked: usize,
    unowned: usize,
    /// Sessions whose keys are in the replicated log; the others' are on their node's disk only.
    replicated: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct ClusterView {
    cluster: String,
    nodes: Vec<Node>,
    moves: Vec<Moving>,
    parked: Vec<Parked>,
    totals: Totals,
}

/// `GET /admin/v1/cluster`
pub(super) async fn show(State(app): State<Arc<App>>) -> Json<ClusterView> {
    let records = app.directory.sessions(None, None, usize::MAX);
    let tally = app.owners.tally(&records, SHOWN_MAX);
    let nodes = app.owners.nodes();
    Json(ClusterView {
        cluster: app.cluster_id.clone(),
        nodes: nodes
            .into_iter()
            .map(|node| show_node(node, &tally))
            .collect(),
        totals: Totals {
            sessions: tally.sessions,
            owned: tally.owned,
            moving: tally.moving,
            orphaned: tally.orphaned,
            parked: tally.parked,
            unowned: tally.unowned,
            replicated: tally.replicated,
        },
        moves: tally.moves,
        parked: tally.reasons,
    })
}

fn show_node(node: NodeView, tally: &Tally) -> Node {
    let (sessions, moving) = tally.nodes.get(&node.id).copied().unwrap_or_default();
    let record = node.record.as_ref();
    Node {
        state: node.state,
        incarnation: record.map(|record| record.incarnation.clone()),
        weight: record.map(|record| record.weight),
        release: record.map(|record| record.release.clone()),
        lease_ms: record.map(|record| record.lease_ms),
        lease_age_ms: u64::try_from(node.age.as_millis()).unwrap_or(u64::MAX),
        id: node.id,
        sessions,
        moving,
    }
}
