//! What is done to an earlier message: reactions, and deleting it for everyone.

use http::Method;
use serde::Deserialize;
use switchboard_dialect_kit::{Cx, FromInput, Reject, Reply, Routes, lenient};
use switchboard_vocab::OpError;
use switchboard_vocab::messages::{Act, MessageAction, MessageRef, Sent};

use super::SentData;
use crate::ids;
use crate::input::{Payload, needed};
use crate::webhooks::ok;

/// How the id of an own message begins. Source: that system's reference.
const OWN: &str = "me:";
/// What takes a reaction back. Source: that system's code.
const REMOVE: &str = "remove";
/// Longest reaction, in bytes. Source: the longest emoji of Unicode (a family with skin tones) has 41.
const REACTION_LEN_MAX: usize = 64;

/// The rows of these calls.
pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .op(Method::POST, "/chat/react", react, |out, cx| {
            acted("Sent", &out, cx)
        })
        .aliases(true)
        .op(Method::POST, "/chat/delete", delete, |out, cx| {
            acted("Deleted", &out, cx)
        })
        .aliases(false)
}

#[derive(Deserialize)]
struct About {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    phone: Option<String>,
    body: Option<String>,
    id: Option<String>,
}

impl About {
    fn target(&self) -> Result<MessageRef, Reject> {
        let text = needed("Id", self.id.as_ref())?;
        let own = text.strip_prefix(OWN);
        Ok(MessageRef {
            id: ids::message("Id", own.unwrap_or(text))?,
            chat: Some(ids::recipient(needed("Phone", self.phone.as_ref())?)?),
            from_me: Some(own.is_some()),
        })
    }
}

fn react(Payload(request): Payload<About>, cx: &Cx) -> Result<Act, Reject> {
    needed("Phone", request.phone.as_ref())?;
    let body = needed("Body", request.body.as_ref())?;
    if body.len() > REACTION_LEN_MAX {
        return Err(OpError::invalid("Body: one emoji is expected").into());
    }
    let emoji = if body == REMOVE { "" } else { body };
    Ok(Act {
        id: cx.next_message_id(),
        target: request.target()?,
        action: MessageAction::React {
            emoji: emoji.to_owned(),
        },
    })
}

/// Own messages; an admin of a group can delete those of others, which the log knows as such.
fn delete(Payload(request): Payload<About>, cx: &Cx) -> Result<Act, Reject> {
    needed("Phone", request.phone.as_ref())?;
    Ok(Act {
        id: cx.next_message_id(),
        target: MessageRef {
            from_me: Some(true),
            ..request.target()?
        },
        action: MessageAction::Revoke,
    })
}

/// The id in the answer is that of the message the call is about. Source: that system's code.
fn acted(details: &'static str, out: &Sent, cx: &Cx) -> Result<Reply, OpError> {
    let Payload(request) = Payload::<About>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let target = request.target().map_err(|reject| reject.0)?;
    Ok(ok(&SentData {
        details,
        id: target.id.as_str(),
        timestamp: ids::time(out.message.at),
    }))
}
