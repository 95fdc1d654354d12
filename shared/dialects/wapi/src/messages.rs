//! Messages: one row sends every kind and sets marks; the body says which.

mod interactive;
mod mark;
mod outgoing;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{either, one};
use switchboard_dialect_kit::{Cx, FromInput, Json, NoBody, Reject, Reply, Routes};
use switchboard_vocab::messages::{Act, Marked, MessageAction, MessageRef, Sent};
use switchboard_vocab::profile::Shown;
use switchboard_vocab::{MessageId, OpError};

use crate::envelope::Envelope;
use crate::ids;
use mark::{is_mark, is_state, mark, state};
use outgoing::{is_reaction, react, send};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .endpoint(
            Method::POST,
            "/v1/messages",
            either(
                is_mark,
                either(
                    is_state,
                    one(state, |_: Shown, cx| Envelope::reply((), "state shown", cx)),
                    one(mark, |_: Marked, cx| {
                        Envelope::reply((), "message marked", cx)
                    }),
                ),
                either(is_reaction, one(react, sent), one(send, sent)),
            ),
        )
        .op(
            Method::DELETE,
            "/v1/messages/{message_id}/{chat_id}",
            revoke,
            |_: Sent, cx| Envelope::reply((), "message deleted", cx),
        )
}

fn revoke(_: NoBody, cx: &Cx) -> Result<Act, Reject> {
    Ok(Act {
        id: cx.next_message_id(),
        target: MessageRef {
            id: ids::message_id("message_id", cx.path("message_id"))?,
            chat: Some(ids::chat_of("chat_id", cx.path("chat_id"))?),
            from_me: None,
        },
        action: MessageAction::Revoke,
    })
}

/// The answer to a send: the envelope, and beside it what the official API answers.
#[derive(Serialize)]
struct SentBody<'a> {
    #[serde(flatten)]
    envelope: Envelope<'a, SentId>,
    messaging_product: &'static str,
    contacts: [Recipient; 1],
    messages: [MessageName; 1],
}

#[derive(Serialize)]
struct SentId {
    id: MessageId,
    /// Unix seconds.
    timestamp: String,
}

#[derive(Serialize)]
struct Recipient {
    input: String,
    wa_id: String,
}

#[derive(Serialize)]
struct MessageName {
    id: MessageId,
}

/// The field of the request that the answer repeats.
#[derive(Deserialize)]
struct Repeated {
    to: String,
}

fn sent(out: Sent, cx: &Cx) -> Result<Reply, OpError> {
    let Json(Repeated { to }) = Json::from_input(cx.input()).map_err(|reject| reject.0)?;
    let message = out.message;
    let wa_id = message.chat_phone().unwrap_or(message.chat.user_part());
    Ok(Reply::ok(&SentBody {
        messaging_product: "whatsapp",
        contacts: [Recipient {
            input: to,
            wa_id: wa_id.to_owned(),
        }],
        messages: [MessageName {
            id: message.id.clone(),
        }],
        envelope: Envelope::new(
            SentId {
                timestamp: message.at.as_secs().to_string(),
                id: message.id,
            },
            "message sent",
            cx,
        ),
    }))
}
