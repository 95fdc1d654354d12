//! Messages: send, list, and the queue of those that wait.

mod outgoing;
mod queue;
pub(crate) mod shown;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, FromInput, Query, Reject, Reply, Routes, lenient};
use switchboard_vocab::OpError;
use switchboard_vocab::messages::{ListMessages, ListOrder, MessageList, Sent};

use crate::ids;
use outgoing::{send_file, send_text};
use shown::Message;

/// Messages of one listing. Source: the description of `last`.
const PAGE_LEN: u32 = 100;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(
            Method::POST,
            "/instance{instanceId}/sendMessage",
            send_text,
            sent,
        )
        .op(
            Method::POST,
            "/instance{instanceId}/sendFile",
            send_file,
            sent,
        )
        .op(Method::GET, "/instance{instanceId}/messages", list, listed)
        .op(
            Method::GET,
            "/instance{instanceId}/showMessagesQueue",
            queue::show,
            queue::shown,
        )
        .op(
            Method::GET,
            "/instance{instanceId}/clearMessagesQueue",
            queue::clear,
            queue::cleared,
        )
        .aliases(true)
        .op(
            Method::POST,
            "/instance{instanceId}/message",
            send_text,
            sent,
        )
        .op(
            Method::GET,
            "/instance{instanceId}/sendMessage",
            send_text,
            sent,
        )
        .op(
            Method::GET,
            "/instance{instanceId}/sendFile",
            send_file,
            sent,
        )
        .op(
            Method::POST,
            "/instance{instanceId}/clearMessagesQueue",
            queue::clear,
            queue::cleared,
        )
        .aliases(false)
}

/// The answer to a send. The id was added to that system later.
#[derive(Serialize)]
struct SentBody {
    sent: bool,
    message: &'static str,
    id: String,
}

#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "the shape of every encoder"
)]
fn sent(out: Sent, _: &Cx) -> Result<Reply, OpError> {
    let message = &out.message;
    let chat = ids::chat(&message.chat, message.chat_alt.as_ref());
    Ok(Reply::ok(&SentBody {
        sent: true,
        message: "ok",
        id: ids::message(&message.id, true, &chat),
    }))
}

/// The query of `/messages`.
#[derive(Deserialize)]
struct ListQuery {
    #[serde(
        default,
        rename = "lastMessageNumber",
        deserialize_with = "lenient::optional_number"
    )]
    last_number: Option<u64>,
    last: Option<String>,
}

impl ListQuery {
    /// Whether the newest messages are wanted. Clients write `1`, `true` or a number of messages.
    fn newest(&self) -> bool {
        let negative = ["", "0", "false"];
        let last = self.last.as_deref();
        last.is_some_and(|last| !negative.contains(&last))
    }
}

fn list(Query(query): Query<ListQuery>, _: &Cx) -> Result<ListMessages, Reject> {
    let newest = query.newest();
    Ok(ListMessages {
        chat: None,
        after_number: query.last_number.filter(|_| !newest),
        from_me: None,
        author: None,
        kinds: None,
        from: None,
        until: None,
        order: if newest {
            ListOrder::NewestFirst
        } else {
            ListOrder::OldestFirst
        },
        offset: 0,
        limit: PAGE_LEN,
    })
}

#[derive(Serialize)]
struct Listed {
    messages: Vec<Message>,
    /// What the next call should ask for.
    #[serde(rename = "lastMessageNumber")]
    last_number: u64,
}

fn listed(out: MessageList, cx: &Cx) -> Result<Reply, OpError> {
    let Query(query) = Query::<ListQuery>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let mut messages = out.messages;
    messages.sort_by_key(|message| message.number);
    // An empty page repeats what was asked for; a log that is shorter than that began anew.
    let asked = query.last_number.unwrap_or(out.last_number);
    let last_number = messages
        .last()
        .map_or(asked.min(out.last_number), |message| message.number);
    let link = |media: &_| cx.media_link(media);
    Ok(Reply::ok(&Listed {
        messages: messages
            .iter()
            .filter_map(|message| Message::of(message, None, &link))
            .collect(),
        last_number,
    }))
}
