//! Tenants and sessions of the cluster: a mirror of their records in memory, and the only writer of them.
//!
//! Owns the records of the buckets `sessions` and `tenants` and how a secret finds its holder. Must not know HTTP, nor
//! who runs a session.

mod follower;
mod mirror;

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use switchboard_bus::{Bucket, Bus, Entry, Key, Kv, KvError, Names, Revision};
use switchboard_vocab::directory::{RECORD_VERSION, SessionRecord, TenantRecord};
use switchboard_vocab::{ErrorCode, OpError, SessionRef, TenantId, codec};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::follower::Following;
use self::mirror::Mirror;
use crate::clock;
use crate::secret::{self, SecretHash};
use crate::watcher;

/// Compare-and-set rounds of one change before it gives up.
const ROUNDS_MAX: usize = 4;

/// Why the directory did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something of that name exists.
    #[error("{what} {id} exists already")]
    Exists {
        /// `session` or `tenant`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// Nothing of that name exists.
    #[error("there is no {what} {id}")]
    Missing {
        /// `session` or `tenant`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// As many exist as are allowed.
    #[error("there are {max} {what}s, which is the limit of this installation")]
    Full {
        /// `session` or `tenant`.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// Others changed the record all the time.
    #[error("{what} {id} is being changed by others; try again")]
    Contended {
        /// `session` or `tenant`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The bus failed.
    #[error("change the directory")]
    Bus(#[from] KvError),
    /// A record or name cannot be written or read.
    #[error("{what} {id}: {reason}")]
    Record {
        /// `session` or `tenant`.
        what: &'static str,
        /// Its id.
        id: String,
        /// What is wrong.
        reason: String,
    },
}

impl From<Error> for OpError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Exists { .. } => Self::new(ErrorCode::AlreadyExists, text),
            Error::Missing {
                what: "session", ..
            } => Self::new(ErrorCode::SessionNotFound, text),
            Error::Missing { .. } => Self::new(ErrorCode::NotFound, text),
            Error::Full { .. } => Self::new(ErrorCode::Refused, text),
            Error::Contended { .. } => {
                Self::new(ErrorCode::Unavailable, text).retry_after(crate::forward::RETRY_AFTER)
            }
            Error::Bus(cause) => {
                let error = Self::new(
                    ErrorCode::Unavailable,
                    "the directory cannot be reached now",
                )
                .with_internal(cause.to_string())
                .retry_after(crate::forward::RETRY_AFTER);
                if cause.certainly_not_executed() {
                    error
                } else {
                    error.maybe_executed()
                }
            }
            Error::Record { .. } => Self::internal(text),
        }
    }
}

/// The directory. One per router; shared.
#[derive(Debug)]
pub(crate) struct Directory {
    kv: Arc<dyn Kv>,
    names: Names,
    sessions_max: usize,
    tenants_max: usize,
    sessions: RwLock<Mirror<SessionRecord>>,
    tenants: RwLock<Mirror<TenantRecord>>,
    current: watch::Sender<Current>,
}

/// Which mirrors have seen everything once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Current {
    sessions: bool,
    tenants: bool,
}

/// A record just written, with the secret that only its hash is kept of.
#[derive(Debug, Clone)]
pub(crate) struct Issued<R> {
    /// The record.
    pub(crate) record: R,
    /// The secret, to be shown once.
    pub(crate) secret: String,
}

impl Directory {
    /// A directory that knows nothing until [`Directory::watch`] runs.
    pub(crate) fn new(bus: &Bus, names: Names, sessions_max: usize, tenants_max: usize) -> Self {
        Self {
            kv: Arc::clone(&bus.kv),
            names,
            sessions_max,
            tenants_max,
            sessions: RwLock::default(),
            tenants: RwLock::default(),
            current: watch::Sender::new(Current::default()),
        }
    }

    /// Keeps both mirrors up to date until `stop`.
    pub(crate) async fn watch(&self, stop: &CancellationToken) {
        let kv = self.kv.as_ref();
        let (sessions, tenants) = (self.names.sessions(), self.names.tenants());
        let (of_sessions, of_tenants) = (
            Following::new(&self.sessions, || {
                self.current.send_modify(|c| c.sessions = true);
            }),
            Following::new(&self.tenants, || {
                self.current.send_modify(|c| c.tenants = true);
            }),
        );
        tokio::join!(
            watcher::run(kv, &sessions, &of_sessions, stop),
            watcher::run(kv, &tenants, &of_tenants, stop),
        );
    }

    /// Whether everything that existed at the start is known.
    pub(crate) fn is_current(&self) -> bool {
        let current = *self.current.borrow();
        current.sessions && current.tenants
    }

    /// A session's record.
    pub(crate) fn session(&self, session: &SessionRef) -> Option<Arc<SessionRecord>> {
        read(&self.sessions).get(session)
    }

    /// The session a token opens.
    pub(crate) fn session_of(&self, token: &SecretHash) -> Option<Arc<SessionRecord>> {
        read(&self.sessions).holder(token)
    }

