//! Chats: list, look up, and what is done to a whole chat.

pub(crate) mod shown;

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{Outcomes, Page, either, one, paged};
use switchboard_dialect_kit::{Cx, FromInput, NoBody, Reject, Reply, Routes, lenient};
use switchboard_vocab::chats::{
    Change, Chat as Known, ChatList, Clear, Delete, Get, Gone, LIST_LIMIT_MAX, List, MarkSeen,
    Mute, MuteChange,
};
use switchboard_vocab::contacts::{self, Contact as Person};
use switchboard_vocab::{ChatId, ErrorCode, OpError, Timestamp};

use crate::body::{Request, success};
use crate::contacts::shown::Contact;
use crate::ids::{self, invalid};
use shown::Chat;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes
        .endpoint(
            Method::GET,
            "/client/getChats/{sessionId}",
            paged(list, count, listed),
        )
        .each(
            Method::POST,
            "/client/getChatById/{sessionId}",
            |chat, cx| Ok(vec![get(chat, cx)?]),
            found,
        )
        .each(
            Method::POST,
            "/chat/getClassInfo/{sessionId}",
            |chat, cx| Ok(vec![get(chat, cx)?]),
            found,
        )
        .endpoint(
            Method::POST,
            "/chat/getContact/{sessionId}",
            either(is_person, one(person, of_person), one(get, of_group)),
        )
        .op(
            Method::POST,
            "/chat/clearMessages/{sessionId}",
            |Request(chat): Request<OfChat>, _| Ok(Clear { chat: chat.id()? }),
            |_: Gone, _| {
                success(Cleared {
                    clear_messages: true,
                })
            },
        )
        .op(
            Method::POST,
            "/chat/delete/{sessionId}",
            |Request(chat): Request<OfChat>, _| Ok(Delete { chat: chat.id()? }),
            |_: Gone, _| success(Deleted { delete_chat: true }),
        )
        .op(
            Method::POST,
            "/client/sendSeen/{sessionId}",
            |Request(chat): Request<OfChat>, _| Ok(MarkSeen { chat: chat.id()? }),
            |_: Known, _| success(Whether { result: true }),
        );
    changes(routes)
}

/// The rows that change one thing about a chat.
fn changes(routes: Routes) -> Routes {
    routes
        .op(
            Method::POST,
            "/client/archiveChat/{sessionId}",
            |chat, _| change(chat, |change| change.archived = Some(true)),
            archived,
        )
        .op(
            Method::POST,
            "/client/unarchiveChat/{sessionId}",
            |chat, _| change(chat, |change| change.archived = Some(false)),
            archived,
        )
        .op(
            Method::POST,
            "/client/pinChat/{sessionId}",
            |chat, _| change(chat, |change| change.pinned = Some(true)),
            pinned,
        )
        .op(
            Method::POST,
            "/client/unpinChat/{sessionId}",
            |chat, _| change(chat, |change| change.pinned = Some(false)),
            pinned,
        )
        .op(Method::POST, "/client/muteChat/{sessionId}", mute, done)
        .op(
            Method::POST,
            "/client/unmuteChat/{sessionId}",
            |chat, _| change(chat, |change| change.muted = Some(MuteChange::Off)),
            done,
        )
        .op(
            Method::POST,
            "/client/markChatUnread/{sessionId}",
            |chat, _| change(chat, |change| change.unread = Some(true)),
            done,
        )
}

/// The body of the calls on one chat.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfChat {
    chat_id: String,
}

impl OfChat {
    /// Which one.
    pub(crate) fn id(&self) -> Result<ChatId, Reject> {
        ids::chat_id("chatId", &self.chat_id)
    }
}

#[derive(Serialize)]
struct OneChat<'a> {
    chat: Chat<'a>,
}

#[derive(Serialize)]
struct Chats<'a> {
    chats: Vec<Chat<'a>>,
}

#[derive(Serialize)]
struct OneContact<'a> {
    contact: Contact<'a>,
}

