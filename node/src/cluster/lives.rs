//! Which session the rows under a name belong to: a name may be given again after its session was deleted, also while this node is
//! away, and what is left of the earlier one must not become the new one's.
//!
//! Owns one row per session that ever ran here, in the node's own namespace. Must not touch what the rows are of.

use std::collections::HashMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use switchboard_keystore::{
    Epoch, Error, KeyStore, Kind, Namespace, Op, PAGE_ENTRIES_MAX, ScanRange,
};
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::{SessionRef, Timestamp};

/// The namespace of these rows.
const NAMESPACE: &str = "lives";
/// The one key space in it; the keys are sessions.
const ROWS: Kind = Kind(0x01);
/// Nobody competes for the node's own rows.
const EPOCH: Epoch = Epoch(1);

/// One life of a session's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    uuid: String,
    created_at: Timestamp,
}

/// Whose rows stand under a name, compared with the session that the directory has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Its own, or nobody has written down whose.
    Own,
    /// Those of a session that was created before it, and deleted.
    Earlier,
    /// Those of one that was created after it: the directory went back.
    Later,
}

/// See the module.
pub(super) struct Lives {
    store: Arc<dyn KeyStore>,
    namespace: Option<Namespace>,
    known: Mutex<HashMap<SessionRef, Row>>,
}

impl fmt::Debug for Lives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lives").finish_non_exhaustive()
    }
}

impl Lives {
    /// What the store has.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn open(store: Arc<dyn KeyStore>) -> Result<Self, Error> {
        // The name is a constant that fits.
        let namespace = Namespace::node(NAMESPACE).ok();
        let mut known = HashMap::new();
        if let Some(namespace) = &namespace {
            let mut from = Bound::Unbounded;
            loop {
                let range = ScanRange {
                    from,
                    ..ScanRange::all(PAGE_ENTRIES_MAX)
                };
                let page = store.scan(namespace, ROWS, range).await?;
                let last = page.entries.last().map(|(key, _)| key.clone());
                for (key, value) in page.entries {
                    let session = std::str::from_utf8(&key).ok().and_then(|s| s.parse().ok());
                    if let (Some(session), Ok(row)) = (session, serde_json::from_slice(&value)) {
                        known.insert(session, row);
                    }
                }
                match last {
                    Some(key) if page.more => from = Bound::Excluded(key),
                    Some(_) | None => break,
                }
            }
        }
        Ok(Self {
            store,
            namespace,
            known: Mutex::new(known),
        })
    }

    /// The uuid of the session whose rows stand under that name, as far as known.
    pub(super) fn of(&self, session: &SessionRef) -> Option<String> {
        self.row(session).map(|row| row.uuid)
    }

    fn row(&self, session: &SessionRef) -> Option<Row> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(session).cloned()
    }

    /// Whose rows stand under the name of that session.
    pub(super) fn whose(&self, record: &SessionRecord) -> Whose {
        match self.row(&record.session) {
            Some(row) if row.uuid == record.uuid => Whose::Own,
            Some(row) if row.created_at > record.created_at => Whose::Later,
            Some(_) => Whose::Earlier,
            None => Whose::Own,
        }
    }

    /// From now on the rows under its name are that session's. Costs nothing where they were before.
    ///
    /// # Errors
    /// Those of the store; then the earlier word stands.
    pub(super) async fn write(&self, record: &SessionRecord) -> Result<(), Error> {
        let row = Row {
            uuid: record.uuid.clone(),
            created_at: record.created_at,
        };
        let Some(namespace) = &self.namespace else {
            return Ok(());
        };
        if self.row(&record.session).as_ref() == Some(&row) {
            return Ok(());
        }
        let Ok(value) = serde_json::to_vec(&row) else {
            return Ok(());
        };
        let put = Op::Put {
            kind: ROWS,
            key: record.session.to_string().into_bytes(),
            value,
        };
        self.store.commit(namespace, EPOCH, vec![put]).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(record.session.clone(), row);
        Ok(())
    }

    /// The session was deleted, and its rows with it.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn erase(&self, record: &SessionRecord) -> Result<(), Error> {
        let Some(namespace) = &self.namespace else {
            return Ok(());
        };
        if self.of(&record.session).as_ref() != Some(&record.uuid) {
            return Ok(());
        }
        let delete = Op::Delete {
            kind: ROWS,
            key: record.session.to_string().into_bytes(),
        };
        self.store.commit(namespace, EPOCH, vec![delete]).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&record.session);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use switchboard_keystore::{EngineKind, MasterKey};
    use switchboard_vocab::directory::RECORD_VERSION;

    use super::*;

    fn record(uuid: &str, created: u64) -> SessionRecord {
        SessionRecord {
            version: RECORD_VERSION,
            session: "default/s".parse().unwrap(),
            uuid: uuid.to_owned(),
            token_sha256: String::new(),
            created_at: Timestamp::from_secs(created),
        }
    }

    #[tokio::test]
    async fn whose_the_rows_are_outlives_the_process() {
        let master = MasterKey::new(*b"a key for tests of 32 bytes long");
        let config = switchboard_keystore::Config::new("", EngineKind::Memory, master);
        let store = switchboard_keystore::open(config).await.unwrap().store;
        let lives = Lives::open(Arc::clone(&store)).await.unwrap();
        let (first, second) = (record("one", 1), record("two", 2));
        assert_eq!(lives.whose(&first), Whose::Own);
        lives.write(&first).await.unwrap();
        let lives = Lives::open(Arc::clone(&store)).await.unwrap();
        assert_eq!(lives.of(&first.session).as_deref(), Some("one"));
        assert_eq!(lives.whose(&first), Whose::Own);
        assert_eq!(lives.whose(&second), Whose::Earlier);
        lives.write(&second).await.unwrap();
        assert_eq!(lives.whose(&first), Whose::Later);
        lives.erase(&first).await.unwrap();
        assert_eq!(lives.of(&first.session).as_deref(), Some("two"));
        lives.erase(&second).await.unwrap();
        let lives = Lives::open(store).await.unwrap();
        assert_eq!(lives.of(&first.session), None);
    }
}
