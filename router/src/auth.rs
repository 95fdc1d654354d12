//! Judges what a request showed: who calls, and for which session.
//!
//! A dialect extracts credentials; only this module decides. It must not know any dialect.

use std::sync::Arc;

use switchboard_dialect_kit::{Access, Credentials};
use switchboard_vocab::directory::{SessionRecord, TenantRecord};
use switchboard_vocab::{ErrorCode, OpError, SessionId, SessionRef, TenantId};

use crate::directory::Directory;
use crate::secret;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody in particular: the row wants no key.
    Anyone,
    /// The holder of a session's token.
    Session {
        /// The session.
        session: SessionRef,
        /// The token it showed.
        token: String,
    },
    /// The holder of a tenant's key.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// The session the call is for.
        session: Option<SessionRef>,
    },
}

impl Caller {
    /// The session the call is for.
    pub(crate) const fn session(&self) -> Option<&SessionRef> {
        match self {
            Self::Anyone => None,
            Self::Session { session, .. } => Some(session),
            Self::Tenant { session, .. } => session.as_ref(),
        }
    }

    /// The session token the caller showed.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::Session { token, .. } => Some(token),
            Self::Anyone | Self::Tenant { .. } => None,
        }
    }
}

/// Decides who calls and whether a row of this access is open to them.
///
/// # Errors
/// `Unauthenticated` for no key or an unknown one, `Forbidden` for a key of the wrong kind, `SessionNotFound` for a
/// session that is not there or is not this key's.
pub(crate) fn judge(
    directory: &Directory,
    access: Access,
    shown: Credentials,
) -> Result<Caller, OpError> {
    match access {
        Access::Open => Ok(Caller::Anyone),
        Access::Session => with_session(directory, shown),
        Access::Tenant => with_tenant(directory, shown),
    }
}

fn with_session(directory: &Directory, shown: Credentials) -> Result<Caller, OpError> {
    match shown {
        Credentials::None => Err(nothing()),
        Credentials::Session { token, named } => {
            let session = holder(directory, &token)?.session.clone();
            if let Some(named) = named.filter(|named| named != session.session.as_str()) {
                return Err(no_session(&named));
            }
            Ok(Caller::Session { session, token })
        }
        Credentials::Tenant {
            tenant,
            key,
            session,
        } => {
            let tenant = tenant_of(directory, tenant.as_ref(), &key)?.id.clone();
            let Some(session) = session else {
                let words =
                    "this call is for one session: show the session's token or name the session";
                return Err(OpError::new(ErrorCode::Forbidden, words));
            };
            let session = existing(directory, tenant.clone(), session)?;
            Ok(Caller::Tenant {
                tenant,
                session: Some(session),
            })
        }
    }
}

fn with_tenant(directory: &Directory, shown: Credentials) -> Result<Caller, OpError> {
    match shown {
        Credentials::None => Err(nothing()),
        Credentials::Session { token, .. } => {
            holder(directory, &token)?;
            let words = "this call wants a tenant's key, not a session's token";
            Err(OpError::new(ErrorCode::Forbidden, words))
        }
        Credentials::Tenant {
            tenant,
            key,
            session,
        } => {
            let tenant = tenant_of(directory, tenant.as_ref(), &key)?.id.clone();
            let session = session.map(|session| SessionRef::new(tenant.clone(), session));
            Ok(Caller::Tenant { tenant, session })
        }
    }
}

fn holder(directory: &Directory, token: &str) -> Result<Arc<SessionRecord>, OpError> {
    directory
        .session_of(&secret::hash(token))
        .ok_or_else(unknown)
}

fn tenant_of(
    directory: &Directory,
    named: Option<&TenantId>,
    key: &str,
) -> Result<Arc<TenantRecord>, OpError> {
    let record = directory
        .tenant_of(&secret::hash(key))
        .ok_or_else(unknown)?;
    if named.is_some_and(|named| *named != record.id) {
        return Err(unknown());
    }
    Ok(record)
}

fn existing(
    directory: &Directory,
    tenant: TenantId,
    session: SessionId,
) -> Result<SessionRef, OpError> {
    let session = SessionRef::new(tenant, session);
    if directory.session(&session).is_none() {
        return Err(no_session(session.session.as_str()));
    }
    Ok(session)
}

fn nothing() -> OpError {
    OpError::new(ErrorCode::Unauthenticated, "no key was shown")
}

fn unknown() -> OpError {
    OpError::new(ErrorCode::Unauthenticated, "the key is not known")
}

/// Longest part of a name that is repeated to the caller, in characters.
const NAME_SHOWN_MAX: usize = 64;

/// The error for a session that this key does not have.
pub(crate) fn no_session(named: &str) -> OpError {
    let named: String = named.chars().take(NAME_SHOWN_MAX).collect();
    OpError::new(
        ErrorCode::SessionNotFound,
        format!("there is no session {named:?} for this key"),
    )
}
