//! Messages: send, list, search, look one up, and what is done to one.

mod acts;
mod outgoing;
pub(crate) mod shown;

use std::collections::HashSet;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{Page, paged};
use switchboard_dialect_kit::{Cx, FromInput, Reject, Reply, Routes, lenient};
use switchboard_vocab::messages::{
    self, GetMessage, LIST_LIMIT_MAX, ListMessages, ListOrder, MessageList, MessageRef,
    QUERY_LEN_MAX, Search,
};
use switchboard_vocab::{ErrorCode, OpError};

use crate::body::{Request, success};
use crate::ids::{self, invalid};
use shown::Message;

/// How many messages a listing without a limit gives. That system gives what its browser happens to have loaded.
const LIST_LIMIT_DEFAULT: u32 = 50;
/// Most messages one call gives.
const LISTED_MAX: u32 = 2_000;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = outgoing::routes(routes)
        .endpoint(
            Method::POST,
            "/chat/fetchMessages/{sessionId}",
            paged(fetch, count_fetched, fetched),
        )
        .endpoint(
            Method::POST,
            "/client/searchMessages/{sessionId}",
            paged(search, count_matches, matches),
        )
        .op(
            Method::POST,
            "/message/getClassInfo/{sessionId}",
            get,
            found,
        );
    acts::routes(routes)
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

/// How many messages a caller wants; zero means no limit there.
fn wanted(limit: Option<u64>) -> u32 {
    let limit = limit.filter(|limit| *limit > 0);
    limit.map_or(LIST_LIMIT_DEFAULT, |limit| {
        u32::try_from(limit).unwrap_or(u32::MAX).min(LISTED_MAX)
    })
}

/// The limit of the page after those that were seen.
fn left(wanted: u32, seen: u32) -> u32 {
    wanted.saturating_sub(seen).min(LIST_LIMIT_MAX)
}

/// A page of a listing of which no more than `wanted` entries are asked for, the first of them after `offset`.
fn page(list: &MessageList, offset: u32, wanted: u32) -> Page {
    Page {
        entries: list.messages.len(),
        total: list.total.saturating_sub(offset.into()).min(wanted.into()),
    }
}

fn fetch(
    Request(request): Request<FetchRequest>,
    seen: u64,
    _: &Cx,
) -> Result<ListMessages, Reject> {
    let options = request.search_options;
    let seen = u32::try_from(seen).unwrap_or(u32::MAX);
    Ok(ListMessages {
        chat: Some(ids::chat_id("chatId", &request.chat_id)?),
        after_number: None,
        from_me: options.from_me,
        author: None,
        kinds: Some(shown::kinds()),
        from: None,
        until: None,
        order: ListOrder::NewestFirst,
        offset: seen,
        limit: left(wanted(options.limit), seen),
    })
}

fn count_fetched(list: &MessageList, cx: &Cx) -> Result<Page, Reject> {
    let Request(request) = Request::<FetchRequest>::from_input(cx.input())?;
    Ok(page(list, 0, wanted(request.search_options.limit)))
}

/// The newest messages, oldest first.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn fetched(pages: Vec<MessageList>, _: &Cx) -> Result<Reply, OpError> {
    success(all(once(&pages).into_iter().rev()))
}

/// The messages of all pages. One that moved from one page to another while they were read is there once.
fn once(pages: &[MessageList]) -> Vec<&messages::Message> {
    let mut seen = HashSet::new();
    let all = pages.iter().flat_map(|page| &page.messages);
    all.filter(|message| seen.insert(message.number)).collect()
}

fn all<'a>(list: impl Iterator<Item = &'a messages::Message> + Clone) -> Messages<'a> {
    let own = list
        .clone()
        .find(|message| message.from_me)
        .map(|message| &message.sender);
    Messages {
        messages: list
            .filter(|message| shown::is_message(&message.body))
            .map(|message| Message::of(message, own))
            .collect(),
    }
}

/// The body of `/client/searchMessages`.
#[derive(Deserialize)]
struct SearchRequest {
    query: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    options: Paging,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paging {
    chat_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_number")]
    page: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_number")]
    limit: Option<u64>,
}

impl Paging {
    /// How many matches come before the page, and how many are on it. Pages are counted from one.
    fn place(&self) -> Result<(u32, u32), Reject> {
        let wanted = wanted(self.limit);
        let before = u32::try_from(self.page.unwrap_or(1).max(1) - 1).ok();
        let before = before.and_then(|pages| pages.checked_mul(wanted));
        let before = before.ok_or_else(|| invalid("options.page", "there are not so many"))?;
        Ok((before, wanted))
    }
}

fn search(Request(request): Request<SearchRequest>, seen: u64, _: &Cx) -> Result<Search, Reject> {
    if request.query.trim().is_empty() {
        return Err(invalid("query", "it is empty"));
    }
    ids::at_most("query", &request.query, QUERY_LEN_MAX)?;
    let (before, wanted) = request.options.place()?;
    let seen = u32::try_from(seen).unwrap_or(u32::MAX);
    let chat = request.options.chat_id.filter(|text| !text.is_empty());
    Ok(Search {
        query: request.query,
        chat: chat
            .map(|text| ids::chat_id("options.chatId", &text))
            .transpose()?,
        offset: before.saturating_add(seen),
        limit: left(wanted, seen),
    })
}

fn count_matches(list: &MessageList, cx: &Cx) -> Result<Page, Reject> {
    let Request(request) = Request::<SearchRequest>::from_input(cx.input())?;
    let (before, wanted) = request.options.place()?;
    Ok(page(list, before, wanted))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn matches(pages: Vec<MessageList>, _: &Cx) -> Result<Reply, OpError> {
    success(all(once(&pages).into_iter()))
}

/// The body of the calls on one message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfMessage {
    chat_id: String,
    message_id: String,
}

impl OfMessage {
    fn target(&self) -> Result<MessageRef, Reject> {
        ids::message_ref(&self.chat_id, &self.message_id)
    }
}

fn get(Request(request): Request<OfMessage>, _: &Cx) -> Result<GetMessage, Reject> {
    Ok(GetMessage {
        target: request.target()?,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn found(out: messages::Message, cx: &Cx) -> Result<Reply, OpError> {
    check_chat(&out, cx)?;
    success(OneMessage {
        message: Message::of(&out, None),
    })
}

/// Whether the message is one of the chat that was named.
fn check_chat(message: &messages::Message, cx: &Cx) -> Result<(), OpError> {
    let Request(request) =
        Request::<OfMessage>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let chat = ids::chat_id("chatId", &request.chat_id).map_err(|reject| reject.0)?;
    let is_alt = chat.as_user().is_some() && chat.as_user() == message.chat_alt.as_ref();
    if chat != message.chat && !is_alt {
        return Err(OpError::new(
            ErrorCode::NotFound,
            "the message is not in that chat",
        ));
    }
    Ok(())
}
