//! Messages: sending, listing, acting on them.

mod acts;
pub(crate) mod files;
pub(crate) mod outgoing;
pub(crate) mod rich;
pub(crate) mod shown;
mod tappable;

use std::collections::BTreeSet;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{either, one};
use switchboard_dialect_kit::{Cx, FromInput, NoBody, Query, Reject, Reply, Routes, lenient};
use switchboard_vocab::content::{BodyKind, MediaKind};
use switchboard_vocab::messages::{
    Act, GetMessage, ListMessages, ListOrder, Marked, MessageInfo, MessageList, SendMessage, Sent,
};
use switchboard_vocab::{ChatId, ErrorCode, OpError, Timestamp};

use crate::ids::{self, invalid};
use crate::paging::{Page, Paging};
use files::{FileFields, Files};
use shown::{Links, Message};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    acting(without_words(with_words(routes)))
        .op(
            Method::GET,
            "/messages/list",
            |_: NoBody, cx| list(None, cx),
            listed,
        )
        .op(
            Method::GET,
            "/messages/list/{ChatID}",
            |_: NoBody, cx| list(Some(ids::chat_id("ChatID", cx.path("ChatID"))?), cx),
            listed,
        )
        .op(Method::GET, "/messages/{MessageID}", get, shown)
        .op(Method::GET, "/statuses/{MessageID}", acts::info, statuses)
}

type Send<T> = fn(T, &Cx) -> Result<SendMessage, Reject>;
type Edit<T> = fn(T, &Cx) -> Result<Act, Reject>;

/// A row that sends, or with `edit` gives an earlier message new words.
fn editable<T: FromInput + 'static>(
    routes: Routes,
    path: &'static str,
    send: Send<T>,
    edit: Edit<T>,
) -> Routes {
    let endpoint = either(outgoing::sends, one(send, sent), one(edit, sent));
    routes.endpoint(Method::POST, path, endpoint)
}

/// The kinds that have words or a caption, which can be edited.
fn with_words(routes: Routes) -> Routes {
    type Request = Files<FileFields>;
    let rows: [(&'static str, Send<Request>); 8] = [
        ("/messages/image", |r, cx| {
            files::send(r, MediaKind::Image, cx)
        }),
        ("/messages/video", |r, cx| {
            files::send(r, MediaKind::Video, cx)
        }),
        ("/messages/short", |r, cx| {
            files::send(r, MediaKind::ShortVideo, cx)
        }),
        ("/messages/gif", |r, cx| files::send(r, MediaKind::Gif, cx)),
        ("/messages/audio", |r, cx| {
            files::send(r, MediaKind::Audio, cx)
        }),
        ("/messages/voice", |r, cx| {
            files::send(r, MediaKind::Voice, cx)
        }),
        ("/messages/document", |r, cx| {
            files::send(r, MediaKind::Document, cx)
        }),
        ("/messages/sticker", |r, cx| {
            files::send(r, MediaKind::Sticker, cx)
        }),
    ];
    let routes = editable(
        routes,
        "/messages/text",
        outgoing::send_text,
        outgoing::edit_text,
    );
    let routes = rows.into_iter().fold(routes, |routes, (path, send)| {
        editable(routes, path, send, files::edit_caption)
    });
    let path = "/messages/media/{MediaMessageType}";
    let routes = editable(routes, path, files::send_any, files::edit_caption);
    editable(
        routes,
        "/messages/link_preview",
        outgoing::send_link,
        outgoing::edit_link,
    )
}

fn without_words(routes: Routes) -> Routes {
    routes
        .op(
            Method::POST,
            "/messages/location",
            rich::send_location,
            sent,
        )
        .op(
            Method::POST,
            "/messages/live_location",
            rich::send_live_location,
            sent,
        )
        .op(Method::POST, "/messages/contact", rich::send_contact, sent)
        .op(
            Method::POST,
            "/messages/contact_list",
            rich::send_contact_list,
            sent,
        )
        .op(Method::POST, "/messages/poll", rich::send_poll, sent)
        .op(
            Method::POST,
            "/messages/interactive",
            tappable::send_interactive,
            sent,
        )
        .op(
            Method::POST,
            "/messages/carousel",
            tappable::send_carousel,
            sent,
        )
        .op(
            Method::POST,
            "/communities/event",
            rich::send_event,
            |_: Sent, _| Ok(Success::reply()),
        )
}

fn acting(routes: Routes) -> Routes {
    let acted = |_: Sent, _: &Cx| Ok(Success::reply());
    routes
        .op(Method::POST, "/messages/{MessageID}", acts::forward, sent)
        .op(
            Method::PUT,
            "/messages/{MessageID}",
            acts::mark_read,
            |_: Marked, _| Ok(Success::reply()),
        )
        .op(Method::DELETE, "/messages/{MessageID}", acts::revoke, acted)
        .op(
            Method::PUT,
            "/messages/{MessageID}/reaction",
            acts::react,
            acted,
        )
        .op(
            Method::DELETE,
            "/messages/{MessageID}/reaction",
            acts::take_reaction_back,
            acted,
        )
        .op(
            Method::PUT,
            "/messages/{MessageID}/star",
            acts::star,
            |_, _| Ok(Success::reply()),
        )
        .op(Method::POST, "/messages/{MessageID}/pin", acts::pin, acted)
        .op(
            Method::DELETE,
            "/messages/{MessageID}/pin",
            acts::unpin,
            acted,
        )
}

/// `ResponseSuccess`. The document defines `success` and requires `result`.
#[derive(Serialize)]
pub(crate) struct Success {
    success: bool,
    result: bool,
}

impl Success {
    /// The body.
    pub(crate) const DONE: Self = Self {
        success: true,
        result: true,
    };

    pub(crate) fn reply() -> Reply {
        Reply::ok(&Self::DONE)
    }
}

/// `SentMessage`.
#[derive(Serialize)]
struct SentMessage {
    sent: bool,
    message: Message,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
pub(crate) fn sent(out: Sent, cx: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&SentMessage {
        sent: true,
        message: Message::of(&out.message, &Links::Call(cx)).by_api(),
    }))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
pub(crate) fn shown(out: switchboard_vocab::messages::Message, cx: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&Message::of(&out, &Links::Call(cx))))
}

