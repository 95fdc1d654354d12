//! Messages: sending, listing, reading marks.

pub(crate) mod outgoing;
pub(crate) mod shown;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{
    Cx, Fields, FromInput, NoBody, Query, Refusal, Reject, Reply, Routes, lenient,
};
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::messages::{
    GetMessage, LIST_LIMIT_MAX, ListMessages, ListOrder, MarkRead, Marked, MessageList, Sent,
};
use switchboard_vocab::{ChatId, ErrorCode, OpError, Timestamp};

use crate::ids::{self, invalid};
use outgoing::{MediaRequest, send_any, send_media, send_text};
use shown::{Links, Message};

/// Messages of a listing when the caller names no number. Source: the default of `count`.
const COUNT_DEFAULT: u32 = 100;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    sending(refused(routes))
        .op(
            Method::GET,
            "/messages/list",
            |query, _| list(None, query),
            listed,
        )
        .op(
            Method::GET,
            "/messages/list/{ChatID}",
            |query, cx| list(Some(ids::chat_id("ChatID", cx.path("ChatID"))?), query),
            listed,
        )
        .op(Method::GET, "/messages/{MessageID}", get, |out, cx| {
            Ok(Reply::ok(&Message::of(&out, &Links::Call(cx))))
        })
        .op(
            Method::PUT,
            "/messages/{MessageID}",
            |_: NoBody, cx| {
                let id = ids::message_id("MessageID", cx.path("MessageID"))?;
                Ok(MarkRead {
                    chat: None,
                    sender: None,
                    ids: vec![id],
                    played: false,
                })
            },
            |_: Marked, _| Ok(Success::reply()),
        )
}

fn sending(routes: Routes) -> Routes {
    type Sending = Fields<outgoing::SenderText>;
    use MediaKind::{Audio, Document, Image, Sticker, Video, Voice};
    routes
        .op(
            Method::POST,
            "/messages/text",
            |Fields(request): Sending, cx| send_text(request, cx),
            sent,
        )
        .op(
            Method::POST,
            "/messages/image",
            |request: MediaRequest, cx| send_media(request, Image, cx),
            sent,
        )
        .op(
            Method::POST,
            "/messages/video",
            |request: MediaRequest, cx| send_media(request, Video, cx),
            sent,
        )
        .op(
            Method::POST,
            "/messages/audio",
            |request: MediaRequest, cx| send_media(request, Audio, cx),
            sent,
        )
        .op(
            Method::POST,
            "/messages/voice",
            |request: MediaRequest, cx| send_media(request, Voice, cx),
            sent,
        )
        .op(
            Method::POST,
            "/messages/document",
            |request: MediaRequest, cx| send_media(request, Document, cx),
            sent,
        )
        .op(
            Method::POST,
            "/messages/sticker",
            |request: MediaRequest, cx| send_media(request, Sticker, cx),
            sent,
        )
        .op(
            Method::POST,
            "/messages/media/{MediaMessageType}",
            send_any,
            sent,
        )
}

fn refused(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::POST, "/messages/short", later)
        .refused(Method::POST, "/messages/gif", later)
        .refused(Method::POST, "/messages/link_preview", later)
        .refused(Method::POST, "/messages/location", later)
        .refused(Method::POST, "/messages/live_location", later)
        .refused(Method::POST, "/messages/contact", later)
        .refused(Method::POST, "/messages/contact_list", later)
        .refused(Method::POST, "/messages/poll", later)
        .refused(Method::POST, "/messages/interactive", later)
        .refused(Method::POST, "/messages/carousel", later)
        .refused(Method::POST, "/messages/story", later)
        .refused(Method::POST, "/messages/story/audio", later)
        .refused(Method::POST, "/messages/story/media", later)
        .refused(Method::POST, "/messages/story/text", later)
        .refused(Method::POST, "/messages/{MessageID}", later)
        .refused(Method::DELETE, "/messages/{MessageID}", later)
        .refused(Method::PUT, "/messages/{MessageID}/reaction", later)
        .refused(Method::DELETE, "/messages/{MessageID}/reaction", later)
        .refused(Method::PUT, "/messages/{MessageID}/star", later)
        .refused(Method::POST, "/messages/{MessageID}/pin", later)
        .refused(Method::DELETE, "/messages/{MessageID}/pin", later)
        .refused(Method::GET, "/statuses/{MessageID}", later)
}

