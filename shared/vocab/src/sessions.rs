//! The life of a session: create, start, stop, log out, and what state it is in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{NodeId, SessionId, SessionRef, TenantId, UserId};
use crate::operation::{Effect, Scope};
use crate::pairing::Challenge;
use crate::time::Timestamp;
use crate::webhooks::Subscription;

/// What a session is doing. Every state has a name an operator can search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Exists and was told to stay off.
    Stopped,
    /// Connecting to WhatsApp without a login.
    Starting,
    /// Connected without a login: a person must scan, type or confirm.
    Pairing,
    /// Connecting with a login.
    Connecting,
    /// Logged in; draining what waited and syncing.
    Syncing,
    /// Ready.
    Connected,
    /// Not connected; a next try is scheduled.
    Waiting,
    /// The phone or WhatsApp ended the login: pair again. Never retried.
    LoggedOut,
    /// WhatsApp banned the number. Never retried.
    Banned,
    /// Another client took the login's connection. Never retried by itself.
    Replaced,
    /// Failed too often, or WhatsApp asks for a newer client; an operator must look.
    Parked,
}

/// Who the session is on WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The account's phone number.
    pub phone: UserId,
    /// The account's LID, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lid: Option<UserId>,
    /// The number of this linked device.
    pub device: u16,
    /// The account's display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_name: Option<String>,
    /// The phone's platform as WhatsApp named it, e.g. `android`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

/// Everything a status call can show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Which session.
    pub session: SessionRef,
    /// The node that runs it.
    pub node: NodeId,
    /// What it is doing.
    pub state: SessionState,
    /// Since when.
    pub since: Timestamp,
    /// Who it is, once paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// What a person can do to link it, while pairing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// Why it is in this state: words for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the next connection is tried, while waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
    /// Failed tries since it last worked.
    #[serde(default)]
    pub failures: u32,
    /// The release of WhatsApp Web that the client says it is, e.g. `2.3000.1023`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
}

impl SessionStatus {
    /// Whether a login exists, connected or not.
    #[must_use]
    pub const fn is_paired(&self) -> bool {
        self.identity.is_some()
    }
}

/// Creates a session under the caller's tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Create {
    /// The wanted id; one is made up when absent.
    #[serde(default)]
    pub id: Option<SessionId>,
    /// Whether to start it at once, and how long to wait for its first QR code.
    #[serde(default)]
    pub start: Option<StartWait>,
    /// Webhooks it has from the beginning.
    #[serde(default)]
    pub webhooks: Vec<Subscription>,
}
crate::operation!(Create => Created, "sessions.create", Effect::Write, Scope::Cluster);

/// How long a start waits before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartWait {
    /// Until a QR code is there, the session is connected, or this has passed.
    pub wait: Duration,
}

/// A session that was created. The token is shown once; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which session.
    pub session: SessionRef,
    /// Its API token.
    pub token: String,
    /// Its status, when it was started.
    #[serde(default)]
    pub status: Option<SessionStatus>,
}

/// Lists the caller's sessions with their status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Only this tenant's; the caller's own where the caller is a tenant.
    #[serde(default)]
    pub tenant: Option<TenantId>,
    /// Only after this one, in the order of their ids.
    #[serde(default)]
    pub after: Option<SessionRef>,
    /// At most this many.
    pub limit: u32,
}
crate::operation!(List => Listed, "sessions.list", Effect::Read, Scope::Cluster);

/// A page of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The page, in the order of their ids.
    pub sessions: Vec<ListedSession>,
}

/// One session of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSession {
    /// Which session.
    pub session: SessionRef,
    /// Its status; absent when its owner did not answer.
    #[serde(default)]
    pub status: Option<SessionStatus>,
}

/// Removes a session: logs it out, deletes its keys, messages and token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {}
crate::operation!(Remove => Removed, "sessions.remove", Effect::Write, Scope::Cluster);

/// The session is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {}

/// Starts a stopped session, or does nothing where it runs; also takes a session out of a final state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Until a challenge is there, the session is connected, or this has passed.
    pub wait: Duration,
    /// Leaves a banned, replaced or parked session as it is: for calls that start a session on the side (a health
    /// check), so that a poller cannot fight over a login.
    #[serde(default)]
    pub keep_final: bool,
}
crate::operation!(Start => SessionStatus, "sessions.start", Effect::Write);

/// Longest wait of a start.
pub const START_WAIT_MAX: Duration = Duration::from_secs(25);

/// Closes the connection and keeps the login; the session stays off until it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {}
crate::operation!(Stop => SessionStatus, "sessions.stop", Effect::Write);

/// Closes the connection, keeps the login and connects again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {}
crate::operation!(Restart => SessionStatus, "sessions.restart", Effect::Write);

/// Unlinks the device from its account and forgets its keys. The session stays and can be paired again. One that is not
/// linked is refused with [`crate::ErrorCode::NotPaired`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logout {}
crate::operation!(Logout => SessionStatus, "sessions.logout", Effect::Write);

/// Gets the session's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetStatus {}
crate::operation!(GetStatus => SessionStatus, "sessions.status", Effect::Read);

/// Forgets everything the owner holds of a session: the owner's half of [`Remove`], sent by the router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erase {}
crate::operation!(Erase => Removed, "sessions.erase", Effect::Write);

/// Removes every session of the caller's tenant, or those that do nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveAll {
    /// Only those that are neither connected nor on the way to it: stopped, not linked, logged out, banned, replaced, parked.
    #[serde(default)]
    pub inactive_only: bool,
}
crate::operation!(RemoveAll => RemovedAll, "sessions.remove_all", Effect::Write, Scope::Cluster);

/// What became of the tenant's sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedAll {
    /// Those that are gone.
    pub removed: Vec<SessionRef>,
    /// Those that could not be removed now: their owner did not answer.
    pub kept: Vec<SessionRef>,
}
