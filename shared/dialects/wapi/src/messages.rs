//! Messages: one row sends every kind and sets marks; the body says which.

mod outgoing;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{either, one};
use switchboard_dialect_kit::{Cx, FromInput, Json, Refusal, Reject, Reply, Routes};
use switchboard_vocab::messages::{MarkRead, Marked, Sent};
use switchboard_vocab::{MessageId, OpError};

use crate::envelope::Envelope;
use crate::ids::{self, invalid, refused};
use outgoing::{Context, send};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .endpoint(
            Method::POST,
            "/v1/messages",
            either(
                is_mark,
                one(mark, |_: Marked, cx| {
                    Envelope::reply((), "message marked", cx)
                }),
                one(send, sent),
            ),
        )
        .refused(
            Method::DELETE,
            "/v1/messages/{message_id}/{chat_id}",
            Refusal::LaterRelease,
        )
}

/// The marks a caller can set.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Read,
    Played,
    Typing,
    Recording,
}

/// The body as a mark.
#[derive(Deserialize)]
struct MarkRequest {
    status: Option<Mark>,
    #[serde(rename = "type")]
    kind: Option<String>,
    to: Option<String>,
    message_id: Option<String>,
    context: Option<Context>,
}

fn is_mark(cx: &Cx) -> Result<bool, Reject> {
    let Json(request) = Json::<MarkRequest>::from_input(cx.input())?;
    Ok(request.status.is_some() || request.kind.as_deref() == Some("status"))
}

fn mark(Json(request): Json<MarkRequest>, _: &Cx) -> Result<MarkRead, Reject> {
    match request.status {
        Some(Mark::Read) => {}
        Some(Mark::Played | Mark::Typing | Mark::Recording) => {
            return Err(refused("status", Refusal::LaterRelease));
        }
        None => {
            let wanted = "one of read, played, typing, recording is expected";
            return Err(invalid("status", wanted));
        }
    }
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
