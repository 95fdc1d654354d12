//! The session itself: QR codes, states, the history on its way, and the end of a login.

use serde::Serialize;
use switchboard_vocab::events::sessions::{Event, HistoryPart, StateChange};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::SessionState;

use super::Callback;
use crate::sessions::wa_state;

/// What the library calls the thing that loads.
const LOADED: &str = "WhatsApp";
/// What the status of a refused login comes from.
const AUTH_FAILURE: &str = "auth_failure";

/// `data` of these callbacks.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Qr {
        qr: &'a str,
    },
    State {
        state: &'static str,
    },
    Reason {
        reason: &'static str,
    },
    Loading {
        percent: u32,
        message: &'static str,
    },
    Status {
        msg: &'a str,
        from_event: &'static str,
    },
}

pub(super) fn callbacks(event: &Event) -> Vec<Callback> {
    match event {
        Event::ChallengeIssued(Challenge::Qr { text, .. }) => {
            vec![Callback::new("qr", &Data::Qr { qr: text })]
        }
        // That system links by QR code only.
        Event::ChallengeIssued(Challenge::Code { .. } | Challenge::Passkey { .. }) => Vec::new(),
        Event::Paired(_) => vec![Callback::bare("authenticated")],
        Event::StateChanged(change) => changed(change),
        Event::HistoryTaken(part) => loading(part).into_iter().collect(),
    }
}

/// How much of the history is there: what that system waits for while its screen says that it loads.
fn loading(part: &HistoryPart) -> Option<Callback> {
    let percent = part.progress?.min(100);
    let data = Data::Loading {
        percent,
        message: LOADED,
    };
    Some(Callback::new("loading_screen", &data))
}

/// The state where that system has another word for it than before, and what follows from it.
fn changed(change: &StateChange) -> Vec<Callback> {
    let state = wa_state(change.to).filter(|state| wa_state(change.from) != Some(*state));
    let state = state.map(|state| Callback::new("change_state", &Data::State { state }));
    let ready = (change.to == SessionState::Connected).then(|| Callback::bare("ready"));
    let refused = is_refused(change).then(|| {
        let msg = change.reason.as_deref().unwrap_or("the login was refused");
        let from_event = AUTH_FAILURE;
        Callback::new("status", &Data::Status { msg, from_event })
    });
    let ended =
        end(change.to).map(|reason| Callback::new("disconnected", &Data::Reason { reason }));
    [state, ready, refused, ended]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether a login that was there did not work any more.
fn is_refused(change: &StateChange) -> bool {
    change.from == SessionState::Connecting
        && matches!(change.to, SessionState::LoggedOut | SessionState::Banned)
}

/// Why a session ended in this state; `None` for the states it leaves by itself.
const fn end(state: SessionState) -> Option<&'static str> {
    match state {
        SessionState::LoggedOut => Some("LOGOUT"),
        SessionState::Stopped
        | SessionState::Banned
        | SessionState::Replaced
        | SessionState::Parked => match wa_state(state) {
            Some(word) => Some(word),
            None => Some("UNLAUNCHED"),
        },
        SessionState::Starting
        | SessionState::Pairing
        | SessionState::Connecting
        | SessionState::Syncing
        | SessionState::Connected
        | SessionState::Waiting => None,
    }
}
