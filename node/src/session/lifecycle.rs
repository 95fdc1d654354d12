//! The life of a session as a pure function: state and input in, state and actions out.
//!
//! Owns every decision about connecting, waiting, giving up and what is told about it. Knows no actor, no clock, no
//! randomness and no store: the moment and the jitter are inputs, effects are actions.

mod state;

use std::time::Duration;

use switchboard_vocab::events::Event;
use switchboard_vocab::events::sessions::{Event as SessionEvent, StateChange};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::{Identity, SessionState};
use switchboard_whatsapp::End;

pub(crate) use state::{Action, Input, Moment, Saved, State, is_final};
use state::{Link, Then};

/// Shortest wait before a reconnect, before jitter.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Longest wait before a reconnect.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// Shortest wait after WhatsApp asked to slow down.
pub(crate) const THROTTLED_MIN: Duration = Duration::from_secs(30);
/// Rounds of QR codes shown before a session that nobody scans is stopped. Source: our choice; WhatsApp's own page
/// stops after one round of six codes.
pub(crate) const PAIRING_ROUNDS_MAX: u32 = 3;
/// Immediate new connections in a row, before they count as failures.
pub(crate) const RESTARTS_MAX: u32 = 3;
/// A connection that lasted this long forgets the failures before it.
pub(crate) const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// [`Moment::jitter`] of a full wait.
pub(crate) const JITTER_FULL: u16 = 1000;

/// One step of the life.
pub(crate) fn step(before: State, input: Input, moment: Moment) -> (State, Vec<Action>) {
    let from = before.phase;
    let saved = before.saved();
    let mut step = Step {
        state: before,
        moment,
        actions: Vec::new(),
    };
    step.take(input);
    let Step {
        mut state,
        mut actions,
        ..
    } = step;
    if state.phase != from {
        state.since = moment.now;
        let keeps_timer = actions
            .iter()
            .any(|a| matches!(a, Action::RetryAfter(_) | Action::HealthyAfter(_)));
        if !keeps_timer {
            actions.push(Action::CancelTimer);
        }
        let change = SessionEvent::StateChanged(StateChange {
            from,
            to: state.phase,
            reason: state.reason.clone(),
            next_try_at: state.next_try_at,
        });
        actions.push(Action::Emit(Box::new(Event::Sessions(change))));
    }
    if state.saved() != saved {
        actions.push(Action::Save);
    }
    (state, actions)
}

struct Step {
    state: State,
    moment: Moment,
    actions: Vec<Action>,
}

