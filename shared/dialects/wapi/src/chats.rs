//! Conversations: archive; pin and clear, which this system offers for groups.

use http::Method;
use switchboard_dialect_kit::{Cx, NoBody, Reject, Reply, Routes};
use switchboard_vocab::OpError;
use switchboard_vocab::chats::{Change, Chat, Clear, Gone};

use crate::envelope::Envelope;
use crate::ids;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes
        .op(Method::POST, "/v1/chats/{chatId}/archive", archive, changed)
        .op(
            Method::POST,
            "/v1/chats/{chatId}/unarchive",
            unarchive,
            changed,
        )
        .op(Method::PUT, "/v1/groups/{groupId}/pin", pin, changed)
        .op(Method::PUT, "/v1/groups/{groupId}/unpin", unpin, changed)
        .op(Method::DELETE, "/v1/groups/{groupId}/clear", clear, cleared);
    // Methods that the public documents leave open; clients use either.
    let mut routes = routes.aliases(true);
    for method in [Method::PATCH, Method::PUT] {
        routes = routes
            .op(
                method.clone(),
                "/v1/chats/{chatId}/archive",
                archive,
                changed,
            )
            .op(method, "/v1/chats/{chatId}/unarchive", unarchive, changed);
    }
    for method in [Method::POST, Method::PATCH] {
        routes = routes
            .op(method.clone(), "/v1/groups/{groupId}/pin", pin, changed)
            .op(method, "/v1/groups/{groupId}/unpin", unpin, changed);
    }
    for method in [Method::POST, Method::PATCH, Method::PUT] {
        routes = routes.op(method, "/v1/groups/{groupId}/clear", clear, cleared);
    }
    routes.aliases(false)
}

fn archive(_: NoBody, cx: &Cx) -> Result<Change, Reject> {
    archived(cx, true)
}

fn unarchive(_: NoBody, cx: &Cx) -> Result<Change, Reject> {
    archived(cx, false)
}

fn archived(cx: &Cx, archived: bool) -> Result<Change, Reject> {
    Ok(Change {
        archived: Some(archived),
        ..Change::of(ids::chat_of("chatId", cx.path("chatId"))?)
    })
}

fn pin(_: NoBody, cx: &Cx) -> Result<Change, Reject> {
    pinned(cx, true)
}

fn unpin(_: NoBody, cx: &Cx) -> Result<Change, Reject> {
    pinned(cx, false)
}

fn pinned(cx: &Cx, pinned: bool) -> Result<Change, Reject> {
    Ok(Change {
        pinned: Some(pinned),
        ..Change::of(ids::group_of("groupId", cx.path("groupId"))?)
    })
}

fn clear(_: NoBody, cx: &Cx) -> Result<Clear, Reject> {
    Ok(Clear {
        chat: ids::group_of("groupId", cx.path("groupId"))?,
    })
}

fn changed(_: Chat, cx: &Cx) -> Result<Reply, OpError> {
    Envelope::reply((), "chat changed", cx)
}

fn cleared(_: Gone, cx: &Cx) -> Result<Reply, OpError> {
    Envelope::reply((), "chat cleared", cx)
}
