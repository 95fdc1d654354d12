//! The node's view of the directory: which sessions exist.
//!
//! Owns the watch of the `sessions` bucket and the records it showed. Must not decide who runs a session: it tells the
//! cluster's driver what exists and what was deleted. Only the deletion of a record removes data: a record that is merely
//! not there (a directory that was restored or lost) stops its session and is reported.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::StreamExt;
use switchboard_bus::{Bus, Entry, Key, KeyPrefix, KvError, Names, WatchEvent};
use switchboard_keystore::KeyStore;
use switchboard_ownership::Age;
use switchboard_vocab::SessionRef;
use switchboard_vocab::directory::{RECORD_VERSION, SessionRecord};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::cluster::Event;

/// Wait before the directory is watched anew after a failure.
const WATCH_AGAIN: Duration = Duration::from_secs(1);

/// The records of the sessions that exist, as far as this node has seen them. Written by the watch, and by a call for a
/// session that the watch has not shown yet.
#[derive(Debug, Default)]
pub(crate) struct Records(RwLock<HashMap<SessionRef, Arc<SessionRecord>>>);

impl Records {
    /// The record of a session.
    pub(crate) fn get(&self, session: &SessionRef) -> Option<Arc<SessionRecord>> {
        let records = self.0.read().unwrap_or_else(PoisonError::into_inner);
        records.get(session).cloned()
    }

    /// A record was seen.
    pub(crate) fn put(&self, record: Arc<SessionRecord>) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(record.session.clone(), record);
    }

    /// The session of this record is no more; one of the same name that came later stays.
    fn remove(&self, record: &SessionRecord) {
        let mut records = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if records
            .get(&record.session)
            .is_some_and(|known| known.uuid == record.uuid)
        {
            records.remove(&record.session);
        }
    }
}

/// What the directory works with.
pub(crate) struct Directory {
    pub(crate) bus: Bus,
    pub(crate) names: Names,
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) records: Arc<Records>,
    /// To the cluster's driver.
    pub(crate) events: mpsc::Sender<Event>,
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
            age: Age::Unknown,
        };
        loop {
            let failed = tokio::select! {
                () = stop.cancelled() => break,
                failed = view.watch() => failed,
            };
            if matches!(failed, Ended::Stopping) {
                break;
            }
            tracing::warn!(error = %failed, "the watch of the directory ended and is renewed");
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(WATCH_AGAIN) => {}
            }
        }
    }
}

struct View {
    directory: Directory,
    known: HashMap<Key, Arc<SessionRecord>>,
    /// Of what was not known yet: new, once the whole directory was seen.
    age: Age,
}

/// Why a watch ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Kv(#[from] KvError),
    #[error("the watch ended by itself")]
    Silently,
    #[error("the node is stopping")]
    Stopping,
}

impl<T> From<mpsc::error::SendError<T>> for Ended {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self::Stopping
    }
}

impl View {
    async fn watch(&mut self) -> Ended {
        match self.follow().await {
            Ok(never) => match never {},
            Err(ended) => {
                if matches!(ended, Ended::Kv(KvError::RolledBack { .. })) {
                    // What comes now may be as old as whatever was put back.
                    self.age = Age::Unknown;
                }
                ended
            }
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, Ended> {
        let bucket = self.directory.names.sessions();
        let kv = Arc::clone(&self.directory.bus.kv);
        let mut changes = kv.watch(&bucket, &KeyPrefix::all()).await?;
        let mut seen = BTreeSet::new();
        let mut complete = false;
        loop {
            match changes.next().await.ok_or(Ended::Silently)?? {
                WatchEvent::Put { key, entry } => {
                    if !complete {
                        seen.insert(key.clone());
                    }
                    self.put(key, &entry).await?;
                }
                WatchEvent::Delete { key, .. } => self.deleted(&key).await?,
                WatchEvent::Current => {
                    complete = true;
                    self.compare(&std::mem::take(&mut seen)).await?;
                }
            }
        }
    }

    async fn put(&mut self, key: Key, entry: &Entry) -> Result<(), Ended> {
        match read_record(entry) {
            Ok(record) => {
                let record = Arc::new(record);
                let earlier = self.known.insert(key, Arc::clone(&record));
                // The deletion between two lives of a name may not have been shown.
                if let Some(earlier) = earlier.filter(|earlier| earlier.uuid != record.uuid) {
                    self.tell(Event::Deleted(earlier)).await?;
                }
                self.directory.records.put(Arc::clone(&record));
                self.tell(Event::Exists(record, self.age)).await?;
            }
            Err(reason) => {
                tracing::error!(%key, reason, "a session's record cannot be used and is left alone");
            }
        }
        Ok(())
    }

    async fn deleted(&mut self, key: &Key) -> Result<(), Ended> {
        if let Some(record) = self.known.remove(key) {
            self.directory.records.remove(&record);
            self.tell(Event::Deleted(record)).await?;
        }
        Ok(())
    }

    async fn tell(&self, event: Event) -> Result<(), Ended> {
        Ok(self.directory.events.send(event).await?)
    }

    /// The directory as it is against what was known and what the store holds.
    async fn compare(&mut self, seen: &BTreeSet<Key>) -> Result<(), Ended> {
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
                self.directory.records.remove(&record);
                self.tell(Event::Lost(record)).await?;
            }
        }
        self.age = Age::New;
        self.report_leftovers().await;
        self.directory.ready.send_replace(true);
        Ok(())
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
