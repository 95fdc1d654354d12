//! Presence: own, others', typing.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, Fields, NoBody, Reject, Reply, Routes};
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::presence::{self, CHAT_STATE_MAX, Get, SendState, Subscribe};
use switchboard_vocab::profile::{SetOnline, Shown};
use switchboard_vocab::{ChatId, OpError, Timestamp, UserId};

use crate::contacts::{CheckContact, CheckContactResponse};
use crate::ids::{self, invalid};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(Method::PUT, "/presences/me", set_own, told)
        .op(
            Method::GET,
            "/presences/{EntryID}",
            |_: NoBody, cx| Ok(Get { user: person(cx)? }),
            |out, _| Ok(Reply::ok(&Presence::known(&out))),
        )
        .op(
            Method::POST,
            "/presences/{EntryID}",
            |_: NoBody, cx| Ok(Subscribe { user: person(cx)? }),
            |out, cx| {
                let entry = CheckContact {
                    input: cx.path("EntryID").to_owned(),
                    status: "valid",
                    wa_id: Some(ids::contact_digits(&out.user, None)),
                };
                Ok(Reply::ok(&CheckContactResponse {
                    contacts: vec![entry],
                }))
            },
        )
        .op(Method::PUT, "/presences/{EntryID}", send_state, told)
}

/// `CheckContactResponse`, of which nothing is left when nobody was checked.
fn told(_: Shown, _: &Cx) -> Result<Reply, OpError> {
    let contacts = Vec::new();
    Ok(Reply::ok(&CheckContactResponse { contacts }))
}

/// The chat that the path names, by its id or by a contact's.
fn entry(cx: &Cx) -> Result<ChatId, Reject> {
    let text = cx.path("EntryID");
    if text.contains('@') {
        ids::chat_id("EntryID", text)
    } else {
        ids::contact_id("EntryID", text).map(ChatId::User)
    }
}

fn person(cx: &Cx) -> Result<UserId, Reject> {
    match entry(cx)? {
        ChatId::User(user) => Ok(user),
        ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => {
            Err(invalid("EntryID", "only people come and go"))
        }
    }
}

/// `Presence`.
#[derive(Serialize)]
pub(crate) struct Presence {
    contact_id: String,
    status: &'static str,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<u64>,
}

impl Presence {
    /// A presence as this system shows it.
    pub(crate) fn new(user: &UserId, status: &'static str, last_seen: Option<Timestamp>) -> Self {
        Self {
            contact_id: ids::contact_digits(user, None),
            status,
            last_seen: last_seen.map(Timestamp::as_secs),
        }
    }

    fn known(presence: &presence::Presence) -> Self {
        let status = match (presence.state, presence.online) {
            (Some(ChatState::Composing), _) => "typing",
            (Some(ChatState::Recording), _) => "recording",
            (Some(ChatState::Paused) | None, Some(true)) => "online",
            (Some(ChatState::Paused) | None, Some(false)) => "offline",
            (Some(ChatState::Paused) | None, None) => "pending",
        };
        Self::new(&presence.user, status, presence.last_seen)
    }
}

/// `SendMePresenceRequest`.
#[derive(Deserialize)]
struct SendMePresenceRequest {
    presence: Own,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Own {
    Online,
    Offline,
}

fn set_own(Fields(request): Fields<SendMePresenceRequest>, _: &Cx) -> Result<SetOnline, Reject> {
    Ok(SetOnline {
        online: matches!(request.presence, Own::Online),
    })
}

/// `SendPresenceRequest`.
#[derive(Deserialize)]
struct SendPresenceRequest {
    presence: State,
    /// Seconds.
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    delay: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Typing,
    Recording,
    Pause,
}

fn send_state(Fields(request): Fields<SendPresenceRequest>, cx: &Cx) -> Result<SendState, Reject> {
    let period = request.delay.filter(|seconds| *seconds > 0);
    let period = period.map(Duration::from_secs);
    if period.is_some_and(|period| period > CHAT_STATE_MAX) {
        let reason = format!("at most {} seconds are possible", CHAT_STATE_MAX.as_secs());
        return Err(invalid("delay", reason));
    }
    Ok(SendState {
        chat: entry(cx)?,
        state: match request.presence {
            State::Typing => ChatState::Composing,
            State::Recording => ChatState::Recording,
            State::Pause => ChatState::Paused,
        },
        period,
    })
}
