//! Operations that no owner executes alone: creating, listing and removing sessions.
//!
//! Owns the order of directory and owner in each, and what is undone when the second half fails. Must not know a
//! dialect: dialects and the admin API call the same functions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use switchboard_dialect_kit::Prepared;
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::sessions::{
    Create, Created, Erase, GetStatus, List, Listed, ListedSession, Remove, RemoveAll, Removed,
    RemovedAll, SessionState, SessionStatus, Start,
};
use switchboard_vocab::{
    ErrorCode, OpError, Operation, SessionId, SessionRef, TenantId, codec, webhooks,
};
use uuid::Uuid;

use crate::auth::{Caller, no_session};
use crate::clock::Deadline;
use crate::directory::{Directory, Issued};
use crate::forward::{Forward, Ticket};
use crate::owners::Whom;

/// Most sessions of one page.
pub(crate) const LIST_LIMIT_MAX: u32 = 500;
/// Owners asked for a status at once.
const STATUS_PARALLEL_MAX: usize = 32;
/// How long one status may take within a listing.
const STATUS_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long undoing a creation that failed may take.
const UNDO_WAIT_MAX: Duration = Duration::from_secs(5);

/// Executes operations of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// Tenants and sessions.
    pub(crate) directory: Arc<Directory>,
    /// The way to owners.
    pub(crate) forward: Forward,
}

impl Cluster {
    /// Executes a prepared operation for a caller.
    ///
    /// # Errors
    /// `Forbidden` where the caller may not; `UnknownOperation` for a name that is none of these.
    pub(crate) async fn run(
        &self,
        caller: &Caller,
        prepared: &Prepared,
        ticket: &Ticket,
    ) -> Result<Bytes, OpError> {
        match prepared.name {
            Create::NAME => {
                let Caller::Tenant { tenant, .. } = caller else {
                    let words = "only a tenant's key creates sessions";
                    return Err(OpError::new(ErrorCode::Forbidden, words));
                };
                let create = codec::decode(&prepared.body)?;
                answer(&self.create(tenant, create, ticket).await?)
            }
            List::NAME => {
                let list = codec::decode(&prepared.body)?;
                answer(&self.list_for(caller, &list, ticket).await?)
            }
            Remove::NAME => {
                let session = caller
                    .session()
                    .ok_or_else(|| OpError::internal("the row removes a session and has none"))?;
                answer(&self.remove(session, ticket).await?)
            }
            RemoveAll::NAME => {
                let Caller::Tenant { tenant, .. } = caller else {
                    let words = "only a tenant's key removes its sessions";
                    return Err(OpError::new(ErrorCode::Forbidden, words));
                };
                let all: RemoveAll = codec::decode(&prepared.body)?;
                answer(&self.remove_all(tenant, &all, ticket).await?)
            }
            other => Err(OpError::new(
                ErrorCode::UnknownOperation,
                format!("this release does not know the operation {other}"),
            )),
        }
    }

    /// Creates a session with its webhooks, and starts it where that is wished. What fails half-way is undone.
    ///
    /// # Errors
    /// `AlreadyExists`; `InvalidInput` for too many webhooks; what the owner said.
    pub(crate) async fn create(
        &self,
        tenant: &TenantId,
        create: Create,
        ticket: &Ticket,
    ) -> Result<Created, OpError> {
        let max = webhooks::SUBSCRIPTIONS_MAX;
        if create.webhooks.len() > max {
            return Err(OpError::invalid(format!(
                "a session has at most {max} webhooks"
            )));
        }
        let id = match &create.id {
            Some(id) => id.clone(),
            None => made_up_id()?,
        };
        let issued = self
            .directory
            .create_session(SessionRef::new(tenant.clone(), id))
            .await?;
        match self.furnish(&issued.record.session, create, ticket).await {
            Ok(status) => {
                let Issued { record, secret } = issued;
                Ok(Created {
                    session: record.session,
                    token: secret,
                    status,
                })
            }
            Err(error) => {
                self.undo(&issued.record, ticket).await;
                Err(error)
            }
        }
    }

