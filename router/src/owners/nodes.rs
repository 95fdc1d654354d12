//! Nodes as their records say them, and since when this router has not heard of them.
//!
//! How long a node was silent is measured by this router's own clock from the last change it saw. It decides only whom
//! to ask; that a node is dead is decided by other nodes, through its record.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard_bus::{Entry, Key, Revision, WatchEvent};
use switchboard_vocab::cluster::{Incarnation, NodeRecord, NodeState, RECORD_VERSION};
use switchboard_vocab::placement::{Member, Members};
use switchboard_vocab::{NodeId, SessionRef};
use tokio::time::Instant;

use crate::clock;

/// What a lease is divided by for the margin that is waited on top. Source: the margin of the nodes themselves.
const MARGIN_PART: u32 = 10;

/// The nodes of the cluster.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    held: BTreeMap<NodeId, Held>,
    /// A watch is running: that a record does not change means something.
    watched: bool,
}

#[derive(Debug)]
struct Held {
    /// `None` when this release cannot read it.
    record: Option<NodeRecord>,
    revision: Revision,
    /// When this router saw the record change last.
    changed_at: Instant,
}

/// What a node is doing, as a router sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Runs sessions and takes new ones.
    Up,
    /// Gives its sessions to others.
    Draining,
    /// Its record has not changed for longer than its lease: it cannot run anything now.
    Silent,
    /// Declared dead.
    Fenced,
    /// Ended by itself.
    Left,
    /// Its record cannot be read by this release.
    Unreadable,
}

impl State {
    /// Every state, in the order of their declaration.
    pub(crate) const ALL: [Self; 6] = [
        Self::Up,
        Self::Draining,
        Self::Silent,
        Self::Fenced,
        Self::Left,
        Self::Unreadable,
    ];

    /// Its name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::Fenced => "fenced",
            Self::Left => "left",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether it runs sessions now.
    pub(crate) const fn runs(self) -> bool {
        matches!(self, Self::Up | Self::Draining)
    }
}

/// A node for people.
#[derive(Debug, Clone)]
pub(crate) struct NodeView {
    pub(crate) id: NodeId,
    pub(crate) state: State,
    /// Since when its record has not changed.
    pub(crate) age: Duration,
    /// What it says of itself, where this release can read it.
    pub(crate) record: Option<NodeRecord>,
}

/// What has become of the life of a node that an owner record names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may run its sessions.
    Lives,
    /// It is over, or its lease must have run out.
    Gone,
}

impl Nodes {
    /// Puts a change in; tells whether it is more than a heartbeat.
    pub(super) fn apply(&mut self, event: WatchEvent) -> bool {
        match event {
            WatchEvent::Put { key, entry } => match node_of(&key) {
                Some(node) => self.put(node, &entry),
                None => false,
            },
            WatchEvent::Delete { key, revision } => {
                let Some(node) = node_of(&key) else {
                    return false;
                };
                let older = self
                    .held
                    .get(&node)
                    .is_some_and(|held| held.revision > revision);
                !older && self.held.remove(&node).is_some()
            }
            WatchEvent::Current => false,
        }
    }

    fn put(&mut self, node: NodeId, entry: &Entry) -> bool {
        let before = self.held.get(&node);
        if before.is_some_and(|held| held.revision > entry.revision) {
            return false;
        }
        let said_before = before.map(|held| (self.state(held), held.record.as_ref().map(essence)));
        let held = Held {
            record: parse(&node, entry),
            revision: entry.revision,
            changed_at: clock::monotonic(),
        };
        let news = said_before != Some((self.state(&held), held.record.as_ref().map(essence)));
        self.held.insert(node, held);
        news
    }

    /// Takes what a fresh watch told. A record that is still the same has not changed meanwhile.
    pub(super) fn replace(&mut self, mut known: Self) {
        for (node, held) in &mut known.held {
            if let Some(before) = self.held.get(node)
                && before.revision == held.revision
            {
                held.changed_at = before.changed_at;
            }
        }
        known.watched = true;
        *self = known;
    }

    pub(super) fn watch_lost(&mut self) {
        self.watched = false;
    }

    /// What has become of this life of a node.
    pub(super) fn standing(&self, node: &NodeId, incarnation: &Incarnation) -> Standing {
        let lives = self.held.get(node).is_some_and(|held| {
            let same = held.record.as_ref().map(|record| &record.incarnation) == Some(incarnation);
            same && self.state(held).runs()
        });
        if lives {
            Standing::Lives
        } else {
            Standing::Gone
        }
    }

    /// The node that should claim a session without an owner.
    pub(super) fn first(&self, session: &SessionRef) -> Option<NodeId> {
        let takers = self.held.values().filter_map(|held| {
            let record = held.record.as_ref()?;
            let takes = self.state(held) == State::Up;
            takes.then(|| Member::new(record.node.clone(), record.weight))
        });
        Members::new(takers).first(session).cloned()
    }

    pub(super) fn view(&self, node: &NodeId) -> Option<NodeView> {
        self.held.get(node).map(|held| self.show(node, held))
    }

    pub(super) fn views(&self) -> Vec<NodeView> {
        let all = self.held.iter();
        all.map(|(node, held)| self.show(node, held)).collect()
    }

    fn show(&self, node: &NodeId, held: &Held) -> NodeView {
        NodeView {
            id: node.clone(),
            state: self.state(held),
            age: age(held),
            record: held.record.clone(),
        }
    }

    fn state(&self, held: &Held) -> State {
        let Some(record) = &held.record else {
            return State::Unreadable;
        };
        let lease = Duration::from_millis(record.lease_ms);
        let patience = lease.saturating_add(lease / MARGIN_PART);
        let silent = self.watched && age(held) > patience;
        match record.state {
            NodeState::Up | NodeState::Draining if silent => State::Silent,
            NodeState::Up => State::Up,
            NodeState::Draining => State::Draining,
            NodeState::Fenced => State::Fenced,
            NodeState::Left => State::Left,
        }
    }
}

fn age(held: &Held) -> Duration {
    clock::monotonic().saturating_duration_since(held.changed_at)
}

/// What changes whom to ask.
fn essence(record: &NodeRecord) -> (Incarnation, u32) {
    (record.incarnation.clone(), record.weight)
}

fn node_of(key: &Key) -> Option<NodeId> {
    let node = match key.tokens().as_slice() {
        [node] => NodeId::parse(node).ok(),
        _ => None,
    };
    if node.is_none() {
        tracing::warn!(%key, "a node record has a key that is not ours");
    }
    node
}

fn parse(node: &NodeId, entry: &Entry) -> Option<NodeRecord> {
    let problem = match serde_json::from_slice::<NodeRecord>(&entry.value) {
        Ok(record) if record.version > RECORD_VERSION => "it was written by a newer release".into(),
        Ok(record) if record.node != *node => format!("it names {} instead", record.node),
        Ok(record) => return Some(record),
        Err(error) => error.to_string(),
    };
    tracing::warn!(%node, problem, "a node record cannot be read");
    None
}
