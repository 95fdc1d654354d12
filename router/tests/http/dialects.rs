//! Three small dialects: one with session tokens, one with tenant keys and the session in the path, one with the session
//! in a prefixed segment.

use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use switchboard_dialect_kit::{
    Access, Credentials, Cx, Dialect, Fields, Input, Json, NoBody, Refusal, Reject, Reply, Routes,
};
use switchboard_vocab::content::{Content, MediaKind, OutgoingMedia};
use switchboard_vocab::media::{InlineBytes, MediaSource, MediaTarget, Open, StoredMedia};
use switchboard_vocab::messages::{SendMessage, Sent};
use switchboard_vocab::sessions::{
    Create, Created, GetStatus, List, Listed, Remove, RemoveAll, Removed, RemovedAll,
    SessionStatus, StartWait,
};
use switchboard_vocab::webhooks::Subscription;
use switchboard_vocab::{DialectName, ErrorCode, OpError, SessionId, UserId};

pub(crate) fn all() -> Vec<Dialect> {
    vec![by_token(), by_path(), by_prefix()]
}

macro_rules! dialect {
    ($name:expr, $routes:path, $credentials:path) => {
        Dialect {
            name: $name,
            routes: $routes,
            credentials: $credentials,
            error: |error, _| error_reply($name, error),
            events: |_, _, _| Vec::new(),
            wants_media: |_, _| false,
        }
    };
}

fn by_token() -> Dialect {
    dialect!(DialectName::Whapi, token_routes, token_credentials)
}

fn by_path() -> Dialect {
    dialect!(DialectName::Wwebjs, path_routes, path_credentials)
}

fn by_prefix() -> Dialect {
    dialect!(DialectName::Chatapi, prefix_routes, prefix_credentials)
}

fn error_reply(dialect: DialectName, error: &OpError) -> Reply {
    let status = match error.code {
        ErrorCode::InvalidInput | ErrorCode::UnsupportedMedia => StatusCode::BAD_REQUEST,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::Refused => StatusCode::FORBIDDEN,
        ErrorCode::SessionNotFound | ErrorCode::NotFound | ErrorCode::UnknownRoute => {
            StatusCode::NOT_FOUND
        }
        ErrorCode::AlreadyExists => StatusCode::CONFLICT,
        ErrorCode::Busy => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::MediaUnreachable
        | ErrorCode::NotConnected
        | ErrorCode::NotPaired
        | ErrorCode::AlreadyPaired
        | ErrorCode::RateLimited
        | ErrorCode::StorageFull
        | ErrorCode::UnknownOperation
        | ErrorCode::Rejected
        | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = json!({ "dialect": dialect, "code": error.code, "message": error.public, "outcome": error.outcome });
    Reply::json(status, &body)
}

// By token: `Authorization: Bearer` or `?token=`.

fn token_credentials(input: &Input) -> Result<Credentials, Reject> {
    let token = input
        .authorization("bearer")
        .or_else(|| input.query("token"));
    Ok(
        token.map_or(Credentials::None, |token| Credentials::Session {
            token: token.to_owned(),
            named: None,
        }),
    )
}

#[derive(Debug, Deserialize)]
struct SendText {
    to: String,
    body: String,
}

#[derive(Debug, Deserialize)]
struct SendMany {
    to: Vec<String>,
}

fn token_routes() -> Routes {
    Routes::default()
        .op(Method::POST, "/messages/text", send_text, sent)
        .each(Method::POST, "/messages/many", send_many, sent_all)
        .op(Method::POST, "/messages/image", send_image, sent)
        .op(Method::GET, "/media/{MediaID}", open, opened)
        .op(
            Method::GET,
            "/health",
            |_: NoBody, _| Ok(GetStatus {}),
            status,
        )
        .op(Method::GET, "/own", list, listed)
        .refused(Method::POST, "/newsletters", Refusal::LaterRelease)
        .local(Method::POST, "/panic", |_| panic!("a dialect that panics"))
        .access(Access::Open)
        .local(Method::GET, "/version", |cx| {
            Ok(Reply::ok(&json!({ "release": cx.env().release })))
        })
}

fn send_text(Json(req): Json<SendText>, cx: &Cx) -> Result<SendMessage, Reject> {
    message(cx, &req.to, Content::text(req.body))
}

fn send_many(Json(req): Json<SendMany>, cx: &Cx) -> Result<Vec<SendMessage>, Reject> {
    req.to
        .iter()
        .map(|to| message(cx, to, Content::text("x")))
        .collect()
}

fn send_image(_: NoBody, cx: &Cx) -> Result<SendMessage, Reject> {
    let part = cx
        .part("file")
        .ok_or_else(|| OpError::invalid("file is required"))?;
    let to = cx
        .part("to")
        .map(|part| String::from_utf8_lossy(&part.bytes).into_owned());
    let source = MediaSource::Inline(InlineBytes(part.bytes.clone()));
    let media = OutgoingMedia {
        mime_type: part.content_type.clone(),
        file_name: part.file_name.clone(),
        ..OutgoingMedia::new(MediaKind::Image, source)
    };
    message(cx, &to.unwrap_or_default(), Content::Media(media))
}

fn message(cx: &Cx, to: &str, content: Content) -> Result<SendMessage, Reject> {
    let to = UserId::phone(to).map_err(|e| OpError::invalid(format!("to: {e}")))?;
    Ok(SendMessage::new(cx.next_message_id(), to.into(), content))
}

fn sent(out: Sent, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&json!({ "id": out.message.id })))
}

