//! Messages: send, list, look one up.

mod outgoing;
pub(crate) mod shown;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, FromInput, Refusal, Reject, Reply, Routes, lenient};
use switchboard_vocab::content::Body;
use switchboard_vocab::messages::{
    GetMessage, LIST_LIMIT_MAX, ListMessages, ListOrder, MessageList, Sent,
};
use switchboard_vocab::{ErrorCode, OpError};

use crate::body::{Request, success};
use crate::ids;
use outgoing::send;
use shown::Message;

/// How many messages a listing without a limit gives. That system gives what its browser happens to have loaded.
const LIST_LIMIT_DEFAULT: u32 = 50;

/// Calls on one message that are not offered yet.
const LATER: [&str; 12] = [
    "/message/delete/{sessionId}",
    "/message/downloadMedia/{sessionId}",
    "/message/forward/{sessionId}",
    "/message/getInfo/{sessionId}",
    "/message/getMentions/{sessionId}",
    "/message/getOrder/{sessionId}",
    "/message/getPayment/{sessionId}",
    "/message/getQuotedMessage/{sessionId}",
    "/message/react/{sessionId}",
    "/message/reply/{sessionId}",
    "/message/star/{sessionId}",
    "/message/unstar/{sessionId}",
];

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes
        .op(
            Method::POST,
            "/client/sendMessage/{sessionId}",
            send,
            |out: Sent, _| {
                success(OneMessage {
                    message: Message::of(&out.message, None),
                })
            },
        )
        .op(
            Method::POST,
            "/chat/fetchMessages/{sessionId}",
            fetch,
            fetched,
        )
        .op(
            Method::POST,
            "/message/getClassInfo/{sessionId}",
            get,
            found,
        )
        .refused(
            Method::POST,
            "/client/searchMessages/{sessionId}",
            Refusal::LaterRelease,
        );
    LATER.into_iter().fold(routes, |rows, path| {
        rows.refused(Method::POST, path, Refusal::LaterRelease)
    })
}

#[derive(Serialize)]
struct OneMessage<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: Vec<Message<'a>>,
}

/// The body of `/chat/fetchMessages`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FetchRequest {
    chat_id: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    search_options: SearchOptions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchOptions {
    #[serde(default, deserialize_with = "lenient::optional_number")]
    limit: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    from_me: Option<bool>,
}

fn fetch(Request(request): Request<FetchRequest>, _: &Cx) -> Result<ListMessages, Reject> {
    let options = request.search_options;
    // Zero means no limit there; more than a page cannot be had here.
    let limit = options.limit.filter(|limit| *limit > 0);
    let limit = limit.map_or(LIST_LIMIT_DEFAULT, |limit| {
        u32::try_from(limit).unwrap_or(u32::MAX).min(LIST_LIMIT_MAX)
    });
    Ok(ListMessages {
        chat: Some(ids::chat_id("chatId", &request.chat_id)?),
        after_number: None,
        from_me: options.from_me,
        author: None,
        kinds: None,
        from: None,
        until: None,
        order: ListOrder::NewestFirst,
        offset: 0,
        limit,
    })
}

/// The newest messages, oldest first. What changes an earlier message is no message of its own in that system.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn fetched(out: MessageList, _: &Cx) -> Result<Reply, OpError> {
    let mut own_messages = out.messages.iter().filter(|message| message.from_me);
    let own = own_messages.next().map(|message| &message.sender);
    let is_message = |body: &Body| match body {
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
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => true,
        Body::Reaction { .. }
        | Body::Edited { .. }
        | Body::Revoked { .. }
        | Body::Vote { .. }
        | Body::EventReply { .. }
        | Body::Pinned { .. } => false,
    };
    let messages = out.messages.iter().rev();
    success(Messages {
        messages: messages
            .filter(|message| is_message(&message.body))
            .map(|message| Message::of(message, own))
            .collect(),
    })
}

/// The body of the calls on one message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageRequest {
    chat_id: String,
    message_id: String,
}

fn get(Request(request): Request<MessageRequest>, _: &Cx) -> Result<GetMessage, Reject> {
    ids::chat_id("chatId", &request.chat_id)?;
    let id = ids::message_id("messageId", &request.message_id)?.id;
    Ok(GetMessage { target: id.into() })
}

/// The message, if it is one of the chat that was named.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn found(out: switchboard_vocab::messages::Message, cx: &Cx) -> Result<Reply, OpError> {
    let Request(request) =
        Request::<MessageRequest>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let chat = ids::chat_id("chatId", &request.chat_id).map_err(|reject| reject.0)?;
    let is_alt = chat.as_user().is_some() && chat.as_user() == out.chat_alt.as_ref();
    if chat != out.chat && !is_alt {
        return Err(OpError::new(
            ErrorCode::NotFound,
            "the message is not in that chat",
        ));
    }
    success(OneMessage {
        message: Message::of(&out, None),
    })
}