/// What the listings of messages and stories filter by, besides the page.
#[derive(Deserialize)]
pub(crate) struct FilterQuery {
    author: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    pub(crate) from_me: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    normal_types: Option<bool>,
}

impl FilterQuery {
    pub(crate) fn of(cx: &Cx) -> Result<Self, Reject> {
        Query::from_input(cx.input()).map(|Query(query)| query)
    }

    pub(crate) fn author(&self) -> Result<Option<switchboard_vocab::UserId>, Reject> {
        let named = self.author.as_deref().filter(|text| !text.is_empty());
        named
            .map(|text| ids::contact_id("author", text))
            .transpose()
    }
}

/// The kinds that are a conversation, and not something done to it.
const NORMAL: [BodyKind; 10] = [
    BodyKind::Text,
    BodyKind::Media,
    BodyKind::Location,
    BodyKind::LiveLocation,
    BodyKind::Contacts,
    BodyKind::Poll,
    BodyKind::Event,
    BodyKind::Interactive,
    BodyKind::Reply,
    BodyKind::Invite,
];

fn list(chat: Option<ChatId>, cx: &Cx) -> Result<ListMessages, Reject> {
    let (page, filter) = (Page::of(cx)?, FilterQuery::of(cx)?);
    let normal = filter.normal_types == Some(true);
    Ok(ListMessages {
        chat,
        after_number: None,
        from_me: filter.from_me,
        author: filter.author()?,
        kinds: normal.then(|| BTreeSet::from(NORMAL)),
        from: page.from,
        until: page.until,
        order: if page.oldest_first {
            ListOrder::OldestFirst
        } else {
            ListOrder::NewestFirst
        },
        offset: page.offset,
        limit: page.count,
    })
}

/// `MessagesList`. `first` and `last` are the messages' numbers in the log.
#[derive(Serialize)]
struct MessagesList {
    messages: Vec<Message>,
    #[serde(flatten)]
    page: Paging,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
pub(crate) fn listed(out: MessageList, cx: &Cx) -> Result<Reply, OpError> {
    let links = Links::Call(cx);
    let messages = out.messages.iter();
    Ok(Reply::ok(&MessagesList {
        page: Paging::of(cx, out.total)?,
        first: out.messages.first().map(|message| message.number),
        last: out.messages.last().map(|message| message.number),
        messages: messages
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
        let reason = "this gateway does not ask the phone for messages again";
        return Err(invalid("resync", reason));
    }
    Ok(GetMessage {
        target: acts::target(cx)?.into(),
    })
}

/// `StatusesList`.
#[derive(Serialize)]
struct StatusesList {
    statuses: Vec<Status>,
}

/// `Status`.
#[derive(Serialize)]
pub(crate) struct Status {
    pub(crate) id: String,
    pub(crate) code: u8,
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipient_id: Option<String>,
    /// Whose eyes, in groups and of stories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) viewer_id: Option<String>,
    /// Unix seconds, as text.
    pub(crate) timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) errors: Option<[StatusError; 1]>,
}

/// `Error`.
#[derive(Serialize)]
pub(crate) struct StatusError {
    pub(crate) code: u16,
    pub(crate) message: &'static str,
}

/// One entry per person with the furthest they came; the message's own status while WhatsApp told of nobody.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn statuses(out: MessageInfo, _: &Cx) -> Result<Reply, OpError> {
    use switchboard_vocab::messages::{DeliveryStatus, Progress};
    let message = &out.message;
    if !message.from_me {
        let reason = "only the own messages of the channel have statuses";
        return Err(OpError::new(ErrorCode::Forbidden, reason));
    }
    let recipient_id = ids::recipient_of(&message.chat, message.chat_alt.as_ref());
    let entry = |status: DeliveryStatus, viewer: Option<String>, at: Timestamp| {
        let (code, status) = shown::status(status);
        Status {
            id: ids::message(&message.id),
            code,
            status,
            recipient_id: recipient_id.clone(),
            viewer_id: viewer,
            timestamp: at.as_secs().to_string(),
            errors: None,
        }
    };
    let furthest = |person: &Progress| {
        let played = person.played_at.map(|at| (DeliveryStatus::Played, at));
        let read = person.read_at.map(|at| (DeliveryStatus::Read, at));
        let delivered = person
            .delivered_at
            .map(|at| (DeliveryStatus::Delivered, at));
        let (status, at) = played.or(read).or(delivered)?;
        let viewer = ids::contact_digits(&person.user, person.user_alt.as_ref());
        Some(entry(status, Some(viewer), at))
    };
    let mut statuses: Vec<_> = out.recipients.iter().filter_map(furthest).collect();
    if statuses.is_empty() {
        statuses.push(entry(message.status, None, message.at));
    }
    Ok(Reply::ok(&StatusesList { statuses }))
}