    async fn furnish(
        &self,
        session: &SessionRef,
        create: Create,
        ticket: &Ticket,
    ) -> Result<Option<SessionStatus>, OpError> {
        for subscription in create.webhooks {
            self.forward
                .run(session, &webhooks::Add { subscription }, ticket)
                .await?;
        }
        let Some(start) = create.start else {
            return Ok(None);
        };
        let start = Start {
            wait: start.wait,
            keep_final: false,
        };
        self.forward.run(session, &start, ticket).await.map(Some)
    }

    /// Takes a session back whose creation failed, as far as that is possible: its record goes in any case.
    async fn undo(&self, record: &SessionRecord, ticket: &Ticket) {
        let ticket = Ticket {
            trace: Arc::clone(&ticket.trace),
            deadline: Deadline::after(UNDO_WAIT_MAX),
            waits: true,
        };
        let session = &record.session;
        let erased = self.forward.run(session, &Erase {}, &ticket).await;
        let erased = erased.map(|Removed {}| ());
        report_undo(session, "erase what its owner holds", erased);
        let forgotten = self.directory.remove_session(record).await;
        report_undo(session, "delete its record", forgotten);
    }

    /// Removes a session: first what its owner holds, then its record.
    ///
    /// # Errors
    /// `SessionNotFound`; what the owner said, and then the session stays.
    pub(crate) async fn remove(
        &self,
        session: &SessionRef,
        ticket: &Ticket,
    ) -> Result<Removed, OpError> {
        let record = self
            .directory
            .session(session)
            .ok_or_else(|| no_session(session.session.as_str()))?;
        // Nobody runs a parked session; whoever keeps data of it deletes them when the record is gone.
        if self.is_parked(session) {
            self.directory.remove_session(&record).await?;
            return Ok(Removed {});
        }
        match self.forward.run(session, &Erase {}, ticket).await {
            // Erased by an earlier call that could not delete the record.
            Err(error) if error.code == ErrorCode::SessionNotFound => {}
            outcome => {
                let Removed {} = outcome?;
            }
        }
        self.directory.remove_session(&record).await?;
        Ok(Removed {})
    }

