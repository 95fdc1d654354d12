//! The life of a session, and what state it is in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;
use serde::Serialize;
use switchboard_dialect_kit::{Access, Cx, NoBody, Refusal, Reject, Reply, Routes};
use switchboard_vocab::sessions::{
    Create, Created, GetStatus, Remove, RemoveAll, Removed, RemovedAll, Restart, SessionState,
    SessionStatus, StartWait,
};
use switchboard_vocab::webhooks::{EventClass, Subscription};
use switchboard_vocab::{DialectName, ErrorCode, OpError};

use crate::auth::{API_KEY, SESSION};
use crate::body::{Words, success};
use crate::error::SESSION_NOT_CONNECTED;
use crate::ids;

/// The classes of events that this system has callbacks for.
const CLASSES: [EventClass; 9] = [
    EventClass::Received,
    EventClass::Sent,
    EventClass::Statuses,
    EventClass::Session,
    EventClass::Changes,
    EventClass::Deletions,
    EventClass::Chats,
    EventClass::Contacts,
    EventClass::History,
];

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes
        .access(Access::Open)
        .local(Method::GET, "/ping", |_| {
            Ok(success(Words { message: "pong" })?)
        })
        .access(Access::Tenant)
        .op(
            Method::GET,
            "/session/start/{sessionId}",
            start,
            |_: Created, _| {
                success(Words {
                    message: "Session initiated successfully",
                })
            },
        )
        .op(
            Method::GET,
            "/session/terminateInactive",
            |_: NoBody, _| {
                Ok(RemoveAll {
                    inactive_only: true,
                })
            },
            flushed,
        )
        .op(
            Method::GET,
            "/session/terminateAll",
            |_: NoBody, _| {
                Ok(RemoveAll {
                    inactive_only: false,
                })
            },
            flushed,
        )
        .refused(Method::POST, "/localCallbackExample", Refusal::NoLocalFile)
        .access(Access::Session);
    of_one(routes)
}

/// The rows of one session.
fn of_one(routes: Routes) -> Routes {
    routes
        .op(
            Method::GET,
            "/session/status/{sessionId}",
            |_: NoBody, _| Ok(GetStatus {}),
            status,
        )
        .op(
            Method::GET,
            "/session/restart/{sessionId}",
            |_: NoBody, _| Ok(Restart {}),
            |_: SessionStatus, _| {
                success(Words {
                    message: "Restarted successfully",
                })
            },
        )
        .op(
            Method::GET,
            "/session/terminate/{sessionId}",
            |_: NoBody, _| Ok(Remove {}),
            |_: Removed, _| {
                success(Words {
                    message: "Logged out successfully",
                })
            },
        )
        .op(
            Method::GET,
            "/client/getState/{sessionId}",
            |_: NoBody, _| Ok(GetStatus {}),
            |out, _| {
                success(State {
                    state: wa_state(out.state),
                })
            },
        )
        .op(
            Method::GET,
            "/client/getWWebVersion/{sessionId}",
            |_: NoBody, _| Ok(GetStatus {}),
            version,
        )
}

/// The release of WhatsApp Web that the connected session says it is.
fn version(out: SessionStatus, _: &Cx) -> Result<Reply, OpError> {
    let connected = out.state == SessionState::Connected;
    match out.client_version.filter(|_| connected) {
        Some(result) => success(Version { result }),
        None => Err(OpError::new(
            ErrorCode::NotConnected,
            "the session is not connected",
        )),
    }
}

#[derive(Serialize)]
struct Version {
    result: String,
}

/// Sessions that are still there would make a success a lie: the caller is told to ask again.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn flushed(out: RemovedAll, _: &Cx) -> Result<Reply, OpError> {
    if !out.kept.is_empty() {
        let names: Vec<_> = out.kept.iter().map(|kept| kept.session.as_str()).collect();
        let text = format!(
            "{} sessions were terminated, these could not be now: {}",
            out.removed.len(),
            names.join(", ")
        );
        return Err(OpError::new(ErrorCode::Unavailable, text));
    }
    success(Words {
        message: "Flush completed successfully",
    })
}

/// Creates the session and starts it without waiting: what follows arrives by callback. The installation's address for
/// callbacks is the session's webhook, and the caller's key goes with every callback, as it does in that system.
fn start(_: NoBody, cx: &Cx) -> Result<Create, Reject> {
    let id = ids::session(cx.path(SESSION))?;
    let webhook = cx.env().wwebjs_webhook_url.clone().map(|url| Subscription {
        dialect: DialectName::Wwebjs,
        url,
        events: Some(BTreeSet::from(CLASSES)),
        headers: BTreeMap::new(),
        options: cx
            .input()
            .header(API_KEY)
            .map(|key| (API_KEY.to_owned(), key.to_owned()))
            .into_iter()
            .collect(),
    });
    Ok(Create {
        id: Some(id),
        start: Some(StartWait {
            wait: Duration::ZERO,
        }),
        webhooks: webhook.into_iter().collect(),
    })
}

/// A state in that system's words.
#[derive(Serialize)]
struct State {
    state: Option<&'static str>,
}

/// The answer of the status call, which is 200 whatever the state.
#[derive(Serialize)]
struct StatusBody {
    success: bool,
    state: Option<&'static str>,
    message: &'static str,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn status(out: SessionStatus, _: &Cx) -> Result<Reply, OpError> {
    let connected = out.state == SessionState::Connected;
    Ok(Reply::ok(&StatusBody {
        success: connected,
        state: wa_state(out.state),
        message: if connected {
            "session_connected"
        } else {
            SESSION_NOT_CONNECTED
        },
    }))
}

/// The state as WhatsApp Web names it; `None` for a session that is off, where that system has no page to ask.
pub(crate) const fn wa_state(state: SessionState) -> Option<&'static str> {
    Some(match state {
        SessionState::Stopped => return None,
        SessionState::Starting | SessionState::Connecting | SessionState::Syncing => "OPENING",
        SessionState::Pairing | SessionState::LoggedOut => "UNPAIRED",
        SessionState::Connected => "CONNECTED",
        SessionState::Waiting => "TIMEOUT",
        SessionState::Banned => "TOS_BLOCK",
        SessionState::Replaced => "CONFLICT",
        SessionState::Parked => "UNLAUNCHED",
    })
}
