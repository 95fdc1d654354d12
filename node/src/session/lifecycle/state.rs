//! What the lifecycle remembers, what happens to it and what it wants done.

use std::time::Duration;

use switchboard_vocab::Timestamp;
use switchboard_vocab::events::Event;
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::{Identity, SessionState};
use switchboard_whatsapp::End;

/// When a step happens, and the dice for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Wall clock, for what is told to people.
    pub(crate) now: Timestamp,
    /// 0 = half the wait, [`JITTER_FULL`] = all of it.
    pub(crate) jitter: u16,
}

/// What the session is doing, and what it needs to remember for its next decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// The state as it is shown.
    pub(crate) phase: SessionState,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Whether it should run: survives restarts of the node.
    pub(crate) wanted: bool,
    /// Who it is, once paired.
    pub(crate) identity: Option<Identity>,
    /// How a person can link it now.
    pub(crate) challenge: Option<Challenge>,
    /// Why it is in this state.
    pub(crate) reason: Option<String>,
    /// When the next connection is tried, exactly while waiting.
    pub(crate) next_try_at: Option<Timestamp>,
    /// Failed tries since it last worked.
    pub(crate) failures: u32,
    pub(super) link: Link,
    /// Failures since a connection last proved healthy; decides the wait.
    pub(super) streak: u32,
    pub(super) pairing_rounds: u32,
    pub(super) restarts: u32,
    /// The store still holds a login that WhatsApp has ended.
    pub(super) stale_login: bool,
}

/// What survives a restart of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Saved {
    /// Whether it should run.
    #[serde(default)]
    pub(crate) wanted: bool,
    /// The final state it is in, if any.
    #[serde(default)]
    pub(crate) settled: Option<SessionState>,
    /// Why.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// Who it is, once paired.
    #[serde(default)]
    pub(crate) identity: Option<Identity>,
}

/// The connection, as far as decisions need to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Down,
    Up,
    Closing(Then),
}

/// What follows once the connection has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Stop,
    Reconnect,
    Unlinked,
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// Somebody wants it to run.
    Start {
        /// Leave banned, replaced and parked sessions as they are.
        keep_final: bool,
    },
    /// Somebody wants it off.
    Stop,
    /// Somebody wants a new connection.
    Restart,
    /// It crashed too often; the text says how.
    Park(String),
    /// Its login is about to be given up; whoever does it reports [`Input::Forgotten`].
    Unlink,
    /// Its login is gone from the store.
    Forgotten,
    /// The client is open; this is who its store says it is.
    Opened(Option<Identity>),
    /// A person can link it.
    Challenged(Challenge),
    /// It was linked.
    Paired(Identity),
    /// Logged in, draining.
    Syncing(Identity),
    /// Ready.
    Connected(Identity),
    /// Linking failed, the connection goes on.
    PairingFailed(String),
    /// The connection is over; nothing of it is left.
    Ended(End),
    /// The wait is over.
    RetryDue,
    /// The connection has lasted.
    Healthy,
}

/// What is to be done. At most one connection and one timer exist at any moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Open a connection; [`Input::Ended`] follows for certain.
    Connect {
        /// Remove the login that is left in the store first.
        fresh: bool,
    },
    /// Close the connection, flushing.
    Close,
    /// Report [`Input::RetryDue`] after this wait, instead of any earlier timer.
    RetryAfter(Duration),
    /// Report [`Input::Healthy`] after this wait, instead of any earlier timer.
    HealthyAfter(Duration),
    /// No timer any more.
    CancelTimer,
    /// Make [`State::saved`] durable.
    Save,
    /// Record an event.
    Emit(Box<Event>),
}

impl State {
    /// A session as it comes from the store. Starting what is wanted takes an [`Input::Start`].
    pub(crate) fn restored(saved: Saved, now: Timestamp) -> Self {
        let phase = saved
            .settled
            .filter(|phase| is_final(*phase))
            .unwrap_or(SessionState::Stopped);
        Self {
            phase,
            since: now,
            wanted: saved.wanted,
            stale_login: phase == SessionState::LoggedOut,
            identity: saved.identity,
            challenge: None,
            reason: saved.reason,
            next_try_at: None,
            failures: 0,
            link: Link::Down,
            streak: 0,
            pairing_rounds: 0,
            restarts: 0,
        }
    }

    /// What has to survive a restart of the node. A client that WhatsApp found too old is tried again after one: the
    /// restart may have been an upgrade.
    pub(crate) fn saved(&self) -> Saved {
        let settled = is_final(self.phase) && self.phase != SessionState::Parked;
        let keeps_reason = settled || self.phase == SessionState::Stopped;
        Saved {
            wanted: self.wanted,
            settled: settled.then_some(self.phase),
            reason: self.reason.clone().filter(|_| keeps_reason),
            identity: self.identity.clone(),
        }
    }

    /// Whether it comes back by itself after a restart of the node.
    pub(crate) fn resumes(&self) -> bool {
        self.wanted && !is_final(self.phase)
    }

    /// Whether a connection exists or is being made or closed.
    #[cfg(test)]
    pub(crate) fn has_link(&self) -> bool {
        self.link != Link::Down
    }
}

/// Final states are left by a call only, never by themselves.
pub(crate) const fn is_final(phase: SessionState) -> bool {
    matches!(
        phase,
        SessionState::LoggedOut
            | SessionState::Banned
            | SessionState::Replaced
            | SessionState::Parked
    )
}
