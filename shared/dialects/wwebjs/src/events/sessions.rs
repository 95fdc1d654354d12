//! The session itself: QR codes, states, and the end of a login.

use serde::Serialize;
use switchboard_vocab::events::sessions::{Event, StateChange};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::SessionState;

use super::Callback;
use crate::sessions::wa_state;

/// `data` of these callbacks.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Data<'a> {
    Qr { qr: &'a str },
    State { state: &'static str },
    Reason { reason: &'static str },
}

pub(super) fn callbacks(event: &Event) -> Vec<Callback<'_>> {
    match event {
        Event::ChallengeIssued(Challenge::Qr { text, .. }) => {
            vec![callback("qr", Some(Data::Qr { qr: text }))]
        }
        // That system links by QR code only.
        Event::ChallengeIssued(Challenge::Code { .. } | Challenge::Passkey { .. }) => Vec::new(),
        Event::Paired(_) => vec![callback("authenticated", None)],
        Event::StateChanged(change) => changed(change),
        Event::HistoryTaken(_) => Vec::new(),
    }
}

/// The state where that system has another word for it than before, and what follows from it.
fn changed(change: &StateChange) -> Vec<Callback<'static>> {
    let state = wa_state(change.to).filter(|state| wa_state(change.from) != Some(*state));
    let state = state.map(|state| callback("change_state", Some(Data::State { state })));
    let ready = (change.to == SessionState::Connected).then(|| callback("ready", None));
    let ended =
        end(change.to).map(|reason| callback("disconnected", Some(Data::Reason { reason })));
    [state, ready, ended].into_iter().flatten().collect()
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

fn callback<'a>(data_type: &'static str, data: Option<Data<'a>>) -> Callback<'a> {
    Callback {
        data_type,
        data: data.map(super::Data::Session),
    }
}
