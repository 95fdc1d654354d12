//! What was done to an earlier message, as a message of its own.

use serde::Serialize;
use switchboard_vocab::MessageId;
use switchboard_vocab::content::{Body, EventReply};
use switchboard_vocab::messages;

use super::content::{EventResponse, Text, option_id};
use crate::ids;

/// `MessageAction`.
#[derive(Serialize, Default)]
pub(super) struct Action {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ephemeral: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_content: Option<Text>,
    /// Ids of options, see `PollResults`.
    #[serde(skip_serializing_if = "Option::is_none")]
    votes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_response: Option<EventResponse>,
}

impl Action {
    fn new(kind: &'static str, target: &MessageId) -> Self {
        Self {
            target: Some(ids::message(target)),
            kind,
            ..Self::default()
        }
    }
}

/// The action that a body is, if it is one and its words suffice.
pub(super) fn action(body: &Body) -> Option<Action> {
    Some(match body {
        Body::Reaction { to, emoji } => Action {
            emoji: Some(emoji.clone()),
            ..Action::new("reaction", to)
        },
        Body::Edited { target, body } => Action {
            edited_type: Some("text"),
            edited_content: Some(Text::new(body)),
            ..Action::new("edit", target)
        },
        Body::Revoked { target } => Action::new("delete", target),
        Body::Vote { poll, options } => Action {
            votes: options
                .as_ref()
                .map(|options| options.iter().map(|option| option_id(option)).collect()),
            ..Action::new("vote", poll)
        },
        Body::Pinned { target, period } => {
            Action::new(if period.is_some() { "pin" } else { "unpin" }, target)
        }
        Body::Timer { period } => Action {
            kind: "ephemeral",
            ephemeral: Some(period.as_secs()),
            ..Action::default()
        },
        Body::Text(_)
        | Body::Media(_)
        | Body::Location(_)
        | Body::LiveLocation(_)
        | Body::Contacts { .. }
        | Body::Poll(_)
        | Body::Event(_)
        | Body::Interactive(_)
        | Body::Reply(_)
        | Body::Invite(_)
        | Body::EventReply { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => return None,
    })
}

/// An answer to an event, which needs to know who answered and when.
pub(super) fn event_response(
    message: &messages::Message,
    event: &MessageId,
    reply: Option<EventReply>,
) -> Action {
    let alt = message.sender_alt.as_ref();
    Action {
        event_response: reply
            .map(|reply| EventResponse::of(&message.sender, alt, reply, message.at)),
        ..Action::new("event_response", event)
    }
}