    /// Removes the sessions of a tenant, page by page. One that cannot be removed now is kept and told; the deadline keeps
    /// the rest.
    async fn remove_all(
        &self,
        tenant: &TenantId,
        all: &RemoveAll,
        ticket: &Ticket,
    ) -> Result<RemovedAll, OpError> {
        let limit = usize::try_from(LIST_LIMIT_MAX).unwrap_or(usize::MAX);
        let mut done = RemovedAll {
            removed: Vec::new(),
            kept: Vec::new(),
        };
        let mut after: Option<SessionRef> = None;
        loop {
            let page = self.directory.sessions(Some(tenant), after.as_ref(), limit);
            let Some(last) = page.last() else { break };
            after = Some(last.session.clone());
            let outcomes = stream::iter(page).map(|record| async move {
                let session = record.session.clone();
                let outcome = self.remove_if(&session, all.inactive_only, ticket).await;
                (session, outcome)
            });
            let outcomes: Vec<_> = outcomes.buffered(STATUS_PARALLEL_MAX).collect().await;
            for (session, outcome) in outcomes {
                match outcome {
                    Ok(true) => done.removed.push(session),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%session, code = ?error.code, internal = ?error.internal,
                            "a session could not be removed with the others");
                        done.kept.push(session);
                    }
                }
            }
        }
        Ok(done)
    }

    /// Removes a session, or leaves one that is at work alone; whether it is gone.
    async fn remove_if(
        &self,
        session: &SessionRef,
        inactive_only: bool,
        ticket: &Ticket,
    ) -> Result<bool, OpError> {
        if inactive_only
            && !self.is_parked(session)
            && !is_inactive(self.status(session, ticket).await?.state)
        {
            return Ok(false);
        }
        let Removed {} = self.remove(session, ticket).await?;
        Ok(true)
    }

    fn is_parked(&self, session: &SessionRef) -> bool {
        self.directory
            .session(session)
            .is_some_and(|record| self.forward.owners.whom(session, &record.uuid) == Whom::Parked)
    }

    async fn list_for(
        &self,
        caller: &Caller,
        list: &List,
        ticket: &Ticket,
    ) -> Result<Listed, OpError> {
        match caller {
            Caller::Anyone => Err(OpError::new(ErrorCode::Unauthenticated, "no key was shown")),
            // A session's token tells of its own session only.
            Caller::Session { session, .. } => {
                let after = list.after.as_ref().is_none_or(|after| session > after);
                let own = self
                    .directory
                    .session(session)
                    .filter(|_| after && list.limit > 0);
                Ok(self.with_status(own.into_iter().collect(), ticket).await)
            }
            Caller::Tenant { tenant, .. } => {
                if list.tenant.as_ref().is_some_and(|wanted| wanted != tenant) {
                    let words = "this key lists the sessions of its own tenant only";
                    return Err(OpError::new(ErrorCode::Forbidden, words));
                }
                let limit = list.limit.min(LIST_LIMIT_MAX);
                Ok(self
                    .list(Some(tenant), list.after.as_ref(), limit, ticket)
                    .await)
            }
        }
    }

    /// A page of sessions with the status their owners tell; absent where an owner does not answer.
    pub(crate) async fn list(
        &self,
        tenant: Option<&TenantId>,
        after: Option<&SessionRef>,
        limit: u32,
        ticket: &Ticket,
    ) -> Listed {
        let limit = usize::try_from(limit.min(LIST_LIMIT_MAX)).unwrap_or(usize::MAX);
        self.with_status(self.directory.sessions(tenant, after, limit), ticket)
            .await
    }

    /// Sessions with the status their owners tell, in the same order.
    pub(crate) async fn with_status(
        &self,
        records: Vec<Arc<SessionRecord>>,
        ticket: &Ticket,
    ) -> Listed {
        let sessions = stream::iter(records)
            .map(|record| async move {
                let session = record.session.clone();
                let status = self.status(&session, ticket).await.ok();
                ListedSession { session, status }
            })
            .buffered(STATUS_PARALLEL_MAX)
            .collect()
            .await;
        Listed { sessions }
    }

    /// A session's status, asked with a short deadline.
    ///
    /// # Errors
    /// What the owner said, or what the failure of the bus means.
    pub(crate) async fn status(
        &self,
        session: &SessionRef,
        ticket: &Ticket,
    ) -> Result<SessionStatus, OpError> {
        let ticket = Ticket {
            trace: Arc::clone(&ticket.trace),
            deadline: ticket.deadline.at_most(STATUS_WAIT_MAX),
            // A listing shows what is so now.
            waits: false,
        };
        self.forward.run(session, &GetStatus {}, &ticket).await
    }
}

const fn is_inactive(state: SessionState) -> bool {
    match state {
        SessionState::Stopped
        // Nobody has linked it: there is no login to lose.
        | SessionState::Pairing
        | SessionState::LoggedOut
        | SessionState::Banned
        | SessionState::Replaced
        | SessionState::Parked => true,
        SessionState::Starting
        | SessionState::Connecting
        | SessionState::Syncing
        | SessionState::Connected
        | SessionState::Waiting => false,
    }
}

fn report_undo(session: &SessionRef, step: &str, outcome: Result<(), OpError>) {
    if let Err(error) = outcome {
        tracing::warn!(%session, step, code = ?error.code, internal = ?error.internal,
            "a session whose creation failed could not be taken back");
    }
}

fn made_up_id() -> Result<SessionId, OpError> {
    let text = Uuid::new_v4().simple().to_string();
    SessionId::parse(&text).map_err(|e| OpError::internal(e.to_string()))
}

fn answer<T: serde::Serialize>(output: &T) -> Result<Bytes, OpError> {
    codec::encode(output).map(Bytes::from)
}
