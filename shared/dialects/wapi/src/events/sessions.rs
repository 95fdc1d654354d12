//! What happens to the account itself: the system events `client_connected` and `logged_out`.

use serde::Serialize;
use switchboard_dialect_kit::{EventCx, Payload};
use switchboard_vocab::Timestamp;
use switchboard_vocab::events::sessions::Event;
use switchboard_vocab::sessions::SessionState;

use crate::ids;
use crate::webhooks::filter::Filter;

/// The names of these events are published, their payload is not; this shape is ours.
#[derive(Serialize)]
struct SystemPayload<'a> {
    system: [SystemEvent<'a>; 1],
}

#[derive(Serialize)]
struct SystemEvent<'a> {
    event: &'static str,
    account_id: String,
    /// Unix seconds.
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

pub(super) fn system(
    event: &Event,
    at: Timestamp,
    filter: &Filter,
    cx: &EventCx<'_>,
) -> Option<Payload> {
    let change = match event {
        Event::StateChanged(change) if filter.wants_system() => change,
        Event::StateChanged(_)
        | Event::ChallengeIssued(_)
        | Event::Paired(_)
        | Event::HistoryTaken(_) => return None,
    };
    let event = match change.to {
        SessionState::Connected => "client_connected",
        SessionState::LoggedOut => "logged_out",
        SessionState::Stopped
        | SessionState::Starting
        | SessionState::Pairing
        | SessionState::Connecting
        | SessionState::Syncing
        | SessionState::Waiting
        | SessionState::Banned
        | SessionState::Replaced
        | SessionState::Parked => return None,
    };
    Some(Payload::json(&SystemPayload {
        system: [SystemEvent {
            event,
            account_id: cx.session.session.to_string(),
            timestamp: at.as_secs().to_string(),
            wa_id: cx.identity.map(|me| ids::wa_id(&me.phone, None)),
            reason: change.reason.as_deref(),
        }],
    }))
}