    /// The tenant a key opens.
    pub(crate) fn tenant_of(&self, key: &SecretHash) -> Option<Arc<TenantRecord>> {
        read(&self.tenants).holder(key)
    }

    /// Whether there is such a tenant; the default tenant always is, with or without a key.
    pub(crate) fn has_tenant(&self, tenant: &TenantId) -> bool {
        *tenant == TenantId::default_tenant() || read(&self.tenants).get(tenant).is_some()
    }

    /// Up to `limit` sessions after `after`, in the order of their ids, of one tenant or of all.
    pub(crate) fn sessions(
        &self,
        tenant: Option<&TenantId>,
        after: Option<&SessionRef>,
        limit: usize,
    ) -> Vec<Arc<SessionRecord>> {
        let mirror = read(&self.sessions);
        let all = mirror.after(after);
        match tenant {
            None => all.take(limit).collect(),
            // Sorted by tenant first, so a tenant's sessions stand together.
            Some(tenant) => all
                .skip_while(|record| record.session.tenant < *tenant)
                .take_while(|record| record.session.tenant == *tenant)
                .take(limit)
                .collect(),
        }
    }

    /// Every tenant, in the order of their ids, up to `limit`, after `after`.
    pub(crate) fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Vec<Arc<TenantRecord>> {
        read(&self.tenants).after(after).take(limit).collect()
    }

    /// The sessions of this id, one per tenant at most, up to `limit`.
    pub(crate) fn named(&self, id: &str, limit: usize) -> Vec<Arc<SessionRecord>> {
        let mirror = read(&self.sessions);
        let same = mirror
            .after(None)
            .filter(|record| record.session.session.as_str() == id);
        same.take(limit).collect()
    }

    /// Creates a session with a fresh token.
    pub(crate) async fn create_session(
        &self,
        session: SessionRef,
    ) -> Result<Issued<SessionRecord>, OpError> {
        let max = self.sessions_max;
        if read(&self.sessions).len() >= max {
            return Err(Error::Full {
                what: "session",
                max,
            }
            .into());
        }
        let secret = secret::fresh()?;
        let record = SessionRecord {
            version: RECORD_VERSION,
            session,
            uuid: Uuid::new_v4().simple().to_string(),
            token_sha256: hex::encode(secret::hash(&secret)),
            created_at: clock::now(),
        };
        let revision = self.create(&self.names.sessions(), &record).await?;
        write(&self.sessions).put_local(record.clone(), revision);
        Ok(Issued { record, secret })
    }

    /// Creates a tenant with a fresh key.
    pub(crate) async fn create_tenant(
        &self,
        id: TenantId,
    ) -> Result<Issued<TenantRecord>, OpError> {
        let max = self.tenants_max;
        if read(&self.tenants).len() >= max {
            return Err(Error::Full {
                what: "tenant",
                max,
            }
            .into());
        }
        let secret = secret::fresh()?;
        let record = TenantRecord {
            version: RECORD_VERSION,
            id,
            key_sha256: hex::encode(secret::hash(&secret)),
            created_at: clock::now(),
        };
        let revision = self.create(&self.names.tenants(), &record).await?;
        write(&self.tenants).put_local(record.clone(), revision);
        Ok(Issued { record, secret })
    }

    /// Gives a session a fresh token; the old one stops working.
    pub(crate) async fn rotate_token(
        &self,
        session: &SessionRef,
    ) -> Result<Issued<SessionRecord>, OpError> {
        let secret = secret::fresh()?;
        let digest = hex::encode(secret::hash(&secret));
        let change = |record: &mut SessionRecord| record.token_sha256.clone_from(&digest);
        let (record, revision) = self.change(&self.names.sessions(), session, change).await?;
        write(&self.sessions).put_local(record.clone(), revision);
        Ok(Issued { record, secret })
    }

    /// Gives a tenant a fresh key; the old one stops working.
    pub(crate) async fn rotate_key(&self, id: &TenantId) -> Result<Issued<TenantRecord>, OpError> {
        let secret = secret::fresh()?;
        let digest = hex::encode(secret::hash(&secret));
        let change = |record: &mut TenantRecord| record.key_sha256.clone_from(&digest);
        let (record, revision) = self.change(&self.names.tenants(), id, change).await?;
        write(&self.tenants).put_local(record.clone(), revision);
        Ok(Issued { record, secret })
    }

