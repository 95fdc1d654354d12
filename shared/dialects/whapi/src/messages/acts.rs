//! What is done to earlier messages: reactions, deletions, stars, pins, forwards, read marks.

use std::time::Duration;

use serde::Deserialize;
use switchboard_dialect_kit::{Cx, Fields, NoBody, Reject, lenient};
use switchboard_vocab::MessageId;
use switchboard_vocab::messages::{Act, Forward, GetInfo, MarkRead, MessageAction, Star};

use crate::ids::{self, invalid};

/// Longest emoji, in characters: families and flags are several joined.
const EMOJI_LEN_MAX: usize = 16;
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The message the path names.
pub(crate) fn target(cx: &Cx) -> Result<MessageId, Reject> {
    ids::message_id("MessageID", cx.path("MessageID"))
}

fn act(action: MessageAction, cx: &Cx) -> Result<Act, Reject> {
    Ok(Act {
        id: cx.next_message_id(),
        target: target(cx)?.into(),
        action,
    })
}

/// `ReactToMessage`.
#[derive(Deserialize)]
pub(crate) struct ReactToMessage {
    emoji: Option<String>,
}

/// Decodes `PUT /messages/{MessageID}/reaction`.
pub(crate) fn react(Fields(request): Fields<ReactToMessage>, cx: &Cx) -> Result<Act, Reject> {
    let emoji = request.emoji.unwrap_or_default();
    let length = emoji.chars().count();
    if !(1..=EMOJI_LEN_MAX).contains(&length) || emoji.chars().any(char::is_alphabetic) {
        return Err(invalid("emoji", "one emoji is expected"));
    }
    act(MessageAction::React { emoji }, cx)
}

/// Decodes `DELETE /messages/{MessageID}/reaction`.
pub(crate) fn take_reaction_back(_: NoBody, cx: &Cx) -> Result<Act, Reject> {
    let emoji = String::new();
    act(MessageAction::React { emoji }, cx)
}

/// Decodes `DELETE /messages/{MessageID}`.
pub(crate) fn revoke(_: NoBody, cx: &Cx) -> Result<Act, Reject> {
    act(MessageAction::Revoke, cx)
}

/// `Pin`.
#[derive(Deserialize)]
pub(crate) struct Pin {
    time: Option<PinTime>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PinTime {
    Day,
    Week,
    Month,
}

/// Decodes `POST /messages/{MessageID}/pin`. A week where the caller says nothing, as in WhatsApp's own clients.
pub(crate) fn pin(Fields(request): Fields<Pin>, cx: &Cx) -> Result<Act, Reject> {
    let period = match request.time {
        Some(PinTime::Day) => DAY,
        Some(PinTime::Week) | None => 7 * DAY,
        Some(PinTime::Month) => 30 * DAY,
    };
    act(MessageAction::Pin { period }, cx)
}

/// Decodes `DELETE /messages/{MessageID}/pin`.
pub(crate) fn unpin(_: NoBody, cx: &Cx) -> Result<Act, Reject> {
    act(MessageAction::Unpin, cx)
}

/// `Star`.
#[derive(Deserialize)]
pub(crate) struct StarFields {
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    starred: Option<bool>,
}

/// Decodes `PUT /messages/{MessageID}/star`.
pub(crate) fn star(Fields(request): Fields<StarFields>, cx: &Cx) -> Result<Star, Reject> {
    Ok(Star {
        target: target(cx)?.into(),
        starred: request.starred.unwrap_or(true),
    })
}

/// `ForwardMessage`. `force` is read and has no effect: a message leaves at once or the call fails.
#[derive(Deserialize)]
pub(crate) struct ForwardMessage {
    to: String,
}

/// Decodes `POST /messages/{MessageID}`.
pub(crate) fn forward(Fields(request): Fields<ForwardMessage>, cx: &Cx) -> Result<Forward, Reject> {
    let to = ids::distant_recipient("to", &request.to)?;
    Ok(Forward {
        id: cx.next_message_id(),
        target: target(cx)?.into(),
        to,
    })
}

/// Decodes `PUT /messages/{MessageID}`.
pub(crate) fn mark_read(_: NoBody, cx: &Cx) -> Result<MarkRead, Reject> {
    Ok(MarkRead {
        chat: None,
        sender: None,
        ids: vec![target(cx)?],
        played: false,
    })
}

/// Decodes `GET /statuses/{MessageID}`.
pub(crate) fn info(_: NoBody, cx: &Cx) -> Result<GetInfo, Reject> {
    Ok(GetInfo {
        target: target(cx)?.into(),
    })
}
