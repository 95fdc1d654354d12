//! Marks on messages and in chats: read, played, typing, recording.

use serde::Deserialize;
use switchboard_dialect_kit::{Cx, FromInput, Json, Reject};
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::messages::MarkRead;
use switchboard_vocab::presence::SendState;

use super::outgoing::Context;
use crate::ids::{self, invalid};

/// The marks a caller can set.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Read,
    Played,
    Typing,
    Recording,
}

/// The body as a mark.
#[derive(Deserialize)]
pub(super) struct MarkRequest {
    status: Option<Mark>,
    #[serde(rename = "type")]
    kind: Option<String>,
    to: Option<String>,
    message_id: Option<String>,
    context: Option<Context>,
}

/// Whether the body sets a mark.
pub(super) fn is_mark(cx: &Cx) -> Result<bool, Reject> {
    let Json(request) = Json::<MarkRequest>::from_input(cx.input())?;
    Ok(request.status.is_some() || request.kind.as_deref() == Some("status"))
}

/// Whether the mark is on a chat, not on a message.
pub(super) fn is_state(cx: &Cx) -> Result<bool, Reject> {
    let Json(request) = Json::<MarkRequest>::from_input(cx.input())?;
    Ok(matches!(
        request.status,
        Some(Mark::Typing | Mark::Recording)
    ))
}

/// Shows typing or recording in a chat.
pub(super) fn state(Json(request): Json<MarkRequest>, _: &Cx) -> Result<SendState, Reject> {
    let state = match request.status {
        Some(Mark::Recording) => ChatState::Recording,
        Some(Mark::Typing | Mark::Read | Mark::Played) | None => ChatState::Composing,
    };
    let to = request.to.filter(|to| !to.is_empty());
    let to = to.ok_or_else(|| invalid("to", "the chat is expected"))?;
    Ok(SendState {
        chat: ids::recipient(&to, None)?,
        state,
        period: None,
    })
}

/// Marks a message as read or played.
pub(super) fn mark(Json(request): Json<MarkRequest>, _: &Cx) -> Result<MarkRead, Reject> {
    let Some(status) = request.status else {
        let wanted = "one of read, played, typing, recording is expected";
        return Err(invalid("status", wanted));
    };
    let context = request.context.unwrap_or_default();
    let id = request.message_id.or(context.message_id);
    let id = id.ok_or_else(|| invalid("message_id", "the message to mark is expected"))?;
    let id = ids::message_id("message_id", &id)?;
    let to = request.to.filter(|to| !to.is_empty());
    let chat = to.map(|to| ids::recipient(&to, None)).transpose()?;
    let sender = context.participant;
    let sender = sender
        .map(|sender| ids::user("context.participant", &sender))
        .transpose()?;
    // A group without the writer does not name the message; the log knows both.
    let chat = chat.filter(|chat| !chat.is_group() || sender.is_some());
    Ok(MarkRead {
        sender: sender.filter(|_| chat.is_some()),
        chat,
        ids: vec![id],
        played: matches!(status, Mark::Played),
    })
}
