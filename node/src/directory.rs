//! The node's view of the directory: which sessions exist, and which of them this node runs.
//!
//! Owns the watch of the `sessions` bucket. Every record asks [`Ownership`]; what this node owns is handed to the
//! supervisor. Only the deletion of a record removes data: a record that is merely not there (a directory that was
//! restored or lost) stops its session and is reported.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use switchboard_bus::{Bus, Entry, Key, KeyPrefix, KvError, Names, WatchEvent};
use switchboard_keystore::KeyStore;
use switchboard_vocab::directory::{RECORD_VERSION, SessionRecord};
use switchboard_vocab::sessions::Erase;
use switchboard_vocab::{OpError, Operation, SessionRef, codec};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::execute::Registry;
use crate::index::Index;
use crate::placement::{Ownership, Verdict};
use crate::supervisor::{Command, Supervisor, Wanted};

/// Wait before the directory is watched anew after a failure.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
/// Sessions removed at once; each says farewell to WhatsApp first.
const REMOVALS_MAX: usize = 16;
/// Longest farewell of a session whose record was deleted.
const FAREWELL_MAX: Duration = Duration::from_secs(20);

/// What the directory works with.
pub(crate) struct Directory {
    pub(crate) bus: Bus,
    pub(crate) names: Names,
    pub(crate) ownership: Arc<dyn Ownership>,
    pub(crate) supervisor: Supervisor,
    pub(crate) index: Arc<Index>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) store: Arc<dyn KeyStore>,
    /// True once the whole directory was seen.
    pub(crate) ready: watch::Sender<bool>,
}

/// Reads a record as the router wrote it.
///
/// # Errors
/// Says why this release leaves it alone.
pub(crate) fn read_record(entry: &Entry) -> Result<SessionRecord, String> {
    let record: SessionRecord = serde_json::from_slice(&entry.value).map_err(|e| e.to_string())?;
    if record.version > RECORD_VERSION {
        return Err(format!(
            "its version {} is newer than {RECORD_VERSION}",
            record.version
        ));
    }
    Ok(record)
}

impl Directory {
    /// Watches until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut view = View {
            directory: self,
            known: HashMap::new(),
            removals: JoinSet::new(),
        };
        loop {
            let failed = tokio::select! {
                () = stop.cancelled() => break,
                failed = view.watch() => failed,
            };
            tracing::warn!(error = %failed, "the watch of the directory ended and is renewed");
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(WATCH_AGAIN) => {}
            }
        }
        // A removal under way would only be cut by the stop of its session.
        view.removals.shutdown().await;
    }
}

struct View {
    directory: Directory,
    known: HashMap<Key, Arc<SessionRecord>>,
    removals: JoinSet<()>,
}

/// Why a watch ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Kv(#[from] KvError),
    #[error("the watch ended by itself")]
    Silently,
}

impl View {
    async fn watch(&mut self) -> Ended {
        let bucket = self.directory.names.sessions();
        let mut changes = match self
            .directory
            .bus
            .kv
            .watch(&bucket, &KeyPrefix::all())
            .await
        {
            Ok(changes) => changes,
            Err(error) => return error.into(),
        };
        let mut owners = self.directory.ownership.changes();
        let mut seen = BTreeSet::new();
        let mut complete = false;
        loop {
            while self.removals.try_join_next().is_some() {}
            let change = tokio::select! {
                change = changes.next() => change,
                changed = owners.changed() => {
                    if changed.is_ok() {
                        self.reconsider();
                    }
                    continue;
                }
            };
            match change {
                Some(Ok(WatchEvent::Put { key, entry })) => {
                    if !complete {
                        seen.insert(key.clone());
                    }
                    self.put(key, &entry);
                }
                Some(Ok(WatchEvent::Delete { key, .. })) => self.deleted(&key),
                Some(Ok(WatchEvent::Current)) => {
                    complete = true;
                    self.compare(&std::mem::take(&mut seen)).await;
                }
                Some(Err(error)) => return error.into(),
                None => return Ended::Silently,
            }
        }
    }