fn sent_all(outcomes: Vec<Result<Sent, OpError>>, _: &Cx) -> Result<Reply, OpError> {
    let all: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.map_or_else(|e| json!(e.code), |sent| json!(sent.message.chat)))
        .collect();
    Ok(Reply::ok(&all))
}

fn open(_: NoBody, cx: &Cx) -> Result<Open, Reject> {
    let media = cx.path("MediaID").parse();
    let media = media.map_err(|e| OpError::invalid(format!("MediaID: {e}")))?;
    Ok(Open {
        target: MediaTarget::Media(media),
    })
}

fn opened(media: StoredMedia, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::media(media))
}

fn status(out: SessionStatus, cx: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(
        &json!({ "session": out.session, "state": out.state, "token": cx.token() }),
    ))
}

// By path: `x-api-key` is a tenant's key.

fn path_credentials(input: &Input) -> Result<Credentials, Reject> {
    let Some(key) = input.header("x-api-key") else {
        return Ok(Credentials::None);
    };
    let named = input.params.get("sessionId");
    let session = named
        .map(|id| SessionId::parse(id).map_err(|e| OpError::invalid(e.to_string())))
        .transpose()?;
    Ok(Credentials::Tenant {
        tenant: None,
        key: key.to_owned(),
        session,
    })
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    tenant: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

fn path_routes() -> Routes {
    Routes::default()
        .op(
            Method::GET,
            "/session/status/{sessionId}",
            |_: NoBody, _| Ok(GetStatus {}),
            status,
        )
        .op(
            Method::GET,
            "/session/here",
            |_: NoBody, _| Ok(GetStatus {}),
            status,
        )
        .op(
            Method::GET,
            "/session/terminate/{sessionId}",
            |_: NoBody, _| Ok(Remove {}),
            removed,
        )
        .local(Method::GET, "/session/local/{sessionId}", |_| {
            Ok(Reply::ok(&()))
        })
        .access(Access::Tenant)
        .op(Method::GET, "/session/start/{sessionId}", create, created)
        .op(
            Method::GET,
            "/session/peek/{sessionId}",
            |_: NoBody, _| Ok(GetStatus {}),
            status,
        )
        .op(Method::GET, "/session/list", list, listed)
        .op(
            Method::GET,
            "/session/inactive",
            |_: NoBody, _| {
                Ok(RemoveAll {
                    inactive_only: true,
                })
            },
            removed_all,
        )
        .op(
            Method::GET,
            "/session/all",
            |_: NoBody, _| {
                Ok(RemoveAll {
                    inactive_only: false,
                })
            },
            removed_all,
        )
}

fn removed_all(out: RemovedAll, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(
        &json!({ "removed": out.removed, "kept": out.kept }),
    ))
}

fn create(_: NoBody, cx: &Cx) -> Result<Create, Reject> {
    let id = cx.session()?.session.clone();
    let start = Some(StartWait {
        wait: Duration::from_secs(1),
    });
    let webhook = |url: &str| Subscription {
        dialect: DialectName::Wwebjs,
        url: url.to_owned(),
        events: None,
        headers: Default::default(),
        options: Default::default(),
    };
    Ok(Create {
        id: Some(id),
        start,
        webhooks: cx.query("webhook").map(webhook).into_iter().collect(),
    })
}

fn created(out: Created, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(
        &json!({ "session": out.session, "token": out.token, "state": out.status.map(|s| s.state) }),
    ))
}

fn removed(_: Removed, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&json!({ "success": true })))
}

fn list(Fields(query): Fields<ListQuery>, _: &Cx) -> Result<List, Reject> {
    let wrong = |e: &dyn std::fmt::Display| OpError::invalid(e.to_string());
    Ok(List {
        tenant: query
            .tenant
            .map(|t| t.parse())
            .transpose()
            .map_err(|e| wrong(&e))?,
        after: query
            .after
            .map(|a| a.parse())
            .transpose()
            .map_err(|e| wrong(&e))?,
        limit: query
            .limit
            .map_or(Ok(10), |l| l.parse())
            .map_err(|e| wrong(&e))?,
    })
}

fn listed(out: Listed, _: &Cx) -> Result<Reply, OpError> {
    let all: Vec<_> = out
        .sessions
        .into_iter()
        .map(|s| json!({ "session": s.session, "state": s.status.map(|s| s.state) }))
        .collect();
    Ok(Reply::ok(&all))
}

// By prefix: the session in `/instance{id}`, its token in the query.

fn prefix_credentials(input: &Input) -> Result<Credentials, Reject> {
    let Some(token) = input.query("token") else {
        return Ok(Credentials::None);
    };
    let named = input.params.get("instanceId").cloned();
    Ok(Credentials::Session {
        token: token.to_owned(),
        named,
    })
}

fn prefix_routes() -> Routes {
    Routes::default()
        .op(
            Method::GET,
            "/instance{instanceId}/status",
            |_: NoBody, _| Ok(GetStatus {}),
            status,
        )
        .op(
            Method::POST,
            "/instance{instanceId}/sendMessage",
            send_text,
            sent,
        )
}
