//! Who runs a session: a mirror of the records of nodes and owners, in memory.
//!
//! Owns the buckets `nodes` and `owners` as far as a router reads them, and what follows from them: whom to ask, and when
//! there is something new to know. Writes nothing: nodes do. Must not know what a call does.

mod news;
mod nodes;
mod tally;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use switchboard_bus::{Bus, Entry, Key, Kv, Names, Revision, WatchEvent};
use switchboard_vocab::cluster::{Kept, OwnerPhase, OwnerRecord, RECORD_VERSION};
use switchboard_vocab::{NodeId, SessionRef};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::news::News;
pub(crate) use self::news::Subscription;
pub(crate) use self::nodes::{NodeView, State};
use self::nodes::{Nodes, Standing};
pub(crate) use self::tally::{Moving, Parked, Tally};
use crate::watcher::{self, Follower};

/// Whom to ask about a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    /// This node: it owns the session by a record of this revision, or should claim it (revision 0).
    Ask(NodeId, Revision),
    /// Nobody until something changes.
    Nobody(Why),
    /// Nobody until an operator decides.
    Parked,
}

/// Why nobody can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The session has no owner, and there is no node that could become it.
    NoNode,
    /// The owner hands it over.
    Moving,
    /// The life of the node that owned it is over, or its lease must have run out.
    NodeGone,
    /// The record cannot be read by this release.
    Unreadable,
}

/// The mirror. One per router; shared.
pub(crate) struct Owners {
    kv: Arc<dyn Kv>,
    names: Names,
    nodes: RwLock<Nodes>,
    sessions: RwLock<Sessions>,
    news: News,
    current: watch::Sender<Current>,
}

type Sessions = HashMap<SessionRef, Held>;

/// An owner record as the watch told it.
#[derive(Debug, Clone)]
struct Held {
    /// `None` when this release cannot read it.
    record: Option<Arc<OwnerRecord>>,
    revision: Revision,
}

/// Which buckets have been seen completely once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Current {
    nodes: bool,
    owners: bool,
}

impl fmt::Debug for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owners")
            .field("current", &*self.current.borrow())
            .finish_non_exhaustive()
    }
}

impl Owners {
    /// A mirror that knows nothing until [`Owners::watch`] runs.
    pub(crate) fn new(bus: &Bus, names: Names) -> Self {
        Self {
            kv: Arc::clone(&bus.kv),
            names,
            nodes: RwLock::default(),
            sessions: RwLock::default(),
            news: News::new(),
            current: watch::Sender::new(Current::default()),
        }
    }

    /// Keeps the mirror up to date until `stop`.
    pub(crate) async fn watch(&self, stop: &CancellationToken) {
        let kv = self.kv.as_ref();
        let (nodes, owners) = (self.names.nodes(), self.names.owners());
        let (of_nodes, of_owners) = (NodesFollower(self), OwnersFollower(self));
        tokio::join!(
            watcher::run(kv, &nodes, &of_nodes, stop),
            watcher::run(kv, &owners, &of_owners, stop),
        );
    }

    /// Whether everything that existed at the start is known.
    pub(crate) fn is_current(&self) -> bool {
        let current = *self.current.borrow();
        current.nodes && current.owners
    }

    /// Whom to ask about a session; `uuid` is this life of its name, and a record of another life does not count.
    pub(crate) fn whom(&self, session: &SessionRef, uuid: &str) -> Whom {
        let held = read(&self.sessions).get(session).cloned();
        let record = match held {
            Some(Held { record: None, .. }) => return Whom::Nobody(Why::Unreadable),
            Some(Held {
                record: Some(record),
                revision,
            }) if record.uuid == uuid => Some((record, revision)),
            Some(_) | None => None,
        };
        let nodes = read(&self.nodes);
        let Some((record, revision)) = record else {
            return match nodes.first(session) {
                Some(node) => Whom::Ask(node, 0),
                None => Whom::Nobody(Why::NoNode),
            };
        };
        match record.phase {
            OwnerPhase::Parked { .. } => Whom::Parked,
            OwnerPhase::Moving { .. } => Whom::Nobody(Why::Moving),
            OwnerPhase::Owned => match nodes.standing(&record.node, &record.incarnation) {
                Standing::Lives => Whom::Ask(record.node.clone(), revision),
                Standing::Gone => Whom::Nobody(Why::NodeGone),
            },
        }
    }

    /// The owner record of a session, where this release can read it and it is of this life of the session's name.
    pub(crate) fn record(&self, session: &SessionRef, uuid: &str) -> Option<Arc<OwnerRecord>> {
        let held = read(&self.sessions).get(session).cloned();
        held?.record.filter(|record| record.uuid == uuid)
    }