impl Step {
    fn emit(&mut self, event: SessionEvent) {
        self.actions
            .push(Action::Emit(Box::new(Event::Sessions(event))));
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Start { keep_final } => self.start(keep_final),
            Input::Stop => self.stop(),
            Input::Restart => self.restart(),
            Input::Park(reason) => {
                if self.state.link == Link::Down {
                    self.rest(SessionState::Parked, Some(reason));
                }
            }
            Input::Unlink => self.unlink(),
            Input::Forgotten => self.forgotten(),
            Input::Opened(identity) => self.opened(identity),
            Input::Challenged(challenge) => self.challenged(challenge),
            Input::Paired(identity) => self.paired(identity),
            Input::Syncing(identity) => self.progressed(SessionState::Syncing, identity),
            Input::Connected(identity) => self.connected(identity),
            Input::PairingFailed(text) => {
                if self.state.link == Link::Up {
                    self.state.reason = Some(text);
                }
            }
            Input::Ended(end) => self.ended(end),
            Input::RetryDue => {
                if self.state.phase == SessionState::Waiting {
                    self.connect();
                }
            }
            Input::Healthy => {
                if self.state.phase == SessionState::Connected {
                    self.state.streak = 0;
                }
            }
        }
    }

    fn start(&mut self, keep_final: bool) {
        let spared = matches!(
            self.state.phase,
            SessionState::Banned | SessionState::Replaced | SessionState::Parked
        );
        if spared && keep_final {
            return;
        }
        self.state.wanted = true;
        if self.state.link == Link::Up {
            return;
        }
        self.forget_failures();
        self.connect();
    }

    fn stop(&mut self) {
        self.state.wanted = false;
        match self.state.link {
            Link::Up => self.close(Then::Stop),
            Link::Closing(Then::Reconnect) => self.state.link = Link::Closing(Then::Stop),
            Link::Closing(Then::Stop | Then::Unlinked) => {}
            Link::Down if is_final(self.state.phase) => {}
            Link::Down => self.rest(SessionState::Stopped, None),
        }
    }

    fn restart(&mut self) {
        self.state.wanted = true;
        self.forget_failures();
        match self.state.link {
            Link::Up => self.close(Then::Reconnect),
            Link::Closing(_) | Link::Down => self.connect(),
        }
    }

    fn unlink(&mut self) {
        self.state.wanted = false;
        match self.state.link {
            // Whoever unlinks needs the connection to tell WhatsApp.
            Link::Up | Link::Closing(_) => self.state.link = Link::Closing(Then::Unlinked),
            Link::Down if self.state.phase == SessionState::Waiting => {
                self.rest(SessionState::Stopped, None);
            }
            Link::Down => {}
        }
    }

    fn forgotten(&mut self) {
        self.state.identity = None;
        self.state.stale_login = false;
        self.state.challenge = None;
        match self.state.link {
            Link::Down => self.rest(SessionState::LoggedOut, Some(UNLINKED.to_owned())),
            Link::Up => self.close(Then::Unlinked),
            Link::Closing(_) => self.actions.push(Action::Close),
        }
    }

    fn opened(&mut self, identity: Option<Identity>) {
        let expected = matches!(
            self.state.phase,
            SessionState::Starting | SessionState::Connecting
        );
        if self.state.link != Link::Up || !expected {
            return;
        }
        self.state.stale_login = false;
        self.state.phase = connecting(identity.as_ref());
        // What the store of keys says counts; what we remembered may know the name and platform besides.
        let remembered = self.state.identity.take();
        self.state.identity = identity.map(|now| match remembered {
            Some(old) if old.phone == now.phone => Identity {
                lid: now.lid.or(old.lid),
                push_name: now.push_name.or(old.push_name),
                platform: now.platform.or(old.platform),
                phone: now.phone,
                device: now.device,
            },
            Some(_) | None => now,
        });
    }

    fn challenged(&mut self, challenge: Challenge) {
        if self.state.link != Link::Up || self.state.challenge.as_ref() == Some(&challenge) {
            return;
        }
        if self.state.phase != SessionState::Pairing {
            self.state.reason = None;
        }
        self.state.phase = SessionState::Pairing;
        self.state.challenge = Some(challenge.clone());
        self.emit(SessionEvent::ChallengeIssued(challenge));
    }

    fn paired(&mut self, identity: Identity) {
        if self.state.link == Link::Down {
            return;
        }
        self.state.identity = Some(identity.clone());
        self.state.challenge = None;
        self.state.pairing_rounds = 0;
        if self.state.link == Link::Up {
            self.state.phase = SessionState::Connecting;
            self.state.reason = None;
        }
        self.emit(SessionEvent::Paired(identity));
    }

    fn progressed(&mut self, phase: SessionState, identity: Identity) {
        if self.state.link != Link::Up {
            return;
        }
        self.state.identity = Some(identity);
        self.state.challenge = None;
        self.state.reason = None;
        self.state.phase = phase;
    }

    fn connected(&mut self, identity: Identity) {
        if self.state.link != Link::Up {
            return;
        }
        let was_connected = self.state.phase == SessionState::Connected;
        self.progressed(SessionState::Connected, identity);
        self.state.failures = 0;
        self.state.restarts = 0;
        self.state.pairing_rounds = 0;
        if !was_connected {
            self.actions.push(Action::HealthyAfter(HEALTHY_AFTER));
        }
    }

    fn ended(&mut self, end: End) {
        let link = std::mem::replace(&mut self.state.link, Link::Down);
        self.state.challenge = None;
        let then = match link {
            // Nothing was open: there is nothing to decide.
            Link::Down => return,
            Link::Up => None,
            Link::Closing(then) => Some(then),
        };
        match (end, then) {
            (_, Some(Then::Unlinked)) => {
                self.rest(SessionState::LoggedOut, Some(UNLINKED.to_owned()));
            }
            (End::LoggedOut(text), _) => {
                self.state.identity = None;
                self.state.stale_login = true;
                self.rest(SessionState::LoggedOut, Some(text));
            }
            (End::Banned { reason, until }, _) => {
                let reason = match until {
                    Some(at) => format!("{reason} (until {} seconds since 1970)", at.as_secs()),
                    None => reason,
                };
                self.rest(SessionState::Banned, Some(reason));
            }
            (End::Replaced, _) => {
                let reason = "another client took over the connection of this login";
                self.rest(SessionState::Replaced, Some(reason.to_owned()));
            }
            (End::Outdated(text), _) => {
                let reason = format!("whatsapp asks for a newer client: {text}");
                self.rest(SessionState::Parked, Some(reason));
            }
            (_, Some(Then::Stop)) => self.rest(SessionState::Stopped, None),
            (_, Some(Then::Reconnect)) => self.connect(),
            (End::Restart, None) => self.restart_asked(),
            (End::PairingExpired, None) => self.pairing_expired(),
            (End::Closed(text), None) => self.wait(BACKOFF_MIN, text),
            (End::Throttled(text), None) => self.wait(THROTTLED_MIN, text),
            (End::Fenced, None) => {
                self.wait(
                    BACKOFF_MIN,
                    "this node may not speak for the session now".to_owned(),
                );
            }
            (End::Stopped, None) => self.wait(BACKOFF_MIN, "the connection was closed".to_owned()),
        }
    }

    fn restart_asked(&mut self) {
        self.state.restarts = self.state.restarts.saturating_add(1);
        if self.state.restarts > RESTARTS_MAX {
            self.wait(
                BACKOFF_MIN,
                "whatsapp keeps asking for a new connection".to_owned(),
            );
        } else {
            self.connect();
        }
    }

    fn pairing_expired(&mut self) {
        self.state.pairing_rounds = self.state.pairing_rounds.saturating_add(1);
        if self.state.pairing_rounds < PAIRING_ROUNDS_MAX {
            self.connect();
        } else {
            self.state.wanted = false;
            self.rest(
                SessionState::Stopped,
                Some("nobody scanned the qr code".to_owned()),
            );
        }
    }

    fn connect(&mut self) {
        if let Link::Closing(_) = self.state.link {
            self.state.link = Link::Closing(Then::Reconnect);
            return;
        }
        self.state.link = Link::Up;
        self.state.phase = connecting(self.state.identity.as_ref());
        self.state.next_try_at = None;
        self.state.challenge = None;
        self.actions.push(Action::Connect {
            fresh: self.state.stale_login,
        });
    }

    fn close(&mut self, then: Then) {
        self.state.link = Link::Closing(then);
        self.actions.push(Action::Close);
    }

    fn wait(&mut self, min: Duration, reason: String) {
        self.state.streak = self.state.streak.saturating_add(1);
        self.state.failures = self.state.failures.saturating_add(1);
        let delay = backoff(min, self.state.streak, self.moment.jitter);
        self.state.phase = SessionState::Waiting;
        self.state.reason = Some(reason);
        self.state.next_try_at = Some(self.moment.now.plus(delay));
        self.actions.push(Action::RetryAfter(delay));
    }

    fn rest(&mut self, phase: SessionState, reason: Option<String>) {
        self.state.phase = phase;
        self.state.reason = reason;
        self.state.next_try_at = None;
        self.state.challenge = None;
    }

    fn forget_failures(&mut self) {
        self.state.failures = 0;
        self.state.streak = 0;
        self.state.restarts = 0;
        self.state.pairing_rounds = 0;
    }
}

const UNLINKED: &str = "logged out on request";

const fn connecting(identity: Option<&Identity>) -> SessionState {
    match identity {
        Some(_) => SessionState::Connecting,
        None => SessionState::Starting,
    }
}

/// The wait before try `streak` (from 1): doubles from `min` up to [`BACKOFF_MAX`], half of it by chance.
pub(crate) fn backoff(min: Duration, streak: u32, jitter: u16) -> Duration {
    let doublings = streak.saturating_sub(1).min(16);
    let full = min.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    let half = full / 2;
    half + half * u32::from(jitter.min(JITTER_FULL)) / u32::from(JITTER_FULL)
}

#[cfg(test)]
mod tests;