/// What some calls say of themselves.
#[derive(Serialize)]
pub(crate) struct Whether {
    pub(crate) result: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cleared {
    clear_messages: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    delete_chat: bool,
}

/// An answer with nothing but `success`: that system's results are `undefined`, which JSON leaves out.
#[derive(Serialize)]
pub(crate) struct Nothing {}

fn list(_: NoBody, seen: u64, _: &Cx) -> Result<List, Reject> {
    Ok(List {
        archived: None,
        offset: u32::try_from(seen).unwrap_or(u32::MAX),
        limit: LIST_LIMIT_MAX,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every count")]
const fn count(page: &ChatList, _: &Cx) -> Result<Page, Reject> {
    Ok(Page {
        entries: page.chats.len(),
        total: page.total,
    })
}

/// All pages. A chat that moved from one page to another while they were read is shown once.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn listed(pages: Vec<ChatList>, cx: &Cx) -> Result<Reply, OpError> {
    let mut seen = HashSet::new();
    let all = pages.iter().flat_map(|page| &page.chats);
    success(Chats {
        chats: all
            .filter(|chat| seen.insert(&chat.id))
            .map(|chat| Chat::of(chat, None, cx.now()))
            .collect(),
    })
}

fn get(Request(chat): Request<OfChat>, _: &Cx) -> Result<Get, Reject> {
    Ok(Get { chat: chat.id()? })
}

fn found(outcomes: Outcomes<Get>, cx: &Cx) -> Result<Reply, OpError> {
    let Request(chat) = Request::<OfChat>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let id = chat.id().map_err(|reject| reject.0)?;
    let out = or_empty(outcomes, id)?;
    success(OneChat {
        chat: Chat::of(&out, None, cx.now()),
    })
}

/// The chat, or with a person of whom there is none an empty one. Source: WhatsApp Web finds a chat for every person.
pub(crate) fn or_empty(outcomes: Outcomes<Get>, id: ChatId) -> Result<Known, OpError> {
    match outcomes.into_iter().next() {
        Some(Ok(chat)) => Ok(chat),
        Some(Err(error)) if error.code == ErrorCode::NotFound && id.as_user().is_some() => {
            Ok(shown::empty(id))
        }
        Some(Err(error)) => Err(error),
        None => Err(OpError::internal("no answer")),
    }
}

fn is_person(cx: &Cx) -> Result<bool, Reject> {
    let Request(chat) = Request::<OfChat>::from_input(cx.input())?;
    Ok(chat.id()?.as_user().is_some())
}

fn person(Request(chat): Request<OfChat>, _: &Cx) -> Result<contacts::Get, Reject> {
    let user = ids::user_id("chatId", &chat.chat_id)?;
    Ok(contacts::Get { user })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn of_person(out: Person, _: &Cx) -> Result<Reply, OpError> {
    success(OneContact {
        contact: Contact::of(&out),
    })
}

/// A group is a contact too in that system.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn of_group(out: Known, _: &Cx) -> Result<Reply, OpError> {
    success(OneContact {
        contact: Contact::of_chat(&out),
    })
}

fn change(
    Request(chat): Request<OfChat>,
    what: impl FnOnce(&mut Change),
) -> Result<Change, Reject> {
    let mut change = Change::of(chat.id()?);
    what(&mut change);
    Ok(change)
}

/// Whether the chat is in the archive now. Source: what the library returns from both calls.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn archived(out: Known, _: &Cx) -> Result<Reply, OpError> {
    success(Whether {
        result: out.archived,
    })
}

/// Whether the chat is pinned now. Source: what the library returns from both calls.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn pinned(out: Known, _: &Cx) -> Result<Reply, OpError> {
    success(Whether {
        result: out.pinned_at.is_some(),
    })
}

fn done(_: Known, _: &Cx) -> Result<Reply, OpError> {
    success(Nothing {})
}

/// The body of `/client/muteChat`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MuteRequest {
    chat_id: String,
    #[serde(default, deserialize_with = "lenient::optional_text")]
    unmute_date: Option<String>,
}

fn mute(Request(request): Request<MuteRequest>, cx: &Cx) -> Result<Change, Reject> {
    let date = request.unmute_date.filter(|text| !text.is_empty());
    let until = match date {
        None => Mute::Forever,
        Some(text) => {
            let at = date_of(&text).ok_or_else(|| {
                invalid(
                    "unmuteDate",
                    "a date such as 2030-01-31T12:00:00Z is expected",
                )
            })?;
            if at.as_millis() <= cx.now().as_millis() {
                return Err(invalid("unmuteDate", "it has passed"));
            }
            Mute::Until(at)
        }
    };
    let mut change = Change::of(ids::chat_id("chatId", &request.chat_id)?);
    change.muted = Some(MuteChange::On(until));
    Ok(change)
}

/// A date as JavaScript's `Date` reads it: ISO 8601, UTC where no zone stands, or milliseconds since 1970.
fn date_of(text: &str) -> Option<Timestamp> {
    let formats = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S",
    ];
    let zoned = || {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| at.timestamp_millis())
    };
    let plain = || {
        let read = |format| NaiveDateTime::parse_from_str(text, format).ok();
        formats
            .into_iter()
            .find_map(read)
            .map(|at| at.and_utc().timestamp_millis())
    };
    let day = || {
        let day: NaiveDate = text.parse().ok()?;
        Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
    };
    let millis = text
        .parse()
        .ok()
        .or_else(zoned)
        .or_else(plain)
        .or_else(day)?;
    let since = Duration::from_millis(u64::try_from(millis).ok()?);
    Some(Timestamp::from_secs(0).plus(since))
}