    fn put(&mut self, key: Key, entry: &Entry) {
        match read_record(entry) {
            Ok(record) => {
                let record = Arc::new(record);
                self.place(&record);
                self.known.insert(key, record);
            }
            Err(reason) => {
                tracing::error!(%key, reason, "a session's record cannot be used and is left alone");
            }
        }
    }

    fn place(&self, record: &Arc<SessionRecord>) {
        let command = match self.directory.ownership.owner(&record.session) {
            Verdict::Owned { epoch } => Command::Run(Wanted::new(Arc::clone(record), epoch)),
            Verdict::NotOwned { .. } => Command::Release(record.session.clone()),
        };
        self.directory.supervisor.tell(command);
    }

    fn reconsider(&self) {
        for record in self.known.values() {
            self.place(record);
        }
    }

    fn deleted(&mut self, key: &Key) {
        let Some(record) = self.known.remove(key) else {
            return;
        };
        if !matches!(
            self.directory.ownership.owner(&record.session),
            Verdict::Owned { .. }
        ) {
            return;
        }
        // One permit per farewell; the set itself is bounded by the sessions of this node.
        static TURNS: Semaphore = Semaphore::const_new(REMOVALS_MAX);
        let supervisor = self.directory.supervisor.clone();
        let (index, registry) = (
            Arc::clone(&self.directory.index),
            Arc::clone(&self.directory.registry),
        );
        self.removals.spawn(async move {
            let Ok(_turn) = TURNS.acquire().await else { return };
            if let Err(error) = farewell(&index, &registry, &record).await {
                let cause = error.internal.unwrap_or(error.public);
                tracing::warn!(session = %record.session, cause, "a removed session was not logged out");
            }
            let (session, uuid) = (record.session.clone(), record.uuid.clone());
            if supervisor.erase(session, uuid, true).await.is_ok() {
                tracing::info!(session = %record.session, "a session was removed with its data");
            }
        });
    }

    /// The directory as it is against what was known and what the store holds.
    async fn compare(&mut self, seen: &BTreeSet<Key>) {
        let lost: Vec<Key> = self
            .known
            .keys()
            .filter(|key| !seen.contains(key))
            .cloned()
            .collect();
        for key in lost {
            if let Some(record) = self.known.remove(&key) {
                tracing::warn!(
                    session = %record.session,
                    "a session's record is gone without having been deleted: it stops, its data stays"
                );
                self.directory
                    .supervisor
                    .tell(Command::Release(record.session.clone()));
            }
        }
        self.report_leftovers().await;
        self.directory.ready.send_replace(true);
    }

    async fn report_leftovers(&self) {
        let namespaces = match self.directory.store.namespaces().await {
            Ok(namespaces) => namespaces,
            Err(error) => {
                tracing::error!(%error, "the store's sessions could not be listed");
                return;
            }
        };
        let known: BTreeSet<SessionRef> = self
            .known
            .values()
            .map(|record| record.session.clone())
            .collect();
        let sessions = namespaces.iter().filter_map(|ns| ns.session_name());
        let leftovers: Vec<&str> = sessions
            .filter(|name| name.parse().is_ok_and(|session| !known.contains(&session)))
            .collect();
        metrics::gauge!("switchboard_leftover_sessions")
            .set(u32::try_from(leftovers.len()).map_or(f64::MAX, f64::from));
        for session in leftovers {
            tracing::warn!(
                session,
                "the store holds a session that the directory does not know; it is kept"
            );
        }
    }
}

/// Logs a session out whose record is gone, if it still runs and has a login.
async fn farewell(
    index: &Index,
    registry: &Registry,
    record: &SessionRecord,
) -> Result<(), OpError> {
    let Some(handle) = index.get(&record.session) else {
        return Ok(());
    };
    if *handle.scope.uuid != *record.uuid {
        return Ok(());
    }
    let erase = registry.prepare(Erase::NAME, &codec::encode(&Erase {})?)?;
    let deadline = Instant::now() + FAREWELL_MAX;
    handle
        .run(erase, deadline, "directory".to_owned())
        .await
        .map(drop)
}
