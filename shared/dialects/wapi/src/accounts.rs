//! Accounts, which are sessions here: create, list, state, pairing code, reconnect, log out.

mod device;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::qr::{self, Look};
use switchboard_dialect_kit::{
    Access, Cx, FromInput, Json, NoBody, Query, Reject, Reply, Routes, lenient, phone,
};
use switchboard_vocab::pairing::{Challenge, PairingCode, RequestCode};
use switchboard_vocab::sessions::{
    Create, Created, GetStatus, List, Listed, Remove, Removed, Restart, SessionState,
    SessionStatus, StartWait,
};
use switchboard_vocab::{OpError, SessionId};

use crate::envelope::Envelope;
use crate::ids::{self, invalid};
use crate::webhooks::{self, Webhook};
use device::{DeviceRecord, Jid};

/// How long creating an account waits for WhatsApp's first QR code.
const START_WAIT: Duration = Duration::from_secs(20);
/// Most accounts in a list: the system has no pages.
const ACCOUNTS_MAX: u32 = 10_000;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .access(Access::Tenant)
        .op(Method::GET, "/v1/accounts", |_: NoBody, _| Ok(LIST), listed)
        .op(Method::POST, "/v1/accounts", create, created)
        .access(Access::Session)
        .op(
            Method::DELETE,
            "/v1/accounts",
            |_: NoBody, _| Ok(Remove {}),
            |_: Removed, cx| Envelope::reply((), "account removed", cx),
        )
        .op(
            Method::GET,
            "/v1/accounts/{id}",
            |_: NoBody, _| Ok(GetStatus {}),
            |out, cx| {
                let record = DeviceRecord::of(out.session.session.clone(), Some(&out));
                Envelope::reply([record], "account found", cx)
            },
        )
        .op(Method::GET, "/v1/accounts/code", request_code, pairing_code)
        .op(
            Method::POST,
            "/v1/refresh",
            |_: Query<RefreshQuery>, _| Ok(Restart {}),
            |_: SessionStatus, cx| Envelope::reply((), "account is reconnecting", cx),
        )
        .op(
            Method::GET,
            "/v1/status",
            |_: NoBody, _| Ok(GetStatus {}),
            status,
        )
}

const LIST: List = List {
    tenant: None,
    after: None,
    limit: ACCOUNTS_MAX,
};

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn listed(out: Listed, cx: &Cx) -> Result<Reply, OpError> {
    let records: Vec<_> = out
        .sessions
        .iter()
        .map(|listed| DeviceRecord::of(listed.session.session.clone(), listed.status.as_ref()))
        .collect();
    Envelope::reply(records, "accounts found", cx)
}

/// The body of `POST /v1/accounts`. `webhook_url` is the one webhook of older clients.
#[derive(Deserialize)]
struct CreateAccount {
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    only_status_updates: Option<bool>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    webhooks: Vec<Webhook>,
    webhook_url: Option<String>,
}

fn create(Json(request): Json<CreateAccount>, _: &Cx) -> Result<Create, Reject> {
    let id = request.id.filter(|id| !id.is_empty());
    let id = id
        .map(|id| SessionId::parse(&id))
        .transpose()
        .map_err(|e| invalid("id", e))?;
    let mut wanted = request.webhooks;
    let single = request.webhook_url.filter(|url| !url.is_empty());
    wanted.extend(single.map(Webhook::to));
    let mut subscriptions = webhooks::subscriptions(wanted)?;
    if request.only_status_updates == Some(true) {
        if subscriptions.is_empty() {
            let reason = "it chooses what webhooks get, and the call brings none";
            return Err(invalid("only_status_updates", reason));
        }
        subscriptions.iter_mut().for_each(webhooks::only_statuses);
    }
    Ok(Create {
        id,
        start: Some(StartWait { wait: START_WAIT }),
        webhooks: subscriptions,
    })
}

/// A new account and how to link it.
#[derive(Serialize)]
struct NewAccount {
    /// The text inside the QR code; absent when WhatsApp sent none in time.
    code: Option<String>,
    id: String,
    /// The QR code as a PNG picture in base64.
    image: Option<String>,
    jid: Option<Jid>,
    only_status_updates: bool,
    token: String,
}

fn created(out: Created, cx: &Cx) -> Result<Reply, OpError> {
    let Json(request) = Json::<CreateAccount>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let status = out.status.as_ref();
    let code = match status.and_then(|status| status.challenge.as_ref()) {
        Some(Challenge::Qr { text, .. }) => Some(text.clone()),
        Some(Challenge::Code { .. } | Challenge::Passkey { .. }) | None => None,
    };
    let picture = code
        .as_ref()
        .map(|text| qr::png(text, Look::default()))
        .transpose()?;
    let account = NewAccount {
        code,
        id: out.session.session.to_string(),
        image: picture.map(|png| STANDARD.encode(png)),
        jid: status
            .and_then(|status| status.identity.as_ref())
            .map(Jid::of),
        only_status_updates: request.only_status_updates.unwrap_or(false),
        token: out.token,
    };
    Envelope::reply(account, "account created", cx)
}

#[derive(Deserialize)]
struct CodeQuery {
    phone: String,
}

fn request_code(Query(query): Query<CodeQuery>, _: &Cx) -> Result<RequestCode, Reject> {
    let phone = phone::user(&query.phone).map_err(|e| invalid("phone", e.public))?;
    Ok(RequestCode { phone })
}

/// The code as phones show it, a dash in the middle.
fn pairing_code(out: PairingCode, cx: &Cx) -> Result<Reply, OpError> {
    let mut code = out.code;
    let middle = code.len() / 2;
    if code.is_char_boundary(middle) {
        code.insert(middle, '-');
    }
    Envelope::reply(code, "pairing code created", cx)
}

/// With or without `force` the connection is closed and opened anew.
#[derive(Deserialize)]
struct RefreshQuery {
    #[expect(dead_code, reason = "read to refuse what is neither true nor false")]
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    force: Option<bool>,
}

/// What the public client reads.
#[derive(Serialize)]
struct AccountStatus {
    status: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    whatsapp_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    whatsapp_id: Option<String>,
}

fn status(out: SessionStatus, cx: &Cx) -> Result<Reply, OpError> {
    let word = match out.state {
        SessionState::Connected => "connected",
        SessionState::Stopped
        | SessionState::Starting
        | SessionState::Pairing
        | SessionState::Connecting
        | SessionState::Syncing
        | SessionState::Waiting => "init",
        SessionState::LoggedOut
        | SessionState::Banned
        | SessionState::Replaced
        | SessionState::Parked => "error",
    };
    let message = out.reason.unwrap_or_else(|| word.to_owned());
    let (name, phone) = out.identity.map_or((None, None), |identity| {
        (identity.push_name, Some(ids::wa_id(&identity.phone, None)))
    });
    let account = AccountStatus {
        status: word,
        id: out.session.session.to_string(),
        whatsapp_name: name,
        whatsapp_id: phone,
    };
    Envelope::reply(account, &message, cx)
}