    /// Deletes a session's record, unless another session has taken its name meanwhile.
    pub(crate) async fn remove_session(&self, removed: &SessionRecord) -> Result<(), OpError> {
        let bucket = self.names.sessions();
        let id = &removed.session;
        let key = SessionRecord::key(id)?;
        for _ in 0..ROUNDS_MAX {
            let Some(entry) = self.kv.get(&bucket, &key).await.map_err(Error::from)? else {
                return Ok(());
            };
            if parse::<SessionRecord>(id, &entry.value)?.uuid != removed.uuid {
                return Ok(());
            }
            match self.kv.delete(&bucket, &key, entry.revision).await {
                Ok(revision) => {
                    write(&self.sessions).delete_local(id, revision);
                    return Ok(());
                }
                Err(KvError::WrongRevision { .. }) => {}
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        Err(contended::<SessionRecord>(id).into())
    }

    async fn create<R: Record>(&self, bucket: &Bucket, record: &R) -> Result<Revision, OpError> {
        let key = R::key(record.id())?;
        let value: Bytes = codec::encode(record)?.into();
        match self.kv.create(bucket, &key, value.clone()).await {
            Ok(revision) => Ok(revision),
            Err(KvError::WrongRevision { .. }) => Err(Error::Exists {
                what: R::WHAT,
                id: record.id().to_string(),
            }
            .into()),
            Err(error) => Ok(self.settled(bucket, &key, &value, error).await?),
        }
    }

    async fn change<R: Record>(
        &self,
        bucket: &Bucket,
        id: &R::Id,
        change: impl Fn(&mut R) + Send,
    ) -> Result<(R, Revision), OpError> {
        let key = R::key(id)?;
        for _ in 0..ROUNDS_MAX {
            let entry = self.kv.get(bucket, &key).await.map_err(Error::from)?;
            let Entry { value, revision } = entry.ok_or_else(|| Error::Missing {
                what: R::WHAT,
                id: id.to_string(),
            })?;
            let mut record: R = parse(id, &value)?;
            change(&mut record);
            let value: Bytes = codec::encode(&record)?.into();
            match self.kv.update(bucket, &key, value.clone(), revision).await {
                Ok(revision) => return Ok((record, revision)),
                Err(KvError::WrongRevision { .. }) => {}
                Err(error) => {
                    let revision = self.settled(bucket, &key, &value, error).await?;
                    return Ok((record, revision));
                }
            }
        }
        Err(contended::<R>(id).into())
    }

    /// After a write that may have been applied: reads the record once and compares.
    async fn settled(
        &self,
        bucket: &Bucket,
        key: &Key,
        value: &Bytes,
        error: KvError,
    ) -> Result<Revision, Error> {
        if error.certainly_not_executed() {
            return Err(error.into());
        }
        match self.kv.get(bucket, key).await {
            Ok(Some(entry)) if entry.value == *value => Ok(entry.revision),
            Ok(_) | Err(_) => Err(error.into()),
        }
    }
}

/// What both kinds of records have in common.
pub(crate) trait Record: serde::Serialize + serde::de::DeserializeOwned + Sync {
    /// The name of the kind.
    const WHAT: &'static str;
    /// What names a record.
    type Id: Ord + Clone + std::hash::Hash + std::fmt::Display + Send + Sync;
    /// The record's id.
    fn id(&self) -> &Self::Id;
    /// The version that wrote it.
    fn version(&self) -> u32;
    /// The hash of its secret.
    fn secret(&self) -> Option<SecretHash>;
    /// The key of the record of this id.
    fn key(id: &Self::Id) -> Result<Key, Error>;
    /// The id in a key.
    fn id_of(key: &Key) -> Option<Self::Id>;
}

impl Record for SessionRecord {
    const WHAT: &'static str = "session";
    type Id = SessionRef;

    fn id(&self) -> &SessionRef {
        &self.session
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn secret(&self) -> Option<SecretHash> {
        secret::hash_from_hex(&self.token_sha256)
    }

    fn key(id: &SessionRef) -> Result<Key, Error> {
        Key::session(id.tenant.as_str(), id.session.as_str()).map_err(|e| refuse::<Self>(id, &e))
    }

    fn id_of(key: &Key) -> Option<SessionRef> {
        match key.tokens().as_slice() {
            [tenant, session] => format!("{tenant}/{session}").parse().ok(),
            _ => None,
        }
    }
}

impl Record for TenantRecord {
    const WHAT: &'static str = "tenant";
    type Id = TenantId;

    fn id(&self) -> &TenantId {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn secret(&self) -> Option<SecretHash> {
        secret::hash_from_hex(&self.key_sha256)
    }

    fn key(id: &TenantId) -> Result<Key, Error> {
        Key::tenant(id.as_str()).map_err(|e| refuse::<Self>(id, &e))
    }

    fn id_of(key: &Key) -> Option<TenantId> {
        match key.tokens().as_slice() {
            [tenant] => tenant.parse().ok(),
            _ => None,
        }
    }
}

fn parse<R: Record>(id: &R::Id, value: &[u8]) -> Result<R, Error> {
    let record: R = serde_json::from_slice(value).map_err(|e| refuse::<R>(id, &e))?;
    if record.version() > RECORD_VERSION {
        let reason = format!(
            "it was written by a newer release (version {})",
            record.version()
        );
        return Err(refuse::<R>(id, &reason));
    }
    Ok(record)
}

fn refuse<R: Record>(id: &R::Id, reason: &dyn std::fmt::Display) -> Error {
    Error::Record {
        what: R::WHAT,
        id: id.to_string(),
        reason: reason.to_string(),
    }
}

fn contended<R: Record>(id: &R::Id) -> Error {
    Error::Contended {
        what: R::WHAT,
        id: id.to_string(),
    }
}

// A poisoned lock means that a holder panicked; a mirror has no state between two statements that is not sound.
fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