    /// Whether the life of a node that a record names can still run its session.
    pub(crate) fn lives(&self, record: &OwnerRecord) -> bool {
        read(&self.nodes).standing(&record.node, &record.incarnation) == Standing::Lives
    }

    /// A node as its record says it.
    pub(crate) fn node(&self, node: &NodeId) -> Option<NodeView> {
        read(&self.nodes).view(node)
    }

    /// Every node, in the order of their names.
    pub(crate) fn nodes(&self) -> Vec<NodeView> {
        read(&self.nodes).views()
    }

    /// The node that should have a session by the placement hash, among those that take sessions.
    pub(crate) fn first(&self, session: &SessionRef) -> Option<NodeId> {
        read(&self.nodes).first(session)
    }

    /// How many sessions these records give a node, handed over ones included.
    pub(crate) fn sessions_of(&self, node: &NodeId) -> usize {
        let sessions = read(&self.sessions);
        let records = sessions.values().filter_map(|held| held.record.as_deref());
        records
            .filter(|record| record.node == *node && !is_parked(&record.phase))
            .count()
    }

    /// Told whenever something about a session, or the set of nodes, has changed.
    pub(crate) fn subscribe(&self, session: &SessionRef) -> Subscription {
        self.news.subscribe(session)
    }
}

const fn is_parked(phase: &OwnerPhase) -> bool {
    matches!(phase, OwnerPhase::Parked { .. })
}

/// Whether any node can take over the session of a record.
pub(crate) const fn is_replicated(record: &OwnerRecord) -> bool {
    matches!(record.kept, Kept::Log)
}

struct OwnersFollower<'a>(&'a Owners);

impl Follower for OwnersFollower<'_> {
    type Known = Sessions;

    fn collect(&self, known: &mut Sessions, event: WatchEvent) {
        apply(known, event);
    }

    fn adopt(&self, known: Sessions) {
        *write(&self.0.sessions) = known;
        self.0.current.send_modify(|current| current.owners = true);
        self.0.news.tell_all();
    }

    fn apply(&self, event: WatchEvent) {
        let changed = apply(&mut write(&self.0.sessions), event);
        if let Some(session) = changed {
            self.0.news.tell(&session);
        }
    }
}

struct NodesFollower<'a>(&'a Owners);

impl Follower for NodesFollower<'_> {
    type Known = Nodes;

    fn collect(&self, known: &mut Nodes, event: WatchEvent) {
        known.apply(event);
    }

    fn adopt(&self, known: Nodes) {
        write(&self.0.nodes).replace(known);
        self.0.current.send_modify(|current| current.nodes = true);
        self.0.news.tell_all();
    }

    fn apply(&self, event: WatchEvent) {
        if write(&self.0.nodes).apply(event) {
            self.0.news.tell_all();
        }
    }

    fn lost(&self) {
        write(&self.0.nodes).watch_lost();
    }
}

/// Puts a change into the map; tells whose record it was.
fn apply(sessions: &mut Sessions, event: WatchEvent) -> Option<SessionRef> {
    match event {
        WatchEvent::Put { key, entry } => {
            let session = session_of(&key)?;
            let held = Held {
                record: parse(&session, &entry).map(Arc::new),
                revision: entry.revision,
            };
            if is_older(sessions, &session, entry.revision) {
                return None;
            }
            sessions.insert(session.clone(), held);
            Some(session)
        }
        WatchEvent::Delete { key, revision } => {
            let session = session_of(&key)?;
            if !is_older(sessions, &session, revision) {
                sessions.remove(&session);
            }
            Some(session)
        }
        WatchEvent::Current => None,
    }
}

fn is_older(sessions: &Sessions, session: &SessionRef, revision: Revision) -> bool {
    sessions
        .get(session)
        .is_some_and(|held| held.revision > revision)
}

fn session_of(key: &Key) -> Option<SessionRef> {
    let session = match key.tokens().as_slice() {
        [tenant, session] => tenant
            .parse()
            .ok()
            .zip(session.parse().ok())
            .map(|(tenant, session)| SessionRef::new(tenant, session)),
        _ => None,
    };
    if session.is_none() {
        tracing::warn!(%key, "an owner record has a key that is not ours");
    }
    session
}

fn parse(session: &SessionRef, entry: &Entry) -> Option<OwnerRecord> {
    let problem = match serde_json::from_slice::<OwnerRecord>(&entry.value) {
        Ok(record) if record.version > RECORD_VERSION => "it was written by a newer release".into(),
        Ok(record) if record.session != *session => format!("it names {} instead", record.session),
        Ok(record) => return Some(record),
        Err(error) => error.to_string(),
    };
    tracing::warn!(%session, problem, "an owner record cannot be read");
    None
}

// A poisoned lock means that a holder panicked; the maps have no state between two statements that is not sound.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
