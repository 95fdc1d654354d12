//! Typing and recording.

use http::Method;
use serde::Deserialize;
use switchboard_dialect_kit::{Cx, Reject, Routes, lenient};
use switchboard_vocab::OpError;
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::presence::SendState;
use switchboard_vocab::profile::Shown;

use crate::ids;
use crate::input::{Payload, needed};
use crate::sessions::details;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes.op(
        Method::POST,
        "/chat/presence",
        presence,
        // Spelt as that system spells it.
        |_: Shown, _| details("Chat presence set successfuly"),
    )
}

#[derive(Deserialize)]
struct Presence {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    phone: Option<String>,
    state: Option<String>,
    media: Option<String>,
}

fn presence(Payload(request): Payload<Presence>, _: &Cx) -> Result<SendState, Reject> {
    let phone = needed("Phone", request.phone.as_ref())?;
    let state = needed("State", request.state.as_ref())?;
    let state = match (state, request.media.as_deref().unwrap_or_default()) {
        ("composing", "") => ChatState::Composing,
        ("composing", "audio") => ChatState::Recording,
        ("paused", "" | "audio") => ChatState::Paused,
        ("composing" | "paused", _) => {
            return Err(OpError::invalid("Media: audio or nothing is expected").into());
        }
        _ => return Err(OpError::invalid("State: composing or paused is expected").into()),
    };
    Ok(SendState {
        chat: ids::recipient(phone)?,
        state,
        period: None,
    })
}
