//! The sessions of this node by name: where calls find their door.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use switchboard_vocab::{Epoch, SessionRef};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::session::handle::Handle;

/// All doors. Written by the supervisors only.
#[derive(Debug)]
pub(crate) struct Index {
    sessions: RwLock<HashMap<SessionRef, Arc<Handle>>>,
    changes: watch::Sender<u64>,
    tenancies: Mutex<HashMap<SessionRef, Weak<Tenancy>>>,
}

/// Held while a session has a life on this node. It outlives actors, shards and doors, so that no two lives overlap.
pub(crate) type Tenancy = tokio::sync::Mutex<()>;

impl Default for Index {
    fn default() -> Self {
        Self {
            sessions: RwLock::default(),
            changes: watch::Sender::new(0),
            tenancies: Mutex::default(),
        }
    }
}

impl Index {
    pub(crate) fn get(&self, session: &SessionRef) -> Option<Arc<Handle>> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.get(session).cloned()
    }

    pub(crate) fn insert(&self, handle: Arc<Handle>) {
        let session = handle.scope.session.clone();
        let earlier = self
            .sessions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session, handle);
        if let Some(earlier) = earlier {
            earlier.close();
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// The tenancy of a session: the same one as long as anybody holds it.
    pub(crate) fn tenancy(&self, session: &SessionRef) -> Arc<Tenancy> {
        let mut tenancies = self
            .tenancies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(tenancy) = tenancies.get(session).and_then(Weak::upgrade) {
            return tenancy;
        }
        tenancies.retain(|_, tenancy| tenancy.strong_count() > 0);
        let tenancy = Arc::new(Tenancy::default());
        tenancies.insert(session.clone(), Arc::downgrade(&tenancy));
        tenancy
    }

    pub(crate) fn remove(&self, session: &SessionRef) {
        let removed = self
            .sessions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(session);
        if let Some(handle) = removed {
            handle.close();
        }
    }

    /// Every door.
    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// The door under this epoch, once it is there.
    pub(crate) async fn wait_for(
        &self,
        session: &SessionRef,
        epoch: Epoch,
        until: Instant,
    ) -> Option<Arc<Handle>> {
        let mut changes = self.changes.subscribe();
        loop {
            let found = self.get(session);
            if let Some(handle) = found.filter(|handle| handle.scope.epoch == epoch) {
                return Some(handle);
            }
            timeout_at(until, changes.changed()).await.ok()?.ok()?;
        }
    }
}
