//! State of the channel, QR codes, logins and logouts.

use switchboard_dialect_kit::EventCx;
use switchboard_vocab::Timestamp;
use switchboard_vocab::events::sessions::{Event, StateChange};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::SessionState;

use super::{Facts, Notice};
use crate::ids;
use crate::pairing::Qr;
use crate::sessions::{API_VERSION, Health, channel_status, user};
use crate::settings::choice::{Change, Kind};

pub(super) fn notices(event: &Event, at: Timestamp, cx: &EventCx<'_>) -> Vec<Notice> {
    match event {
        Event::StateChanged(change) => state_changed(change, at, cx),
        // A code to type is answered to whoever asked for it, and a passkey request has no place in this system.
        Event::ChallengeIssued(Challenge::Code { .. } | Challenge::Passkey { .. })
        | Event::HistoryTaken(_) => Vec::new(),
        Event::ChallengeIssued(Challenge::Qr { text, expires_at }) => {
            let Ok(qr) = Qr::full(text, *expires_at, at) else {
                return Vec::new();
            };
            let facts = Facts {
                qr: Some(qr),
                ..Facts::default()
            };
            vec![Notice::new(Kind::Channel, Change::Patch, facts)]
        }
        Event::Paired(identity) => {
            let facts = Facts {
                user: Some(user(identity)),
                ..Facts::default()
            };
            vec![Notice::new(Kind::Users, Change::Post, facts)]
        }
    }
}

fn state_changed(change: &StateChange, at: Timestamp, cx: &EventCx<'_>) -> Vec<Notice> {
    let health = Health {
        channel_id: ids::channel(cx.session),
        start_at: at.as_secs(),
        uptime: 0,
        version: None,
        api_version: API_VERSION,
        device_id: cx.identity.map(|identity| identity.device),
        status: channel_status(change.to),
        user: cx.identity.map(user),
    };
    let facts = Facts {
        health: Some(health),
        ..Facts::default()
    };
    let mut notices = vec![Notice::new(Kind::Channel, Change::Post, facts)];
    if change.to == SessionState::LoggedOut
        && let Some(identity) = cx.identity
    {
        let facts = Facts {
            user: Some(user(identity)),
            ..Facts::default()
        };
        notices.push(Notice::new(Kind::Users, Change::Delete, facts));
    }
    notices
}
