//! Conversations: list, archive, pin, mute, delete.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, Fields, NoBody, Reject, Reply, Routes, lenient};
use switchboard_vocab::chats::{self, Change, ChatList, Delete, Get, Gone, List, Mute, MuteChange};
use switchboard_vocab::content::is_stories;
use switchboard_vocab::{ChatId, OpError, Timestamp};

use crate::ids::{self, invalid};
use crate::messages::Success;
use crate::messages::shown::{Links, Message};
use crate::paging::{Page, Paging};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// What `mute_until` says for ever. Source: WhatsApp's own mark.
const FOREVER: i64 = -1;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let changed = |_: chats::Chat, _: &Cx| Ok(Success::reply());
    routes
        .op(Method::GET, "/chats", list, listed)
        .op(
            Method::GET,
            "/chats/{ChatID}",
            |_: NoBody, cx| Ok(Get { chat: named(cx)? }),
            |out, cx| Ok(Reply::ok(&Chat::of(&out, &Links::Call(cx)))),
        )
        .op(
            Method::DELETE,
            "/chats/{ChatID}",
            |_: NoBody, cx| Ok(Delete { chat: named(cx)? }),
            |_: Gone, _| Ok(Success::reply()),
        )
        .op(Method::POST, "/chats/{ChatID}", archive, changed)
        .op(Method::PATCH, "/chats/{ChatID}", patch, changed)
}

fn named(cx: &Cx) -> Result<ChatId, Reject> {
    ids::chat_id("ChatID", cx.path("ChatID"))
}

fn list(_: NoBody, cx: &Cx) -> Result<List, Reject> {
    let page = Page::of(cx)?;
    Ok(List {
        archived: None,
        offset: page.offset,
        limit: page.count,
    })
}

/// `Chat`.
#[derive(Serialize)]
pub(crate) struct Chat {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Unix seconds of what was last said.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    pin: bool,
    mute: bool,
    /// Unix seconds; -1 is for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    mute_until: Option<i64>,
    archive: bool,
    /// One that a person marked as unread counts as one.
    unread: u32,
    unread_mention: bool,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_spam: Option<bool>,
    /// Seconds; ours, as the document lets callers set it and does not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ephemeral: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<Message>,
}

impl Chat {
    /// The chat as this system shows it.
    pub(crate) fn of(chat: &chats::Chat, links: &Links<'_>) -> Self {
        let kind = match &chat.id {
            ChatId::User(_) => "contact",
            ChatId::Group(_) => "group",
            ChatId::Newsletter(_) => "newsletter",
            ChatId::Broadcast(_) => "broadcast",
        };
        Self {
            id: ids::chat(&chat.id, chat.alt.as_ref()),
            name: chat.name.clone(),
            kind,
            timestamp: chat.last_at.map(Timestamp::as_secs),
            pin: chat.pinned_at.is_some(),
            mute: chat.muted.is_some(),
            mute_until: chat.muted.map(|mute| match mute {
                Mute::Forever => FOREVER,
                Mute::Until(at) => i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
            }),
            archive: chat.archived,
            unread: chat.unread.max(u32::from(chat.marked_unread)),
            unread_mention: chat.unread_mention,
            read_only: chat.read_only,
            not_spam: chat.not_spam,
            ephemeral: chat.ephemeral.map(|period| period.as_secs()),
            last_message: chat
                .last_message
                .as_deref()
                .map(|message| Message::of(message, links)),
        }
    }
}

/// `ChatsList`.
#[derive(Serialize)]
struct ChatsList {
    chats: Vec<Chat>,
    #[serde(flatten)]
    page: Paging,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn listed(out: ChatList, cx: &Cx) -> Result<Reply, OpError> {
    let links = Links::Call(cx);
    // Stories have calls of their own, and their address does not fit the pattern of a chat's id.
    let chats = out.chats.iter().filter(|chat| !is_stories(&chat.id));
    Ok(Reply::ok(&ChatsList {
        chats: chats.map(|chat| Chat::of(chat, &links)).collect(),
        page: Paging::of(cx, out.total)?,
    }))
}

/// `ArchiveChatRequest`.
#[derive(Deserialize)]
struct ArchiveChatRequest {
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    archive: Option<bool>,
}

fn archive(Fields(request): Fields<ArchiveChatRequest>, cx: &Cx) -> Result<Change, Reject> {
    let archive = request.archive;
    let archive = archive.ok_or_else(|| invalid("archive", "true or false is expected"))?;
    Ok(Change {
        archived: Some(archive),
        ..Change::of(named(cx)?)
    })
}

/// `PatchChatRequest`.
#[derive(Deserialize)]
struct PatchChatRequest {
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    pin: Option<bool>,
    mute_until: Option<i64>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    mark_unread: Option<bool>,
    ephemeral: Option<Ephemeral>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ephemeral {
    None,
    Day,
    Week,
    Quarter,
}

impl Ephemeral {
    const fn period(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Day => DAY,
            Self::Week => DAY.saturating_mul(7),
            Self::Quarter => DAY.saturating_mul(90),
        }
    }
}

fn patch(Fields(request): Fields<PatchChatRequest>, cx: &Cx) -> Result<Change, Reject> {
    let change = Change {
        pinned: request.pin,
        muted: request
            .mute_until
            .map(|until| mute(until, cx.now()))
            .transpose()?,
        unread: request.mark_unread,
        ephemeral: request.ephemeral.map(Ephemeral::period),
        ..Change::of(named(cx)?)
    };
    if change == Change::of(change.chat.clone()) {
        let wanted = "pin, mute_until, mark_unread or ephemeral is expected";
        return Err(OpError::invalid(wanted).into());
    }
    Ok(change)
}

/// Moments above this are milliseconds, others seconds: that system's own example of this field has milliseconds, its answers
/// have seconds everywhere. As seconds it lies in the year 5138, as milliseconds in 1973.
const MILLIS_MIN: u64 = 100_000_000_000;

/// Unix seconds or milliseconds until which the chat is mute; 0 ends it, -1 is for ever.
fn mute(until: i64, now: Timestamp) -> Result<MuteChange, Reject> {
    if until == FOREVER {
        return Ok(MuteChange::On(Mute::Forever));
    }
    let wanted = "a moment to come in unix seconds is expected, 0 to end it, -1 for ever";
    let moment = u64::try_from(until).map_err(|_| invalid("mute_until", wanted))?;
    let until = if moment >= MILLIS_MIN {
        Timestamp::from_millis(moment)
    } else {
        Timestamp::from_secs(moment)
    };
    match moment {
        0 => Ok(MuteChange::Off),
        _ if until > now => Ok(MuteChange::On(Mute::Until(until))),
        _ => Err(invalid("mute_until", wanted)),
    }
}
