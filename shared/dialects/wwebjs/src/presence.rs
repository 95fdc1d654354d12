//! Own presence, typing and recording.

use http::Method;
use serde::Serialize;
use switchboard_dialect_kit::{NoBody, Reject, Routes};
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::presence::SendState;
use switchboard_vocab::profile::{SetOnline, Shown};

use crate::body::{Request, success};
use crate::chats::{Nothing, OfChat};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(
            Method::POST,
            "/client/sendPresenceAvailable/{sessionId}",
            |_: NoBody, _| Ok(SetOnline { online: true }),
            |_: Shown, _| success(Nothing {}),
        )
        .op(
            Method::POST,
            "/client/sendPresenceUnavailable/{sessionId}",
            |_: NoBody, _| Ok(SetOnline { online: false }),
            |_: Shown, _| success(Nothing {}),
        )
        .op(
            Method::POST,
            "/chat/clearState/{sessionId}",
            |chat, _| state(chat, ChatState::Paused),
            |_: Shown, _| success(Cleared { clear_state: true }),
        )
        .op(
            Method::POST,
            "/chat/sendStateRecording/{sessionId}",
            |chat, _| state(chat, ChatState::Recording),
            |_: Shown, _| {
                success(Recording {
                    send_state_recording: true,
                })
            },
        )
        .op(
            Method::POST,
            "/chat/sendStateTyping/{sessionId}",
            |chat, _| state(chat, ChatState::Composing),
            |_: Shown, _| {
                success(Typing {
                    send_state_typing: true,
                })
            },
        )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cleared {
    clear_state: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recording {
    send_state_recording: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typing {
    send_state_typing: bool,
}

fn state(Request(chat): Request<OfChat>, state: ChatState) -> Result<SendState, Reject> {
    Ok(SendState {
        chat: chat.id()?,
        state,
        period: None,
    })
}