/// `ResponseSuccess`, which defines `success` and requires `result`.
#[derive(Serialize)]
pub(crate) struct Success {
    success: bool,
    result: bool,
}

impl Success {
    pub(crate) fn reply() -> Reply {
        Reply::ok(&Self {
            success: true,
            result: true,
        })
    }
}

/// `SentMessage`.
#[derive(Serialize)]
struct SentMessage {
    sent: bool,
    message: Message,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn sent(out: Sent, cx: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&SentMessage {
        sent: true,
        message: Message::of(&out.message, &Links::Call(cx)).by_api(),
    }))
}

/// The query of both listings. `normal_types` is read and changes nothing: the log holds no system messages.
#[derive(Deserialize)]
struct ListQuery {
    #[serde(default, deserialize_with = "lenient::optional_number")]
    count: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_number")]
    offset: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_number")]
    time_from: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_number")]
    time_to: Option<u64>,
    author: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    from_me: Option<bool>,
    sort: Option<Sort>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Asc,
    Desc,
}

impl ListQuery {
    fn count(&self) -> Result<u32, Reject> {
        let Some(count) = self.count else {
            return Ok(COUNT_DEFAULT);
        };
        let count = u32::try_from(count).ok();
        count
            .filter(|count| (1..=LIST_LIMIT_MAX).contains(count))
            .ok_or_else(|| invalid("count", format!("1 to {LIST_LIMIT_MAX} are possible")))
    }

    fn offset(&self) -> Result<u32, Reject> {
        u32::try_from(self.offset.unwrap_or(0)).map_err(|_| invalid("offset", "it is too large"))
    }
}

fn list(chat: Option<ChatId>, Query(query): Query<ListQuery>) -> Result<ListMessages, Reject> {
    if query
        .author
        .as_ref()
        .is_some_and(|author| !author.is_empty())
    {
        let reason = format!("author: {}", Refusal::LaterRelease.reason());
        return Err(OpError::new(ErrorCode::Refused, reason).into());
    }
    Ok(ListMessages {
        chat,
        after_number: None,
        from_me: query.from_me,
        author: None,
        kinds: None,
        from: query.time_from.map(Timestamp::from_secs),
        until: query.time_to.map(Timestamp::from_secs),
        order: match query.sort {
            Some(Sort::Asc) => ListOrder::OldestFirst,
            Some(Sort::Desc) | None => ListOrder::NewestFirst,
        },
        offset: query.offset()?,
        limit: query.count()?,
    })
}

/// `MessagesList`. `first` and `last` are the messages' numbers in the log.
#[derive(Serialize)]
struct MessagesList {
    messages: Vec<Message>,
    count: u32,
    total: u64,
    offset: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn listed(out: MessageList, cx: &Cx) -> Result<Reply, OpError> {
    let Query(query) = Query::<ListQuery>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let links = Links::Call(cx);
    Ok(Reply::ok(&MessagesList {
        count: query.count().map_err(|reject| reject.0)?,
        offset: query.offset().map_err(|reject| reject.0)?,
        total: out.total,
        first: out.messages.first().map(|message| message.number),
        last: out.messages.last().map(|message| message.number),
        messages: out
            .messages
            .iter()
            .map(|message| Message::of(message, &links))
            .collect(),
    }))
}

#[derive(Deserialize)]
struct GetQuery {
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    resync: Option<bool>,
}

fn get(Query(query): Query<GetQuery>, cx: &Cx) -> Result<GetMessage, Reject> {
    if query.resync == Some(true) {
        let reason = format!("resync: {}", Refusal::LaterRelease.reason());
        return Err(OpError::new(ErrorCode::Refused, reason).into());
    }
    let id = ids::message_id("MessageID", cx.path("MessageID"))?;
    Ok(GetMessage { target: id.into() })
}
